//! Prisjakt: resets are milliseconds from now, which nothing but documentation tells.

use super::{GENERIC, Vendor};
use crate::signals::time::Unit;

pub(super) static VENDOR: Vendor = Vendor {
    reset_unit: Unit::Milliseconds,
    ..GENERIC
};
