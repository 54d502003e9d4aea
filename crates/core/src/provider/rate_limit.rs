//! Reads what a provider says is left of its limit, in the spellings that are common, and believes none of them blindly.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use super::LONGEST_WAIT;
use crate::units::parse_duration;

/// What a provider says about its limit of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many it allows, where it says so.
    pub limit: Option<u64>,
    /// How many of them are left.
    pub remaining: u64,
    /// How long until its count begins anew; at most [`LONGEST_WAIT`].
    pub reset: Duration,
}

/// The families of headers, each with the names of its limit, what remains and when it is reset.
const FAMILIES: [[&str; 3]; 4] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ],
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"],
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"],
];

/// What is left, as the first of these says that is whole: OpenAI's and Anthropic's headers for requests, the IETF
/// draft's `RateLimit` field in either form, `ratelimit-…` and `x-ratelimit-…`.
///
/// A reset is a number of seconds, a duration such as `6m0s`, a date (RFC 3339), or, where it is that large, seconds or
/// milliseconds since 1970. Without both what remains and its reset nothing is said, and nonsense is nothing. A moment
/// that has passed is a reset of zero.
pub fn rate_limit(headers: &HeaderMap, wall: impl FnOnce() -> SystemTime) -> Option<RateLimit> {
    // Most answers say nothing at all, and are not to pay for the clock.
    let (limit, remaining, reset) = said(headers)?;
    Some(RateLimit { limit, remaining, reset: span(reset, wall())? })
}

type Said<'h> = (Option<u64>, u64, &'h str);

fn said(headers: &HeaderMap) -> Option<Said<'_>> {
    let family = |[limit, remaining, reset]: &[&str; 3]| -> Option<Said<'_>> {
        let remaining = count(text(headers, remaining)?)?;
        Some((text(headers, limit).and_then(count), remaining, text(headers, reset)?))
    };
    let ietf = || field(text(headers, "ratelimit")?);
    FAMILIES[..2].iter().find_map(family).or_else(ietf).or_else(|| FAMILIES[2..].iter().find_map(family))
}

