-- What happened to sessions and accounts. A handle is the public name of a session, made of its subject. Times are
-- microseconds of UTC.
CREATE TABLE wayfarer_session_history (
    id INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    handle TEXT,
    subject TEXT,
    user TEXT,
    reason TEXT,
    device TEXT
) STRICT;
CREATE INDEX wayfarer_session_history_at ON wayfarer_session_history (at);
CREATE INDEX wayfarer_session_history_handle ON wayfarer_session_history (handle, at) WHERE handle IS NOT NULL;
CREATE INDEX wayfarer_session_history_user ON wayfarer_session_history (user, at) WHERE user IS NOT NULL;
-- Before which instant sessions in cookies are over. The owner is `user:` and a user, or `session:` and a handle.
CREATE TABLE wayfarer_session_epoch (
    owner TEXT NOT NULL PRIMARY KEY,
    instant INTEGER NOT NULL,
    forget_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX wayfarer_session_epoch_forget_at ON wayfarer_session_epoch (forget_at);
