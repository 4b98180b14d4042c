//! The `wayfarer` binary.
mod rows;
mod show;
mod demo {
    mod browser;
    mod crowd;
    mod html;
    mod people;
    mod visitor;
    mod walk;
}
fn main() {}
