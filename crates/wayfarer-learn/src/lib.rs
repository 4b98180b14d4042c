//! Small explainable models over visitors' histories.
//!
//! [`NextPages`] says which pages are likely to come next: first-order transitions between the pages of a visit, with
//! popularity as the floor, and always the number of visits that it rests on.
//!
//! This crate owns the models. How they are fed (live events) and asked (inside a request) is `wayfarer-embedded`'s.

mod next_pages;

pub use next_pages::NextPages;
