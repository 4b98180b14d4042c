//! Colours. Series are told apart in both themes by people who see red and green alike.

use charts_rs::Color;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on light ground.
    #[default]
    Light,
    /// Light text on dark ground.
    Dark,
}

/// The colours of a theme, as CSS writes them.
#[derive(Debug)]
pub(crate) struct Colours {
    pub(crate) text: &'static str,
    pub(crate) faint: &'static str,
    pub(crate) grid: &'static str,
    pub(crate) axis: &'static str,
    pub(crate) series: [&'static str; 8],
}

static LIGHT: Colours = Colours {
    text: "#1f2937",
    faint: "#6b7280",
    grid: "#e5e7eb",
    axis: "#9ca3af",
    series: [
        "#2563eb", "#ea580c", "#0d9488", "#9333ea", "#ca8a04", "#db2777", "#475569", "#65a30d",
    ],
};

static DARK: Colours = Colours {
    text: "#f3f4f6",
    faint: "#9ca3af",
    grid: "#374151",
    axis: "#6b7280",
    series: [
        "#60a5fa", "#fb923c", "#2dd4bf", "#c084fc", "#facc15", "#f472b6", "#94a3b8", "#a3e635",
    ],
};

impl Theme {
    pub(crate) fn colours(self) -> &'static Colours {
        match self {
            Theme::Light => &LIGHT,
            Theme::Dark => &DARK,
        }
    }
}

impl Colours {
    /// The colour of a series, as CSS writes it.
    pub(crate) fn of(&self, series: usize) -> &'static str {
        self.series.get(series % self.series.len()).copied().unwrap_or(self.text)
    }

    /// The colours of the series, as charts-rs takes them.
    pub(crate) fn drawn(&self) -> Vec<Color> {
        self.series.iter().map(|colour| Color::from(*colour)).collect()
    }
}
