//! What a chart is made of: labels, series, style.

/// One row of numbers with a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What the numbers are; shown in the legend when there is more than one series.
    pub name: String,
    /// One number a label; `None` where it is not known, which is a gap, not 0.
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// A series that is known everywhere.
    #[must_use]
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Series {
        Series { name: name.into(), values: values.into_iter().map(Some).collect() }
    }
}

/// What is to be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Title of the chart: shown above it when not empty, and its name for screen readers.
    pub title: String,
    /// Labels of the axis: times in order for a line, names for bars.
    pub labels: Vec<String>,
    /// One or more series, each as long as `labels`.
    pub series: Vec<Series>,
    /// What is shown instead when there are no labels, such as "no data".
    pub empty: String,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on light ground.
    #[default]
    Light,
    /// Light text on dark ground.
    Dark,
}

/// How it is to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Light or dark. The ground is transparent in both.
    pub theme: Theme,
    /// Width of the drawing in its own units; it scales to its place.
    pub width: u16,
    /// Height of the drawing in its own units.
    pub height: u16,
}

impl Default for Style {
    fn default() -> Style {
        Style { theme: Theme::Light, width: 800, height: 280 }
    }
}
