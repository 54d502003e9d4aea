//! Why somebody was told about an alert, or was not: its latest moments, in words.

use std::collections::VecDeque;

use seawall_core::Instant;
use serde::{Deserialize, Serialize};

use super::calendar::millis;

/// Moments that are remembered of one alert.
const REMEMBERED: usize = 24;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Trace(VecDeque<Line>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Milliseconds since 1970.
    pub(super) at: u64,
    pub(super) what: String,
}

impl Trace {
    pub(super) fn push(&mut self, at: Instant, what: impl Into<String>) {
        while self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Line { at: millis(at), what: what.into() });
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
    }
}
