//! The whole loop in an application's own process.
