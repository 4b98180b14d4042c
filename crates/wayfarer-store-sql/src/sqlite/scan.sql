SELECT key, version, data, expires_at, subject, user
FROM wayfarer_session
WHERE key > ? AND version > 0 AND expires_at > ?
ORDER BY key
LIMIT ?
