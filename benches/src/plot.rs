//! Plots of what a bench measured, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, Circle, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, RGBColor, SVGBackend,
    WHITE,
};

/// Points of one colour, and what they are.
#[derive(Debug, Clone)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// Where its points are; none is at or below zero.
    pub points: Vec<(f64, f64)>,
}

/// How the points of a series are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Each for itself.
    Dots,
    /// Joined.
    Lines,
}

/// What a plot says besides its points.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// Its title.
    pub title: &'a str,
    /// What goes to the right.
    pub x: &'a str,
    /// What goes up.
    pub y: &'a str,
}

/// Of those that are not mixed up by who does not tell red from green.
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(230, 159, 0), RGBColor(204, 121, 167), RGBColor(0, 158, 115)];

/// Draws series with logarithmic axes.
///
/// # Panics
///
/// If the plot cannot be written.
pub fn draw(path: &Path, labels: Labels<'_>, style: Style, series: &[Series]) {
    let area = SVGBackend::new(path, (900, 480)).into_drawing_area();
    draw_on(&area, labels, style, series).expect("the plot can be written");
}

fn draw_on(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    labels: Labels<'_>,
    style: Style,
    series: &[Series],
) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let points = || series.iter().flat_map(|series| &series.points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let least = points().map(of).fold(f64::INFINITY, f64::min);
        let most = points().map(of).fold(0.0, f64::max);
        (least / 1.2..most * 1.2).log_scale()
    };
    let mut chart = ChartBuilder::on(area)
        .caption(labels.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
    chart.configure_mesh().x_desc(labels.x).y_desc(labels.y).draw()?;
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let drawn = match style {
            Style::Dots => chart.draw_series(series.points.iter().map(|point| Circle::new(*point, 1, colour)))?,
            Style::Lines => chart.draw_series(LineSeries::new(series.points.iter().copied(), colour))?,
        };
        let colour = *colour;
        drawn.label(&series.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(COLOURS[0]).draw()?;
    area.present()?;
    Ok(())
}
