//! A while in which nobody wants to hear of an alert.

use std::fmt;
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::units::format_duration;

use seawall_policy::alert::Labels;

use super::board::{Board, Ruled};
use super::key::Key;

/// Silences at once.
pub(super) const MOST: usize = 1000;

/// The longest silence.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    /// An alert, or a rule for all of its alerts.
    pub(super) id: String,
    pub(super) until: Instant,
    pub(super) by: String,
    pub(super) reason: String,
}

impl Silence {
    pub(super) fn covers(&self, key: &Key, id: &str) -> bool {
        *self.id == *key.rule || self.id == id
    }
}

/// Why a silence was not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsilenced {
    /// Nothing has that name; these are the rules there are.
    Nobody {
        /// The name.
        id: String,
        /// The rules.
        rules: Vec<String>,
    },
    /// It would last for longer than anybody remembers why.
    TooLong(Duration),
    /// There are as many silences as there may be.
    TooMany,
}

impl fmt::Display for Unsilenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsilenced::Nobody { id, rules } => {
                write!(f, "no alert is called {id:?}: there are {}", rules.join(", "))
            }
            Unsilenced::TooLong(span) => {
                let [span, longest] = [*span, LONGEST].map(format_duration);
                write!(f, "for: {span} is out of range: write up to \"{longest}\"")
            }
            Unsilenced::TooMany => write!(f, "there are {MOST} silences already: let some end"),
        }
    }
}

impl std::error::Error for Unsilenced {}

impl Board {
    /// Does an alert or a rule have that name?
    pub(super) fn knows(&self, id: &str) -> bool {
        self.rules.iter().any(|ruled: &Ruled| {
            let alert = |labels: &Labels| Key { rule: ruled.name.clone(), labels: labels.clone() }.id() == id;
            *ruled.name == *id || ruled.book.alerts().keys().any(alert)
        })
    }

    /// Begins a silence, or with no time at all ends the one there is.
    pub(super) fn silence(
        &mut self,
        id: &str,
        span: Duration,
        (by, reason): (&str, &str),
        now: Instant,
    ) -> Result<(), Unsilenced> {
        if !self.knows(id) {
            let rules = self.rules.iter().map(|ruled| ruled.name.to_string()).collect();
            return Err(Unsilenced::Nobody { id: id.to_owned(), rules });
        }
        if span > LONGEST {
            return Err(Unsilenced::TooLong(span));
        }
        self.silences.retain(|silence| silence.id != id);
        if self.silences.len() >= MOST {
            return Err(Unsilenced::TooMany);
        }
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let said = match span.is_zero() {
            true => format!("its silence was ended by {by}: {reason}"),
            false => format!("silenced for {} by {by}: {reason}", format_duration(span)),
        };
        let silence = Silence { id: id.to_owned(), until: now + span, by, reason };
        for (key, trace) in &mut self.traces {
            if silence.covers(key, &key.id()) {
                trace.push(now, said.as_str());
            }
        }
        if !span.is_zero() {
            self.silences.push(silence);
        }
        self.changed += 1;
        Ok(())
    }

    pub(super) fn unsilence(&mut self, now: Instant) {
        let over: Vec<Silence> = self.silences.extract_if(.., |silence| silence.until <= now).collect();
        for silence in over {
            self.changed += 1;
            for (key, trace) in &mut self.traces {
                if silence.covers(key, &key.id()) {
                    trace.push(now, "its silence is over");
                }
            }
        }
    }

    pub(super) fn silence_of(&self, key: &Key) -> Option<&Silence> {
        if self.silences.is_empty() {
            return None;
        }
        let id = key.id();
        self.silences.iter().find(|silence| silence.covers(key, &id))
    }

    pub(super) fn is_silenced(&self, key: &Key) -> bool {
        self.silence_of(key).is_some()
    }
}
