//! The line chart: numbers over time.

use std::fmt::Write;

use charts_rs::{LineChart, Symbol};

use crate::{
    ChartError, Plot, Series, Style,
    frame::{Along, Frame},
};

/// Points of a line that are marked, at the most: more of them would hide it.
const MARKED: usize = 31;

/// Draws a plot as a line chart: numbers over time, one line a series. A single series has its area filled. Where a number
/// is not known the line has a gap.
///
/// # Errors
/// When the plot does not fit together, or is too large to draw.
pub fn line(plot: &Plot, style: &Style) -> Result<String, ChartError> {
    plot.check()?;
    let frame = Frame::new(plot, style, Along::Points);
    let theme = charts_rs::THEME_LIGHT;
    let mut chart = LineChart::new_with_theme(frame.series(), frame.blanks(), theme);
    frame.dress(&mut chart.base, &mut chart.y_axis_configs);
    chart.series.stroke_width = 2.0;
    chart.series.symbol = Some(Symbol::None);
    chart.series.fill = plot.series.len() == 1;
    chart.series.fill_opacity = Some(0.12);
    let mut drawn = chart.svg().map_err(|error| ChartError::Drawing(error.to_string()))?;
    let end = drawn.rfind("</svg>").unwrap_or(drawn.len());
    drawn.insert_str(end, &points(plot, &frame));
    Ok(frame.around(&drawn))
}

/// The marks on the points: on all of a short line, else where a point has no neighbours and no line shows it.
fn points(plot: &Plot, frame: &Frame<'_>) -> String {
    let mut svg = String::new();
    for (place, series) in plot.series.iter().enumerate() {
        let colour = frame.colours.of(place);
        let all = plot.labels.len() <= MARKED;
        for (i, value) in series.known().filter(|(i, _)| all || is_alone(series, *i)) {
            let (x, y) = (frame.x(i), frame.y(value));
            let _ =
                write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{colour}\"/>");
        }
    }
    svg
}

fn is_alone(series: &Series, i: usize) -> bool {
    let known = |i: Option<usize>| {
        let value = i.and_then(|i| series.values.get(i)).copied().flatten();
        value.is_some_and(f64::is_finite)
    };
    !known(i.checked_sub(1)) && !known(i.checked_add(1))
}
