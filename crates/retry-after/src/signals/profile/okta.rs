//! Okta: sends a line for each of several limits, and its own SDK waits for the earliest reset.

use super::{GENERIC, Vendor};
use crate::signals::draft::Repeated;

pub(super) static VENDOR: Vendor = Vendor {
    repeated: Repeated::Shortest,
    ..GENERIC
};
