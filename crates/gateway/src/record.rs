//! What is known of one call while it runs; becomes its story when its answer begins.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method};
use seawall::Effects;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_core::verdict::Seen;
use seawall_core::{CallId, Certainty, Class, Instant, Policy, Rejection, Verdict};
use seawall_policy::fallback::Doubt;
use smallvec::SmallVec;

use crate::body::Replay;
use crate::compress::Changed;
use crate::headers::Trace;
use crate::logged;
use crate::peer::Peer;
use crate::proxy::Worker;
use crate::spans::Told;
use crate::story::{Attempt, MOMENTS, Moment, Story};
use crate::unusual::{self, Over};

/// Paths are cut to this length in stories.
const LONGEST_PATH: usize = 256;

/// What the journal has to do with a call, in the words of its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EffectWord {
    /// Nothing.
    None,
    /// It has not ended: somebody else is at it, or it may be run again.
    Open,
    /// It has ended, and is remembered.
    Done,
    /// It had ended before.
    Replayed,
    /// Nobody knows how it ended.
    InDoubt,
}

impl EffectWord {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            EffectWord::None => "none",
            EffectWord::Open => "open",
            EffectWord::Done => "done",
            EffectWord::Replayed => "replayed",
            EffectWord::InDoubt => "in-doubt",
        }
    }
}

/// One call on its way. Dropped before it is closed, the caller went away.
pub(crate) struct Record {
    /// Whose call it is. The worker's own count of holders is nobody else's: no other core fights over it.
    pub(crate) worker: Arc<Worker>,
    pub(crate) id: CallId,
    /// The trace it belongs to; none before that is known.
    pub(crate) trace: Trace,
    pub(crate) began: Instant,
    pub(crate) route: usize,
    /// Who calls, where callers are told apart.
    pub(crate) caller: Option<usize>,
    /// From where; none for what is asked by ourselves.
    pub(crate) peer: Option<Peer>,
    /// What it sends: how much that was shows at the end.
    pub(crate) body: Replay,
    pub(crate) effects: Effects,
    /// Where its effect stands, if it is one.
    pub(crate) effect: EffectWord,
    method: Method,
    path: Box<str>,
    notes: Mutex<Notes>,
    closed: bool,
}

#[derive(Default)]
struct Notes {
    place: usize,
    attempts: SmallVec<[Attempt; 1]>,
    moments: Vec<Moment>,
    /// Something of the attempt under way has left.
    sent: bool,
    over_budget: bool,
    changed: Changed,
}

/// How a call stands when its answer begins.
pub(crate) struct Outcome {
    pub(crate) place: usize,
    pub(crate) status: Option<u16>,
    pub(crate) class: Class,
    pub(crate) certainty: Certainty,
    pub(crate) waited: Duration,
    pub(crate) decision: Option<HeaderValue>,
    pub(crate) refusal: Option<Rejection>,
    /// The age of the answer, where it was kept and fresh.
    pub(crate) from_cache: Option<Duration>,
}

