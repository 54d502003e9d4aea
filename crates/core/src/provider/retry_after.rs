//! Reads a server's request to wait, in all three spellings, and believes none of them blindly.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The longest wait that is taken from a server: one hour. A larger number is read as this one, so that an absurd
/// header cannot silence an upstream for a year.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long the server asks to be left alone: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date.
///
/// Nonsense (negative, not a number, not a date) is no request; a date that has passed is a wait of zero.
pub fn retry_after(headers: &HeaderMap, wall: impl FnOnce() -> SystemTime) -> Option<Duration> {
    if let Some(wait) = text(headers, "retry-after-ms").and_then(|ms| number(ms, 1e-3)) {
        return Some(wait);
    }
    let value = text(headers, "retry-after")?;
    number(value, 1.0).or_else(|| date(value, wall()))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(text: &str, unit: f64) -> Option<Duration> {
    // Digits and one dot only: f64's own grammar would accept "inf", "nan" and "1e300".
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let seconds = text.parse::<f64>().ok()? * unit;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT.as_secs_f64())))
}

fn date(text: &str, now: SystemTime) -> Option<Duration> {
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(&headers, || UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn all_three_spellings_are_read() {
        assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(read(&[("retry-after", " 0.5 ")]), Some(Duration::from_millis(500)));
        assert_eq!(read(&[("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
        assert_eq!(read(&[("retry-after", "9"), ("retry-after-ms", "10")]), Some(Duration::from_millis(10)));
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]), Some(Duration::from_secs(3)));
        assert_eq!(read(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), Some(Duration::ZERO));
    }

    #[test]
    fn absurd_numbers_are_bounded_and_nonsense_is_nothing() {
        for absurd in ["99999999999999999999999999", "31536000", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(read(&[("retry-after", absurd)]), Some(LONGEST_WAIT), "{absurd}");
        }
        for nonsense in ["", "-1", "soon", "1e9", "inf", "NaN", "1.2.3", "0x10", "٣"] {
            assert_eq!(read(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(read(&[]), None);
    }
}
