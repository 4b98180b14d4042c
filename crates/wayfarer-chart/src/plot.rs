//! What a chart is made of: labels, series, style.

use crate::{ChartError, Numbers, Theme};

/// Labels of a chart, at the most.
const MOST_LABELS: usize = 5000;

/// Series of a chart, at the most: as many as there are colours.
const MOST_SERIES: usize = 8;

/// One row of numbers with a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What the numbers are; shown in the legend when there is more than one series.
    pub name: String,
    /// One number a label; `None` where it is not known, which is a gap, not 0. A number that is not finite is not known.
    pub values: Vec<Option<f64>>,
}

impl Series {
    /// A series that is known everywhere.
    #[must_use]
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Series {
        Series { name: name.into(), values: values.into_iter().map(Some).collect() }
    }

    /// The numbers that are known, with their places.
    pub(crate) fn known(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let values = self.values.iter().enumerate();
        values.filter_map(|(i, value)| Some((i, value.filter(|value| value.is_finite())?)))
    }
}

/// What is to be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// Title of the chart: shown above it when not empty, and its name for screen readers.
    pub title: String,
    /// Labels of the axis: times in order for a line, names for bars. At most 5000.
    pub labels: Vec<String>,
    /// One or more series, each as long as `labels`. At most 8.
    pub series: Vec<Series>,
    /// What the numbers are, and so how they are written.
    pub numbers: Numbers,
    /// What is shown instead when there is nothing to draw, such as "no data".
    pub empty: String,
}

impl Plot {
    /// Whether all parts fit together.
    pub(crate) fn check(&self) -> Result<(), ChartError> {
        if self.labels.len() > MOST_LABELS {
            return Err(ChartError::TooMuch { what: "labels", most: MOST_LABELS });
        }
        if self.series.len() > MOST_SERIES {
            return Err(ChartError::TooMuch { what: "series", most: MOST_SERIES });
        }
        let labels = self.labels.len();
        match self.series.iter().find(|series| series.values.len() != labels) {
            Some(series) => Err(ChartError::Length {
                name: series.name.clone(),
                values: series.values.len(),
                labels,
            }),
            None => Ok(()),
        }
    }

    /// Every number that is known.
    pub(crate) fn known(&self) -> impl Iterator<Item = f64> + '_ {
        self.series.iter().flat_map(Series::known).map(|(_, value)| value)
    }
}

/// How it is to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Light or dark. The ground is transparent in both.
    pub theme: Theme,
    /// Width of the drawing in its own units, from 240 to 4000; it scales to its place.
    pub width: u16,
    /// Height of the drawing in its own units, from 120 to 4000.
    pub height: u16,
}

impl Default for Style {
    fn default() -> Style {
        Style { theme: Theme::Light, width: 800, height: 280 }
    }
}

impl Style {
    /// The size, within its bounds.
    pub(crate) fn size(&self) -> (f32, f32) {
        (f32::from(self.width.clamp(240, 4000)), f32::from(self.height.clamp(120, 4000)))
    }
}
