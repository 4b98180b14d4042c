//! The bar chart: numbers by name.

use charts_rs::BarChart;

use crate::{
    ChartError, Plot, Style,
    frame::{Along, Frame},
};

/// Draws a plot as a bar chart: numbers by name, the series of one name beside each other. Long names are cut; the whole
/// name shows where the pointer rests.
///
/// # Errors
/// When the plot does not fit together, or is too large to draw.
pub fn bar(plot: &Plot, style: &Style) -> Result<String, ChartError> {
    plot.check()?;
    let frame = Frame::new(plot, style, Along::Bands);
    let theme = charts_rs::THEME_LIGHT;
    let mut chart = BarChart::new_with_theme(frame.series(), frame.blanks(), theme);
    frame.dress(&mut chart.base, &mut chart.y_axis_configs);
    let drawn = chart.svg().map_err(|error| ChartError::Drawing(error.to_string()))?;
    Ok(frame.around(&drawn))
}
