//! One limit for everybody: its state behind a lock, the gate before it, and the line of those who wait.

use std::sync::Mutex;

use seawall_core::Instant;
use seawall_core::provider::RateLimit;
use seawall_core::verdict::Class;
use seawall_policy::limiter::adaptive::Change;
use seawall_policy::limiter::{Decision, Lease, Limit, Meter, Options};

use super::gate::{Gate, Said};
use crate::lock;
use crate::queue::Line;

#[derive(Debug)]
pub(super) struct Common {
    gate: Gate,
    pub(super) line: Line,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: Limit,
    lent: Option<Lease>,
    opened: u32,
    passed: u64,
}

impl Common {
    pub(super) fn new(options: &Options) -> Self {
        let state = State { limit: Limit::new(options), lent: None, opened: 0, passed: 0 };
        Self { gate: Gate::new(), line: Line::default(), state: Mutex::new(state) }
    }

    /// Counts `n` if the gate lets them pass: what usually happens.
    #[inline]
    pub(super) fn passes(&self, n: u32, now: Instant) -> bool {
        self.gate.take(n, now) == Said::Passed
    }

    /// Counts `n` if they may pass now. Nobody overtakes those who wait.
    pub(super) fn take(&self, n: u32, now: Instant) -> Decision {
        match self.gate.take(n, now) {
            Said::Passed => Decision::Go,
            Said::Wait(wait) => Decision::Wait(wait),
            Said::Ask => self.with(now, |state| match self.line.len() {
                0 => state.take(n, now),
                _ => Decision::Wait(state.limit.interval()),
            }),
        }
    }

    /// The same for whoever is first in the line.
    pub(super) fn take_in_turn(&self, n: u32, now: Instant) -> Decision {
        self.with(now, |state| state.take(n, now))
    }

    pub(super) fn charge(&self, n: u64, now: Instant) {
        self.with(now, |state| state.limit.meter().charge(n, now));
    }

    pub(super) fn give_back(&self, n: u64, taken: Instant, now: Instant) {
        self.with(now, |state| state.limit.meter().give_back(n, taken, now));
        self.line.wake_first();
    }

    pub(super) fn remaining(&self, now: Instant) -> u32 {
        self.with(now, |state| state.limit.remaining(now))
    }

    pub(super) fn refit(&self, options: &Options, now: Instant) {
        self.with(now, |state| state.limit.refit(options, now));
        self.line.wake_first();
    }

    pub(super) fn reset(&self, now: Instant) {
        self.with(now, |state| state.limit.reset(now));
        self.line.wake_first();
    }

    pub(super) fn hear(&self, class: Class, now: Instant) -> Option<Change> {
        let change = self.with(now, |state| state.limit.hear(class, now));
        if change.is_some() {
            self.line.wake_first();
        }
        change
    }

    pub(super) fn learn(&self, said: &RateLimit, now: Instant) -> Option<Change> {
        self.with(now, |state| state.limit.learn(said, now))
    }

    pub(super) fn share(&self, now: Instant) -> f64 {
        self.with(now, |state| state.limit.share(now))
    }

    /// What has been counted, as it is now.
    pub(super) fn meter(&self, now: Instant) -> Meter {
        self.with(now, |state| *state.limit.meter())
    }

    pub(super) fn passed(&self, now: Instant) -> u64 {
        self.with(now, |state| state.passed)
    }

    /// A step of the state, which is whole while the gate is closed. It stays closed while somebody waits: nobody
    /// overtakes them.
    fn with<R>(&self, now: Instant, step: impl FnOnce(&mut State) -> R) -> R {
        let mut state = lock(&self.state);
        if let Some(lent) = state.lent.take() {
            let (passed, left) = self.gate.close(&lent);
            state.passed += passed;
            state.limit.meter().redeem(&lent, &left);
        }
        let result = step(&mut state);
        if self.line.len() == 0
            && let Some(lease) = state.limit.lend(now)
        {
            state.opened = state.opened.wrapping_add(1);
            if self.gate.open(&lease, state.opened, now) {
                state.lent = Some(lease);
            }
        }
        result
    }
}

impl State {
    fn take(&mut self, n: u32, now: Instant) -> Decision {
        let decision = self.limit.take(n, now);
        if decision == Decision::Go {
            self.passed += u64::from(n);
        }
        decision
    }
}
