UPDATE wayfarer_session
SET expires_at = ?
WHERE key = ? AND version > 0 AND expires_at > ?
