//! Log-in and log-out on Wayfarer sessions.
