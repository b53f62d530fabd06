use std::time::Duration;

use plotters::prelude::*;
use tower_throttle_core::BoxError;

use super::{
    bins::{Bins, highest},
    page::{self, Canvas, Entry, Heading, Key, Panel},
};

/// What the limits in flight were, and how long calls took, in slices of time of equal length.
///
/// All rows are equally long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConcurrencySeries {
    /// The length of a slice.
    pub slice: Duration,
    /// How many each client let be in flight: for each client, for each slice.
    pub limits: Vec<Vec<f64>>,
    /// How many the server could work at without queueing, in each slice; empty if that isn't known.
    pub capacity: Vec<f64>,
    /// How long half of the calls took at most that ended in each slice; `None` if none did.
    pub latency: Vec<Option<Duration>>,
}

/// Where the limits went, and what that did to latency.
///
/// Above are the clients' limits, one upon the other, against what the server can work at. Below is
/// the median latency.
#[derive(Debug)]
pub struct ConcurrencyPlot<'a> {
    series: &'a ConcurrencySeries,
    bins: Bins,
    heading: Heading,
}

impl<'a> ConcurrencyPlot<'a> {
    /// A figure of `series`.
    #[must_use]
    pub fn new(series: &'a ConcurrencySeries) -> Self {
        let slices = series.latency.len();
        Self {
            series,
            bins: Bins::new(series.slice, slices, Duration::ZERO),
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
        page::page(
            &self.heading,
            &format!("Each step is {} long.", page::time(self.bins.step())),
            |area| self.limits(area),
            |area| self.latency(area),
        )
    }

    fn limits(&self, area: &Canvas<'_>) -> Result<(), BoxError> {
        let upon_each_other = self.upon_each_other();
        let all = upon_each_other.last().map_or(&[][..], Vec::as_slice);
        let capacity = self.bins.means(&self.series.capacity);
        let clients = self.series.limits.len();
        let highest = highest(all).max(highest(&capacity));
        let keys = self.keys();
        let panel = self.panel(&keys, highest, "", "requests in flight");
        let mut chart = panel.draw(area)?;
        for (client, heights) in upon_each_other.iter().enumerate().rev() {
            let stairs = self.stairs(heights);
            chart.draw_series(AreaSeries::new(stairs, 0.0, page::colour(client, clients)))?;
        }
        let style = page::SUM.stroke_width(2);
        chart.draw_series(LineSeries::new(self.stairs(all), style))?;
        let style = page::QUOTA.stroke_width(2);
        let capacity = self.stairs(&capacity);
        chart.draw_series(DashedLineSeries::new(capacity, 8, 5, style))?;
        Ok(())
    }

    fn latency(&self, area: &Canvas<'_>) -> Result<(), BoxError> {
        let latency = self.bins.means(&self.filled_in());
        let keys = [(Key::Line(page::LATENCY), "median latency".into())];
        let panel = self.panel(&keys, highest(&latency), self.time().0, "seconds");
        let style = page::LATENCY.stroke_width(2);
        let mut chart = panel.draw(area)?;
        chart.draw_series(LineSeries::new(self.stairs(&latency), style))?;
        Ok(())
    }

    fn upon_each_other(&self) -> Vec<Vec<f64>> {
        let mut below = vec![0.0; self.series.latency.len()];
        let rows = self.series.limits.iter().map(|row| {
            below
                .iter_mut()
                .zip(row)
                .for_each(|(sum, limit)| *sum += limit);
            self.bins.means(&below)
        });
        rows.collect()
    }

    /// The latency in seconds; where nothing ended, what it was before, or at first.
    fn filled_in(&self) -> Vec<f64> {
        let latency = self.series.latency.iter();
        let first = latency.clone().flatten().next().copied();
        let filled = latency.scan(first.unwrap_or_default(), |last, latency| {
            *last = latency.unwrap_or(*last);
            Some(last.as_secs_f64())
        });
        filled.collect()
    }

    fn keys(&self) -> Vec<Entry> {
        let clients = self.series.limits.len();
        let bands = match clients {
            1 => "limit".into(),
            _ => format!("limit: a band for each of {clients} clients"),
        };
        let capacity = (
            Key::Dashes(page::QUOTA),
            "what the server can work at".into(),
        );
        let mut keys = vec![(Key::Bands(clients), bands)];
        keys.extend(page::sum_key(clients));
        keys.extend((!self.series.capacity.is_empty()).then_some(capacity));
        keys.extend(page::warm_up_key(self.heading.warm_up));
        keys
    }

    fn panel<'p>(
        &self,
        keys: &'p [Entry],
        highest: f64,
        time: &'p str,
        label: &'p str,
    ) -> Panel<'p> {
        let (_, seconds) = self.time();
        let top = if highest > 0.0 { highest * 1.1 } else { 1.0 };
        Panel {
            keys,
            x: (0.0..self.bins.end() / seconds, time),
            y: (0.0..top, label),
            warm_up: self.heading.warm_up / seconds,
        }
    }

    fn time(&self) -> (&'static str, f64) {
        page::time_unit(self.bins.end())
    }

    fn stairs(&self, heights: &[f64]) -> Vec<(f64, f64)> {
        let (_, seconds) = self.time();
        self.bins.stairs(heights, (1.0 / seconds, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn two_clients() -> ConcurrencySeries {
        ConcurrencySeries {
            slice: SECOND,
            limits: vec![vec![5.0; 300], vec![7.0; 300]],
            capacity: vec![10.0; 300],
            latency: vec![Some(SECOND / 5); 300],
        }
    }

    #[test]
    fn the_figure_names_everything_in_it() {
        let series = two_clients();
        let plot = ConcurrencyPlot::new(&series).title("a title");
        let svg = plot.warm_up(SECOND * 30).svg().unwrap();
        for text in [
            "a title",
            "limit: a band for each of 2 clients",
            "all together",
            "what the server can work at",
            "warm-up, not counted",
            "requests in flight",
            "median latency",
            "time in seconds",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn a_capacity_that_is_not_known_is_not_named() {
        let series = ConcurrencySeries {
            capacity: Vec::new(),
            ..two_clients()
        };
        let svg = ConcurrencyPlot::new(&series).svg().unwrap();
        assert!(!svg.contains("the server can work at"));
    }

    #[test]
    fn where_nothing_ended_the_latency_stays_what_it_was() {
        let mut series = two_clients();
        series.latency = vec![None, Some(SECOND), None, Some(SECOND * 2)];
        let filled = ConcurrencyPlot::new(&series).filled_in();
        assert_eq!(filled, [1.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn a_run_in_which_nothing_happened_can_be_drawn() {
        let series = ConcurrencySeries::default();
        assert!(ConcurrencyPlot::new(&series).svg().is_ok());
    }
}
