//! One check at work: looks, listens to calls, remembers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_core::{Clock, Instant};
use seawall_policy::health::calls::Advice;
use seawall_policy::health::trend::{Backtest, Limit, Point, Series, backtest};
use seawall_policy::health::{By, Level, Machine, Moved, Options, State, Weight, What};
use tokio::task::JoinSet;

use super::check::{Check, Finding, Measured};
use super::feed::Feed;
use super::view::{Doubted, Foretold, Last, Standing};
use crate::lock;
use crate::timeout::within;

/// Half of the findings failing is a failure, whatever the checks stand at.
const FAILING: Limit = Limit::above(0.5);
/// How many measurements a backtest looks back on at a time.
const WINDOW: usize = 60;

pub(super) struct Entry {
    check: Check,
    options: Options,
    feed: Feed,
    /// Taken by whoever looks.
    turn: tokio::sync::Mutex<()>,
    guarded: Mutex<Guarded>,
}

#[derive(Clone)]
struct Guarded {
    machine: Machine,
    runs: u64,
    last: Option<Found>,
    duration: Series,
    failing: Series,
    measured: Series,
    foretold: Vec<Foretold>,
    doubted: Vec<Doubted>,
}

#[derive(Clone)]
struct Found {
    at: Instant,
    took: Option<Duration>,
    by: By,
    finding: Finding,
}

impl Entry {
    pub(super) fn new(check: Check, options: &Options, now: Instant) -> Self {
        let mut options = options.clone();
        if let Some(interval) = check.interval {
            (options.interval, options.spread) = (interval, interval / 2);
        }
        if let Some(patience) = check.patience {
            (options.down_after, options.up_after) = patience;
        }
        options.deadline = check.deadline.unwrap_or(options.deadline);
        let guarded = Guarded {
            machine: Machine::new(now),
            runs: 0,
            last: None,
            duration: Series::default(),
            failing: Series::default(),
            measured: Series::default(),
            foretold: Vec::new(),
            doubted: Vec::new(),
        };
        let feed = check.feed.clone().unwrap_or_default();
        Self { check, options, feed, turn: tokio::sync::Mutex::default(), guarded: Mutex::new(guarded) }
    }

    /// The same, knowing what another knew, if that looked in the same way.
    pub(super) fn after(self, before: &Entry) -> Self {
        if self.check.kind() != before.check.kind() {
            return self;
        }
        let feed = if self.check.feed.is_none() { before.feed.clone() } else { self.feed };
        Self { feed, guarded: Mutex::new(lock(&before.guarded).clone()), ..self }
    }

    pub(super) fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// When it runs again.
    pub(super) fn next(&self, now: Instant, dice: f64) -> Instant {
        self.options.next(now, dice)
    }

    /// Takes what calls have seen as a finding. `false` where nobody called, and a probe is needed.
    pub(super) fn listen(&self, now: Instant, sink: Option<&dyn Sink>) -> bool {
        let counts = self.feed.take();
        let last = lock(&self.guarded).last.as_ref().map(|found| found.at);
        let (level, share) = match counts.advise(&self.options.calls, last, now) {
            Advice::Found(level, share) => (level, share),
            Advice::Leave => return true,
            Advice::Probe if self.check.probe.is_some() => return false,
            Advice::Probe => {
                self.forget(now, sink);
                return true;
            }
        };
        let calls = counts.good.saturating_add(counts.bad);
        let finding = match level {
            Level::Healthy => Finding::healthy(),
            level => Finding::of(level, format_args!("{} of the last {calls} calls failed", counts.bad)),
        };
        self.note(Found { at: now, took: None, by: By::Calls, finding }, Some(share), sink);
        true
    }

    /// Looks by the probe, unless somebody else has just done so.
    pub(super) async fn look(&self, clock: &dyn Clock, sink: Option<&dyn Sink>) {
        let Some(probe) = self.check.probe.clone() else {
            self.listen(clock.now(), sink);
            return;
        };
        let before = lock(&self.guarded).runs;
        let _turn = self.turn.lock().await;
        if lock(&self.guarded).runs != before {
            return;
        }
        let began = clock.now();
        // In a task of its own: a probe that panics takes nobody with it, and dropping this drops it.
        let mut task = JoinSet::new();
        task.spawn(probe.probe());
        let patience = self.options.deadline;
        let finding = match within(task.join_next(), patience).await {
            Ok(Some(Ok(finding))) => finding,
            Ok(_) => Finding::unhealthy("the check itself panicked"),
            Err(_) => Finding::unhealthy(format_args!("no answer in {}", format_duration(patience))),
        };
        let at = clock.now();
        if let Some(level) = finding.level {
            for (group, target) in &self.check.reports_to {
                group.report(target, level.lesson());
            }
        }
        self.note(Found { at, took: Some(at.since(began)), by: By::Probe, finding }, None, sink);
    }

