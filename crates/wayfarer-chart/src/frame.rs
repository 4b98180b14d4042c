//! The frame around the marks: what lies where, and all text of a chart.
//!
//! charts-rs is given margins, so the place of its plot is known, and neither titles nor labels; its drawing is put into
//! the frame. Over it lies one transparent strip for each label, with a `<title>`: that is what a browser shows when the
//! pointer rests there, with exact numbers, and without a script.

use std::fmt::Write;

use charts_rs::Color;

use crate::{
    Plot, Style,
    scale::Scale,
    text::{escape, fit, width},
    theme::Colours,
};

/// Size of the labels.
const FONT: f32 = 12.0;

/// Fonts that browsers have, the Chinese ones by name for systems that do not fall back by themselves.
const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'PingFang SC', \
                     'Microsoft YaHei', 'Noto Sans SC', 'Noto Sans CJK SC', sans-serif";

/// How labels lie along the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Along {
    /// On points; the first and the last on the edges.
    Points,
    /// In the middle of bands of one width.
    Bands,
}

/// What lies where in a chart.
pub(crate) struct Frame<'a> {
    plot: &'a Plot,
    pub(crate) colours: &'static Colours,
    pub(crate) scale: Scale,
    along: Along,
    pub(crate) width: f32,
    pub(crate) height: f32,
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(plot: &'a Plot, style: &Style, along: Along) -> Frame<'a> {
        let scale = Scale::of(plot.known(), plot.numbers);
        let widest = scale.ticks().map(|tick| width(&plot.numbers.write(tick), FONT));
        let (w, h) = style.size();
        let title = if plot.title.is_empty() { 0.0 } else { 26.0 };
        let legend = if plot.series.len() > 1 { 24.0 } else { 0.0 };
        Frame {
            plot,
            colours: style.theme.colours(),
            scale,
            along: if plot.labels.len() < 2 { Along::Bands } else { along },
            width: w,
            height: h,
            left: widest.fold(0.0, f32::max).min(w / 3.0).ceil() + 12.0,
            top: 10.0 + title + legend,
            right: w - 14.0,
            bottom: h - 26.0,
        }
    }

    /// The margins around the plot, as charts-rs takes them.
    pub(crate) fn margins(&self) -> charts_rs::Box {
        charts_rs::Box {
            left: self.left,
            top: self.top,
            right: self.width - self.right,
            bottom: self.height - self.bottom,
        }
    }

    /// Settings that all charts of charts-rs share.
    pub(crate) fn dress(
        &self,
        base: &mut charts_rs::ChartBase,
        axes: &mut [charts_rs::YAxisConfig],
    ) {
        (base.width, base.height) = (self.width, self.height);
        base.margin = self.margins();
        base.background_color = Color::transparent();
        base.legend.show = Some(false);
        (base.y_axis_hidden, base.x_axis.hidden) = (true, true);
        base.x_axis.boundary_gap = Some(self.along == Along::Bands);
        base.grid.stroke_color = Color::from(self.colours.grid);
        base.series.colors = self.colours.drawn();
        for axis in axes {
            axis.split_number = usize::from(self.scale.steps);
            axis.min = Some(single(self.scale.low));
            axis.max = Some(single(self.scale.high));
        }
    }

    /// The series as charts-rs takes them. Names and labels stay here.
    pub(crate) fn series(&self) -> Vec<charts_rs::Series> {
        let values = |series: &crate::Series| {
            let values = series.values.iter();
            values.map(|v| v.filter(|v| v.is_finite()).map(single)).collect()
        };
        let series = self.plot.series.iter();
        series.map(|s| charts_rs::Series::new_nullable(String::new(), values(s))).collect()
    }

    /// Empty labels, as many as there are.
    pub(crate) fn blanks(&self) -> Vec<String> {
        vec![String::new(); self.plot.labels.len()]
    }

    /// The whole chart, around what charts-rs drew.
    pub(crate) fn around(&self, drawn: &str) -> String {
        let mut svg = self.open();
        if self.plot.known().next().is_none() {
            self.text(&mut svg, self.middle(), "middle", self.colours.faint, &self.plot.empty);
        } else {
            svg.push_str(&marks(drawn));
            self.base_line(&mut svg);
            self.ticks(&mut svg);
            self.labels(&mut svg);
            self.legend(&mut svg);
            self.strips(&mut svg);
        }
        svg.push_str("</g></svg>");
        svg
    }

    fn open(&self) -> String {
        let (w, h) = (self.width, self.height);
        let title = escape(&self.plot.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"wf-chart\" viewBox=\"0 0 {w} {h}\" \
             width=\"100%\" role=\"img\" aria-label=\"{title}\">\
             <g font-family=\"{}\" font-size=\"{FONT}\">",
            escape(FONTS)
        );
        if !title.is_empty() {
            let shown = escape(&fit(&self.plot.title, FONT * 1.3, self.width - 20.0));
            let _ = write!(
                svg,
                "<text x=\"10\" y=\"22\" font-size=\"15\" font-weight=\"600\" fill=\"{}\">{shown}</text>",
                self.colours.text
            );
        }
        svg
    }

    fn middle(&self) -> (f32, f32) {
        (self.width / 2.0, (self.top + self.bottom) / 2.0)
    }

    fn text(&self, svg: &mut String, at: (f32, f32), anchor: &str, colour: &str, text: &str) {
        let (x, y) = at;
        let text = escape(text);
        let _ = write!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{text}</text>"
        );
    }

    fn base_line(&self, svg: &mut String) {
        let (x1, x2, y) = (self.left, self.right, self.y(0.0));
        let colour = self.colours.axis;
        let _ = write!(
            svg,
            "<line x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\"/>"
        );
    }

    fn ticks(&self, svg: &mut String) {
        for tick in self.scale.ticks() {
            let at = (self.left - 8.0, self.y(tick) + FONT * 0.35);
            self.text(svg, at, "end", self.colours.faint, &self.plot.numbers.write(tick));
        }
    }

    /// As many labels as have room, at even distances. Bars keep them all
    /// while there is room for some letters of each.
    fn labels(&self, svg: &mut String) {
        let count = self.plot.labels.len();
        let widest = self.plot.labels.iter().map(|label| width(label, FONT)).fold(0.0, f32::max);
        let slot = (self.right - self.left) / count.max(1) as f32;
        let cut = self.along == Along::Bands && slot >= 6.0 * FONT;
        let room = if cut { slot - 6.0 } else { f32::INFINITY };
        let every = if cut { 1 } else { round_distance((widest + 16.0) / slot) };
        for (i, label) in self.plot.labels.iter().enumerate().step_by(every) {
            let half = width(label, FONT).min(room) / 2.0;
            let most = (self.width - half - 2.0).max(half);
            let x = self.x(i).clamp(half + 2.0_f32.min(most - half), most);
            let at = (x, self.bottom + FONT + 6.0);
            self.text(svg, at, "middle", self.colours.faint, &fit(label, FONT, room));
        }
    }

    fn legend(&self, svg: &mut String) {
        if self.plot.series.len() < 2 {
            return;
        }
        let room = (self.width - 20.0) / self.plot.series.len() as f32 - 30.0;
        let mut x = 10.0;
        let y = self.top - 15.0;
        for (i, series) in self.plot.series.iter().enumerate() {
            let colour = self.colours.of(i);
            let (top, name) = (y - 9.0, fit(&series.name, FONT, room));
            let _ = write!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"10\" height=\"10\" rx=\"2\" fill=\"{colour}\"/>"
            );
            self.text(svg, (x + 15.0, y), "start", self.colours.text, &name);
            x += width(&name, FONT) + 34.0;
        }
    }

    /// The strips over the plot that tell the numbers.
    fn strips(&self, svg: &mut String) {
        let (top, height) = (self.top, self.bottom - self.top);
        let _ = write!(
            svg,
            "<g class=\"wf-strips\" fill=\"{}\" fill-opacity=\"0\">",
            self.colours.text
        );
        for i in 0..self.plot.labels.len() {
            let (from, to) = self.strip(i);
            let told = escape(&self.told(i));
            let _ = write!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{told}</title></rect>",
                to - from
            );
        }
        svg.push_str("</g>");
    }

    /// What a strip tells: `1 May: 359`, or each series by its name.
    fn told(&self, i: usize) -> String {
        let label = self.plot.labels.get(i).map_or("", String::as_str);
        let number = |series: &crate::Series| {
            let value = series.values.get(i).copied().flatten().filter(|value| value.is_finite());
            value.map_or_else(|| "–".to_owned(), |value| self.plot.numbers.write(value))
        };
        match self.plot.series.as_slice() {
            [one] => format!("{label}: {}", number(one)),
            many => {
                let parts = many.iter().map(|s| format!("{} {}", s.name, number(s)));
                format!("{label}: {}", parts.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Where a strip begins and ends.
    fn strip(&self, i: usize) -> (f32, f32) {
        let half = self.slot() / 2.0;
        ((self.x(i) - half).max(self.left), (self.x(i) + half).min(self.right))
    }

    /// From one label to the next.
    fn slot(&self) -> f32 {
        let count = self.plot.labels.len();
        let slots = if self.along == Along::Points { count.saturating_sub(1) } else { count };
        (self.right - self.left) / slots.max(1) as f32
    }

    /// Where a label lies.
    pub(crate) fn x(&self, i: usize) -> f32 {
        let first = if self.along == Along::Bands { self.slot() / 2.0 } else { 0.0 };
        self.left + first + self.slot() * i as f32
    }

    /// Where a number lies.
    pub(crate) fn y(&self, value: f64) -> f32 {
        self.bottom - single(self.scale.place(value)) * (self.bottom - self.top)
    }
}

/// The least even distance between labels that is not below `least`: such that hours and months fall on round ones.
fn round_distance(least: f32) -> usize {
    let mut distances = [1_usize, 2, 3, 4, 6, 8, 12].into_iter().chain((1..).map(|n| n * 24));
    distances.find(|distance| *distance as f32 >= least).unwrap_or(1)
}

/// What charts-rs drew, without the element around it and without the numbers in it, which are rounded to `f32`.
fn marks(drawn: &str) -> String {
    let inside = drawn.split_once('>').map_or("", |(_, rest)| rest);
    let inside = inside.trim_end().strip_suffix("</svg>").unwrap_or(inside);
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once(" data-") {
        out.push_str(before);
        let value = after.split_once("=\"").and_then(|(_, value)| value.split_once('"'));
        rest = value.map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out.replace('\n', "")
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "places on the drawing, not numbers that are shown"
)]
fn single(value: f64) -> f32 {
    value as f32
}
