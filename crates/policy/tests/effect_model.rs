//! The protocol of doing something once, searched through to the end: several workers that crash, messages that are
//! late or lost, leases that expire, stores that forget, and a far side that applies whatever reaches it.
//!
//! The transition function is the real one. The right protocol must be clean in every reachable state; each wrong
//! variant, as found in the field, must be caught, or the model proves nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a model that fails is a test that fails, and its size is worth seeing"
)]

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{
    Answer, Begin, Finding, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Record, Stamp, State,
    Token, Truth,
};
use seawall_policy::effect::{pass, step};
use stateright::{Checker, HasDiscoveries, Model, Property};

/// One tick of the model's clock. A lease, a call and a delay of the network are each one tick long.
const TICK: Duration = Duration::from_secs(60);
/// The call, the network, and one tick for the difference of clocks.
const SETTLE: Duration = Duration::from_secs(180);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// As it is.
    Right,
    /// A lease that expires lets the next one run.
    RunWhenLeaseIsOver,
    /// The record of a run under way expires.
    TtlOnRunning,
    /// An error deletes the record.
    DeleteOnError,
    /// An orphan is seen, and taken over later without a second look.
    BlindTakeover,
    /// "It is not there" is believed at once.
    TrustUnstable,
    /// The store forgets an acknowledged run.
    Forgets,
    /// The far side forgets our key sooner than was said.
    WindowLapses,
    /// A finished record is forgotten, and nobody asks how old a wish is.
    NoAgeCheck,
    /// A run that did not take place ends the doubt about an earlier one.
    DropsDoubt,
}

