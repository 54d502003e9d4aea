//! A provider's errors as data: a status, a word of the error's, and the row of the verdict table it falls in.

use std::ops::RangeInclusive;

use http::StatusCode;
use seawall_core::provider::seen_of_status;
use seawall_core::verdict::Seen;
use serde_json::Value;

/// An error body is some hundred bytes; one that does not fit is read as if it were not there.
pub const ERROR_BODY: usize = 16 * 1024;

/// Where a table was read, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The page.
    pub page: &'static str,
    /// The day it said so.
    pub read: &'static str,
}

/// One kind of error.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its statuses.
    pub status: RangeInclusive<u16>,
    /// What stands at `error.code`, `error.type` or `error.details.error_code`. Several words are how `error.message` begins.
    /// Empty is anything, or nothing.
    pub word: &'static str,
    /// What is seen in it.
    pub seen: Seen,
    /// Why.
    pub why: &'static str,
}

/// The errors of one provider. The first row that fits holds; where none fits, plain HTTP does.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Where they are documented.
    pub source: Source,
    /// The rows.
    pub rows: &'static [Row],
}

impl Table {
    /// What is seen in an answer with this status, by as much of its body as was read. A body that is cut, compressed or
    /// no JSON says no word.
    pub fn seen(&self, status: StatusCode, body: &[u8]) -> Option<Seen> {
        let words = if self.peek(status) > 0 { words(body) } else { Words::default() };
        let fits = |row: &&Row| row.status.contains(&status.as_u16()) && words.say(row.word);
        self.rows.iter().find(fits).map(|row| row.seen)
    }

    /// How much of a body it takes: nothing where the status decides alone, because all its rows say the same.
    pub fn peek(&self, status: StatusCode) -> usize {
        let mut rows = self.rows.iter().filter(|row| row.status.contains(&status.as_u16())).peekable();
        let Some(first) = rows.peek().map(|row| row.seen) else { return 0 };
        let mut otherwise = seen_of_status(status, false);
        let agree = rows.all(|row| {
            if row.word.is_empty() {
                otherwise = row.seen;
            }
            row.seen == first
        });
        if agree && otherwise == first { 0 } else { ERROR_BODY }
    }
}

#[derive(Debug, Default)]
struct Words {
    said: [Option<String>; 3],
    message: String,
}

impl Words {
    fn say(&self, word: &str) -> bool {
        match word.contains(' ') {
            true => self.message.starts_with(word),
            false => word.is_empty() || self.said.iter().flatten().any(|said| said == word),
        }
    }
}

fn words(body: &[u8]) -> Words {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Words::default() };
    let word = |place| body.pointer(place).and_then(Value::as_str).map(str::to_owned);
    Words {
        said: ["/error/code", "/error/type", "/error/details/error_code"].map(word),
        message: word("/error/message").unwrap_or_default(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What must hold of every table: it says where it comes from, every row can be reached, and none claims success.
    pub(crate) fn is_sound(table: &Table) {
        assert!(
            table.source.page.starts_with("https://") && table.source.read.len() == 10,
            "{:?}",
            table.source
        );
        for (place, row) in table.rows.iter().enumerate() {
            assert!(!row.why.is_empty() && *row.status.start() >= 400 && *row.status.end() <= 599, "{row:?}");
            let hides = |earlier: &&Row| {
                earlier.status.contains(row.status.start())
                    && earlier.status.contains(row.status.end())
                    && (earlier.word.is_empty() || earlier.word == row.word)
            };
            let hidden = table.rows[..place].iter().find(hides);
            assert!(hidden.is_none(), "{row:?} is never reached: {hidden:?}");
            assert!(!matches!(row.seen, Seen::Success | Seen::NotSent | Seen::Refused), "{row:?}");
        }
    }

    #[test]
    fn the_first_row_that_fits_holds_and_a_body_is_read_only_where_a_word_decides() {
        const ROWS: &[Row] = &[
            Row { status: 429..=429, word: "gone", seen: Seen::QuotaGone, why: "." },
            Row { status: 429..=429, word: "", seen: Seen::RateLimited, why: "." },
            Row { status: 500..=599, word: "", seen: Seen::ServerError, why: "." },
            Row { status: 402..=402, word: "No more", seen: Seen::QuotaGone, why: "." },
            Row { status: 404..=404, word: "known", seen: Seen::Invalid, why: "." },
            Row { status: 400..=400, word: "money", seen: Seen::QuotaGone, why: "." },
        ];
        let table = Table { source: Source { page: "https://x", read: "2026-01-01" }, rows: ROWS };
        is_sound(&table);
        let seen = |status, body: &str| table.seen(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(seen(429, r#"{"error": {"code": "gone"}}"#), Some(Seen::QuotaGone));
        assert_eq!(seen(429, r#"{"error": {"code": 7, "type": "gone"}}"#), Some(Seen::QuotaGone));
        assert_eq!(seen(429, r#"{"code": "gone"}"#), Some(Seen::RateLimited));
        assert_eq!(seen(503, r#"{"error": {"code": "gone"}}"#), Some(Seen::ServerError));
        assert_eq!(seen(404, r#"{"error": {"code": "gone"}}"#), None);
        assert_eq!(table.peek(StatusCode::TOO_MANY_REQUESTS), ERROR_BODY);
        assert_eq!(seen(400, r#"{"error": {"type": "money"}}"#), Some(Seen::QuotaGone));
        assert_eq!(seen(400, r#"{"error": {"details": {"error_code": "money"}}}"#), Some(Seen::QuotaGone));
        assert_eq!(seen(400, "{}"), None);
        assert_eq!(seen(402, r#"{"error": {"message": "No more today"}}"#), Some(Seen::QuotaGone));
        assert_eq!(seen(402, r#"{"error": {"message": "Say: No more", "type": "No more"}}"#), None);
        assert_eq!(table.peek(StatusCode::BAD_REQUEST), ERROR_BODY, "the word or plain HTTP");
        for status in [StatusCode::BAD_GATEWAY, StatusCode::NOT_FOUND, StatusCode::OK] {
            assert_eq!(table.peek(status), 0, "{status}");
        }
    }
}
