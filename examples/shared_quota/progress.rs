use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{args::Plan, run::Outcome, server::Server, strategy::Strategy, tally::Tally};

const TICK: Duration = Duration::from_millis(100);

/// Shows on stderr how a run is doing: a line before and after, and between them a bar if stderr is
/// a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    name: String,
    started: Instant,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn start(plan: &Plan, strategy: Option<Strategy>, server: &Server) -> Self {
        let name = strategy.map_or_else(|| "bare".to_owned(), Strategy::name);
        eprintln!(
            "{name}: http://{addr}/ accepts {quota} requests per window of {window:?}; clients: \
             {clients}, workers each: {workers}, length: {length:?}",
            clients = plan.clients,
            workers = plan.workers,
            length = plan.length(),
            addr = server.addr(),
            quota = plan.quota,
            window = plan.window,
        );
        let bar = ProgressBar::new(millis(plan.length())).with_style(style());
        Self {
            name,
            started: server.started(),
            bar,
        }
    }

    pub(crate) async fn show_until(&self, end: Instant, tally: &Tally) {
        while Instant::now() < end {
            let next = end.min(Instant::now() + TICK);
            tokio::time::sleep_until(next.into()).await;
            let counts = tally.counts();
            self.bar.set_position(millis(self.started.elapsed()));
            self.bar.set_message(format!(
                "accepted {}, 429 {}, failed {}",
                counts.accepted, counts.rejected, counts.failed
            ));
        }
    }

    pub(crate) fn finish(&self, outcome: &Outcome) {
        self.bar.finish_and_clear();
        let (name, counts) = (&self.name, outcome.counts);
        eprintln!(
            "{name}: sent {}: accepted {}, 429 {}, failed {}",
            counts.sent, counts.accepted, counts.rejected, counts.failed
        );
        if let Some(error) = &outcome.seen.first_error {
            eprintln!("{name}: first failure: {error}");
        }
        let served = outcome.served;
        if (served.accepted, served.rejected) != (counts.accepted, counts.rejected) {
            eprintln!(
                "{name}: the server counted otherwise: accepted {}, 429 {}; somebody else asked, or \
                 answers got lost",
                served.accepted, served.rejected
            );
        }
    }
}

fn style() -> ProgressStyle {
    // The template is constant; if it were wrong, a plain bar would do.
    ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
