use std::{fs, path::Path, time::Duration};

use tower_throttle_core::BoxError;
use tower_throttle_sim::{
    Config, Strategy, cases,
    plot::{ConcurrencyPlot, RatePlot},
    run::{Change, What},
};

use crate::plan::Table;

/// Draws the run of the first seed: its limits in flight, if it has any, or else its rates.
pub(super) fn draw(config: &Config, path: &Path) -> Result<(), BoxError> {
    let run = tower_throttle_sim::run(config, 1, |_| ());
    let title = title(config);
    let warm_up = config.measured_from();
    let svg = match run.concurrency() {
        Some(series) => ConcurrencyPlot::new(&series)
            .title(title)
            .warm_up(warm_up)
            .svg()?,
        None => RatePlot::new(&run.series, config.window)
            .title(title)
            .warm_up(warm_up)
            .svg()?,
    };
    fs::write(path, svg).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(())
}

/// Draws the first case of a table in which something changes: there is the most to see.
pub(super) fn draw_case(table: Table, strategy: Strategy, path: &Path) -> Result<(), BoxError> {
    let configs: Vec<_> = match table {
        Table::Rate => cases::rate(strategy)
            .into_iter()
            .map(|case| case.config)
            .collect(),
        Table::Concurrency => cases::concurrency(strategy)
            .into_iter()
            .map(|contest| contest.config)
            .collect(),
    };
    let changing = configs.iter().find(|config| !config.changes.is_empty());
    changing.map_or(Ok(()), |config| draw(config, path))
}

/// What happens, in plain words.
fn title(config: &Config) -> String {
    let clients = match config.clients {
        1 => "1 client has".to_owned(),
        clients => format!("{clients} clients share"),
    };
    let shared = match config.server.slots() {
        Some(slots) => format!("{slots} slots"),
        None => format!("{} requests per {}", config.quota, time(config.window)),
    };
    let changes: Vec<_> = config.changes.iter().map(change).collect();
    let changes = changes.concat();
    format!("{clients} {shared}{changes} ({})", config.strategy)
}

fn change(change: &Change) -> String {
    let what = match change.what {
        What::Size(size) => format!("it is {size}"),
        What::Latency(factor) => format!("it takes {factor} times as long"),
        What::Join(clients) => format!("{clients} join"),
        What::Leave(clients) => format!("{clients} leave"),
    };
    format!("; after {} {what}", time(change.at))
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 || seconds % 60.0 > 0.0 {
        return format!("{seconds} s");
    }
    match seconds / 60.0 {
        1.0 => "minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_says_in_words_what_happens() {
        let base = Config::new(Strategy::default());
        let at = base.window * 30;
        let leave = Config {
            changes: vec![Change {
                at,
                what: What::Leave(3),
            }],
            ..base.clone()
        };
        let brief = Config {
            window: Duration::from_secs(10),
            clients: 1,
            ..base
        };
        let words = "10 clients share 100 requests per minute; after 30 minutes 3 leave (adaptive)";
        assert_eq!(title(&leave), words);
        assert_eq!(
            title(&brief),
            "1 client has 100 requests per 10 s (adaptive)"
        );
    }
}
