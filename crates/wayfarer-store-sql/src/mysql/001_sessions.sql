-- One row a session. The key is the hexadecimal SHA-256 of what the browser holds.
-- Version 0 and no data: a session that was ended, kept until it would have run out. Times are microseconds of UTC.
-- Keys and users are bytes: as text, they would be compared without regard to case.
CREATE TABLE wayfarer_session (
    `key` varbinary(128) NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    data longblob NOT NULL,
    expires_at bigint NOT NULL,
    subject varbinary(32),
    `user` varbinary(1024),
    INDEX wayfarer_session_expires_at (expires_at),
    INDEX wayfarer_session_user (`user`),
    INDEX wayfarer_session_subject (subject)
) ENGINE = InnoDB;
