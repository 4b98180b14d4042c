//! Data to SVG: the charts of reports and dashboards.
//!
//! Inputs are types of this crate ([`Plot`], [`Series`], [`Style`]). One chart is one file and one row of [`KINDS`].
//! charts-rs draws the marks (lines, areas, bars) and the grid; everything that is text is written here, since charts-rs
//! counts in `f32` and measures Latin glyphs only, while a count must be exact and a label may be Chinese. See `frame`.
//!
//! The text of an SVG is the same for the same input, escaped, and free of scripts and style sheets; it scales to the
//! width of its place. Start with [`line()`], [`bar()`] or [`Kind::draw`].
//!
//! ```
//! use wayfarer_chart::{Plot, Series, Style, line};
//!
//! let plot = Plot {
//!     title: "Visitors".into(),
//!     labels: vec!["1 May".into(), "2 May".into()],
//!     series: vec![Series::new("visitors", [359.0, 643.0])],
//!     ..Plot::default()
//! };
//! let svg = line(&plot, &Style::default())?;
//! assert!(svg.starts_with("<svg ") && svg.contains(">1 May: 359<"));
//! # Ok::<(), wayfarer_chart::ChartError>(())
//! ```

mod bar;
mod frame;
mod kind;
mod line;
mod number;
mod plot;
mod scale;
mod text;
mod theme;

pub use bar::bar;
pub use kind::{ChartError, KINDS, Kind};
pub use line::line;
pub use number::Numbers;
pub use plot::{Plot, Series, Style};
pub use theme::Theme;
