//! What is known of one call while it runs; becomes its story when its answer begins.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::Method;
use seawall::Effects;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_core::verdict::Seen;
use seawall_core::{CallId, Certainty, Class, Instant, Policy, Rejection, Verdict};

use crate::house::House;
use crate::story::{Attempt, MOMENTS, Moment, Story};

/// Paths are cut to this length in stories.
const LONGEST_PATH: usize = 256;

/// One call on its way. Dropped before it is closed, the caller went away.
pub(crate) struct Record {
    pub(crate) house: Arc<House>,
    pub(crate) worker: usize,
    pub(crate) id: CallId,
    pub(crate) began: Instant,
    pub(crate) route: usize,
    pub(crate) effects: Effects,
    method: Box<str>,
    path: Box<str>,
    notes: Mutex<Notes>,
    closed: bool,
}

#[derive(Default)]
struct Notes {
    place: usize,
    attempt_began: Instant,
    attempts: Vec<Attempt>,
    moments: Vec<Moment>,
    sent: bool,
    over_budget: bool,
}

/// How a call stands when its answer begins.
pub(crate) struct Outcome {
    pub(crate) place: usize,
    pub(crate) status: Option<u16>,
    pub(crate) class: Class,
    pub(crate) certainty: Certainty,
    pub(crate) waited: Duration,
    pub(crate) decision: String,
    pub(crate) refusal: Option<Rejection>,
}

impl Record {
    pub(crate) fn new(
        house: Arc<House>,
        worker: usize,
        id: CallId,
        route: usize,
        method: &Method,
        path: &str,
    ) -> Self {
        let began = house.now();
        house.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            house,
            worker,
            id,
            began,
            route,
            effects: Effects::Guarded,
            method: method.as_str().into(),
            path: path[..path.floor_char_boundary(LONGEST_PATH)].into(),
            notes: Mutex::default(),
            closed: false,
        }
    }

    /// An attempt at the target in `place` begins.
    pub(crate) fn attempt_begins(&self, place: usize) {
        let now = self.house.now();
        let mut notes = self.notes();
        notes.place = place;
        notes.sent = false;
        notes.attempt_began = now;
    }

    /// Something of the request has left.
    pub(crate) fn something_left(&self) {
        self.notes().sent = true;
    }

    /// An attempt ended.
    pub(crate) fn attempt_ended(&self, status: Option<u16>, verdict: Verdict, failure: Option<String>) {
        let mut notes = self.notes();
        let upstream = self.upstream(notes.place);
        self.house.upstreams[upstream].meters.attempts.of(verdict.class()).inc();
        if notes.attempts.len() < MOMENTS {
            let began = notes.attempt_began;
            let (at, duration) = (began.since(self.began), self.house.now().since(began));
            notes.attempts.push(Attempt {
                upstream,
                at,
                duration,
                status,
                verdict,
                failure,
                then: String::new(),
            });
        }
    }

    /// The path as it came, cut where it was very long.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Was a retry denied for want of budget?
    pub(crate) fn over_budget(&self) -> bool {
        self.notes().over_budget
    }

    /// The answer begins: the call becomes a story.
    pub(crate) fn close(mut self, outcome: Outcome) -> Arc<Story> {
        self.closed = true;
        self.settle(outcome)
    }

    fn settle(&mut self, outcome: Outcome) -> Arc<Story> {
        let notes = std::mem::take(&mut *self.notes());
        let duration = self.house.now().since(self.began);
        let upstream = self.upstream(outcome.place);
        let meters = &self.house.routes[self.route].meters[outcome.place];
        meters.duration.record(duration);
        self.house.upstreams[upstream].meters.durations.record(duration);
        let story = Arc::new(Story {
            id: self.id,
            route: Some(self.route),
            upstream: Some(upstream),
            method: std::mem::take(&mut self.method),
            path: std::mem::take(&mut self.path),
            effects: self.effects,
            duration,
            waited: outcome.waited,
            status: outcome.status,
            class: outcome.class,
            certainty: outcome.certainty,
            decision: outcome.decision,
            refusal: outcome.refusal,
            attempts: notes.attempts,
            moments: notes.moments,
            end: OnceLock::new(),
        });
        self.house.rings[self.worker].keep(story.clone());
        story
    }

    fn upstream(&self, place: usize) -> usize {
        self.house.routes[self.route].to[place]
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self, at: Instant, what: String) {
        let mut notes = self.notes();
        if notes.moments.len() < MOMENTS {
            notes.moments.push(Moment { at: at.since(self.began), what });
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let (place, sent) = {
            let notes = self.notes();
            (notes.place, notes.sent)
        };
        let verdict = Verdict::of(if sent { Seen::CancelledAfter } else { Seen::CancelledBefore });
        let outcome = Outcome {
            place,
            status: None,
            class: Class::Cancelled,
            certainty: verdict.certainty(self.effects),
            waited: Duration::ZERO,
            decision: String::new(),
            refusal: None,
        };
        let story = self.settle(outcome);
        count_end(&self.house, &story, place, Class::Cancelled);
    }
}

