//! The `seawall-decision` header: one line that says what was decided up to the answer's head.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;

/// Its parts.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    pub(crate) upstream: &'a str,
    pub(crate) attempts: u32,
    pub(crate) waited: Duration,
    pub(crate) breaker: &'a str,
    /// What the cache had to do with it, or `none`.
    pub(crate) cache: &'a str,
    /// Where its effect stands, or `none`.
    pub(crate) effect: &'a str,
    pub(crate) generation: u64,
    /// Who called, where callers are told apart.
    pub(crate) caller: Option<&'a str>,
    /// Why it was not sent again though that might have helped, where that needs saying.
    pub(crate) note: Option<&'static str>,
}

impl<'a> Decision<'a> {
    /// What most calls come to.
    pub(crate) fn ordinary(upstream: &'a str, generation: u64) -> Self {
        Self {
            upstream,
            attempts: 1,
            waited: Duration::ZERO,
            breaker: "closed",
            cache: "none",
            effect: "none",
            generation,
            caller: None,
            note: None,
        }
    }

    /// Nothing was decided: the request was refused at the door.
    pub(crate) fn none(generation: u64) -> Self {
        Self { attempts: 0, breaker: "none", ..Self::ordinary("none", generation) }
    }

    /// Is it what most calls come to?
    pub(crate) fn is_ordinary(&self) -> bool {
        self.attempts == 1
            && self.waited.is_zero()
            && self.breaker == "closed"
            && self.cache == "none"
            && self.effect == "none"
            && self.caller.is_none()
            && self.note.is_none()
    }

    /// The line.
    fn line(&self) -> String {
        let mut line = String::with_capacity(128);
        let Self { upstream, attempts, waited, breaker, cache, effect, generation, caller, note } = self;
        let waited = waited.as_millis();
        // Formatting into a String cannot fail.
        let _ = write!(
            line,
            "upstream={upstream}; attempts={attempts}; waited={waited}ms; breaker={breaker}; cache={cache}; effect={effect}; \
             generation={generation}"
        );
        if let Some(caller) = caller {
            let _ = write!(line, "; caller={caller}");
        }
        if let Some(note) = note {
            let _ = write!(line, "; stopped={note}");
        }
        line
    }

    /// The line as a header's value; a story shares its bytes.
    pub(crate) fn header(&self) -> HeaderValue {
        // Upstream names are checked to be plain words when the configuration is read.
        HeaderValue::from_maybe_shared(bytes::Bytes::from(self.line()))
            .unwrap_or_else(|_| HeaderValue::from_static("upstream=?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_published_one() {
        let decision = Decision {
            upstream: "openai",
            attempts: 2,
            waited: Duration::from_micros(120_900),
            breaker: "closed",
            cache: "miss",
            effect: "done",
            generation: 3,
            caller: None,
            note: None,
        };
        assert_eq!(
            decision.line(),
            "upstream=openai; attempts=2; waited=120ms; breaker=closed; cache=miss; effect=done; generation=3"
        );
        let decision = Decision { caller: Some("ann"), note: Some("deadline"), ..decision };
        assert!(decision.line().ends_with("; generation=3; caller=ann; stopped=deadline"));
    }
}