impl Record {
    pub(crate) fn new(worker: Arc<Worker>, id: CallId, route: usize, method: &Method, path: &str) -> Self {
        let began = worker.house.now();
        worker.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            worker,
            id,
            trace: Trace::default(),
            began,
            route,
            caller: None,
            peer: None,
            body: Replay::none(),
            effects: Effects::Guarded,
            effect: EffectWord::None,
            method: method.clone(),
            path: path[..path.floor_char_boundary(LONGEST_PATH)].into(),
            notes: Mutex::default(),
            closed: false,
        }
    }

    /// An attempt at the target in `place` begins.
    pub(crate) fn attempt_begins(&self, place: usize) {
        let mut notes = self.notes();
        notes.place = place;
        notes.sent = false;
        notes.changed.unpacked = None;
    }

    /// Something of the request has left.
    pub(crate) fn something_left(&self) {
        self.notes().sent = true;
    }

    /// A body changes its coding on the way.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Changed)) {
        change(&mut self.notes().changed);
    }

    /// An attempt ended.
    pub(crate) fn attempt_ended(
        &self,
        began: Instant,
        status: Option<u16>,
        verdict: Verdict,
        failure: Option<String>,
    ) {
        let mut notes = self.notes();
        let upstream = self.upstream(notes.place);
        notes.sent = false;
        let up = &self.worker.house.upstreams[upstream];
        up.meters.attempts.of(verdict.class()).inc();
        up.feed.heard(verdict.lesson());
        if let Some(logs) = &self.worker.house.plan.logs {
            let which = (&*up.plan.name, notes.attempts.len() + 1);
            logged::attempt(logs, (self.id, self.trace.id), which, (status, verdict), failure.as_deref());
        }
        if notes.attempts.len() < MOMENTS {
            let at = began.since(self.began);
            // One that worked is the last: its end is the head's, and the clock is read there.
            let duration =
                if verdict.is_ok() { Duration::ZERO } else { self.worker.house.now().since(began) };
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

    /// Is the answer decompressed on its way? Then its coding tells where it ends.
    pub(crate) fn is_unpacked(&self) -> bool {
        self.notes().changed.unpacked.is_some()
    }

    /// The name of who calls, where callers are told apart.
    pub(crate) fn caller(&self) -> Option<&str> {
        let callers = self.worker.house.callers.as_ref()?;
        Some(&callers.of(self.caller?).name)
    }

    /// A number that stands for who calls: by name, or by address; none for what is asked by ourselves.
    pub(crate) fn who(&self) -> Option<u64> {
        match (&self.worker.house.callers, self.caller) {
            (Some(callers), Some(caller)) => Some(callers.of(caller).id),
            _ => self.peer.map(Peer::id),
        }
    }

    /// The path as it came, cut where it was very long.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What is known of the whole call when its end is known so well: what an earlier attempt, or an earlier call of the
    /// same effect, may have done, a later one does not undo.
    pub(crate) fn certainty(&self, end: Certainty) -> Certainty {
        let mut doubt = Doubt::default();
        if self.effect == EffectWord::InDoubt {
            doubt.note(Certainty::Unknown);
        }
        for attempt in &self.notes().attempts {
            doubt.note(attempt.verdict.certainty(self.effects));
        }
        doubt.over(end)
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
        let mut notes = std::mem::take(&mut *self.notes());
        let duration = self.worker.house.now().since(self.began);
        if let Some(last) = notes.attempts.last_mut().filter(|last| last.verdict.is_ok()) {
            last.duration = duration.saturating_sub(last.at);
        }
        let upstream = self.upstream(outcome.place);
        let meters = &self.worker.house.routes[self.route].meters[outcome.place];
        meters.duration.record(duration);
        self.worker.house.upstreams[upstream].meters.durations.record(duration);
        let story = Arc::new(Story {
            id: self.id,
            trace: self.trace,
            names: self.worker.names.clone(),
            route: Some(self.route),
            upstream: Some(upstream),
            caller: self.caller,
            peer: self.peer,
            size: self.body.size(),
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
            from_cache: outcome.from_cache,
            attempts: notes.attempts,
            moments: notes.moments,
            changed: notes.changed,
            end: OnceLock::new(),
        });
        self.worker.ring.keep(story.clone());
        story
    }

    fn upstream(&self, place: usize) -> usize {
        self.worker.house.routes[self.route].to[place]
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something worth telling happens now.
    pub(crate) fn note(&self, what: String) {
        self.moment(self.worker.house.now(), what);
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
            certainty: self.certainty(verdict.certainty(self.effects)),
            waited: Duration::ZERO,
            decision: None,
            refusal: None,
            from_cache: None,
        };
        let story = self.settle(outcome);
        count_end(&self.worker, &story, place, Class::Cancelled, self.worker.house.now());
    }
}

/// A call is over: counted once, by how it ended.
pub(crate) fn count_end(worker: &Worker, story: &Arc<Story>, place: usize, class: Class, now: Instant) {
    let house = &worker.house;
    worker.in_flight.fetch_sub(1, Ordering::Relaxed);
    if let Some(logs) = &house.plan.logs {
        logged::ended(logs, story, class);
    }
    if let Some(otlp) = house.otlp.as_ref().filter(|otlp| otlp.options().traces && story.trace.sampled) {
        otlp.offer(Box::new(Told::of(story, class, otlp.options().paths)));
    }
    if let (Some(route), Some(upstream)) = (story.route, story.upstream) {
        house.routes[route].meters[place].calls.of(class).inc();
        house.upstreams[upstream].meters.rate.record(now, class == Class::Ok);
    }
    count_caller(worker, story.caller, class);
    let (caller, peer, route, size) = (story.caller, story.peer, story.route, story.size);
    unusual::see(house, &Over { caller, peer, route, size, class, refusal: story.refusal.as_ref() }, now);
}

fn count_caller(worker: &Worker, caller: Option<usize>, class: Class) {
    if let (Some(callers), Some(caller)) = (&worker.house.callers, caller) {
        callers.of(caller).calls.of(class).inc();
    }
}

/// A request that was refused at the door has a story too.
pub(crate) fn refused_at_the_door(
    worker: &Worker,
    id: CallId,
    (caller, peer): (Option<usize>, Option<Peer>),
    method: &Method,
    path: &str,
    rejection: &Rejection,
) {
    worker.house.ground.rejections.of(rejection.code).inc();
    count_caller(worker, caller, Class::Rejected);
    let over = Over { caller, peer, route: None, size: 0, class: Class::Rejected, refusal: Some(rejection) };
    unusual::see(&worker.house, &over, worker.house.now());
    if let Some(logs) = &worker.house.plan.logs {
        logged::refused(logs, id, method, path, rejection);
    }
    worker.ring.keep(Arc::new(Story {
        id,
        trace: Trace::default(),
        names: worker.names.clone(),
        route: None,
        upstream: None,
        caller,
        peer,
        size: 0,
        method: method.clone(),
        path: path[..path.floor_char_boundary(LONGEST_PATH)].into(),
        effects: Effects::for_method(method),
        duration: Duration::ZERO,
        waited: Duration::ZERO,
        status: Some(rejection.code.status()),
        class: Class::Rejected,
        certainty: rejection.certainty,
        decision: None,
        refusal: Some(rejection.clone()),
        from_cache: None,
        attempts: SmallVec::new(),
        moments: Vec::new(),
        changed: Changed::default(),
        end: OnceLock::new(),
    }));
}

impl Sink for Record {
    fn offer(&self, event: Event) {
        let Some(place) = self.worker.house.place(&event.name) else { return };
        let upstream = &self.worker.house.upstreams[place];
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
                self.worker.house.ground.events.offer(event);
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
                self.worker.house.ground.events.offer(event);
            }
            Fact::KeyMoved { key, why, .. } => {
                let what = why.map_or("works again".to_owned(), |why| format!("rests: {why}"));
                self.moment(event.at, format!("the key {key} of {} {what}", event.name));
                self.worker.house.ground.events.offer(event);
            }
            Fact::FellBack { from, to } => self.moment(event.at, format!("fell back from {from} to {to}")),
            Fact::WouldReject { code, policy } => {
                let (name, title) = (&event.name, code.title());
                self.moment(event.at, format!("{policy} would have refused at {name}: {code} {title}"));
            }
            Fact::WouldRetry { delay, .. } => {
                let delay = format_duration(round(*delay));
                self.moment(event.at, format!("would have been sent again in {delay}"));
            }
            Fact::WouldHedge { after } => {
                let after = format_duration(round(*after));
                self.moment(event.at, format!("would have been sent a second time after {after}"));
            }
            Fact::Hedged { after } => {
                let after = format_duration(round(*after));
                self.moment(event.at, format!("sent a second time after {after} without an answer"));
            }
            Fact::HedgeDenied { code } => {
                self.moment(event.at, format!("not sent a second time: {code} {}", code.title()));
            }
            Fact::ServedStale { age, why } => {
                let age = format_duration(round(*age));
                self.moment(event.at, format!("answered from the cache, {age} old ({why})"));
            }
            Fact::FailedOver { from, to, why } => {
                self.moment(event.at, format!("failed over from {from} to {to}: {why}"));
            }
            Fact::Effect { note, .. } => {
                self.moment(event.at, format!("effect {note}"));
                self.worker.house.ground.events.offer(event);
            }
            Fact::Attempted { .. }
            | Fact::BreakerMoved { .. }
            | Fact::Degraded { .. }
            | Fact::HealthMoved { .. }
            | Fact::PaceChanged { .. }
            | Fact::SizeChanged { .. }
            | Fact::AuditTrouble { .. }
            | Fact::Unusual { .. }
            | Fact::Alert { .. }
            | Fact::AlertTrouble { .. }
            | Fact::SignalTrouble { .. }
            | Fact::Lever { .. } => {}
        }
    }
}

/// For people: whole milliseconds, at least one.
pub(crate) fn round(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1))
}
