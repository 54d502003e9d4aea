//! Chooses among several keys of one upstream: each in proportion to its weight, and none that was refused a moment ago.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::time::Duration;

use seawall_core::verdict::Seen;
use seawall_core::{Instant, Verdict, units};
use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The shortest rest: a provider that asks for none has refused all the same.
const LEAST: Duration = Duration::from_secs(1);
/// The longest rest that can be written.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

seawall_core::words! {
    /// Why a key rests, from what passes soonest to what a person has to mend.
    Why {
        /// It was asked for a slower pace.
        Limited = "limited",
        /// Its account has nothing left to spend.
        Quota = "quota",
        /// It was refused: wrong, or revoked.
        Denied = "denied",
    }
}

impl Why {
    /// Why a key rests that saw this; none where the answer says nothing of the key.
    pub const fn of(seen: Seen) -> Option<Self> {
        match seen {
            Seen::RateLimited => Some(Why::Limited),
            Seen::QuotaGone => Some(Why::Quota),
            Seen::Denied => Some(Why::Denied),
            _ => None,
        }
    }
}

/// How long keys rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// One that was refused (401). Default 10 min: long enough not to be noise, short enough that a key that was
    /// given its right back is found by itself.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub denied: Duration,
    /// One whose account is empty, unless the provider says how long. Default 10 min.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub quota: Duration,
    /// One that was too fast (429), unless the provider says how long. Default 30 s: most limits are of a minute.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub limited: Duration,
    /// The longest a provider's own word is heeded. Default 1 h.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub most: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            denied: Duration::from_secs(600),
            quota: Duration::from_secs(600),
            limited: Duration::from_secs(30),
            most: Duration::from_secs(3600),
        }
    }
}

impl Options {
    /// Refuses rests under a second and over a week.
    pub fn check(&self) -> Result<(), Invalid> {
        let all = [("denied", self.denied), ("quota", self.quota), ("limited", self.limited)];
        for (key, span) in all.into_iter().chain([("most", self.most)]) {
            if !(LEAST..=LONGEST).contains(&span) {
                let span = units::format_duration(span);
                return Err(Invalid::new(key, format!("{span} is out of range: write \"1s\" to \"7d\"")));
            }
        }
        Ok(())
    }

    fn rest(&self, why: Why, asked: Option<Duration>) -> Duration {
        let asked = asked.map(|asked| asked.clamp(LEAST, self.most));
        match why {
            Why::Limited => asked.unwrap_or(self.limited),
            Why::Quota => asked.unwrap_or(self.quota),
            Why::Denied => self.denied,
        }
    }
}

/// A key that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Why.
    pub why: Why,
    /// Since when.
    pub since: Instant,
    /// Until when.
    pub until: Instant,
    /// The provider said until when. Else it is our guess, and asking sooner offends nobody.
    pub asked: bool,
}

/// When the first of several that all rest may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soonest {
    /// In so long.
    pub wait: Duration,
    /// The provider wants the one that would be used now to be left alone.
    pub asked: bool,
}

/// What a key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It rests from now on, or for another reason than before.
    Rests(Why, Duration),
    /// It worked, and rests no longer.
    Woke,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    weight: u32,
    /// What smooth weighted round robin owes it.
    turn: i64,
    rest: Option<Rest>,
}

impl Key {
    fn resting(&self, now: Instant) -> Option<Rest> {
        self.rest.filter(|rest| rest.until > now)
    }
}

