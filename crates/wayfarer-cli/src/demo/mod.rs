//! The demo: the example shop, and visitors who walk through it over real HTTP.
//!
//! [`shop`] starts the shop with its tracker, which speaks HTTP to the collector like any other application. [`crowd`] sends
//! visitors: [`people`] says who they are, [`walk`] what they do next, [`visitor`] does it with a [`browser`] that reads the
//! pages through [`html`]. Chance has one seed. The command around it is in [`cmd::demo`](crate::cmd::demo).

mod browser;
pub(crate) mod crowd;
mod html;
mod people;
pub(crate) mod shop;
mod visitor;
mod walk;
