INSERT INTO wayfarer_session (key, version, data, expires_at, subject, user)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO NOTHING
