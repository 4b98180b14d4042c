//! The table of the charts.

use crate::{Plot, Style, bar, line};

/// A kind of chart: one row of [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name, such as `line`.
    pub name: &'static str,
    /// What it shows, in a sentence without its full stop.
    pub doc: &'static str,
    draw: fn(&Plot, &Style) -> Result<String, ChartError>,
}

/// Every kind of chart.
pub static KINDS: &[Kind] = &[
    Kind { name: "line", doc: "Numbers over time, one line a series", draw: line },
    Kind { name: "bar", doc: "Numbers by name, one bar a series", draw: bar },
];

impl Kind {
    /// The kind of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Draws a plot as the text of one `<svg>` element, to be put into a page as it is.
    ///
    /// # Errors
    /// When the plot does not fit together, or is too large to draw.
    pub fn draw(&self, plot: &Plot, style: &Style) -> Result<String, ChartError> {
        (self.draw)(plot, style)
    }
}

/// Why a plot could not be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// A series is not as long as the labels.
    #[error("series `{name}` has {values} values for {labels} labels")]
    Length {
        /// Name of the series.
        name: String,
        /// How many values it has.
        values: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// There is more to draw than a chart can show.
    #[error("a chart shows at most {most} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many at the most.
        most: usize,
    },
    /// The drawing library failed.
    #[error("the chart could not be drawn: {0}")]
    Drawing(String),
}
