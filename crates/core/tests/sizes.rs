//! What a request costs in memory while it waits. The slot of the line is measured where it is.

mod probe;

use tower_throttle_core::{Acquire, InFlight, Permit, Rejected, Shared};

use self::probe::{Slots, Tokens};

#[test]
fn one_who_waits_is_small() {
    assert!(
        size_of::<Acquire<Tokens>>() <= 96,
        "{}",
        size_of::<Acquire<Tokens>>()
    );
    assert!(
        size_of::<Acquire<Slots>>() <= 96,
        "{}",
        size_of::<Acquire<Slots>>()
    );
}

#[test]
fn handles_and_permits_are_no_larger_than_what_they_hold() {
    assert_eq!(size_of::<Shared<Tokens>>(), size_of::<usize>());
    assert_eq!(size_of::<Permit<Slots>>(), size_of::<usize>());
    assert_eq!(size_of::<InFlight<Slots>>(), size_of::<usize>());
    assert!(size_of::<Permit<Tokens>>() <= 2 * size_of::<usize>());
    // In each `Result` that a request returns.
    assert_eq!(size_of::<Rejected>(), size_of::<usize>());
}
