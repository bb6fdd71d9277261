//! One diagram: lines over an axis, or bars by name.

use super::figures::thousands;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::ops::Range;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const LABEL: (&str, u32) = ("sans-serif", 14);

/// Most divisions of an axis.
const LABELS_MAX: usize = 10;

/// What the axis across says, and how it is divided.
pub struct Axis {
    title: String,
    base: Option<f64>,
}

impl Axis {
    pub fn linear(title: &str) -> Self {
        Self { title: title.to_owned(), base: None }
    }

    /// Of which each division is so many times the one before.
    pub fn log(title: &str, base: f64) -> Self {
        Self { title: title.to_owned(), base: Some(base) }
    }

    /// Where a value stands: logarithms are taken here, so that all axes are alike.
    fn place(&self, value: f64) -> f64 {
        self.base.map_or(value, |base| value.max(1.0).log(base))
    }

    fn label(&self, place: f64) -> String {
        number(self.base.map_or(place, |base| base.powf(place)))
    }

    /// From the least to the greatest place, with room where they are the same.
    fn range(&self, values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
        let places = values.map(|value| self.place(value));
        let least = places.clone().fold(f64::INFINITY, f64::min);
        let greatest = places.fold(f64::NEG_INFINITY, f64::max);
        if !(least.is_finite() && greatest.is_finite()) {
            return 0.0..1.0;
        }
        let room = ((greatest - least) * 0.03).max(0.1);
        least - room..greatest + room
    }

    /// Logarithms are divided at whole ones alone, where labels are round.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few and above 0")]
    fn labels(&self, range: &Range<f64>) -> usize {
        let whole = (range.end - range.start).max(1.0) as usize + 1;
        if self.base.is_some() { whole.min(LABELS_MAX) } else { LABELS_MAX }
    }
}

/// From 0, so that small differences look small.
fn from_zero(values: impl Iterator<Item = f64>) -> Range<f64> {
    let greatest = values.fold(0.0, f64::max);
    0.0..if greatest > 0.0 { greatest * 1.1 } else { 1.0 }
}

pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Panel {
    title: String,
    shape: Shape,
}

enum Shape {
    Lines { x: Axis, y: String, series: Vec<Series>, marks: Vec<f64> },
    Bars { unit: String, bars: Vec<(String, f64)> },
}

impl Panel {
    pub fn lines(title: &str, x: Axis, y: &str) -> Self {
        let (y, series, marks) = (y.to_owned(), Vec::new(), Vec::new());
        let shape = Shape::Lines { x, y, series, marks };
        Self { title: title.to_owned(), shape }
    }

    pub fn bars(title: &str, unit: &str, bars: Vec<(String, f64)>) -> Self {
        Self { title: title.to_owned(), shape: Shape::Bars { unit: unit.to_owned(), bars } }
    }

    /// With these lines.
    pub fn with(mut self, more: impl Iterator<Item = Series>) -> Self {
        if let Shape::Lines { series, .. } = &mut self.shape {
            series.extend(more);
        }
        self
    }

    /// With upright grey lines at these places.
    pub fn marked(mut self, places: &[f64]) -> Self {
        if let Shape::Lines { marks, .. } = &mut self.shape {
            marks.extend(places);
        }
        self
    }

    pub fn draw(&self, area: &Area<'_>) -> anyhow::Result<()> {
        match &self.shape {
            Shape::Lines { x, y, series, marks } => self.draw_lines(area, (x, y), series, marks),
            Shape::Bars { unit, bars } => self.draw_bars(area, unit, bars),
        }
    }

    fn draw_lines(
        &self,
        area: &Area<'_>,
        (x, y): (&Axis, &str),
        series: &[Series],
        marks: &[f64],
    ) -> anyhow::Result<()> {
        let points = series.iter().flat_map(|one| &one.points);
        let across = x.range(points.clone().map(|point| point.0));
        let up = from_zero(points.map(|point| point.1));
        let labels = x.labels(&across);
        let mut chart = builder(area, &self.title).build_cartesian_2d(across, up.clone())?;
        chart
            .configure_mesh()
            .x_desc(&x.title)
            .y_desc(y)
            .x_labels(labels)
            .x_label_formatter(&|place| x.label(*place))
            .y_label_formatter(&|value| number(*value))
            .label_style(LABEL)
            .light_line_style(TRANSPARENT)
            .draw()?;
        for mark in marks {
            let line = [(x.place(*mark), up.start), (x.place(*mark), up.end)];
            chart.draw_series([PathElement::new(line, RGBColor(100, 100, 100))])?;
        }
        for (index, one) in series.iter().enumerate() {
            let colour = Palette99::pick(index).to_rgba();
            let places = one.points.iter().map(|point| (x.place(point.0), point.1));
            // Points are shown where they are few enough to be told apart.
            let size = if one.points.len() <= 12 { 3 } else { 0 };
            let line = LineSeries::new(places, colour.stroke_width(2)).point_size(size);
            chart.draw_series(line)?.label(&one.name).legend(move |(left, middle)| {
                PathElement::new([(left, middle), (left + 16, middle)], colour.stroke_width(2))
            });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(190, 190, 190))
            .label_font(LABEL)
            .draw()?;
        Ok(())
    }

    fn draw_bars(&self, area: &Area<'_>, unit: &str, bars: &[(String, f64)]) -> anyhow::Result<()> {
        let up = from_zero(bars.iter().map(|bar| bar.1));
        let mut chart =
            builder(area, &self.title).build_cartesian_2d(0.0..bars.len() as f64, up)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_x_axis()
            .y_desc(unit)
            .y_label_formatter(&|value| number(*value))
            .label_style(LABEL)
            .draw()?;
        for (index, (name, value)) in bars.iter().enumerate() {
            let left = index as f64;
            let corners = [(left + 0.2, 0.0), (left + 0.8, *value)];
            chart.draw_series([Rectangle::new(corners, Palette99::pick(index).filled())])?;
            let text = format!("{name}: {}", number(*value));
            let place = (left + 0.2, *value * 1.02 + f64::EPSILON);
            let style = LABEL.into_text_style(area).pos(above());
            chart.draw_series([Text::new(text, place, style)])?;
        }
        Ok(())
    }
}

fn builder<'a, 'b>(area: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70);
    builder
}

/// The text stands on its place.
fn above() -> plotters::style::text_anchor::Pos {
    use plotters::style::text_anchor::{HPos, Pos, VPos};
    Pos::new(HPos::Left, VPos::Bottom)
}

/// As many digits as a reader can use.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown, not used")]
fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", thousands(value.abs().round() as u64))
    } else if value.abs() >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
