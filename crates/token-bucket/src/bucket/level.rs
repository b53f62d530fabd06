//! What is in a bucket, without time or rate.

/// The contents of a bucket that holds `cap` units.
///
/// Think of the units that ever flowed in as numbered. A full bucket loses the oldest when another
/// flows in, and a request takes the oldest that is left, so what is in the bucket is an unbroken
/// run of the newest ones:
///
/// ```text
///             gone ─╮                        ╭─ inflow: gone + newest
///  ──────┼╌╌╌▒╌╌▒▒╌╌┼████████████████████████┤
///        ╰─ oldest  ╰──────── newest ────────╯        ▒ came back
/// ```
///
/// A unit that is given back takes its old place. If `cap` newer ones flowed in meanwhile, then the
/// bucket would have overflowed without the request, and the unit is lost. Hence all units that are
/// ever spent between two moments have different numbers above *inflow at the first − cap* and up
/// to *inflow at the second*, whatever was taken and given back: that is the promise of a bucket.
///
/// Why not simply add what is given back, up to `cap`? Then requests that take, dawdle and give
/// back in turns collect units without end, and spend them all at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    /// How many units the unbroken run has; negative in debt.
    newest: i128,
    /// The number of the last unit before the run.
    gone: i128,
    /// How many units before the run came back.
    back: i128,
    /// All that came back have numbers above this.
    oldest: i128,
    /// What was taken before the last [`rescale`](Self::rescale) comes back to places up to here.
    free: i128,
    /// How often the units were rescaled.
    scale: u32,
}

/// Where units were taken: all of them have numbers above `number`.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) number: i128,
    pub(super) scale: u32,
}

impl Level {
    pub(super) fn new(units: i128) -> Self {
        Self {
            newest: units,
            gone: 0,
            back: 0,
            oldest: 0,
            free: 0,
            scale: 0,
        }
    }

    /// Units that could be taken.
    #[inline]
    pub(super) fn units(&self) -> i128 {
        self.newest.saturating_add(self.back)
    }

    /// Whether `need`, which fits, can be taken once `inflow` has flowed in.
    #[inline]
    pub(super) fn has(&self, need: i128, inflow: i128, cap: i128) -> bool {
        self.newest + inflow >= need || self.back > 0 && self.has_back(need, inflow, cap)
    }

    /// How many units must flow in until `need` can be taken after `ahead`.
    ///
    /// Exact if nothing is ahead or nothing came back; else the fewest, as it isn't known whether
    /// what came back is still there when its turn comes.
    pub(super) fn shortfall(&self, ahead: i128, need: i128, cap: i128) -> i128 {
        let missing = ahead.saturating_add(need).saturating_sub(self.units());
        let kept = self.oldest.saturating_sub(self.lost(cap));
        if ahead == 0 && self.back > 0 && missing > kept {
            return need.saturating_sub(self.newest);
        }
        missing
    }

    /// Lets units flow in: fewer than 2^126.
    #[inline]
    pub(super) fn gain(&mut self, units: i128, cap: i128) {
        self.newest += units;
        if self.newest > cap {
            self.gone = self.gone.saturating_add(self.newest - cap);
            self.newest = cap;
        }
        if self.back > 0 {
            self.expire(cap);
        }
    }

    /// Takes units, more than there are if need be.
    #[inline]
    pub(super) fn take(&mut self, units: i128) -> Mark {
        let number = if self.back > 0 {
            self.oldest
        } else {
            self.gone
        };
        let rest = if self.back > 0 {
            self.take_back(units)
        } else {
            units
        };
        self.newest = self.newest.saturating_sub(rest);
        self.gone = self.gone.saturating_add(rest);
        Mark {
            number,
            scale: self.scale,
        }
    }

    /// Undoes a take.
    pub(super) fn give_back(&mut self, mark: &Mark, units: i128, cap: i128) {
        let number = self.place(mark, units);
        self.oldest = if self.back > 0 {
            self.oldest.min(number)
        } else {
            number
        };
        self.back = self.back.saturating_add(units);
        self.expire(cap);
        if self.oldest.saturating_add(self.back) == self.gone {
            self.gone = self.oldest;
            self.newest = self.units();
            self.back = 0;
        }
    }

    /// How many units must flow in until the bucket is full.
    pub(super) fn room(&self, cap: i128) -> i128 {
        cap.saturating_sub(self.newest)
    }

    /// Fills the bucket.
    #[inline]
    pub(super) fn fill(&mut self, cap: i128) {
        self.newest = cap;
        self.back = 0;
    }

    /// Changes how many units fit. Those that are left count as new.
    pub(super) fn resize(&mut self, cap: i128) {
        self.newest = self.units().min(cap);
        self.back = 0;
    }