/// `limit=100, remaining=50, reset=5`, or `"policy";r=50;t=30`: the first policy of several.
fn field(text: &str) -> Option<Said<'_>> {
    let value = |name: &str| {
        text.split([',', ';']).find_map(|part| {
            let (found, value) = part.split_once('=')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let remaining = value("remaining").or_else(|| value("r")).and_then(count)?;
    let reset = value("reset").or_else(|| value("t"))?;
    Some((value("limit").and_then(count), remaining, reset))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Digits only; more of them than fit is as good as no limit. What follows is a list of policies (`100, 100;w=60`).
fn count(text: &str) -> Option<u64> {
    let number = text.split([',', ';']).next()?.trim();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(number.parse().unwrap_or(u64::MAX))
}

fn span(text: &str, now: SystemTime) -> Option<Duration> {
    let left = if let Some(seconds) = seconds(text) {
        // The year 2001 in seconds: nobody's window is thirty years long.
        const EPOCH: f64 = 1e9;
        match seconds {
            millis if millis >= EPOCH * 1e3 => until(Duration::try_from_secs_f64(millis / 1e3).ok()?, now),
            moment if moment >= EPOCH => until(Duration::try_from_secs_f64(moment).ok()?, now),
            seconds => Duration::try_from_secs_f64(seconds).ok()?,
        }
    } else {
        parse_duration(text).ok().or_else(|| Some(until(date(text)?, now)))?
    };
    Some(left.min(LONGEST_WAIT))
}

fn seconds(text: &str) -> Option<f64> {
    // Digits and one dot only: f64's own grammar would accept "inf", "nan" and "1e300".
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok())?
}

fn until(since_1970: Duration, now: SystemTime) -> Duration {
    since_1970.saturating_sub(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// `2026-08-01T12:00:00Z`, with a fraction or an offset if need be; as the time since 1970.
fn date(text: &str) -> Option<Duration> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let marked = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
    let whole =
        marked(4, b"-") && marked(7, b"-") && marked(10, b"Tt ") && marked(13, b":") && marked(16, b":");
    if !whole {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let real = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second is the one that follows.
        && second <= 60;
    if !real {
        return None;
    }
    let rest = text.get(19..)?;
    let after = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let east = match after {
        "Z" | "z" => 0,
        _ => {
            let at = text.len() - after.len();
            let sign = if marked(at, b"+") {
                1
            } else if marked(at, b"-") {
                -1
            } else {
                return None;
            };
            if after.len() != 6 || !marked(at + 3, b":") {
                return None;
            }
            sign * (digits(at + 1, at + 3)? * 3600 + digits(at + 4, at + 6)? * 60)
        }
    };
    let moment = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - east;
    u64::try_from(moment).ok().map(Duration::from_secs)
}

/// Days since 1970 of a date in the Gregorian calendar: years are taken to begin in March, so that a leap day is the
/// last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: u64 = 784_111_777;

    fn read(pairs: &[(&'static str, &str)]) -> Option<(Option<u64>, u64, Duration)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let read = rate_limit(&headers, || UNIX_EPOCH + Duration::from_secs(NOW))?;
        Some((read.limit, read.remaining, read.reset))
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn every_common_spelling_is_read() {
        let openai = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "7"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-remaining-tokens", "3"),
        ];
        assert_eq!(read(&openai), Some((Some(500), 7, secs(360))));
        let anthropic = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "1994-11-06T08:50:07Z"),
        ];
        assert_eq!(read(&anthropic), Some((Some(50), 0, secs(30))));
        assert_eq!(
            read(&[("ratelimit", "limit=100, remaining=50, reset=5")]),
            Some((Some(100), 50, secs(5)))
        );
        assert_eq!(read(&[("ratelimit", "\"default\";r=50;t=30")]), Some((None, 50, secs(30))));
        let three =
            [("ratelimit-limit", "10, 10;w=60"), ("ratelimit-remaining", "3"), ("ratelimit-reset", "9")];
        assert_eq!(read(&three), Some((Some(10), 3, secs(9))));
        let github = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4999"),
            ("x-ratelimit-reset", "784112377"),
        ];
        // In 1994 such a number is still a span: a long one.
        assert_eq!(read(&github), Some((Some(5000), 4999, LONGEST_WAIT)));
    }

    #[test]
    fn a_moment_since_1970_is_told_from_a_number_of_seconds() {
        let now = UNIX_EPOCH + secs(1_800_000_000);
        for (text, left) in [
            ("1800000090", secs(90)),
            ("1800000090000", secs(90)),
            ("1700000000", Duration::ZERO),
            ("90", secs(90)),
            ("0.5", Duration::from_millis(500)),
            ("17ms", Duration::from_millis(17)),
            ("1m26.4s", Duration::from_millis(86_400)),
            ("99999999999999999999", LONGEST_WAIT),
            ("86400", LONGEST_WAIT),
        ] {
            assert_eq!(span(text, now), Some(left), "{text}");
        }
    }

    #[test]
    fn a_date_is_read_with_fraction_and_offset() {
        for (text, since) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1994-11-06T08:49:37Z", NOW),
            ("1994-11-06t08:49:37.999999z", NOW),
            ("1994-11-06 10:49:37+02:00", NOW),
            ("1994-11-06T03:19:37-05:30", NOW),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2024-12-31T23:59:60Z", 1_735_689_600),
        ] {
            assert_eq!(date(text), Some(secs(since)), "{text}");
        }
        for nonsense in [
            "1994-13-06T08:49:37Z",
            "1994-11-06T24:00:00Z",
            "1994-11-06",
            "1994-11-06T08:49:37",
            "1969-12-31T00:00:00Z",
        ] {
            assert_eq!(date(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn half_a_word_and_nonsense_are_nothing() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[("x-ratelimit-remaining", "5")]), None, "no reset");
        assert_eq!(read(&[("x-ratelimit-reset", "5")]), None, "nothing remains");
        for nonsense in ["", "-1", "soon", "1e9", "inf", "NaN", "1.2.3", "0x10", "٣", "1994-11-06Tnoon"] {
            assert_eq!(
                read(&[("ratelimit-remaining", "5"), ("ratelimit-reset", nonsense)]),
                None,
                "{nonsense}"
            );
            assert_eq!(
                read(&[("ratelimit-remaining", nonsense), ("ratelimit-reset", "5")]),
                None,
                "{nonsense}"
            );
        }
    }

    #[test]
    fn a_family_that_is_not_whole_leaves_the_word_to_the_next() {
        let both = [
            ("x-ratelimit-remaining-requests", "1"),
            ("x-ratelimit-remaining", "2"),
            ("x-ratelimit-reset", "3"),
        ];
        assert_eq!(read(&both), Some((None, 2, secs(3))));
    }

    proptest! {
        #[test]
        fn no_header_can_make_it_panic_or_wait_for_ever(
            values in prop::collection::vec("[0-9a-zT:.;=,\"+ -]{0,30}", 6), wall in 0u64..10_000_000_000,
        ) {
            let names = ["ratelimit", "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests", "anthropic-ratelimit-requests-reset"];
            let mut headers = HeaderMap::new();
            for (name, value) in names.into_iter().zip(&values) {
                headers.insert(name, value.parse().unwrap());
            }
            if let Some(read) = rate_limit(&headers, || UNIX_EPOCH + secs(wall)) {
                prop_assert!(read.reset <= LONGEST_WAIT);
            }
        }

        #[test]
        fn a_date_is_days_and_seconds(day in 0i64..40_000, second in 0u32..86_400) {
            // Counted the slow way.
            let (mut year, mut left) = (1970, day);
            let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            while left >= 365 + i64::from(leap(year)) {
                left -= 365 + i64::from(leap(year));
                year += 1;
            }
            let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let mut month = 0;
            while left >= lengths[month] {
                left -= lengths[month];
                month += 1;
            }
            let text = format!("{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", month + 1, left + 1,
                second / 3600, second / 60 % 60, second % 60);
            prop_assert_eq!(date(&text), Some(Duration::from_secs(day as u64 * 86_400 + u64::from(second))));
        }
    }
}
