use std::fmt;

/// What a request asks of a [`Limiter`](crate::Limiter).
///
/// Implemented for `u32` (tokens), for `()` (every request is alike) and for pairs.
pub trait Cost: Copy + fmt::Debug + Send + 'static {
    /// What several costs come to.
    type Sum: Copy + Default + fmt::Debug + Send;

    /// The cost of a request that nobody weighed: one token.
    const ONE: Self;

    /// Adds this cost to a sum.
    fn add_to(self, sum: &mut Self::Sum);

    /// Takes this cost from a sum that it was added to.
    fn take_from(self, sum: &mut Self::Sum);

    /// A sum in tokens, for [`Snapshot::waiting_cost`](crate::Snapshot::waiting_cost).
    fn tokens(sum: Self::Sum) -> u64;
}

impl Cost for u32 {
    type Sum = u64;

    const ONE: Self = 1;

    fn add_to(self, sum: &mut u64) {
        *sum = sum.saturating_add(u64::from(self));
    }

    fn take_from(self, sum: &mut u64) {
        *sum = sum.saturating_sub(u64::from(self));
    }

    fn tokens(sum: u64) -> u64 {
        sum
    }
}

impl Cost for () {
    type Sum = ();

    const ONE: Self = ();

    fn add_to(self, _sum: &mut ()) {}

    fn take_from(self, _sum: &mut ()) {}

    fn tokens(_sum: ()) -> u64 {
        0
    }
}

impl<A: Cost, B: Cost> Cost for (A, B) {
    type Sum = (A::Sum, B::Sum);

    const ONE: Self = (A::ONE, B::ONE);

    fn add_to(self, sum: &mut Self::Sum) {
        self.0.add_to(&mut sum.0);
        self.1.add_to(&mut sum.1);
    }

    fn take_from(self, sum: &mut Self::Sum) {
        self.0.take_from(&mut sum.0);
        self.1.take_from(&mut sum.1);
    }

    fn tokens(sum: Self::Sum) -> u64 {
        A::tokens(sum.0).max(B::tokens(sum.1))
    }
}
