//! What a retrier is made of.

use std::sync::{Arc, Weak};

use seawall::time::default_clock;
use seawall_core::Clock;
use seawall_core::audit::Audit;
use seawall_core::clock::wall_now;
use seawall_core::effect::Stamp;
use seawall_core::event::Sink;
use seawall_core::job::JobState;
use seawall_core::random::Random;
use seawall_policy::Invalid;
use seawall_policy::job::{self, Summary};
use seawall_signals::audit::{self, Trail};
use seawall_signals::metrics::{Family, Gauge, Observer, Registry, names};
use seawall_signals::view::BreakerState;

use super::types::Types;
use super::{Inner, Options, Retrier};
use crate::Memory;

/// Types of jobs that are told apart.
const MAX_TYPES: usize = 100;

/// Makes a [`Retrier`]: everything has a default.
#[derive(Default)]
#[must_use = "nothing is made before `build`"]
pub struct Builder {
    options: Options,
    of_type: Vec<(Arc<str>, Options)>,
    breaker: Option<seawall::breaker::Options>,
    clock: Option<Arc<dyn Clock>>,
    state: Option<Arc<dyn JobState>>,
    audit: Option<Arc<dyn Audit>>,
    sink: Option<Arc<dyn Sink>>,
    random: Random,
    registry: Option<Registry>,
    max_types: Option<usize>,
}

impl Builder {
    /// When jobs are run again that have no options of their own.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// When jobs of one type are run again.
    pub fn job(mut self, job_type: impl Into<Arc<str>>, options: Options) -> Self {
        self.of_type.push((job_type.into(), options));
        self
    }

    /// The breaker of each type. Default [`job::breaker`]: 10 failures in 5 minutes, until somebody overrides it.
    pub fn breaker(mut self, options: seawall::breaker::Options) -> Self {
        self.breaker = Some(options);
        self
    }

    /// What is remembered of jobs, and where. Default this process's memory.
    pub fn state(mut self, state: Arc<dyn JobState>) -> Self {
        self.state = Some(state);
        self
    }

    /// Where retries, blocks and overrides are written down. Default this process's memory.
    pub fn audit(mut self, audit: Arc<dyn Audit>) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Who hears of breakers that move, and of levers.
    pub fn sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Where attempts are counted for scrapers.
    pub fn metrics(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// A clock of your own. Cooldowns are awaited on tokio's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The dice for jitter.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// How many types are told apart. Default 100; those that come later share one breaker and one count, and
    /// [`Retrier::hour`] names the first of them.
    pub fn max_types(mut self, max: usize) -> Self {
        self.max_types = Some(max);
        self
    }

    /// Makes it, or refuses options that contradict themselves.
    pub fn build(self) -> Result<Retrier, Invalid> {
        self.options.check()?;
        self.of_type.iter().try_for_each(|(_, options)| options.check())?;
        self.breaker.as_ref().map_or(Ok(()), seawall::breaker::Options::check)?;
        Ok(self.made())
    }

    /// Of options that have been checked.
    pub(super) fn made(self) -> Retrier {
        let clock = self.clock.unwrap_or_else(default_clock);
        let since = wall_now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let audit = self
            .audit
            .unwrap_or_else(|| Arc::new(Trail::in_memory(audit::Options::default(), clock.clone())));
        let known = self.of_type.iter().map(|(kind, _)| kind.clone());
        let registry = self.registry.clone();
        let retrier = Retrier(Arc::new(Inner {
            types: Types::new(self.max_types.unwrap_or(MAX_TYPES), known, self.registry),
            options: self.options,
            of_type: self.of_type,
            breaker: self.breaker.unwrap_or_else(job::breaker),
            began: (Stamp(0) + since, clock.now()),
            state: self.state.unwrap_or_else(|| Arc::new(Memory::with(100_000, clock.clone()))),
            clock,
            audit,
            sink: self.sink,
            random: self.random,
        }));
        if let Some(registry) = registry {
            observe(&registry, &retrier);
        }
        retrier
    }
}

/// Shows the last hour and the breakers for as long as the retrier is there.
fn observe(registry: &Registry, retrier: &Retrier) {
    type Read = fn(&Summary) -> Option<f64>;
    let gauges: [(Family<Gauge, 1>, Read); 5] = [
        (names::JOB_RETRIES_PER_MINUTE, |hour| Some(hour.retries_per_minute)),
        (names::JOB_SUCCESS_RATIO, |hour| hour.success),
        (names::JOB_FAILURE_RATIO, |hour| hour.failure),
        (names::JOB_ATTEMPTS_AVERAGE, |hour| hour.average_attempts),
        (names::JOB_BLOCKED_RATIO, |hour| hour.blocked),
    ];
    for (family, read) in gauges {
        let inner: Weak<Inner> = Arc::downgrade(&retrier.0);
        let observer = family.observe(registry, move |out| {
            let Some(inner) = inner.upgrade() else { return };
            let hour = Retrier(inner).hour();
            let all = [("", &hour.all)].into_iter();
            for (kind, summary) in all.chain(hour.types.iter().map(|(kind, summary)| (&**kind, summary))) {
                if let Some(value) = read(summary) {
                    out.add(&[kind], value);
                }
            }
        });
        observer.keep();
    }
    let inner: Weak<Inner> = Arc::downgrade(&retrier.0);
    let breakers = names::observe_breakers(registry, move |show| {
        let Some(inner) = inner.upgrade() else { return };
        for (kind, state) in inner.types.states() {
            if let Some(state) = BreakerState::parse(state.as_str()) {
                show(&kind, "", state);
            }
        }
    });
    breakers.into_iter().for_each(Observer::keep);
}
