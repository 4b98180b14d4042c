//! Small explainable models over visitors' histories.
//!
//! [`NextPages`] says which pages are likely to come next: first-order transitions between the pages of a visit, with
//! popularity as the floor, and always the number of visits that it rests on.
//!
//! This crate owns the models. How they are fed (live events) and asked (inside a request) is `wayfarer-embedded`'s.
//!
//! The way of an event: `recent` keeps each visitor's latest events and knows which visits they make; `lesson` says what a
//! visit teaches; `counts` adds lessons up over a sliding window of days. `train` is the same by a walk over the lake.
//! Start with [`NextPages`].

mod counts;
mod lesson;
mod next_pages;
mod paths;
mod recent;
#[cfg(test)]
mod tests;
mod train;

pub use next_pages::NextPages;
