-- What happened to sessions and accounts. A handle is the public name of a session, made of its subject. Times are
-- microseconds of UTC.
CREATE TABLE wayfarer_session_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    kind text NOT NULL,
    handle text COLLATE "C",
    subject text COLLATE "C",
    "user" text COLLATE "C",
    reason text,
    device text
);
CREATE INDEX wayfarer_session_history_at ON wayfarer_session_history (at);
CREATE INDEX wayfarer_session_history_handle ON wayfarer_session_history (handle, at, id) WHERE handle IS NOT NULL;
CREATE INDEX wayfarer_session_history_user ON wayfarer_session_history ("user", at, id) WHERE "user" IS NOT NULL;
-- Before which instant sessions in cookies are over. The owner is `user:` and a user, or `session:` and a handle.
CREATE TABLE wayfarer_session_epoch (
    owner text COLLATE "C" NOT NULL PRIMARY KEY,
    instant bigint NOT NULL,
    forget_at bigint NOT NULL
);
CREATE INDEX wayfarer_session_epoch_forget_at ON wayfarer_session_epoch (forget_at);