#[derive(Clone)]
struct World {
    variant: Variant,
    nature: Nature,
    workers: u8,
    /// How often anybody may want something.
    wishes: u8,
    crashes: u8,
    ticks: u64,
    keep: Duration,
    /// The far side can be told to refuse what is late.
    fences: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    /// It knows an orphan, and will take it over.
    Saw,
    /// It may run, and has not begun.
    Granted {
        token: Token,
        since: u64,
    },
    /// Its call is on its way.
    Waiting {
        token: Token,
    },
    /// It knows that it took place.
    Knows {
        token: Token,
    },
    /// It may find out.
    Asking {
        token: Token,
    },
    /// It has asked.
    Asked {
        token: Token,
        found: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    token: Token,
    by: u8,
    latest: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Now {
    tick: u64,
    record: Option<Record>,
    workers: Vec<Worker>,
    nonces: u8,
    crashes: u8,
    forgot: bool,
    calls: Vec<Call>,
    /// How often it was applied, and when first.
    applied: u8,
    first: Option<u64>,
    refuses_before: u64,
    /// An owner's word ended a doubt.
    late: bool,
    /// Somebody was told that it has not taken place, after it had.
    lied: bool,
    /// A doubt outlived a run that did not take place.
    outlived: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Tick,
    Begin(u8),
    BeginUnheard(u8),
    Send(u8),
    NotSent(u8),
    Arrive(usize, bool),
    Lose(usize),
    GiveUp(u8),
    Finish(u8),
    Crash(u8),
    Reconcile(u8),
    Ask(u8),
    Resolve(u8),
    Forget,
    Takeover(u8),
}

impl World {
    fn stamp(tick: u64) -> Stamp {
        Stamp(1_000_000) + TICK * u32::try_from(tick).unwrap()
    }

    fn wish(&self, now: &Now, nonce: u8) -> Operation {
        let age = (self.variant != Variant::NoAgeCheck).then(|| TICK * u32::try_from(now.tick).unwrap());
        Operation::Begin(Begin {
            key: Key::of("n", "t", b"k", 0),
            label: Arc::from("k"),
            print: Fingerprint::of(&[b"args"]),
            nonce: Nonce(u128::from(nonce)),
            nature: self.nature,
            age,
            lease: TICK,
            call: TICK,
            settle: SETTLE,
            max_attempts: 3,
            keep: Keep { result: self.keep, key: self.keep },
        })
    }

    /// One step of the store: the real one, after what a wrong variant does to the record.
    fn ask(&self, now: &mut Now, operation: &Operation) -> Answer {
        let at = Self::stamp(now.tick);
        let over = |record: &Record| matches!(record.state, State::Executing { until, .. } if until <= at);
        if matches!(operation, Operation::Begin(_)) && now.record.as_ref().is_some_and(over) {
            match self.variant {
                Variant::RunWhenLeaseIsOver => {
                    let record = now.record.take().unwrap();
                    now.record = Some(Record { state: State::Free { since: at, not_before: at }, ..record });
                }
                Variant::TtlOnRunning => now.record = None,
                _ => {}
            }
        }
        let deletes = matches!(operation, Operation::Complete { outcome: Outcome::Unknown { .. }, .. });
        if self.variant == Variant::DeleteOnError && deletes {
            now.record = None;
            return Answer::Ok;
        }
        let operation = match operation {
            Operation::Resolve { key, token, finding: Finding::NotApplied { .. } }
                if self.variant == Variant::TrustUnstable =>
            {
                &Operation::Resolve {
                    key: *key,
                    token: *token,
                    finding: Finding::NotApplied { fenced: true },
                }
            }
            operation => operation,
        };
        let stepped = step(now.record.take(), at, operation);
        now.record = stepped.record;
        if let (Variant::DropsDoubt, Some(record)) = (self.variant, &mut now.record)
            && let State::Executing { doubted, .. } = &mut record.state
        {
            *doubted = None;
        }
        stepped.answer
    }

    /// The far side gets a call. Does it say that it took place?
    fn apply(&self, now: &mut Now, call: &Call) -> bool {
        if call.token.epoch < now.refuses_before {
            return false;
        }
        if let Nature::Keyed { window } = self.nature {
            // The far side makes one of two, as long as it remembers.
            let window = if self.variant == Variant::WindowLapses { TICK } else { window };
            let since = |first| Self::stamp(now.tick).since(Self::stamp(first));
            if now.first.is_some_and(|first| since(first) < window) {
                return true;
            }
        }
        now.first.get_or_insert(now.tick);
        now.applied += 1;
        true
    }
}

impl Model for World {
    type State = Now;
    type Action = Act;

    fn init_states(&self) -> Vec<Now> {
        vec![Now {
            tick: 0,
            record: None,
            workers: vec![Worker::Idle; usize::from(self.workers)],
            nonces: 0,
            crashes: self.crashes,
            forgot: false,
            calls: Vec::new(),
            applied: 0,
            first: None,
            refuses_before: 0,
            late: false,
            lied: false,
            outlived: false,
        }]
    }

    fn actions(&self, now: &Now, acts: &mut Vec<Act>) {
        if now.tick < self.ticks {
            acts.push(Act::Tick);
        }
        for (place, worker) in now.workers.iter().enumerate() {
            let w = u8::try_from(place).unwrap();
            match worker {
                Worker::Idle => {
                    // Idle workers are alike: the first one acts for all.
                    if now.workers[..place].contains(&Worker::Idle) || now.nonces >= self.wishes {
                        continue;
                    }
                    acts.extend([Act::Begin(w), Act::BeginUnheard(w), Act::Reconcile(w)]);
                }
                Worker::Saw => acts.push(Act::Takeover(w)),
                Worker::Granted { since, .. } => {
                    // It looks at its deadline right before it sends.
                    if now.tick <= since + 1 {
                        acts.push(Act::Send(w));
                    }
                    acts.push(Act::NotSent(w));
                }
                Worker::Waiting { .. } => acts.push(Act::GiveUp(w)),
                Worker::Knows { .. } => acts.push(Act::Finish(w)),
                Worker::Asking { .. } => acts.push(Act::Ask(w)),
                Worker::Asked { .. } => acts.push(Act::Resolve(w)),
            }
            if *worker != Worker::Idle && now.crashes > 0 {
                acts.push(Act::Crash(w));
            }
        }
        for (place, call) in now.calls.iter().enumerate() {
            if now.tick <= call.latest {
                acts.extend([Act::Arrive(place, true), Act::Arrive(place, false)]);
            }
            acts.push(Act::Lose(place));
        }
        if self.variant == Variant::Forgets && !now.forgot && now.record.is_some() {
            acts.push(Act::Forget);
        }
    }

    fn next_state(&self, last: &Now, act: Act) -> Option<Now> {
        let mut now = last.clone();
        let key = Key::of("n", "t", b"k", 0);
        let worker = |w: u8| last.workers[usize::from(w)].clone();
        match act {
            Act::Tick => now.tick += 1,
            Act::Begin(w) | Act::BeginUnheard(w) => {
                now.nonces += 1;
                let orphan = now
                    .record
                    .as_ref()
                    .is_some_and(|record| matches!(record.state, State::Executing { until, .. } if until <= Self::stamp(now.tick)));
                if self.variant == Variant::BlindTakeover && orphan {
                    now.workers[usize::from(w)] = Worker::Saw;
                    return Some(now);
                }
                let wish = self.wish(&now, now.nonces);
                if let (Answer::Run(token), Act::Begin(_)) = (self.ask(&mut now, &wish), &act) {
                    now.workers[usize::from(w)] = Worker::Granted { token, since: now.tick };
                }
            }
            Act::Takeover(w) => {
                let record = now.record.take()?;
                let token = Token { epoch: record.epoch + 1, nonce: Nonce(u128::from(now.nonces)) };
                let until = Self::stamp(now.tick) + TICK;
                now.record = Some(Record {
                    epoch: token.epoch,
                    run: token,
                    state: State::Executing { until, doubted: None },
                    ..record
                });
                now.workers[usize::from(w)] = Worker::Granted { token, since: now.tick };
            }
            Act::Send(w) => {
                let Worker::Granted { token, .. } = worker(w) else { return None };
                now.calls.push(Call { token, by: w, latest: now.tick + 1 });
                now.calls.sort_by_key(|call| (call.token.epoch, call.by));
                now.workers[usize::from(w)] = Worker::Waiting { token };
            }
            Act::NotSent(w) => {
                let Worker::Granted { token, .. } = worker(w) else { return None };
                let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
                let answer = self.ask(&mut now, &Operation::Complete { key, token, outcome });
                now.lied |= now.applied > 0 && matches!(answer, Answer::Ok | Answer::Late | Answer::Already);
                now.outlived |= matches!(answer, Answer::InDoubt { .. });
                now.workers[usize::from(w)] = Worker::Idle;
            }
            Act::Arrive(place, heard) => {
                let call = now.calls.remove(place);
                let took_place = self.apply(&mut now, &call);
                let waiting = &mut now.workers[usize::from(call.by)];
                if heard && took_place && *waiting == (Worker::Waiting { token: call.token }) {
                    *waiting = Worker::Knows { token: call.token };
                }
            }
            Act::Lose(place) => {
                now.calls.remove(place);
            }
            Act::GiveUp(w) => {
                let Worker::Waiting { token } = worker(w) else { return None };
                let outcome = Outcome::Unknown { detail: Arc::from("") };
                self.ask(&mut now, &Operation::Complete { key, token, outcome });
                now.workers[usize::from(w)] = Worker::Idle;
            }
            Act::Finish(w) => {
                let Worker::Knows { token } = worker(w) else { return None };
                let outcome = Outcome::Ended(Truth::Applied, None);
                now.late |= self.ask(&mut now, &Operation::Complete { key, token, outcome }) == Answer::Late;
                now.workers[usize::from(w)] = Worker::Idle;
            }
            Act::Crash(w) => {
                now.crashes -= 1;
                now.workers[usize::from(w)] = Worker::Idle;
            }
            Act::Reconcile(w) => {
                if self.nature != Nature::Queryable {
                    return None;
                }
                now.nonces += 1;
                let nonce = Nonce(u128::from(now.nonces));
                let answer = self.ask(&mut now, &Operation::Reconcile { key, nonce, lease: TICK });
                let Answer::Reconcile { token, .. } = answer else { return None };
                now.workers[usize::from(w)] = Worker::Asking { token };
            }
            Act::Ask(w) => {
                let Worker::Asking { token } = worker(w) else { return None };
                if self.fences {
                    now.refuses_before = now.refuses_before.max(token.epoch);
                }
                now.workers[usize::from(w)] = Worker::Asked { token, found: now.applied > 0 };
            }
            Act::Resolve(w) => {
                let Worker::Asked { token, found } = worker(w) else { return None };
                let finding = match found {
                    true => Finding::Ended(Truth::Applied, None),
                    false => Finding::NotApplied { fenced: self.fences },
                };
                self.ask(&mut now, &Operation::Resolve { key, token, finding });
                now.workers[usize::from(w)] = Worker::Idle;
            }
            Act::Forget => {
                now.forgot = true;
                now.record = None;
            }
        }
        if let Some(record) = now.record.take() {
            // Sweeping may happen at any time, and changes nothing that asking would not.
            now.record = match act {
                Act::Tick => match self.variant {
                    Variant::Right | Variant::NoAgeCheck | Variant::TrustUnstable => {
                        pass(record, Self::stamp(now.tick)).0
                    }
                    _ => Some(record),
                },
                _ => Some(record),
            };
        }
        (now != *last).then_some(now)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, now: &Now| now.applied <= 1),
            Property::always("what is done was done", |_, now: &Now| {
                let done = |record: &Record| matches!(&record.state, State::Done(done) if done.truth == Truth::Applied);
                !now.record.as_ref().is_some_and(done) || now.applied > 0
            }),
            Property::always(NOT_DONE, |_, now: &Now| {
                let free = |record: &Record| matches!(record.state, State::Free { .. });
                !now.lied && (now.applied == 0 || !now.record.as_ref().is_some_and(free))
            }),
            Property::sometimes("it is finished", |_, now: &Now| {
                now.record.as_ref().is_some_and(|record| matches!(record.state, State::Done(_)))
            }),
            Property::sometimes("it is in doubt", |_, now: &Now| {
                now.record.as_ref().is_some_and(|record| record.state.doubt().is_some())
            }),
            Property::sometimes("a late word ends a doubt", |_, now: &Now| now.late),
            Property::sometimes(
                "a doubt outlives a run that did not take place",
                |world: &Self, now: &Now| {
                    now.outlived || !matches!(world.nature, Nature::Idempotent | Nature::Keyed { .. })
                },
            ),
        ]
    }
}

