//! Tables for a README.

use std::fmt::Write as _;

use tower_throttle_sim::{Figures, cases::Verdict};

use super::percent;
use crate::task::{Contested, Judged};

/// What must hold of a rate, and whether it does.
pub(crate) fn rate(judged: &[Judged]) -> String {
    let mut text = line(&[
        "case",
        "must hold",
        "measured",
        "holds",
        "classic AIMD as published",
    ]);
    text += &line(&["---"; 5]);
    for Judged {
        case,
        verdicts,
        rival,
    } in judged
    {
        let checks: Vec<_> = case.checks.iter().map(ToString::to_string).collect();
        let rival = rival
            .as_ref()
            .map(|(name, verdicts)| format!("{} (`{name}`)", measured(verdicts)));
        text += &line(&[
            case.name,
            &checks.join(", "),
            &measured(verdicts),
            yes(verdicts.iter().all(|verdict| verdict.holds)),
            &rival.unwrap_or_default(),
        ]);
    }
    text
}

fn measured(verdicts: &[Verdict]) -> String {
    let measured: Vec<_> = verdicts.iter().map(|verdict| &*verdict.measured).collect();
    measured.join(", ")
}

/// A limit on the concurrency beside the best one that never moves, and beside the best of what others
/// do.
pub(crate) fn concurrency(contested: &[Contested]) -> String {
    let mut text = line(&[
        "case",
        "best fixed limit: goodput, p95",
        "ours: goodput, p95, Jain",
        "holds",
        "best of the others: goodput, p95",
    ]);
    text += &line(&["---"; 5]);
    for contested in contested {
        let Contested {
            name, best, ours, ..
        } = contested;
        let other = best_other(contested);
        text += &line(&[
            name,
            &format!("{}: {}", best.limit, goodput(&best.mean)),
            &format!("{}, {:.3}", goodput(ours), ours.jain),
            yes(holds(contested)),
            &other.map_or_else(String::new, |(name, other)| {
                format!("`{name}`: {}", goodput(&other))
            }),
        ]);
    }
    let beaten = contested.iter().filter(|contested| is_beaten(contested));
    text + &format!(
        "\nCases in which one of the others has over 2 points of goodput more: {}.\n",
        beaten.count()
    )
}

/// The one with the most goodput.
fn best_other(contested: &Contested) -> Option<(&'static str, Figures)> {
    let others = contested.rivals.iter().copied();
    others.max_by(|a, b| a.1.utilisation.total_cmp(&b.1.utilisation))
}

fn is_beaten(contested: &Contested) -> bool {
    let other = best_other(contested).map_or(0.0, |(_, other)| other.utilisation);
    other > contested.ours.utilisation + 0.02
}

/// At least 95 % of the goodput of the best fixed limit, and of its 95th percentile at most 1.5 times.
fn holds(contested: &Contested) -> bool {
    let (best, ours) = (&contested.best.mean, &contested.ours);
    let used = ours.utilisation >= 0.95 * best.utilisation;
    used && ours.sent_p95_s <= 1.5 * best.sent_p95_s && ours.jain >= 0.9
}

fn goodput(figures: &Figures) -> String {
    format!(
        "{}, {:.2} s",
        percent(figures.utilisation),
        figures.sent_p95_s
    )
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "**no**" }
}

fn line(cells: &[&str]) -> String {
    let mut line = String::from("|");
    for cell in cells {
        // Writing to a string can't fail.
        let _ = write!(line, " {cell} |");
    }
    line + "\n"
}
