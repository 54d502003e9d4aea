//! Effects as an operator sees them, and what an operator may decide.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use seawall::effect::{Key, Record, Resolution, Stamp, State, Truth};
use seawall::{Code, Rejection};
use seawall_core::clock::wall_now;
use seawall_core::store::{Cursor, StoreError, Wanted};
use seawall_signals::view::{Effect, Effects};

use super::{Journal, Kept, type_of};
use crate::admin::timestamp;

/// The words of every state.
pub(crate) const STATES: [&str; 7] =
    ["executing", "in-doubt", "reconciling", "free", "done", "quarantined", "tombstone"];
/// Records in one page.
const PAGE: usize = 100;
/// Doubts that are counted one by one.
const COUNTED: usize = 10_000;

/// Doubts by type, as they were last counted, and why they could not be counted since.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<Arc<str>, u64>,
    failing: Option<String>,
}

impl Doubts {
    pub(crate) fn by_type(&self) -> HashMap<Arc<str>, u64> {
        self.lock().counts.clone()
    }

    pub(crate) fn total(&self) -> u64 {
        self.lock().counts.values().sum()
    }

    /// Why the journal did not answer when it was last asked.
    pub(crate) fn failing(&self) -> Option<String> {
        self.lock().failing.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Counts what is in doubt, in the whole journal. What the store does not tell stays as it was.
    pub(crate) async fn count_doubts(&self) {
        let mut counts: HashMap<Arc<str>, u64> = HashMap::new();
        for state in ["in-doubt", "reconciling", "quarantined"] {
            let (mut after, mut seen) = (None, 0);
            while seen < COUNTED {
                let wanted = Wanted { state: Some(state.into()), after, limit: 500 };
                let page = match self.guard.list(wanted).await {
                    Ok(page) => page,
                    Err(rejection) => {
                        self.doubts.lock().failing = Some(rejection.reason.into_owned());
                        return;
                    }
                };
                seen += page.records.len();
                for (_, record) in &page.records {
                    let kind = type_of(self.guard.namespace(), &record.label);
                    *counts.entry(Arc::from(kind)).or_default() += 1;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        *self.doubts.lock() = Seen { counts, failing: None };
    }

    /// A page of effects.
    pub(crate) async fn list(
        &self,
        state: Option<String>,
        after: Option<String>,
    ) -> Result<Effects, Rejection> {
        if let Some(state) = &state
            && !STATES.contains(&state.as_str())
        {
            let shown: String = state.chars().take(40).collect();
            return Err(Rejection::new(Code::Malformed)
                .because(format!("{shown:?} is no state of an effect: write one of {}", STATES.join(", "))));
        }
        let after = after.as_deref().map(cursor).transpose()?;
        let wanted = Wanted { state, after, limit: PAGE };
        let page = self.guard.list(wanted).await?;
        Ok(Effects {
            promise: self.guard.store().promise().to_string(),
            in_doubt: self.doubts.total(),
            effects: page.records.iter().map(|(key, record)| self.told(*key, record)).collect(),
            next: page.next.as_ref().map(shown),
        })
    }

    /// One effect.
    pub(crate) async fn show(&self, id: &str) -> Result<Effect, Rejection> {
        let key = parse(id)?;
        match self.guard.show(key).await? {
            Some(record) => Ok(self.told(key, &record)),
            None => {
                Err(Rejection::new(Code::NoSuchThing)
                    .because("no effect of that id is remembered".to_owned()))
            }
        }
    }

    /// What somebody found out about an effect in doubt. That it has *not* taken place is believed only when nothing of
    /// it can be under way any more, unless `force`.
    pub(crate) async fn resolve(
        &self,
        id: &str,
        outcome: &str,
        force: bool,
        by: &str,
        reason: &str,
    ) -> Result<Effect, Rejection> {
        let key = parse(id)?;
        let resolution = match outcome {
            "applied" => Resolution::Ended(Truth::Applied, None),
            "rejected" => Resolution::Ended(Truth::Rejected, None),
            "not-applied" => Resolution::NotApplied,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(Rejection::new(Code::Malformed).because(format!(
                    "{shown:?} is no outcome: write \"applied\", \"rejected\" or \"not-applied\""
                )));
            }
        };
        let Some(record) = self.guard.show(key).await? else {
            return Err(Rejection::new(Code::NoSuchThing).because("no effect of that id is remembered"));
        };
        if resolution == Resolution::NotApplied
            && !force
            && let Some(doubt) = record.state.doubt()
            && doubt.quiet > now()
        {
            let left = now().until(doubt.quiet);
            return Err(Rejection::new(Code::EffectInFlight).after(left).because(
                "the call may still be under way, and what is not there now may come to be: ask again, or force it",
            ));
        }
        self.guard.force(key, by, reason, resolution).await?;
        self.show(id).await
    }

    /// A person says that whatever the journal forgot has been looked after.
    pub(crate) async fn settle(&self) -> Result<(), Rejection> {
        self.guard.store().settle().await.map_err(|error| failed(&error))
    }

    /// Copies the journal to a file that is not there yet.
    pub(crate) async fn backup(&self, path: &Path) -> Result<(), Rejection> {
        self.guard.store().backup(path).await.map_err(|error| failed(&error))
    }

    /// Why unknown keys are refused where a second run could do harm, if they are.
    pub(crate) fn doubted(&self) -> Option<String> {
        self.guard.store().doubted()
    }

    fn told(&self, key: Key, record: &Record) -> Effect {
        let mut told = Effect {
            id: key.to_string(),
            name: record.label.to_string(),
            kind: type_of(self.guard.namespace(), &record.label).to_owned(),
            state: record.state.as_str().to_owned(),
            nature: record.nature.as_str().to_owned(),
            attempts: record.attempts,
            first: stamp(record.first),
            ..Effect::default()
        };
        if let Some(doubt) = record.state.doubt() {
            told.since = Some(stamp(doubt.since));
            told.reason = Some(doubt.reason.to_string());
            told.detail = Some(doubt.detail.to_string());
            told.asked = Some(doubt.tries);
            told.quiet = Some(stamp(doubt.quiet));
        }
        match &record.state {
            State::Done(done) => {
                told.since = Some(stamp(done.at));
                told.truth = Some(done.truth.to_string());
                told.how = Some(done.how.to_string());
                let kept = done.result.as_deref().and_then(Kept::read);
                told.answer = kept.map(|kept| kept.told());
            }
            State::Tombstone { truth, at } => {
                told.since = Some(stamp(*at));
                told.truth = Some(truth.to_string());
            }
            State::Free { since, .. } => told.since = Some(stamp(*since)),
            _ => {}
        }
        told
    }
}

fn failed(error: &StoreError) -> Rejection {
    Rejection::new(Code::StoreUnavailable).because(error.to_string())
}

fn parse(id: &str) -> Result<Key, Rejection> {
    Key::parse(id).ok_or_else(|| {
        Rejection::new(Code::Malformed).because("that is not an effect's id: it has 32 hexadecimal digits")
    })
}

/// The end of a page in digits, as it may stand in a URL whatever labels are made of.
fn shown(Cursor(text): &Cursor) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn cursor(shown: &str) -> Result<Cursor, Rejection> {
    let digits = shown.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        pair.bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u8::from_str_radix(pair, 16).ok())
            .flatten()
    });
    let bytes = digits.collect::<Option<Vec<u8>>>();
    bytes.map(|bytes| Cursor(String::from_utf8_lossy(&bytes).into_owned())).ok_or_else(|| {
        Rejection::new(Code::Malformed)
            .because("\"after\" is the \"next\" of the page before, as it was given")
    })
}

fn now() -> Stamp {
    let since = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn stamp(at: Stamp) -> String {
    timestamp(UNIX_EPOCH + Duration::from_millis(at.0.min(253_402_300_799_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_page_comes_back_as_it_was_and_may_stand_in_a_url() {
        for text in ["", "shop:effect:order:7 0f", "ö & #2@% +\u{7f}"] {
            let told = shown(&Cursor(text.to_owned()));
            assert!(told.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{told}");
            assert_eq!(cursor(&told).unwrap(), Cursor(text.to_owned()));
        }
        for wrong in ["7", "zz", "+1", "ö", "order 7"] {
            assert_eq!(cursor(wrong).unwrap_err().code, Code::Malformed, "{wrong}");
        }
    }
}
