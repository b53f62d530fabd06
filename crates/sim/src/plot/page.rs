use std::ops::Range;

use plotters::{
    chart::ChartContext,
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use tower_throttle_core::BoxError;

pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b> =
    ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const SIZE: (u32, u32) = (960, 640);
const HEADER: u32 = 60;
const UPPER: u32 = 350;

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const FAINT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
pub(super) const SUM: RGBColor = INK;
pub(super) const QUOTA: RGBColor = RGBColor(0xbb, 0x00, 0x33);
pub(super) const REFUSED: RGBColor = RGBColor(0xdd, 0x66, 0x33);
pub(super) const LATENCY: RGBColor = RGBColor(0x00, 0x55, 0x99);
const WARM_UP: RGBColor = RGBColor(0xf0, 0xf0, 0xf0);
/// A small patch must be darker to look alike.
const WARM_UP_KEY: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// Colours for clients, light enough for lines upon them: "light" of Paul Tol's schemes, which
/// those tell apart who see fewer colours, in an order in which neighbours differ most.
const CLIENTS: [RGBColor; 8] = [
    RGBColor(0x77, 0xaa, 0xdd),
    RGBColor(0xee, 0xdd, 0x88),
    RGBColor(0x44, 0xbb, 0x99),
    RGBColor(0xff, 0xaa, 0xbb),
    RGBColor(0x99, 0xdd, 0xff),
    RGBColor(0xee, 0x88, 0x66),
    RGBColor(0xbb, 0xcc, 0x33),
    RGBColor(0xbb, 0xaa, 0xcc),
];

/// Colours for many clients, which would be motley otherwise: each differs from its neighbours.
const CROWD: [RGBColor; 2] = [RGBColor(0x77, 0xaa, 0xdd), RGBColor(0xbb, 0xd5, 0xee)];

/// More clients than this are many.
const MANY: usize = 16;

/// The colour of a client among so many.
pub(super) fn colour(client: usize, clients: usize) -> RGBColor {
    let colours = if clients > MANY {
        &CROWD[..]
    } else {
        &CLIENTS[..]
    };
    colours[client % colours.len()]
}

/// What a colour means.
pub(super) enum Key {
    /// A band for each of so many clients.
    Bands(usize),
    Line(RGBColor),
    Dashes(RGBColor),
    Area(RGBColor),
}

/// A colour in a legend, and what it means.
pub(super) type Entry = (Key, String);

/// What the line above the bands means, if there is more than one.
pub(super) fn sum_key(clients: usize) -> Option<Entry> {
    (clients > 1).then(|| (Key::Line(SUM), "all together".into()))
}

/// What the grey before the end of the warm-up means, if there is any.
pub(super) fn warm_up_key(warm_up: f64) -> Option<Entry> {
    let key = Key::Area(WARM_UP_KEY);
    (warm_up > 0.0).then(|| (key, "warm-up, not counted".into()))
}

/// What a plot is called, and what of it is warm-up.
#[derive(Debug, Clone, Default)]
pub(super) struct Heading {
    pub(super) title: String,
    /// In seconds.
    pub(super) warm_up: f64,
}

impl Heading {
    fn draw(&self, area: &Canvas<'_>, note: &str) -> Result<(), BoxError> {
        write(area, &self.title, (16, 10), 20, INK)?;
        write(area, note, (16, 38), 13, FAINT)
    }
}

/// A panel: what its keys mean, and its axes.
pub(super) struct Panel<'a> {
    pub(super) keys: &'a [Entry],
    pub(super) x: (Range<f64>, &'a str),
    pub(super) y: (Range<f64>, &'a str),
    /// Where the warm-up ends, on the x axis.
    pub(super) warm_up: f64,
}

/// Draws the heading, with a note on how to read the figure, and two panels onto a page.
pub(super) fn page(
    heading: &Heading,
    note: &str,
    upper: impl FnOnce(&Canvas<'_>) -> Result<(), BoxError>,
    lower: impl FnOnce(&Canvas<'_>) -> Result<(), BoxError>,
) -> Result<String, BoxError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (header, panels) = root.split_vertically(HEADER);
        heading.draw(&header, note)?;
        let (top, bottom) = panels.split_vertically(UPPER);
        upper(&top)?;
        lower(&bottom)?;
        root.present()?;
    }
    Ok(svg)
}

impl Panel<'_> {
    /// Draws keys, axes and warm-up, and leaves the rest to the caller.
    pub(super) fn draw<'a, 'b>(&self, area: &'b Canvas<'a>) -> Result<Chart<'a, 'b>, BoxError> {
        self.legend(area)?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(26)
            .margin_right(20)
            .margin_left(8)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(self.x.0.clone(), self.y.0.clone())?;
        self.shade_warm_up(&mut chart)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(FAINT)
            .label_style(("sans-serif", 13).into_font().color(&INK))
            .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
            .x_labels(13)
            .y_labels(6)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .x_desc(self.x.1)
            .y_desc(self.y.1)
            .draw()?;
        Ok(chart)
    }

    fn shade_warm_up(&self, chart: &mut Chart<'_, '_>) -> Result<(), BoxError> {
        if self.warm_up > 0.0 {
            let corners = [(0.0, 0.0), (self.warm_up, self.y.0.end)];
            chart.draw_series([Rectangle::new(corners, WARM_UP.filled())])?;
        }
        Ok(())
    }

    fn legend(&self, area: &Canvas<'_>) -> Result<(), BoxError> {
        let mut x = 72;
        for (key, text) in self.keys {
            key.draw(area, x)?;
            write(area, text, (x + 30, 6), 14, INK)?;
            x += 30 + width(text, 14) + 24;
        }
        Ok(())
    }
}

impl Key {
    fn draw(&self, area: &Canvas<'_>, x: i32) -> Result<(), BoxError> {
        let line = |from: i32, to: i32, colour: RGBColor| {
            PathElement::new(vec![(x + from, 12), (x + to, 12)], colour.stroke_width(2))
        };
        let block = |from: i32, to: i32, colour: RGBColor| {
            Rectangle::new([(x + from, 6), (x + to, 18)], colour.filled())
        };
        match *self {
            Self::Line(colour) => area.draw(&line(0, 24, colour))?,
            Self::Area(colour) => area.draw(&block(0, 24, colour))?,
            Self::Dashes(colour) => {
                area.draw(&line(0, 10, colour))?;
                area.draw(&line(14, 24, colour))?;
            }
            Self::Bands(clients) => {
                for (client, from) in (0..24).step_by(6).enumerate() {
                    let colour = colour(client % clients.max(1), clients);
                    area.draw(&block(from, from + 6, colour))?;
                }
            }
        }
        Ok(())
    }
}

fn write(
    area: &Canvas<'_>,
    text: &str,
    at: (i32, i32),
    size: u32,
    colour: RGBColor,
) -> Result<(), BoxError> {
    let font = ("sans-serif", size).into_font().color(&colour);
    let style = font.pos(Pos::new(HPos::Left, VPos::Top));
    area.draw(&Text::new(text.to_owned(), at, style))?;
    Ok(())
}

/// About how wide a text is: no font is at hand to measure it.
fn width(text: &str, size: i32) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    letters.saturating_mul(size) / 2
}

/// A number on an axis: no more digits than it has.
fn number(value: &f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

/// A time in words.
pub(super) fn time(seconds: f64) -> String {
    format!("{} s", number(&seconds))
}

/// In which unit times of this length, in seconds, are told, and how many seconds it has.
pub(super) fn time_unit(length: f64) -> (&'static str, f64) {
    match length {
        ..=600.0 => ("time in seconds", 1.0),
        ..=14_400.0 => ("time in minutes", 60.0),
        _ => ("time in hours", 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_no_more_digits_than_it_needs() {
        let numbers = [0.0, -0.0, 0.05, 2.0, 12.5, 100.0].map(|value| number(&value));
        assert_eq!(numbers, ["0", "0", "0.05", "2", "12.5", "100"]);
    }

    #[test]
    fn times_are_told_in_units_that_suit_them() {
        assert_eq!(time_unit(300.0).0, "time in seconds");
        assert_eq!(time_unit(3600.0).0, "time in minutes");
        assert_eq!(time_unit(36_000.0).0, "time in hours");
    }
}
