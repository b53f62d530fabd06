use std::time::Duration;

use plotters::prelude::*;
use tower_throttle_core::BoxError;

use super::{
    bins::{Bins, highest},
    page::{self, Canvas, Entry, Heading, Key, Panel},
};
use crate::Series;

/// Above this quota per second the figure counts by the second, below by the minute.
const FAST: f64 = 2.0;

/// How much of the quota each client got, and how often it was refused.
///
/// Each step is a window, or a part of one in a short run. Above, the clients' accepted requests lie
/// upon each other: bands of one thickness are fair shares, and their upper edge is what all have
/// together, to be compared with the quota. Below are the 429s.
///
/// The series doesn't tell when the server's windows begin, so a step begins where the fewest are
/// accepted beyond the quota. Where a window begins within a slice, some may still be.
///
/// ```
/// # fn main() -> Result<(), tower_throttle_core::BoxError> {
/// use std::time::Duration;
/// use tower_throttle_sim::{Series, plot::RatePlot};
///
/// let series = Series::new(Duration::from_secs(1), 10, 600);
/// let svg = RatePlot::new(&series, Duration::from_secs(10))
///     .title("10 clients share 100 requests per 10 s")
///     .warm_up(Duration::from_secs(200))
///     .svg()?;
///
/// assert!(svg.starts_with("<svg"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RatePlot<'a> {
    series: &'a Series,
    window: Duration,
    heading: Heading,
}

impl<'a> RatePlot<'a> {
    /// A figure of `series`, of a server that counts in windows of this length.
    #[must_use]
    pub fn new(series: &'a Series, window: Duration) -> Self {
        Self {
            series,
            window,
            heading: Heading::default(),
        }
    }

    /// What the figure shows. Default: nothing.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.heading.title = title.into();
        self
    }

    /// How long the warm-up lasts, which is shaded. Default: zero.
    #[must_use]
    pub fn warm_up(mut self, warm_up: Duration) -> Self {
        self.heading.warm_up = warm_up.as_secs_f64();
        self
    }

    /// Draws it.
    ///
    /// # Errors
    ///
    /// If plotters fails to draw.
    pub fn svg(&self) -> Result<String, BoxError> {
        let (bins, note) = self.steps();
        let rates = Rates::of(self.series, bins);
        let scale = Scale::of(&rates.quota, bins);
        let warm_up = self.heading.warm_up / scale.x.1;
        let figure = Figure {
            series: self.series,
            bins,
            rates,
            scale,
            warm_up,
        };
        page::page(
            &self.heading,
            &note,
            |area| figure.accepted(area),
            |area| figure.refused(area),
        )
    }

    /// The steps to be drawn, and what to say of them.
    fn steps(&self) -> (Bins, String) {
        let bins = Bins::new(self.series.slice, self.series.slices(), self.window);
        let step = page::time(bins.step());
        if bins.step() < 0.99 * self.window.as_secs_f64() {
            let window = page::time(self.window.as_secs_f64());
            let note = format!(
                "Each step is {step} long; the quota is for {window}, so bursts rise above it."
            );
            return (bins, note);
        }
        let accepted = sums(&self.series.accepted, self.series.slices());
        let bins = bins.aligned(&accepted, &self.series.quota_per_slice);
        let note = format!(
            "Each step is {step} long. It begins almost when a window of the server does, so a little may rise above the quota."
        );
        (bins, note)
    }
}

/// What is drawn, per second and step.
struct Rates {
    /// The accepted of the clients up to this one.
    upon_each_other: Vec<Vec<f64>>,
    refused: Vec<f64>,
    quota: Vec<f64>,
}

impl Rates {
    fn of(series: &Series, bins: Bins) -> Self {
        let mut below = vec![0.0; series.slices()];
        let upon_each_other = series.accepted.iter().map(|row| {
            add(&mut below, row);
            bins.rates(&below)
        });
        let upon_each_other = upon_each_other.collect();
        let refused = sums(&series.rejected, series.slices());
        Self {
            upon_each_other,
            refused: bins.rates(&refused),
            quota: bins.means_per_second(&series.quota_per_slice),
        }
    }

    fn all(&self) -> &[f64] {
        self.upon_each_other.last().map_or(&[], Vec::as_slice)
    }
}

fn sums(rows: &[Vec<u32>], slices: usize) -> Vec<f64> {
    let mut sums = vec![0.0; slices];
    rows.iter().for_each(|row| add(&mut sums, row));
    sums
}

fn add(sums: &mut [f64], row: &[u32]) {
    for (sum, &count) in sums.iter_mut().zip(row) {
        *sum += f64::from(count);
    }
}

