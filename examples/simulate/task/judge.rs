use tower_throttle_sim::{
    Config,
    cases::{Case, Verdict, rate},
};

use super::sum_up;
use crate::plan::Plan;

/// A case, what came of it, and what comes of what others do.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) case: Case,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) rival: Option<(String, Vec<Verdict>)>,
}

/// Runs every case in which a rate is looked for.
pub(super) fn all(plan: &Plan) -> Vec<Judged> {
    let cases = rate(plan.config.strategy).into_iter();
    cases.map(|case| judge(case, plan.seeds)).collect()
}

fn judge(case: Case, seeds: u64) -> Judged {
    let verdicts = |config: &Config| {
        let mean = sum_up(config, seeds).mean;
        case.checks.iter().map(|check| check.judge(&mean)).collect()
    };
    let rival = case.rival.map(|strategy| {
        let config = Config {
            strategy,
            ..case.config.clone()
        };
        (strategy.to_string(), verdicts(&config))
    });
    Judged {
        verdicts: verdicts(&case.config),
        rival,
        case,
    }
}
