UPDATE wayfarer_session
SET version = 0, data = x'', subject = NULL, user = NULL
WHERE key = ? AND version > 0 AND expires_at > ?