/// Names of the units, and how many seconds or times per second they are.
struct Scale {
    x: (&'static str, f64),
    y: (&'static str, f64),
}

impl Scale {
    fn of(quota: &[f64], bins: Bins) -> Self {
        let y = if highest(quota) < FAST {
            ("per minute", 60.0)
        } else {
            ("per second", 1.0)
        };
        Self {
            x: page::time_unit(bins.end()),
            y,
        }
    }

    fn factors(&self) -> (f64, f64) {
        (1.0 / self.x.1, self.y.1)
    }
}

struct Figure<'a> {
    series: &'a Series,
    bins: Bins,
    rates: Rates,
    scale: Scale,
    warm_up: f64,
}

impl Figure<'_> {
    fn accepted(&self, area: &Canvas<'_>) -> Result<(), BoxError> {
        let highest = highest(self.rates.all()).max(highest(&self.rates.quota));
        let keys = self.keys();
        let label = format!("accepted {}", self.scale.y.0);
        let mut chart = self.panel(&keys, highest, "", &label).draw(area)?;
        let clients = self.rates.upon_each_other.len();
        for (client, heights) in self.rates.upon_each_other.iter().enumerate().rev() {
            chart.draw_series(AreaSeries::new(
                self.stairs(heights),
                0.0,
                page::colour(client, clients),
            ))?;
        }
        chart.draw_series(LineSeries::new(
            self.stairs(self.rates.all()),
            page::SUM.stroke_width(2),
        ))?;
        let quota = self.stairs(&self.rates.quota);
        let style = page::QUOTA.stroke_width(2);
        chart.draw_series(DashedLineSeries::new(quota, 8, 5, style))?;
        Ok(())
    }

    fn refused(&self, area: &Canvas<'_>) -> Result<(), BoxError> {
        let keys = [(Key::Area(page::REFUSED), self.refusals())];
        let label = format!("429s {}", self.scale.y.0);
        let highest = highest(&self.rates.refused);
        let time = self.scale.x.0;
        let mut chart = self.panel(&keys, highest, time, &label).draw(area)?;
        chart.draw_series(AreaSeries::new(
            self.stairs(&self.rates.refused),
            0.0,
            page::REFUSED,
        ))?;
        Ok(())
    }

    fn keys(&self) -> Vec<Entry> {
        let clients = self.series.accepted.len();
        let bands = match clients {
            1 => "accepted".into(),
            _ => format!("accepted: a band for each of {clients} clients"),
        };
        let mut keys = vec![(Key::Bands(clients), bands)];
        keys.extend(page::sum_key(clients));
        keys.push((Key::Dashes(page::QUOTA), "quota".into()));
        keys.extend(page::warm_up_key(self.warm_up));
        keys
    }

    fn panel<'p>(
        &self,
        keys: &'p [Entry],
        highest: f64,
        time: &'p str,
        label: &'p str,
    ) -> Panel<'p> {
        let highest = highest * self.scale.y.1;
        let top = if highest > 0.0 { highest * 1.1 } else { 1.0 };
        Panel {
            keys,
            x: (0.0..self.bins.end() / self.scale.x.1, time),
            y: (0.0..top, label),
            warm_up: self.warm_up,
        }
    }

    fn stairs(&self, heights: &[f64]) -> Vec<(f64, f64)> {
        self.bins.stairs(heights, self.scale.factors())
    }

    /// What counts: the warm-up doesn't.
    fn refusals(&self) -> String {
        let warm_up = self.bins.slices_until(self.warm_up * self.scale.x.1);
        let refused = total(&self.series.rejected, warm_up);
        let accepted = total(&self.series.accepted, warm_up);
        let share = 100.0 * refused / accepted.max(1.0);
        let when = if warm_up > 0 {
            " after the warm-up"
        } else {
            ""
        };
        format!("refused with 429{when}: {refused} in all, {share:.1} per 100 accepted")
    }
}

fn total(rows: &[Vec<u32>], from: usize) -> f64 {
    let counts = rows.iter().flat_map(|row| row.iter().skip(from));
    counts.copied().map(f64::from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn even(clients: usize, slices: usize) -> Series {
        let mut series = Series::new(SECOND, clients, slices);
        series.accepted.iter_mut().for_each(|row| row.fill(2));
        series.rejected[0][slices / 2] = 7;
        series
            .quota_per_slice
            .fill(2.5 * f64::from(u32::try_from(clients).unwrap()));
        series
    }

    #[test]
    fn the_figure_names_everything_in_it() {
        let series = even(10, 600);
        let plot = RatePlot::new(&series, SECOND * 10).title("a title");
        let svg = plot.warm_up(SECOND * 100).svg().unwrap();
        for text in [
            "a title",
            "accepted: a band for each of 10 clients",
            "all together",
            "quota",
            "accepted per second",
            "refused with 429 after the warm-up: 7 in all, 0.1 per 100 accepted",
            "429s per second",
            "time in seconds",
            "warm-up, not counted",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn the_warm_up_does_not_count() {
        let series = even(10, 600);
        let plot = RatePlot::new(&series, SECOND * 10);
        assert!(plot.svg().unwrap().contains("refused with 429: 7 in all"));
        let svg = plot.warm_up(SECOND * 301).svg().unwrap();
        assert!(svg.contains("refused with 429 after the warm-up: 0 in all"));
    }

    #[test]
    fn there_is_a_band_for_each_client() {
        for clients in [1, 10, 50] {
            let series = even(clients, 600);
            let svg = RatePlot::new(&series, SECOND * 10).svg().unwrap();
            let bands = svg.matches("<polygon").count();
            assert_eq!(bands, clients + 1, "and the 429s");
        }
    }

    #[test]
    fn a_title_cannot_break_the_figure() {
        let series = even(1, 10);
        let svg = RatePlot::new(&series, SECOND).title("a < b & c").svg();
        assert!(svg.unwrap().contains("a &lt; b &amp; c"));
    }

    #[test]
    fn a_run_in_which_nothing_happened_can_be_drawn() {
        for series in [Series::default(), Series::new(SECOND, 3, 5)] {
            assert!(RatePlot::new(&series, SECOND).svg().is_ok());
        }
    }
}
