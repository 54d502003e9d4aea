//! Calls that must not happen twice: remembered before their first byte leaves, and answered from memory afterwards.
//!
//! ```text
//! key, owner, fingerprint ─► may I? ─┬─ run ─► chain of targets ─► answer read whole ─► remembered ─► passed on
//!        (asked)             (guard) ├─ replay ─► as it was answered then
//!                                    └─ no ─► 409 in flight, 409 in doubt, 422 something else, …
//! a doubt ─► probe ─► found: remembered · not there, when all is quiet: free · else a person
//! ```
//!
//! What is decided is decided by the effect guard of the library, whose steps every store runs; this is its face to
//! HTTP.

mod asked;
mod desk;
mod flow;
mod kept;
mod probe;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use seawall::Invalid;
use seawall::effect::{Guard, Kind, Nature, Stats};
use seawall_core::Clock;
use seawall_core::event::{Event, Fact, Sink};
use seawall_signals::metrics::names::{self, EffectCounts};
use seawall_signals::metrics::{Observer, Registry};
use seawall_signals::view::EffectVerdict;

use crate::plan::{self, Part};

pub(crate) use asked::carries_key;
pub(crate) use desk::{Doubts, STATES};
pub(crate) use flow::call;
pub(crate) use kept::Kept;
pub(crate) use probe::{keep_looking, register};

/// The largest body of an answer that is kept.
const LARGEST_BODY: usize = 1 << 20;
/// The longest key of a caller.
const LONGEST_KEY: usize = 255;
/// A route's effects.
#[derive(Debug)]
pub(crate) struct Once {
    pub(crate) kind: Kind,
    pub(crate) plan: plan::Once,
    /// What may differ between two tries, of the provider's words and the route's.
    ignore: Vec<Part>,
    /// Where a key may stand, in the order it is looked for.
    keys: Vec<Part>,
    /// The header a key is sent on in.
    sends: HeaderName,
}

impl Once {
    /// The effects of one type. Refuses spans that contradict each other.
    pub(crate) fn new(
        guard: &Guard,
        name: &str,
        plan: &plan::Once,
        upstream: &plan::Upstream,
        deadline: Duration,
    ) -> Result<Self, Invalid> {
        let provider = &upstream.provider;
        let parts = |words: &[&str]| words.iter().filter_map(|word| word.parse().ok()).collect::<Vec<Part>>();
        let (mut ignore, mut keys) = (parts(provider.ignores()), vec![Part::Header(plan.key.clone())]);
        ignore.extend(plan.ignore.iter().cloned());
        keys.extend(parts(provider.keys()));
        let sends = keys[1..].iter().find_map(|part| match part {
            Part::Header(name) => Some(name.clone()),
            _ => None,
        });
        let sends = sends.unwrap_or_else(|| plan.key.clone());
        Ok(Self { kind: guard.kind(name, plan.options(deadline))?, plan: plan.clone(), ignore, keys, sends })
    }

    /// Does a request name what it wants done once, to us or to the provider? Names it in its body are not looked for.
    pub(crate) fn names(&self, headers: &HeaderMap) -> bool {
        let named = |part: &Part| matches!(part, Part::Header(name) if carries_key(headers, name));
        self.keys.iter().any(named)
    }

    /// Does a doubt end by itself when the caller sends the same key again?
    fn may_send_again(&self) -> bool {
        matches!(self.kind.options().nature, Nature::Keyed { .. } | Nature::Idempotent)
    }
}

/// The journal of a gateway.
pub(crate) struct Journal {
    pub(crate) guard: Guard,
    pub(crate) doubts: Arc<Doubts>,
}

impl Journal {
    /// Tells what was found when it was opened.
    pub(crate) fn open(
        plan: &plan::Journal,
        clock: &Arc<dyn Clock>,
        events: &Arc<dyn Sink>,
    ) -> Result<Self, Invalid> {
        let guard =
            Guard::with(plan.namespace.clone(), plan.store.clone(), clock.clone(), Some(events.clone()))?;
        for (label, note) in &plan.found {
            let fact = Fact::Effect { label: label.clone(), note: note.clone() };
            events.offer(Event { at: clock.now(), name: type_of(&plan.namespace, label).into(), fact });
        }
        Ok(Self { guard, doubts: Arc::default() })
    }

    /// Shows its counts to whoever reads the metrics.
    pub(crate) fn observe(&self, registry: &Registry, always: Vec<Arc<str>>) -> Vec<Observer> {
        let (guard, doubts) = (self.guard.clone(), self.doubts.clone());
        let mut observers: Vec<Observer> = names::observe_effects(registry, move || {
            let in_doubt = doubts.by_type();
            let mut shown = Vec::new();
            for (kind, stats) in guard.stats() {
                let used = stats != Stats::default() || in_doubt.contains_key(&kind);
                if used || always.contains(&kind) {
                    let verdicts = EffectVerdict::ALL.map(|verdict| (verdict, count(&stats, verdict))).into();
                    let in_doubt = in_doubt.get(&kind).copied().unwrap_or(0);
                    shown.push(EffectCounts { kind, verdicts, in_doubt });
                }
            }
            shown
        })
        .into();
        let guard = self.guard.clone();
        observers.push(names::EFFECT_WORDS_UNSAID.observe(registry, move |out| {
            out.add(&[], guard.unsaid() as f64);
        }));
        observers
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.guard.fmt(f)
    }
}

fn count(stats: &Stats, verdict: EffectVerdict) -> u64 {
    match verdict {
        EffectVerdict::Applied => stats.applied,
        EffectVerdict::Rejected => stats.rejected,
        EffectVerdict::NotApplied => stats.not_applied,
        EffectVerdict::Unknown => stats.unknown,
        EffectVerdict::Replayed => stats.replays,
        EffectVerdict::InFlight => stats.busy + stats.cooldowns,
        EffectVerdict::InDoubt => stats.doubtful,
        EffectVerdict::Mismatch => stats.mismatches,
        EffectVerdict::Expired => stats.expired,
        EffectVerdict::Unanswered => stats.unanswered,
        EffectVerdict::SuspectedDuplicate => stats.suspected_duplicates,
    }
}

/// The type in a label of this namespace; empty in any other.
pub(crate) fn type_of<'l>(namespace: &str, label: &'l str) -> &'l str {
    let rest = label.strip_prefix(namespace).and_then(|rest| rest.strip_prefix(":effect:"));
    rest.and_then(|rest| rest.split_once(':')).map_or("", |(name, _)| name)
}

/// The type of an upstream's calls on no route of their own: no route can have this name.
pub(crate) fn plain_type(upstream: &str) -> String {
    format!("upstream.{upstream}")
}