    /// Changes what a unit is: `from` of the old ones are `to` of the new ones, and count as new.
    pub(super) fn rescale(&mut self, from: u64, to: u64) {
        self.newest = scale(self.units(), from, to);
        self.back = 0;
        self.free = self.gone;
        self.scale = self.scale.wrapping_add(1);
    }

    #[cold]
    fn has_back(mut self, need: i128, inflow: i128, cap: i128) -> bool {
        self.gain(inflow, cap);
        self.units() >= need
    }

    /// Takes what came back first, as it is the oldest. Returns how much must come from the run.
    #[cold]
    fn take_back(&mut self, units: i128) -> i128 {
        let first = units.min(self.back);
        self.back -= first;
        self.oldest = self.oldest.saturating_add(first);
        units - first
    }

    /// The number of the newest unit that was lost because the bucket was full.
    fn lost(&self, cap: i128) -> i128 {
        self.gone.saturating_add(self.newest).saturating_sub(cap)
    }

    #[cold]
    fn expire(&mut self, cap: i128) {
        let late = self
            .lost(cap)
            .saturating_sub(self.oldest)
            .clamp(0, self.back);
        self.oldest = self.oldest.saturating_add(late);
        self.back -= late;
    }

    /// The number below which units that come back find their places.
    ///
    /// A number from before a rescale says nothing now. What it stands for counts as taken when the
    /// units were rescaled, and no place is given away twice.
    fn place(&mut self, mark: &Mark, units: i128) -> i128 {
        if mark.scale == self.scale {
            return mark.number;
        }
        self.free = self.free.saturating_sub(units);
        self.free
    }
}

/// `units * to / from`, rounded down.
fn scale(units: i128, from: u64, to: u64) -> i128 {
    let (from, to) = (i128::from(from), i128::from(to));
    let whole = units.div_euclid(from).saturating_mul(to);
    // The remainder is below 2^64, so the product is below 2^128.
    let part = units.rem_euclid(from).unsigned_abs() * to.unsigned_abs() / from.unsigned_abs();
    whole.saturating_add(part as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: i128 = 10;

    fn full() -> Level {
        Level::new(CAP)
    }

    #[test]
    fn what_comes_back_at_once_leaves_no_trace() {
        let mut level = full();
        let marks = [level.take(3), level.take(0), level.take(4)];

        for (mark, units) in marks.iter().zip([3, 0, 4]) {
            level.give_back(mark, units, CAP);
        }

        assert_eq!((level.newest, level.gone, level.back), (CAP, 0, 0));
    }

    #[test]
    fn what_came_back_is_lost_when_so_many_newer_ones_flowed_in() {
        let mut level = full();
        let dropped = level.take(3);
        level.take(7);
        level.give_back(&dropped, 3, CAP);
        assert_eq!(level.units(), 3);

        level.gain(2, CAP);
        assert_eq!(level.units(), 3, "two new ones, and one of the old");
        level.gain(4, CAP);
        assert_eq!(level.units(), 6, "all are new");
    }

    #[test]
    fn what_came_back_is_taken_first() {
        let mut level = full();
        let dropped = level.take(3);
        level.take(7);
        level.give_back(&dropped, 3, CAP);
        level.gain(1, CAP);

        level.take(2);

        assert_eq!((level.back, level.newest), (0, 1));
    }

    #[test]
    fn a_take_from_both_comes_back_as_old_as_the_oldest() {
        let mut level = full();
        let dropped = level.take(3);
        level.take(5);
        level.give_back(&dropped, 3, CAP);

        let both = level.take(4);
        assert_eq!(both.number, 0);
        level.give_back(&both, 4, CAP);

        assert_eq!(level.units(), 5);
        level.gain(3, CAP);
        assert_eq!(level.units(), 5);
    }

    #[test]
    fn in_other_units_it_is_as_much_rounded_down() {
        let cases = [
            (7, 10, 3, 2),
            (10, 10, 3, 3),
            (-1, 10, 3, -1),
            (-10, 10, 3, -3),
            (i128::MAX, 1, u64::MAX, i128::MAX),
        ];
        for (units, from, to, scaled) in cases {
            assert_eq!(scale(units, from, to), scaled, "{units} of {from} in {to}");
        }
    }

    #[test]
    fn old_units_come_back_as_new_ones_but_each_once() {
        let mut level = full();
        let marks = [level.take(4), level.take(4)];
        level.rescale(1, 10);

        for mark in &marks {
            level.give_back(mark, 40, 10 * CAP);
        }

        assert_eq!(level.units(), 100);
    }

    #[test]
    fn a_bucket_that_was_full_since_takes_nothing_back() {
        let mut level = full();
        let stuck = level.take(4);

        level.fill(CAP);
        level.take(9);
        level.give_back(&stuck, 4, CAP);

        assert_eq!(level.units(), 1);
    }
}