fn world(variant: Variant, nature: Nature) -> World {
    World {
        variant,
        nature,
        workers: 2,
        wishes: 4,
        crashes: 1,
        ticks: 4,
        keep: Duration::from_secs(1 << 30),
        fences: false,
    }
}

const ONCE: &str = "it takes place at most once";
const NOT_DONE: &str = "what is not done has not taken place";

/// The number of states, if every property held in all of them.
fn clean(world: World) -> usize {
    let checker = world.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    println!("{} states", checker.unique_state_count());
    checker.unique_state_count()
}

/// The number of steps to the first state in which `property` does not hold.
fn caught(world: World, property: &'static str) -> usize {
    // One thread, so that the first path found is a shortest one.
    let wanted = HasDiscoveries::AnyOf(std::iter::once(property).collect());
    let checker = world.checker().finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(property).expect("the wrong variant must be caught");
    path.into_actions().len()
}

const KEYED: Nature = Nature::Keyed { window: Duration::from_secs(1 << 20) };

#[test]
fn an_opaque_effect_takes_place_at_most_once() {
    assert!(clean(World { workers: 3, ..world(Variant::Right, Nature::Opaque) }) > 1000);
}

#[test]
fn a_queryable_effect_takes_place_at_most_once_though_it_is_run_again_when_all_is_quiet() {
    assert!(clean(World { ticks: 6, ..world(Variant::Right, Nature::Queryable) }) > 1000);
}

