//! Plots of what a bench measured, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::{
    ChartBuilder, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, RGBColor, SVGBackend, WHITE,
};

/// A line of one colour, and what it is.
#[derive(Debug, Clone)]
pub struct Series {
    /// What it is called.
    pub name: String,
    /// Where it goes along; never at or below zero.
    pub points: Vec<(f64, f64)>,
}

/// How far apart figures are to the right; upwards it is always by how many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// By how much.
    Linear,
    /// By how many times.
    Logarithmic,
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

/// Draws series, each as a line.
///
/// # Panics
///
/// If the plot cannot be written.
pub fn draw(path: &Path, labels: Labels<'_>, scale: Scale, series: &[Series]) {
    let area = SVGBackend::new(path, (900, 480)).into_drawing_area();
    let points = || series.iter().flat_map(|series| &series.points);
    let least = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.0).fold(0.0, f64::max);
    match scale {
        Scale::Linear => draw_on(&area, least..most, labels, series),
        Scale::Logarithmic => draw_on(&area, (least / 1.2..most * 1.2).log_scale(), labels, series),
    }
    .expect("the plot can be written");
}

fn draw_on<X>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    across: X,
    labels: Labels<'_>,
    series: &[Series],
) -> Result<(), Box<dyn Error>>
where
    X: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
{
    area.fill(&WHITE)?;
    let points = || series.iter().flat_map(|series| &series.points);
    let least = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.1).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(labels.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(across, (least / 1.2..most * 1.2).log_scale())?;
    chart.configure_mesh().x_desc(labels.x).y_desc(labels.y).draw()?;
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let drawn = chart.draw_series(LineSeries::new(series.points.iter().copied(), colour))?;
        let colour = *colour;
        drawn.label(&series.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(COLOURS[0]).draw()?;
    area.present()?;
    Ok(())
}
