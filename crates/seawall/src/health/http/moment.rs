//! Moments as services write them: `2026-03-01T09:30:00.125Z`, with or without seconds, with an offset.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a moment of RFC 3339 or of ISO 8601 without seconds; nothing where it is none, or lies before 1970. Fractions
/// of a second are cut.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let (time, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (&time[..at], offset(&time[at..])?),
        None => return None,
    };
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (number(time.next()?, 2)?, number(time.next()?, 2)?);
    let second = match time.next() {
        None => 0,
        Some(second) => {
            let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            number(whole, 2)?
        }
    };
    let real = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !real {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Seconds that `Z`, `+02:00`, `+0200` or `+02` is ahead of the world's time.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'Z' | b'z' if text.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].replacen(':', "", 1);
    if !digits.is_ascii() {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits, 2)?, 0),
        4 => (number(&digits[..2], 2)?, number(&digits[2..], 2)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from the beginning of 1970, of a date that exists.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let before: i64 = (1..month).map(|month| days_of(year, month)).sum();
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969) + before + day - 1
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    fn seconds(text: &str) -> Option<u64> {
        Some(parse(text)?.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn moments_are_read_as_services_write_them() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2026-03-01T09:30:00.125Z"), Some(1_772_357_400));
        assert_eq!(seconds("2026-03-01T10:30+01:00"), Some(1_772_357_400));
        assert_eq!(seconds("2026-03-01 04:30:00-0500"), Some(1_772_357_400));
        assert_eq!(seconds("2000-02-29T00:00Z"), Some(951_782_400));
        assert_eq!(seconds("2100-03-01T00:00Z"), Some(4_107_542_400));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        let wrong = [
            "",
            "yesterday",
            "2026-13-01T00:00Z",
            "2026-02-29T00:00Z",
            "2026-03-01T24:00Z",
            "2026-03-01T09:30:00",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00+é1",
            "1969-12-31T23:00Z",
            "1970-01-01T00:00+01:00",
            "26-03-01T09:30Z",
        ];
        for text in wrong {
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Law: no text panics it.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}", digits in "[0-9TZ:+. -]{0,30}") {
            let _ = (parse(&text), parse(&digits));
            prop_assert!(parse("x").is_none());
        }
    }
}
