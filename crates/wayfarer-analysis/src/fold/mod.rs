//! The fold engine.

mod hooks;

pub use hooks::Hooks;