/// A call is over: counted once, by how it ended.
pub(crate) fn count_end(house: &House, story: &Story, place: usize, class: Class) {
    house.in_flight.fetch_sub(1, Ordering::Relaxed);
    if let (Some(route), Some(upstream)) = (story.route, story.upstream) {
        house.routes[route].meters[place].calls.of(class).inc();
        house.upstreams[upstream].meters.rate.record(house.now(), class == Class::Ok);
    }
}

/// A request that was refused at the door has a story too.
pub(crate) fn refused_at_the_door(
    house: &House,
    worker: usize,
    id: CallId,
    method: &Method,
    path: &str,
    rejection: &Rejection,
) {
    house.rejections.of(rejection.code).inc();
    house.rings[worker].keep(Arc::new(Story {
        id,
        route: None,
        upstream: None,
        method: method.as_str().into(),
        path: path[..path.floor_char_boundary(LONGEST_PATH)].into(),
        effects: Effects::for_method(method),
        duration: Duration::ZERO,
        waited: Duration::ZERO,
        status: Some(rejection.code.status()),
        class: Class::Rejected,
        certainty: rejection.certainty,
        decision: String::new(),
        refusal: Some(rejection.clone()),
        attempts: Vec::new(),
        moments: Vec::new(),
        end: OnceLock::new(),
    }));
}

impl Sink for Record {
    fn offer(&self, event: Event) {
        let Some(place) = self.house.place(&event.name) else { return };
        let upstream = &self.house.upstreams[place];
        match &event.fact {
            Fact::Retrying { delay, class, .. } => {
                upstream.meters.retries.of(*class).inc();
                if let Some(last) = self.notes().attempts.last_mut() {
                    last.then = format!("again in {}", format_duration(round(*delay)));
                }
            }
            Fact::BudgetExhausted => {
                upstream.meters.over_budget.inc();
                self.notes().over_budget = true;
                self.moment(event.at, "not sent again: the retry budget is spent".into());
                self.house.events.offer(event);
            }
            Fact::Rejected { code, policy } => {
                upstream.meters.rejections.of(*code).inc();
                self.moment(event.at, format!("{policy} refused at {}: {code} {}", event.name, code.title()));
            }
            Fact::Waited { policy, wait } => {
                if *policy == Policy::Limiter {
                    upstream.meters.waits.record(*wait);
                }
                let wait = format_duration(round(*wait));
                self.moment(event.at, format!("waited {wait} for the {policy} of {}", event.name));
            }
            Fact::Paused { wait } => {
                let wait = format_duration(round(*wait));
                self.moment(event.at, format!("{} asked to be left alone for {wait}", event.name));
                self.house.events.offer(event);
            }
            Fact::FellBack { from, to } => self.moment(event.at, format!("fell back from {from} to {to}")),
            Fact::Attempted { .. } | Fact::BreakerMoved { .. } | Fact::Lever { .. } => {}
        }
    }
}

/// For people: whole milliseconds, at least one.
fn round(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1))
}