#[test]
fn a_queryable_effect_whose_far_side_refuses_what_is_late_needs_no_quiet() {
    assert!(clean(World { fences: true, ..world(Variant::Right, Nature::Queryable) }) > 1000);
}

#[test]
fn a_keyed_effect_takes_place_at_most_once_though_it_is_sent_again() {
    assert!(clean(world(Variant::Right, KEYED)) > 1000);
}

#[test]
fn a_keyed_effect_takes_place_at_most_once_though_the_far_side_forgets_its_key_in_time() {
    let nature = Nature::Keyed { window: TICK * 5 };
    assert!(clean(World { ticks: 7, wishes: 3, ..world(Variant::Right, nature) }) > 1000);
}

#[test]
fn a_keyed_effect_survives_a_store_that_forgets() {
    let small = World { wishes: 3, ticks: 2, ..world(Variant::Forgets, KEYED) };
    let checker = small.checker().threads(2).spawn_bfs().join();
    assert!(checker.discovery(ONCE).is_none());
}

#[test]
fn a_forgotten_record_with_an_age_check_lets_nobody_run_it_again() {
    let keep = Duration::from_secs(180);
    assert!(clean(World { keep, ticks: 6, ..world(Variant::Right, Nature::Opaque) }) > 1000);
}

#[test]
fn each_wrong_variant_is_caught() {
    let opaque = |variant| world(variant, Nature::Opaque);
    let keep = Duration::from_secs(180);
    let wrong = [
        ("a lease that expires lets the next one run", opaque(Variant::RunWhenLeaseIsOver)),
        ("the record of a run under way expires", opaque(Variant::TtlOnRunning)),
        ("an error deletes the record", opaque(Variant::DeleteOnError)),
        ("an orphan is taken over without a second look", opaque(Variant::BlindTakeover)),
        ("what is not there is believed at once", world(Variant::TrustUnstable, Nature::Queryable)),
        ("the store forgets", opaque(Variant::Forgets)),
        ("the far side forgets our key", world(Variant::WindowLapses, KEYED)),
        ("nobody asks how old a wish is", World { keep, ..opaque(Variant::NoAgeCheck) }),
    ];
    for (name, world) in wrong {
        let steps = caught(world, ONCE);
        println!("{name}: a duplicate in {steps} steps");
        assert!(steps >= 4, "{name}: {steps}");
    }
    let drops = |window, ticks| World { ticks, ..world(Variant::DropsDoubt, Nature::Keyed { window }) };
    let steps = caught(drops(TICK * 1000, 4), NOT_DONE);
    println!("a retry ends the doubt: an untrue \"not done\" in {steps} steps");
    let steps = caught(drops(TICK * 5, 7), ONCE);
    println!("a retry ends the doubt: a duplicate in {steps} steps");
}
