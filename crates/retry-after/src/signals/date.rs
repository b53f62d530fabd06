//! Dates: the three forms of RFC 9110, and ISO 8601.
//!
//! Why not the `httpdate` crate: it refuses a wrong weekday, `:60`, `UTC`, a numeric zone and none at
//! all, which servers send and other clients read; and it takes a year of two digits from a fixed
//! century (70 is 1970 for ever), where RFC 9110 §5.6.7 wants the latest year that is not more than 50
//! years ahead. The calendar itself is `jiff`'s.

use jiff::{SignedDuration, ToSpan, civil};

use super::number::{Decimal, integer};

/// No date is longer. The longest that is read has some 35 characters.
const MAX_LEN: usize = 64;

const NS_PER_SECOND: i128 = 1_000_000_000;

const EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// Reads an HTTP date as nanoseconds since the epoch.
///
/// The forms of RFC 9110 §5.6.7: `Fri, 29 Sep 2023 16:26:57 GMT`, `Friday, 29-Sep-23 16:26:57 GMT` and
/// `Fri Sep 29 16:26:57 2023`. The weekday is ignored, and so is case. The zone may be `GMT`, `UTC`,
/// `UT`, `Z`, an offset, or missing (then it is UTC). `now` tells the century of a two-digit year.
pub(crate) fn http_date(text: &[u8], now: i128) -> Option<i128> {
    let words = words(text)?;
    let named = words.first().is_some_and(|word| is_weekday(word));
    let (year, month, day, time, zone) = match words[usize::from(named)..] {
        [month, day, time, year] if month_of(month).is_some() => (year, month, day, time, ""),
        [day, month, year, time] => (year, month, day, time, ""),
        [day, month, year, time, zone] => (year, month, day, time, zone),
        _ => return None,
    };
    let moment = Moment {
        month: month_of(month)?,
        day: number(day, 1..=2)?,
        ..Moment::parse_time(time).filter(|_| time.len() == "HH:MM:SS".len())?
    };
    let year = match year.len() {
        2 => moment.full_year(number(year, 2..=2)?, now)?,
        _ => number(year, 4..=4)?,
    };
    Moment { year, ..moment }.since_epoch(zone)
}

/// Reads `2023-09-29T16:26:57.25+02:00` as nanoseconds since the epoch, rounded up.
///
/// The seconds, their fraction and the zone (then it is UTC) may be missing; a space may stand for `T`.
pub(crate) fn iso_8601(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (date, rest) = text.split_at_checked("YYYY-MM-DD".len())?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let zone = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone);
    let parts: Vec<_> = date.split('-').collect();
    let [year, month, day] = parts[..] else {
        return None;
    };
    Moment {
        year: number(year, 4..=4)?,
        month: number(month, 2..=2)?,
        day: number(day, 2..=2)?,
        ..Moment::parse_time(time).filter(|_| text.len() <= MAX_LEN)?
    }
    .since_epoch(zone)
}

/// The fields of a date, not yet known to be one.
#[derive(Default)]
struct Moment {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: u128,
}

impl Moment {
    /// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction`.
    fn parse_time(text: &str) -> Option<Self> {
        let (clock, fraction) = match text.split_once('.') {
            Some((clock, fraction)) => (clock, Some(fraction)),
            None => (text, None),
        };
        let parts: Option<Vec<i8>> = clock.split(':').map(|part| number(part, 2..=2)).collect();
        let (hour, minute, second) = match parts?[..] {
            [hour, minute] if fraction.is_none() => (hour, minute, 0),
            [hour, minute, second] => (hour, minute, second),
            _ => return None,
        };
        Some(Self {
            hour,
            minute,
            second,
            nanos: fraction.map_or(Some(0), nanos)?,
            ..Self::default()
        })
    }

    /// The latest year with these two last digits in which the moment is at most 50 years ahead.
    fn full_year(&self, short: i16, now: i128) -> Option<i16> {
        let now = SignedDuration::from_secs(i64::try_from(now.div_euclid(NS_PER_SECOND)).ok()?);
        let last = EPOCH.checked_add(now).ok()?.checked_add(50.years()).ok()?;
        let year = last.year() - last.year().rem_euclid(100) + short;
        let rest = (self.month, self.day, self.hour, self.minute, self.second);
        let last_rest = (
            last.month(),
            last.day(),
            last.hour(),
            last.minute(),
            last.second(),
        );
        let too_far = (year, rest) > (last.year(), last_rest);
        Some(if too_far { year - 100 } else { year })
    }

    /// A leap second, `:60`, is the second after `:59`.
    fn since_epoch(&self, zone: &str) -> Option<i128> {
        let leap = i64::from(self.second == 60);
        let second = self.second - i8::from(self.second == 60);
        let date = civil::Date::new(self.year, self.month, self.day).ok()?;
        let time = civil::Time::new(self.hour, self.minute, second, 0).ok()?;
        let local = date.to_datetime(time).duration_since(EPOCH).as_secs();
        let seconds = local + leap - offset(zone)?;
        Some(i128::from(seconds) * NS_PER_SECOND + i128::try_from(self.nanos).ok()?)
    }
}

/// The words of a text; those that start with a digit are cut at their dashes, as in `06-Nov-94`.
fn words(text: &[u8]) -> Option<Vec<&str>> {
    let text = std::str::from_utf8(text).ok()?;
    let cut = |word: &'_ str| word.starts_with(|c: char| c.is_ascii_digit());
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let words = words.flat_map(|word| word.splitn(if cut(word) { 4 } else { 1 }, '-'));
    (text.len() <= MAX_LEN).then(|| words.collect())
}

fn is_weekday(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphabetic()) && month_of(word).is_none()
}

