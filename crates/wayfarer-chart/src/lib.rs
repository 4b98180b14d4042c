//! Data to SVG: the charts of reports and dashboards.
//!
//! Inputs are types of this crate ([`Plot`], [`Series`]); drawing is left to charts-rs. One chart is one file and one row
//! of [`KINDS`]. The text of an SVG is deterministic, escaped, and free of scripts; it scales to the width of its place
//! and names fonts that have Chinese glyphs. Start with [`Kind::draw`].

mod kind;
mod plot;

pub use kind::{ChartError, KINDS, Kind, bar, line};
pub use plot::{Plot, Series, Style, Theme};
