SELECT key, version, data, expires_at, subject, user
FROM wayfarer_session
WHERE user = ? AND version > 0 AND expires_at > ?
ORDER BY expires_at DESC
LIMIT ?
