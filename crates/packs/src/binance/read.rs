//! An answer of the exchange, read as far as it proves something.

use std::time::{Duration, SystemTime};

use seawall_core::provider::LONGEST_WAIT;
use serde_json::Value;

use super::codes::{CODES, is_about_form};
use super::means::Means;
use super::{messages, statuses};

/// The code and the message of an answer, and of the two halves of a cancel-replace.
#[derive(Debug, Default)]
pub(super) struct Answer {
    code: Option<i32>,
    message: String,
    halves: Vec<Answer>,
}

impl Answer {
    /// Nothing where the body is cut, compressed or no JSON.
    pub(super) fn read(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let mut answer = Self::of(&body);
        let half = |place: &str| body.get("data")?.get(place).map(Self::of);
        answer.halves = ["cancelResponse", "newOrderResponse"].into_iter().filter_map(half).collect();
        answer
    }

    fn of(body: &Value) -> Self {
        let code = body.get("code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
        let message = body.get("msg").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { code: code.filter(|code| *code < 0), message, halves: Vec::new() }
    }

    /// What it means under this status; nothing is plain HTTP.
    pub(super) fn means(&self, status: u16) -> Option<Means> {
        if let Some(row) = messages::listed(status.into(), &self.message) {
            return Some(row.means);
        }
        let row = statuses::listed(status);
        match (row, self.code) {
            // The status proves more than the code, or less: a 5xx is unknown whatever else it says.
            (Some(row), Some(-1007)) if row.means == Means::Trouble => Some(Means::TimedOut),
            (Some(row), _) if !row.code_decides => Some(row.means),
            (_, Some(code)) => Some(self.by_code(code)),
            (row, None) => row.map(|row| row.means),
        }
    }

    fn by_code(&self, code: i32) -> Means {
        let means = of_code(code, &self.message);
        // Both halves failed, but a half that nobody knows the end of has not.
        let open = |half: &Answer| half.code.is_some_and(|code| of_code(code, &half.message).leaves_open());
        if means == Means::Wrong && self.halves.iter().any(open) { Means::Half } else { means }
    }

    /// How long a ban lasts that names its end in the message, from now.
    pub(super) fn banned_for(&self, now: impl FnOnce() -> SystemTime) -> Option<Duration> {
        let (_, rest) = self.message.split_once("banned until ")?;
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(digits.parse().ok()?))?;
        Some(until.duration_since(now()).unwrap_or(Duration::ZERO).min(LONGEST_WAIT))
    }
}

/// What a code means beside a message. One that is not listed proves nothing, unless its whole range is about form.
pub(super) fn of_code(code: i32, message: &str) -> Means {
    if let Some(row) = messages::listed(code, message) {
        return row.means;
    }
    match CODES.iter().find(|row| row.code == code) {
        Some(row) => row.means,
        None if is_about_form(code) => Means::Wrong,
        None => Means::Unlisted,
    }
}

impl Means {
    /// Is it open whether the order took place? No open order where one was to go is not that.
    fn leaves_open(self) -> bool {
        matches!(
            self,
            Means::Trouble
                | Means::Disconnected
                | Means::TimedOut
                | Means::Half
                | Means::Unlisted
                | Means::Exists
        )
    }
}
