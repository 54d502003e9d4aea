//! Plain HTTP: the status says it all.

use http::{HeaderMap, StatusCode};

use super::{Head, Provider, retry_after};
use crate::clock::wall_now;
use crate::verdict::{Seen, Verdict};

/// A provider without peculiarities.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

/// The row of the verdict table a plain answer falls in.
pub fn seen_of_status(status: StatusCode, asks_to_wait: bool) -> Seen {
    match status.as_u16() {
        100..=399 => Seen::Success,
        401 | 403 => Seen::Denied,
        408 => Seen::ServerError,
        425 => Seen::TooEarly,
        429 => Seen::RateLimited,
        400..=499 => Seen::Invalid,
        503 if asks_to_wait => Seen::UnavailableForNow,
        _ => Seen::ServerError,
    }
}

impl Provider for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn classify(&self, head: &Head<'_>) -> Verdict {
        let wait = asks_to_wait(head.status, head.headers);
        Verdict::of(seen_of_status(head.status, wait.is_some())).after(wait)
    }
}

fn asks_to_wait(status: StatusCode, headers: &HeaderMap) -> Option<std::time::Duration> {
    // A Retry-After on a redirect or a success is not about load.
    if status.as_u16() < 400 {
        return None;
    }
    retry_after(headers, wall_now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Certainty, Class, Effects};

    fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert("retry-after", value.parse().unwrap());
        }
        Http.classify(&Head { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body: b"" })
    }

    /// Every status there can be, against the published rows.
    #[test]
    fn every_status_falls_in_its_published_row() {
        for status in 100..=999 {
            for wait in [None, Some("3")] {
                let expected = match (status, wait) {
                    (429, _) => Class::RateLimited,
                    (425 | 408, _) => Class::Overloaded,
                    (401 | 403, _) => Class::Auth,
                    (400..=499, _) => Class::Invalid,
                    (100..=399, _) => Class::Ok,
                    _ => Class::Overloaded,
                };
                assert_eq!(verdict(status, wait).class(), expected, "{status} {wait:?}");
            }
        }
    }

    #[test]
    fn a_503_that_names_a_time_was_not_done_and_one_that_does_not_is_unknown() {
        assert_eq!(verdict(503, Some("1")).certainty(Effects::Guarded), Certainty::NotDone);
        assert_eq!(verdict(503, Some("1")).certainty(Effects::Once), Certainty::Unknown);
        assert_eq!(verdict(503, None).certainty(Effects::Guarded), Certainty::Unknown);
        assert_eq!(verdict(503, Some("soon")).certainty(Effects::Guarded), Certainty::Unknown);
    }
}
