DELETE FROM wayfarer_session
WHERE key IN (
    SELECT key FROM wayfarer_session WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
