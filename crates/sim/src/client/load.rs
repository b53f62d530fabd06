use std::{fmt, str::FromStr, time::Duration};

/// What the clients have to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// Every worker has a next request as soon as the last one is over.
    Saturated,
    /// Requests come by themselves, this share of what the server lets in, independently of each other.
    Poisson(f64),
    /// The same share, but in bursts of a tenth of the quota, each at one of the clients.
    Bursty(f64),
    /// Every worker is saturated for so many windows and idle for as many, each client with a phase of
    /// its own.
    OnOff(u32),
    /// All clients together have this many quotas to send, once, and then nothing.
    Batch(f64),
    /// Every worker thinks between two requests, for a time that is exponentially distributed around
    /// this.
    Think(Duration),
}

/// As on the command line: `saturated`, `poisson:FRACTION`, `bursty:FRACTION`, `on-off:WINDOWS`,
/// `batch:QUOTAS` or `think:SECONDS`.
impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "saturated" => Ok(Self::Saturated),
            Some(("poisson", fraction)) => positive(fraction).map(Self::Poisson),
            Some(("bursty", fraction)) => positive(fraction).map(Self::Bursty),
            Some(("batch", quotas)) => positive(quotas).map(Self::Batch),
            Some(("think", seconds)) => positive(seconds)
                .map(Duration::from_secs_f64)
                .map(Self::Think),
            Some(("on-off", windows)) => {
                let windows = windows.parse().ok().filter(|&windows: &u32| windows > 0);
                windows
                    .map(Self::OnOff)
                    .ok_or_else(|| "the windows after the colon must be at least 1".to_owned())
            }
            _ => Err(FORMS.to_owned()),
        }
    }
}

const FORMS: &str = "not saturated, poisson:FRACTION, bursty:FRACTION, on-off:WINDOWS, \
                     batch:QUOTAS or think:SECONDS";

/// Up to a thousand of whatever it is.
fn positive(number: &str) -> Result<f64, String> {
    let number = number.parse().ok();
    let number = number.filter(|&number: &f64| number > 0.0 && number <= 1000.0);
    number.ok_or_else(|| "the number after the colon must be above 0, up to 1000".to_owned())
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturated => f.write_str("saturated"),
            Self::Poisson(fraction) => write!(f, "poisson:{fraction}"),
            Self::Bursty(fraction) => write!(f, "bursty:{fraction}"),
            Self::OnOff(windows) => write!(f, "on-off:{windows}"),
            Self::Batch(quotas) => write!(f, "batch:{quotas}"),
            Self::Think(time) => write!(f, "think:{}", time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_called_as_it_is_written() {
        for text in [
            "saturated",
            "poisson:0.5",
            "bursty:0.7",
            "on-off:5",
            "batch:5",
            "think:2.4",
        ] {
            assert_eq!(text.parse::<Load>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_load_that_there_is_not_is_an_error() {
        for text in [
            "",
            "poisson",
            "poisson:0",
            "poisson:nan",
            "on-off:0",
            "batch:-1",
            "think:inf",
        ] {
            assert!(text.parse::<Load>().is_err(), "{text}");
        }
    }
}