/// The keys of one upstream, by their places.
///
/// ```
/// use std::num::NonZeroU32;
/// use seawall_core::Instant;
/// use seawall_policy::keyring::Keyring;
///
/// let weights = [3, 1].map(|weight| NonZeroU32::new(weight).unwrap());
/// let mut keys = Keyring::new(&weights);
/// let chosen: Vec<_> = (0..4).filter_map(|_| keys.choose(Instant::ORIGIN)).collect();
/// assert_eq!(chosen, [0, 0, 1, 0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// Keys of these weights, all of them awake.
    pub fn new(weights: &[NonZeroU32]) -> Self {
        Self {
            keys: weights.iter().map(|weight| Key { weight: weight.get(), turn: 0, rest: None }).collect(),
        }
    }

    /// Whose turn it is: smooth weighted round robin among those that are awake. Where all rest, the least bad: what
    /// passes by itself before what a person has to mend, and of those the one that wakes soonest. None of none.
    pub fn choose(&mut self, now: Instant) -> Option<usize> {
        self.choose_but(&[], now)
    }

    /// The same, and none of those in these places as long as another one is awake: they have refused this call, which says
    /// nothing of others.
    pub fn choose_but(&mut self, refused: &[usize], now: Instant) -> Option<usize> {
        let others = self.turn(now, |place| !refused.contains(&place));
        others.or_else(|| self.turn(now, |_| true)).or_else(|| self.least_bad(now))
    }

    fn turn(&mut self, now: Instant, may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (place, key) in self.keys.iter_mut().enumerate() {
            if !may(place) || key.resting(now).is_some() {
                continue;
            }
            key.rest = None;
            key.turn += i64::from(key.weight);
            total += i64::from(key.weight);
            if best.is_none_or(|(_, most)| key.turn > most) {
                best = Some((place, key.turn));
            }
        }
        let (place, _) = best?;
        self.keys[place].turn -= total;
        Some(place)
    }

    fn least_bad(&self, now: Instant) -> Option<usize> {
        let rests = self.keys.iter().enumerate().filter_map(|(place, key)| Some((place, key.resting(now)?)));
        rests.min_by_key(|(_, rest)| (rest.why, rest.until)).map(|(place, _)| place)
    }

    /// What came of a call that began then with the key in `place`. A refusal of the key lets it rest; an answer to a call
    /// that began after that and worked wakes it. Says what is new.
    pub fn seen(
        &mut self,
        place: usize,
        verdict: Verdict,
        began: Instant,
        now: Instant,
        options: &Options,
    ) -> Option<Moved> {
        if let Some(why) = Why::of(verdict.seen) {
            let asked = verdict.retry_after.is_some() && why != Why::Denied;
            let span = options.rest(why, verdict.retry_after);
            return self.lay(place, Rest { why, since: now, until: now + span, asked });
        }
        let key = self.keys.get_mut(place)?;
        let rest = key.resting(now)?;
        if !verdict.is_ok() || rest.since > began {
            return None;
        }
        key.rest = None;
        Some(Moved::Woke)
    }

    /// The provider said that nothing is left for the key in `place`, for so long.
    pub fn spent(&mut self, place: usize, span: Duration, now: Instant, options: &Options) -> Option<Moved> {
        let (why, span) = (Why::Limited, options.rest(Why::Limited, Some(span)));
        self.lay(place, Rest { why, since: now, until: now + span, asked: true })
    }

    fn lay(&mut self, place: usize, rest: Rest) -> Option<Moved> {
        let key = self.keys.get_mut(place)?;
        match key.resting(rest.since) {
            // Many calls under way hear the same, and what is worse is not forgotten for what is less.
            Some(before) if before.why >= rest.why => {
                if before.why == rest.why {
                    // The provider's word stands above our guess, and the longer above the shorter.
                    let stronger = |rest: &Rest| (rest.asked, rest.until);
                    let longer = if stronger(&rest) >= stronger(&before) { rest } else { before };
                    key.rest = Some(Rest { since: rest.since, ..longer });
                }
                None
            }
            _ => {
                key.rest = Some(rest);
                Some(Moved::Rests(rest.why, rest.since.until(rest.until)))
            }
        }
    }

    /// How the key in `place` rests, if it does.
    pub fn rest(&self, place: usize, now: Instant) -> Option<Rest> {
        self.keys.get(place)?.resting(now)
    }

    /// Is one awake in another place than these?
    pub fn another(&self, than: &[usize], now: Instant) -> bool {
        let awake = |(place, key): (usize, &Key)| !than.contains(&place) && key.resting(now).is_none();
        self.keys.iter().enumerate().any(awake)
    }

    /// Where all rest, and the least bad of them only for its pace: how long until one of them may be used again.
    pub fn soonest(&self, now: Instant) -> Option<Soonest> {
        let rests: Option<Vec<Rest>> = self.keys.iter().map(|key| key.resting(now)).collect();
        let rests = rests?;
        let least_bad = rests.iter().min_by_key(|rest| (rest.why, rest.until))?;
        let first = rests.iter().map(|rest| rest.until).min()?;
        (least_bad.why == Why::Limited).then(|| Soonest { wait: now.until(first), asked: least_bad.asked })
    }

    /// Takes over how the key that was in `before` of another ring rests. `renewed` says that it has another value since:
    /// that the old one was denied then says nothing of it.
    pub fn inherit(&mut self, place: usize, other: &Keyring, before: usize, renewed: bool) {
        let rest = other.keys.get(before).and_then(|key| key.rest);
        if let Some(key) = self.keys.get_mut(place) {
            key.rest = rest.filter(|rest| !(renewed && rest.why == Why::Denied));
        }
    }
}