    fn note(&self, found: Found, share: Option<f64>, sink: Option<&dyn Sink>) {
        let (at, why) = (found.at, found.finding.why.clone());
        let moved = lock(&self.guarded).note(found, share, &self.options);
        // That it is there and well, or is not there at all, is no news at the start.
        let news = |moved: &Moved| {
            !(moved.from == State::Unknown && matches!(moved.to, State::Healthy | State::Absent))
        };
        if let Some(moved) = moved.filter(news) {
            let why = why.unwrap_or_else(|| "its findings are good again".into());
            self.tell(moved, why, at, sink);
        }
    }

    /// What was found long ago says nothing of the present.
    fn forget(&self, now: Instant, sink: Option<&dyn Sink>) {
        let silent = self.options.calls.silent;
        let moved = {
            let mut guarded = lock(&self.guarded);
            let old = guarded.last.as_ref().is_some_and(|found| now.since(found.at) >= silent);
            if old { guarded.machine.forget(now) } else { None }
        };
        // That nobody calls what is well is no news.
        if let Some(moved) = moved.filter(|moved| moved.from != State::Healthy) {
            let why = format!("nobody has called it for {}", format_duration(silent));
            self.tell(moved, why.into(), now, sink);
        }
    }

    fn tell(&self, moved: Moved, why: Arc<str>, at: Instant, sink: Option<&dyn Sink>) {
        if let Some(sink) = sink {
            let fact = Fact::HealthMoved { to: moved.to.as_str(), why };
            sink.offer(Event { at, name: self.check.name.clone(), fact });
        }
    }

    pub(super) fn state(&self) -> (State, Weight) {
        (lock(&self.guarded).machine.state(), self.check.weight)
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        let guarded = lock(&self.guarded);
        let machine = &guarded.machine;
        Standing {
            name: self.check.name.clone(),
            kind: self.check.kind(),
            weight: self.check.weight,
            state: machine.state(),
            for_: now.since(machine.since()),
            failures: machine.failures(),
            failing: machine.failing(),
            runs: guarded.runs,
            last: guarded.last.as_ref().map(|found| found.tell(now)),
            typical: guarded.typical(),
            foretold: guarded.foretold.clone(),
            doubted: guarded.doubted.clone(),
        }
    }

    pub(super) fn backtest(&self, what: What) -> Option<Backtest> {
        let (points, limit) = {
            let guarded = lock(&self.guarded);
            let limit = guarded.limit(what, &self.options)?;
            (guarded.series(what).recent().collect::<Vec<Point>>(), limit)
        };
        Some(backtest(&points, WINDOW, limit, &self.options.trend))
    }
}

impl Guarded {
    fn note(&mut self, found: Found, share: Option<f64>, options: &Options) -> Option<Moved> {
        let at = found.at;
        self.runs = self.runs.saturating_add(1);
        let moved = match found.finding.level {
            Some(level) => self.machine.found(level, options, at),
            None => self.machine.found_nothing(at),
        };
        if let Some(took) = found.took {
            self.duration.push(Point { at, value: took.as_secs_f64() });
        }
        if let Some(value) = share.or(self.machine.failing()) {
            self.failing.push(Point { at, value });
        }
        if let Some(Measured { value, .. }) = found.finding.measured {
            self.measured.push(Point { at, value });
        }
        self.last = Some(found);
        self.foretell(options);
        moved
    }

    fn foretell(&mut self, options: &Options) {
        let (mut foretold, mut doubted) = (Vec::new(), Vec::new());
        for what in What::ALL.iter().copied() {
            let Some(limit) = self.limit(what, options) else { continue };
            match self.series(what).forecast(limit, &options.trend) {
                Ok(forecast) => foretold.push(Foretold { what, forecast }),
                Err(doubt) => doubted.push(Doubted { what, doubt }),
            }
        }
        foretold.sort_by_key(|foretold| foretold.forecast.lead);
        (self.foretold, self.doubted) = (foretold, doubted);
    }

    fn series(&self, what: What) -> &Series {
        match what {
            What::Duration => &self.duration,
            What::Failing => &self.failing,
            What::Measured => &self.measured,
        }
    }

    fn limit(&self, what: What, options: &Options) -> Option<Limit> {
        match what {
            What::Duration => Some(Limit::above(options.deadline.as_secs_f64())),
            What::Failing => Some(FAILING),
            What::Measured => self.last.as_ref()?.finding.measured?.limit,
        }
    }

    fn typical(&self) -> Option<Duration> {
        let mut took: Vec<f64> = self.duration.recent().map(|point| point.value).collect();
        let middle = took.len().checked_sub(1)? / 2;
        took.sort_by(f64::total_cmp);
        Duration::try_from_secs_f64(took[middle]).ok()
    }
}

impl Found {
    fn tell(&self, now: Instant) -> Last {
        Last {
            level: self.finding.level,
            why: self.finding.why.clone(),
            measured: self.finding.measured,
            took: self.took,
            ago: now.since(self.at),
            by: self.by,
        }
    }
}
