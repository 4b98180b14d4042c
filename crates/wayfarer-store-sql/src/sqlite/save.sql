UPDATE wayfarer_session
SET version = version + 1, data = ?, expires_at = ?, subject = ?, user = ?
WHERE key = ? AND version = ? AND version > 0 AND expires_at > ?
