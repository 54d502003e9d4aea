//! The gateway's counters, made once from the configuration, so that counting is an array access.

use seawall::Class;
use seawall_core::Code;
use seawall_signals::metrics::{Counter, CounterBy, Histogram, Registry, names};
use seawall_signals::rate::Rate;
use seawall_signals::view::{BreakerState, CacheResult};

/// What is counted about one upstream.
#[derive(Debug)]
pub(crate) struct UpstreamMeters {
    pub(crate) attempts: CounterBy<Class>,
    pub(crate) retries: CounterBy<Class>,
    pub(crate) over_budget: Counter,
    pub(crate) rejections: CounterBy<Code>,
    pub(crate) cache: CounterBy<CacheResult>,
    pub(crate) waits: Histogram,
    pub(crate) rate: Rate,
    /// All calls to it, whatever the route, for the board.
    pub(crate) durations: Histogram,
}

impl UpstreamMeters {
    pub(crate) fn new(registry: &Registry, upstream: &str) -> Self {
        let meters = Self {
            attempts: names::attempts(registry, upstream),
            retries: names::retries(registry, upstream),
            over_budget: names::RETRY_BUDGET_EXHAUSTED.with(registry, [upstream]),
            rejections: names::rejections(registry, upstream),
            cache: names::cache(registry, upstream),
            waits: names::LIMITER_WAIT.with(registry, [upstream]),
            rate: Rate::default(),
            durations: Histogram::new(seawall_signals::metrics::BUCKETS),
        };
        // Visible at zero from the start.
        let _ = (meters.attempts.of(Class::Ok), meters.retries.of(Class::Overloaded));
        meters
    }

    /// Shows what its cache does from the start: one of its routes has one.
    pub(crate) fn show_cache(&self) {
        CacheResult::ALL.iter().for_each(|result| _ = self.cache.of(*result));
    }
}

/// What is counted about one route at one upstream.
#[derive(Debug)]
pub(crate) struct CallMeters {
    pub(crate) calls: CounterBy<Class>,
    pub(crate) duration: Histogram,
}

impl CallMeters {
    pub(crate) fn new(registry: &Registry, upstream: &str, route: &str) -> Self {
        let meters = Self {
            calls: names::calls(registry, upstream, route),
            duration: names::CALL_DURATION.with(registry, [upstream, route]),
        };
        let _ = meters.calls.of(Class::Ok);
        meters
    }
}

/// Transitions of one breaker.
pub(crate) fn transitions(registry: &Registry, upstream: &str) -> CounterBy<BreakerState> {
    let transitions = names::breaker_transitions(registry, upstream, upstream);
    let _ = transitions.of(BreakerState::Open);
    transitions
}