fn month_of(word: &str) -> Option<i8> {
    let month = MONTHS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(word))?;
    i8::try_from(month + 1).ok()
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    let utc = ["", "GMT", "UTC", "UT", "Z"];
    if utc.iter().any(|name| name.eq_ignore_ascii_case(zone)) {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let minutes = if digits.len() == 2 { "00" } else { minutes };
    let hours: i64 = number(hours, 2..=2).filter(|hours| *hours < 24)?;
    let minutes: i64 = number(minutes, 2..=2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 60 + minutes) * 60)
}

fn nanos(fraction: &str) -> Option<u128> {
    let text = ["0.", fraction].concat();
    Some(Decimal::plain(text.as_bytes())?.scaled_up(9))
}

fn number<T: TryFrom<u128>>(text: &str, len: std::ops::RangeInclusive<usize>) -> Option<T> {
    let value = integer(text.as_bytes()).filter(|_| len.contains(&text.len()))?;
    T::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fri, 29 Sep 2023 16:26:57 GMT
    const THEN: i128 = 1_696_004_817;

    fn http(text: &str) -> Option<i128> {
        http_date(text.as_bytes(), THEN * NS_PER_SECOND).map(|ns| ns / NS_PER_SECOND)
    }

    fn iso_ms(text: &str) -> Option<i128> {
        iso_8601(text.as_bytes()).map(|ns| ns / 1_000_000)
    }

    #[test]
    fn the_three_forms_of_rfc_9110_are_read() {
        assert_eq!(http("Fri, 29 Sep 2023 16:26:57 GMT"), Some(THEN));
        assert_eq!(http("Friday, 29-Sep-23 16:26:57 GMT"), Some(THEN));
        assert_eq!(http("Fri Sep 29 16:26:57 2023"), Some(THEN));
        assert_eq!(http("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
    }

    #[test]
    fn what_servers_send_beyond_them_is_read() {
        for text in [
            "Zun, 29 Sep 2023 16:26:57 GMT",
            "29 Sep 2023 16:26:57 GMT",
            "Sep 29 16:26:57 2023",
            "fri, 29 sep 2023 16:26:57 gmt",
            "Fri, 29 Sep 2023 16:26:57 UTC",
            "Fri, 29 Sep 2023 16:26:57",
            "Fri, 29-Sep-2023 16:26:57 GMT",
            "Fri, 29 Sep 2023 18:26:57 +0200",
            "Fri, 29 Sep 2023 11:56:57 -0430",
            "Fri, 29 Sep 2023 16:25:117 GMT",
        ] {
            let expected = (!text.contains("117")).then_some(THEN);
            assert_eq!(http(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_leap_second_is_the_second_after_59() {
        assert_eq!(http("Fri, 29 Sep 2023 16:26:60 GMT"), Some(THEN + 3));
        assert_eq!(iso_ms("2016-12-31T23:59:60Z"), Some(1_483_228_800_000));
    }

    /// `httpdate` has a fixed pivot: 70 is 1970 for ever.
    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        assert_eq!(http("Friday, 29-Sep-73 16:26:57 GMT"), Some(3_273_928_017));
        assert_eq!(http("Friday, 29-Sep-73 16:26:58 GMT"), Some(118_168_018));
        assert_eq!(
            http("Thursday, 01-Jan-70 00:00:00 GMT"),
            Some(3_155_760_000)
        );
    }

    #[test]
    fn a_last_day_of_february_needs_the_right_century() {
        assert_eq!(http("Tuesday, 29-Feb-00 00:00:00 GMT"), Some(951_782_400));
        assert_eq!(http("Tuesday, 29-Feb-01 00:00:00 GMT"), None);
    }

    #[test]
    fn what_is_not_wholly_a_date_is_none() {
        for text in [
            "",
            "garbage",
            "Fri, 29 Sep 2023 24:00:00 GMT",
            "Fri, 29 Sep 2023 16:60:00 GMT",
            "Fri, 31 Sep 2023 16:26:57 GMT",
            "Fri, 29 Sep 2023 16:26 GMT",
            "Fri, 29 Sep 2023 16:26:57 PST",
            "Fri, 29 Sep 2023 16:26:57 GMT x",
            "Fri, 29 Sep 2023 16:26:57.5 GMT",
            "Fri, 29 Sep 123 16:26:57 GMT",
            "Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)",
            "29-Sep-23-1 16:26:57 GMT",
        ] {
            assert_eq!(http(text), None, "{text:?}");
        }
    }

    #[test]
    fn iso_8601_is_read_with_and_without_seconds_fraction_and_zone() {
        let expected = Some(1_620_644_400_000);
        assert_eq!(iso_ms("2021-05-10T11:00Z"), expected);
        assert_eq!(iso_ms("2021-05-10 11:00:00"), expected);
        assert_eq!(iso_ms("2021-05-10t13:00:00.000+02:00"), expected);
        assert_eq!(iso_ms("2021-05-10T13:00:00+0200"), expected);
        assert_eq!(iso_ms("2021-05-10T09:00:00-02"), expected);
        assert_eq!(iso_ms("2021-05-10T11:00:00.25z"), Some(1_620_644_400_250));
        assert_eq!(iso_8601(b"1970-01-01T00:00:00.0000000001Z"), Some(1));
    }

    #[test]
    fn what_is_not_wholly_iso_8601_is_none() {
        for text in [
            "2021-05-10",
            "2021-05-10T",
            "2021-05-10T11Z",
            "2021-5-10T11:00Z",
            "2021-05-10T11:00.5Z",
            "2021-02-30T11:00Z",
            "2021-05-10T11:00ZZ",
            "2021-05-10T11:00+2",
            "2021-05-10T11:00+02:0",
        ] {
            assert_eq!(iso_ms(text), None, "{text:?}");
        }
    }
}
