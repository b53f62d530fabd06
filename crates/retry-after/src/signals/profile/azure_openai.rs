//! Azure OpenAI: `Please retry after 37 seconds.` in the message of the body.

use super::{GENERIC, Vendor};

pub(super) static VENDOR: Vendor = Vendor {
    in_message,
    ..GENERIC
};

fn in_message(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("retry after ")?;
    let (number, rest) = rest.split_once(' ')?;
    rest.starts_with("second").then_some(number)
}
