//! Numbers, spans and states as people read them.

use std::time::Duration;

use seawall_core::units::format_duration;
use seawall_signals::view::{Breaker, BreakerState};

/// How something stands: a colour, a shape and, beside it, always a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mood {
    /// Nothing happens.
    Idle,
    /// All is well.
    Good,
    /// Worth a look.
    Odd,
    /// Something is broken.
    Bad,
}

impl Mood {
    /// Its class in the style sheet.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Good => "good",
            Self::Odd => "odd",
            Self::Bad => "bad",
        }
    }

    /// Its shape, so that nobody needs to see the colour. A constant text: nothing in it needs escaping.
    pub(super) const fn mark(&self) -> &'static str {
        match self {
            Self::Idle => concat!(
                r#"<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">"#,
                r#"<circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="2"/></svg>"#
            ),
            Self::Good => concat!(
                r#"<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">"#,
                r#"<circle cx="8" cy="8" r="6.5" fill="currentColor"/></svg>"#
            ),
            Self::Odd => concat!(
                r#"<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">"#,
                r#"<path d="M8 .5 15.5 8 8 15.5 .5 8Z" fill="currentColor"/></svg>"#
            ),
            Self::Bad => concat!(
                r#"<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">"#,
                r#"<path d="M8 1 15.7 15H.3Z" fill="currentColor"/></svg>"#
            ),
        }
    }
}

/// What a breaker's state means for whoever looks.
pub(super) const fn breaking(state: BreakerState) -> Mood {
    match state {
        BreakerState::Closed | BreakerState::MetricsOnly => Mood::Good,
        BreakerState::HalfOpen | BreakerState::ForcedClosed => Mood::Odd,
        BreakerState::Open | BreakerState::ForcedOpen => Mood::Bad,
    }
}

/// What a certainty, or the state of a call or an effect, means for whoever looks.
pub(super) fn certainty(word: &str) -> Mood {
    match word {
        "done" | "already-done" | "tombstone" | "free" => Mood::Good,
        "running" | "waiting" | "not-done" | "executing" | "reconciling" => Mood::Odd,
        _ => Mood::Bad,
    }
}

/// Since when a breaker is where it is, and what comes next; nothing for one that is closed.
pub(super) fn breaker(breaker: &Breaker) -> Option<String> {
    let since = seconds(breaker.since_seconds);
    let next = match (&breaker.forced, breaker.retry_after_ms, breaker.state) {
        (Some(forced), ..) => format!(", held by {}: {}", forced.by, forced.reason),
        (None, Some(wait), _) => format!(", probe in {}", seconds(wait.div_ceil(1000))),
        (None, None, BreakerState::Open) => ", until somebody says otherwise".to_owned(),
        (None, None, BreakerState::HalfOpen) => ", letting probes through".to_owned(),
        (None, None, _) => String::new(),
    };
    let quiet = breaker.state == BreakerState::Closed && breaker.forced.is_none();
    (!quiet).then(|| format!("{} since {since}{next}", breaker.state.as_str()))
}

/// `2m5s`
pub(super) fn seconds(seconds: u64) -> String {
    format_duration(Duration::from_secs(seconds))
}

/// `0.4 ms`, `48 ms`, `1.5 s`, `3m20s`
pub(super) fn millis(millis: f64) -> String {
    match millis {
        _ if !millis.is_finite() => "–".to_owned(),
        _ if millis < 9.95 => format!("{millis:.1} ms"),
        _ if millis < 999.5 => format!("{millis:.0} ms"),
        _ if millis < 59_950.0 => format!("{:.1} s", millis / 1000.0),
        _ => seconds((millis / 1000.0).round() as u64),
    }
}

/// `412`, `12 345`: in groups of three with narrow spaces that do not break.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `14:02:05` of an RFC 3339 time; the whole where it is not one.
pub(super) fn clock(time: &str) -> &str {
    time.get(11..19).filter(|clock| clock.is_ascii()).unwrap_or(time)
}

/// `2026-11-21 14:02:05` of an RFC 3339 time; the whole where it is not one.
pub(super) fn moment(time: &str) -> String {
    let moment = time.get(..19).filter(|_| time.is_ascii() && time.as_bytes().get(10) == Some(&b'T'));
    moment.map_or_else(|| time.to_owned(), |moment| moment.replace('T', " "))
}

/// A name as a segment of a path, or as an id that a style sheet and a fragment can name.
pub(in crate::admin) fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_counts_are_short() {
        let spans = [0.04, 9.94, 9.96, 48.2, 999.6, 1500.0, 59_949.0, 200_000.0, f64::NAN, f64::INFINITY];
        let said = ["0.0 ms", "9.9 ms", "10 ms", "48 ms", "1.0 s", "1.5 s", "59.9 s", "3m20s", "–", "–"];
        assert_eq!(spans.map(millis), said);
        assert_eq!(
            [0, 9999, 12_345, 1_234_567].map(count),
            ["0", "9999", "12\u{202f}345", "1\u{202f}234\u{202f}567"]
        );
    }

    #[test]
    fn a_name_becomes_a_segment_that_leads_nowhere_else() {
        assert_eq!(segment("open-ai_2"), "open-ai_2");
        assert_eq!(segment("../x?y#\"<é"), "%2E%2E%2Fx%3Fy%23%22%3C%C3%A9");
    }

    #[test]
    fn a_time_that_is_none_is_shown_as_it_is() {
        assert_eq!(clock("2026-11-21T14:02:05.123Z"), "14:02:05");
        assert_eq!(clock(""), "");
        assert_eq!(moment("2026-11-21T14:02:05.123Z"), "2026-11-21 14:02:05");
        for odd in ["", "yesterday", "2026-11-21T14:02:0é.123Z", "a text that is far too long"] {
            assert_eq!(moment(odd), odd);
        }
        assert_eq!(clock("yesterday, or ééééééé"), "yesterday, or ééééééé");
    }
}
