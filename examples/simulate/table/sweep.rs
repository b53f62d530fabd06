use tower_throttle_sim::sweep::Swept;

use super::{per_100, percent, seconds};

/// What comes of each fixed limit.
pub(crate) fn of(swept: &[Swept], best: Option<u32>) -> String {
    let mut table = super::empty();
    table.set_header([
        "limit of each client",
        "goodput",
        "429s per 100",
        "p50 from the send",
        "p95 from the send",
        "",
    ]);
    for Swept { limit, mean } in swept {
        let mark = if best == Some(*limit) { "best" } else { "" };
        table.add_row([
            limit.to_string(),
            percent(mean.utilisation),
            per_100(mean.rejected_per_accepted),
            seconds(mean.sent_p50_s),
            seconds(mean.sent_p95_s),
            mark.to_owned(),
        ]);
    }
    super::align_right(&mut table, 0);
    table.to_string()
}
