use std::{io, net::SocketAddr, time::Duration};

use tokio::{signal, task::JoinSet};

use crate::{
    args::Plan,
    client::{self, Log, Seen},
    progress::Progress,
    server::{Served, Server},
    strategy::{Seat, Strategy},
    tally::{Counts, Tally},
};

/// Nothing is sent in the last moment of a run, lest it arrive in a window that is not the run's.
const LAST_CALL: Duration = Duration::from_millis(10);

/// How long a request may take to come home after the run.
const GRACE: Duration = Duration::from_secs(1);

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) served: Served,
    pub(crate) seen: Seen,
    /// Windows that the run touched: all that were planned, unless it was interrupted.
    pub(crate) windows: u32,
    pub(crate) interrupted: bool,
}

/// Lets the clients loose on a fresh server: bare, or with the layers of a strategy.
pub(crate) async fn run(plan: &Plan, strategy: Option<Strategy>) -> io::Result<Outcome> {
    let server = Server::start(plan.quota, plan.window).await?;
    let (tally, log) = (Tally::default(), Log::default());
    let mut workers = start_workers(plan, strategy, server.addr(), &tally, &log);
    let end = server.started() + plan.length() - LAST_CALL;
    let progress = Progress::start(plan, strategy, &server);
    let interrupted = tokio::select! {
        pressed = signal::ctrl_c() => pressed.map(|()| true)?,
        () = progress.show_until(end, &tally) => false,
    };
    let windows = plan.windows_in(server.started().elapsed());
    tally.close(GRACE).await;
    workers.shutdown().await;
    let outcome = Outcome {
        counts: tally.counts(),
        served: server.served(),
        seen: log.take(),
        windows,
        interrupted,
    };
    progress.finish(&outcome);
    Ok(outcome)
}

fn start_workers(
    plan: &Plan,
    strategy: Option<Strategy>,
    server: SocketAddr,
    tally: &Tally,
    log: &Log,
) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for index in 0..plan.clients {
        let seat = Seat {
            index,
            clients: plan.clients,
            quota: plan.quota,
            window: plan.window,
        };
        let bare = client::bare(tally.clone());
        let caller = match strategy {
            Some(strategy) => strategy.around(bare, seat),
            None => bare,
        };
        for _ in 0..plan.workers {
            workers.spawn(client::work(caller.clone(), server, log.clone()));
        }
    }
    workers
}
