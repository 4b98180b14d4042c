//! Web sessions for axum that lose nothing, with behaviour tracking whose results flow back into the session.
