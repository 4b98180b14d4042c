-- What happened to sessions and accounts. A handle is the public name of a session, made of its subject. Times are
-- microseconds of UTC. Names are bytes: as text, they would be compared without regard to case.
-- Each statement stands for itself, also where the one before it is all that was done.
CREATE TABLE IF NOT EXISTS wayfarer_session_history (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at bigint NOT NULL,
    kind text CHARACTER SET utf8mb4 NOT NULL,
    handle varbinary(32),
    subject varbinary(32),
    `user` varbinary(1024),
    reason text CHARACTER SET utf8mb4,
    device text CHARACTER SET utf8mb4,
    INDEX wayfarer_session_history_at (at),
    INDEX wayfarer_session_history_handle (handle, at),
    INDEX wayfarer_session_history_user (`user`, at)
) ENGINE = InnoDB;
-- Before which instant sessions in cookies are over. The owner is `user:` and a user, or `session:` and a handle.
CREATE TABLE IF NOT EXISTS wayfarer_session_epoch (
    owner varbinary(1032) NOT NULL PRIMARY KEY,
    instant bigint NOT NULL,
    forget_at bigint NOT NULL,
    INDEX wayfarer_session_epoch_forget_at (forget_at)
) ENGINE = InnoDB;
