//! What gRPC says in its trailers: `grpc-status`, `grpc-retry-pushback-ms` ([A6]) and the
//! `google.rpc.RetryInfo` in `grpc-status-details-bin`.
//!
//! [A6]: https://github.com/grpc/proposal/blob/master/A6-client-retries.md

use std::time::Duration;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::signals::{
    Directive,
    heard::{Heard, Line, Outcome, Rank},
    number::integer,
    protobuf::{Message, Value},
    reading::Form,
    time::Timed,
};

/// Padding is optional in gRPC, and what a careless encoder left in the last bits doesn't matter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

pub(crate) fn read(heard: &mut Heard, line: &Line<'_>) -> Outcome {
    match line.name() {
        "grpc-status" => status(heard, line).into(),
        "grpc-retry-pushback-ms" => {
            pushback(heard, line);
            Outcome::Read
        }
        "grpc-status-details-bin" => details(heard, line).into(),
        _ => Outcome::NotMine,
    }
}

fn status(heard: &mut Heard, line: &Line<'_>) -> Option<()> {
    heard.grpc_status = Some(u32::try_from(integer(line.text)?).ok()?);
    Some(())
}

/// The one signal where garbage means *stop*: a negative number, what isn't a 32-bit number, and more
/// than one line.
fn pushback(heard: &mut Heard, line: &Line<'_>) {
    heard.pushbacks += 1;
    let fits = integer(line.text).is_some_and(|ms| i32::try_from(ms).is_ok());
    match Timed::whole_millis(line.text) {
        Some(timed) if fits && heard.pushbacks == 1 => {
            heard.wait(Rank::Pushback, line.reading(timed))
        }
        _ => {
            heard.waits.retain(|(rank, _)| *rank != Rank::Pushback);
            heard.direct(Directive::NoRetry);
        }
    }
}

fn details(heard: &mut Heard, line: &Line<'_>) -> Option<()> {
    let values = line.text.split(|b| *b == b',');
    let waits = values.filter_map(|value| {
        let status = BASE64.decode(crate::signals::text::trim(value)).ok()?;
        retry_delay(&status)
    });
    let timed = Timed {
        wait: waits.max()?,
        form: Form::RetryInfo,
        clock: None,
    };
    heard.wait(Rank::StatusDetails, line.reading(timed));
    Some(())
}

/// The longest `retry_delay` in a `google.rpc.Status`: `{ details = 3: Any { type_url = 1, value = 2 } }`.
fn retry_delay(status: &[u8]) -> Option<Duration> {
    let fields: Vec<_> = Message(status).collect::<Option<_>>()?;
    let details = fields.into_iter().filter_map(|field| match field {
        (3, Value::Bytes(any)) => delay_of(any),
        _ => None,
    });
    details.max()
}

/// `RetryInfo { retry_delay = 1: Duration { seconds = 1, nanos = 2 } }`, in an `Any`.
fn delay_of(any: &[u8]) -> Option<Duration> {
    let url = Message(any).bytes(1)?;
    let name = url.rsplit(|b| *b == b'/').next()?;
    let info = Message(any).bytes(2).filter(|_| name == RETRY_INFO)?;
    let delay = Message(info).bytes(1)?;
    let seconds = i64::try_from(Message(delay).varint(1)?).ok()?;
    let nanos = u32::try_from(Message(delay).varint(2)?).ok()?;
    let nanos = Some(nanos).filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(base64: &str) -> Option<Duration> {
        retry_delay(&BASE64.decode(base64).unwrap())
    }

    #[test]
    fn retry_info_is_found_with_and_without_padding() {
        let padded = "CA4SAXgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIHg==";
        assert_eq!(delay(padded), Some(Duration::from_secs(30)));
        assert_eq!(
            delay(padded.trim_end_matches('=')),
            Some(Duration::from_secs(30))
        );
    }

    fn any(name: &str, value: &[u8]) -> Vec<u8> {
        let url = format!("type.googleapis.com/{name}");
        let mut any = vec![0x0a, u8::try_from(url.len()).unwrap()];
        any.extend(url.as_bytes());
        any.extend([0x12, u8::try_from(value.len()).unwrap()]);
        any.extend(value);
        any
    }

    #[test]
    fn a_negative_or_missing_delay_is_none() {
        let minus_one = [
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ];
        let mut info = vec![0x0a, 11];
        info.extend(minus_one);
        assert_eq!(delay_of(&any("google.rpc.RetryInfo", &info)), None);
        assert_eq!(delay_of(&any("google.rpc.RetryInfo", &[])), None);
        assert_eq!(
            delay_of(&any("google.rpc.RetryInfo", &[0x0a, 0])),
            Some(Duration::ZERO)
        );
        assert_eq!(delay_of(&any("google.rpc.Help", &[0x0a, 2, 0x08, 5])), None);
    }
}
