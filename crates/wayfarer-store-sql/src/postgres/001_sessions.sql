-- One row a session. The key is the hexadecimal SHA-256 of what the browser holds.
-- Version 0 and no data: a session that was ended, kept until it would have run out. Times are microseconds of UTC.
CREATE TABLE wayfarer_session (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    data bytea NOT NULL,
    expires_at bigint NOT NULL,
    subject text COLLATE "C",
    "user" text COLLATE "C"
);
CREATE INDEX wayfarer_session_expires_at ON wayfarer_session (expires_at);
CREATE INDEX wayfarer_session_user ON wayfarer_session ("user") WHERE "user" IS NOT NULL;
CREATE INDEX wayfarer_session_subject ON wayfarer_session (subject) WHERE subject IS NOT NULL;
