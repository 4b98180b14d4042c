//! The session core from outside: the laws on the stores of this crate, and on stores that break them.

mod broken;
mod laws;
mod life;
