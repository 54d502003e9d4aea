//! What every store must do, as one suite: the same questions in the same order give the same answers as the transition
//! function itself.

pub mod breakers;
pub mod fleet;
pub mod jobs;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use seawall_core::effect::{
    Answer, Begin, Finding, Fingerprint, Keep, Key, Nature, Nonce, Note, Operation, Outcome, Record,
    Resolution, Stamp, Token, Truth,
};
use seawall_core::store::{Store, Wanted};
use seawall_policy::effect::{due, pass, step};

use crate::time::Time;

/// When a walk begins.
pub const BEGAN: Stamp = Stamp(1_700_000_000_000);

/// How often each answer was given on a walk.
#[derive(Debug, Default)]
pub struct Walked(BTreeMap<&'static str, usize>);

impl Walked {
    /// Did the walk come by every answer there is? One that did not proves little.
    pub fn every_answer_was_given(&self) -> bool {
        self.0.len() == 16
    }
}

/// Asks `store` and the transition function the same `steps` random questions and panics where they differ. `time` must
/// be the clock the store goes by.
pub async fn walk(store: &dyn Store, time: &Time, seed: u64, steps: usize) -> Walked {
    let mut walk = Walk::new(seed);
    walk.go(store, time, steps).await;
    walk.walked
}

/// A walk that can be interrupted.
#[derive(Debug)]
pub struct Walk {
    seed: u64,
    turn: usize,
    rng: Rng,
    reference: HashMap<Key, Record>,
    rights: Vec<(Key, Token)>,
    /// What it came by so far.
    pub walked: Walked,
}

impl Walk {
    /// The walk of a seed, at its beginning.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            turn: 0,
            rng: Rng::with_seed(seed),
            reference: HashMap::new(),
            rights: Vec::new(),
            walked: Walked::default(),
        }
    }

    /// The next `steps` steps; see [`walk`].
    pub async fn go(&mut self, store: &dyn Store, time: &Time, steps: usize) {
        let Self { seed, rng, reference, rights, .. } = self;
        for turn in self.turn..self.turn + steps {
            if rng.u8(..) < 60 {
                time.advance(pause(rng));
            }
            let now = time.now();
            if rng.u8(..) < 10 {
                let swept = store.sweep(1000).await.expect("the store answers");
                let changed = sweep(reference, now);
                assert_eq!(swept.changed, changed, "step {turn} of seed {seed}: swept");
                continue;
            }
            let operation = question(rng, turn, rights);
            let key = operation.key();
            let stepped = step(reference.remove(&key), now, &operation);
            let told = store.ask(operation.clone()).await.expect("the store answers");
            assert_eq!(told.answer, stepped.answer, "step {turn} of seed {seed}: {operation:?}");
            assert_eq!(told.notes, stepped.notes, "step {turn} of seed {seed}: {operation:?}");
            if let Some(record) = stepped.record {
                reference.insert(key, record);
            }
            if let Answer::Run(token) | Answer::Reconcile { token, .. } = &told.answer {
                rights.push((key, *token));
                let kept = rights.len().saturating_sub(40);
                rights.drain(..kept);
            }
            *self.walked.0.entry(word(&told.answer)).or_default() += 1;
            if turn % 50 == 0 {
                same(store, reference, time.now(), *seed).await;
            }
        }
        same(store, reference, time.now(), *seed).await;
        self.turn += steps;
    }

    /// What the end of a store's process, or its restoring from a copy, does to every record. `how` is one of
    /// `seawall_policy::effect::{interrupted, restored}`; the notes are those a store gives when it is opened again.
    pub fn reopened(&mut self, now: Stamp, how: fn(Record, Stamp) -> (Record, Vec<Note>)) -> usize {
        let mut notes = 0;
        for record in self.reference.values_mut() {
            let (after, told) = how(record.clone(), now);
            (*record, notes) = (after, notes + told.len());
        }
        notes
    }
}

/// Every record is as it should be.
async fn same(store: &dyn Store, reference: &mut HashMap<Key, Record>, now: Stamp, seed: u64) {
    for key in keys() {
        let peek = Operation::Peek { key };
        let stepped = step(reference.remove(&key), now, &peek);
        let told = store.ask(peek).await.expect("the store answers");
        assert_eq!(told.answer, stepped.answer, "seed {seed}");
        if let Some(record) = stepped.record {
            reference.insert(key, record);
        }
    }
}

/// Pages of a list hold every record once, and only what was wanted.
pub async fn lists(store: &dyn Store) {
    for n in 0..25u32 {
        let begin = Begin {
            key: Key::of("list", "t", b"", n),
            label: format!("list:effect:t:{n:02}").into(),
            ..wish()
        };
        store.ask(Operation::Begin(begin)).await.expect("the store answers");
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let wanted = Wanted { state: Some("executing".into()), after, limit: 7 };
        let page = store.list(wanted).await.expect("the store answers");
        assert!(page.records.len() <= 7);
        seen.extend(page.records.into_iter().map(|(_, record)| record));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.iter().all(|record| record.state.as_str() == "executing"));
    let ours = seen.iter().filter(|record| record.label.starts_with("list:")).count();
    assert_eq!(ours, 25, "each once");
}

fn sweep(reference: &mut HashMap<Key, Record>, now: Stamp) -> usize {
    let mut changed = 0;
    for key in keys() {
        while let Some(record) = reference.get(&key).cloned()
            && due(&record).is_some_and(|due| due <= now)
        {
            changed += 1;
            match pass(record, now).0 {
                Some(record) => reference.insert(key, record),
                None => reference.remove(&key),
            };
        }
    }
    changed
}

fn keys() -> impl Iterator<Item = Key> {
    (0..4).map(key)
}

fn key(n: u8) -> Key {
    Key::of("walk", "t", &[n], 0)
}

fn pause(rng: &mut Rng) -> Duration {
    let second = Duration::from_secs(1);
    let spans = [second, second * 31, second * 100, second * 3600, second * 3600 * 72];
    // Long pauses end everything: they are rare.
    let place = if rng.u8(..) < 20 { rng.usize(..spans.len()) } else { rng.usize(..3) };
    spans[place]
}

fn wish() -> Begin {
    Begin {
        key: key(0),
        label: Arc::from("walk:effect:t:0"),
        print: Fingerprint::of(&[b"args"]),
        nonce: Nonce(0),
        nature: Nature::Opaque,
        age: None,
        lease: Duration::from_secs(30),
        call: Duration::from_secs(20),
        settle: Duration::from_secs(90),
        max_attempts: 3,
        keep: Keep { result: Duration::from_secs(3600), key: Duration::from_secs(72 * 3600) },
    }
}

fn question(rng: &mut Rng, turn: usize, rights: &[(Key, Token)]) -> Operation {
    let n = rng.u8(..4);
    let right = |rng: &mut Rng| {
        let any = (key(n), Token { epoch: rng.u64(..), nonce: Nonce(9) });
        if rights.is_empty() || rng.u8(..) < 5 {
            any
        } else {
            rights[rights.len() - 1 - rng.usize(..rights.len().min(6))]
        }
    };
    let bytes = |rng: &mut Rng| -> Option<Arc<[u8]>> {
        let length = [0, 3, 64, 65, 5000][rng.usize(..5)];
        rng.bool().then(|| (0..length).map(|_| rng.u8(..)).collect())
    };
    let truth = |rng: &mut Rng| if rng.u8(..) < 200 { Truth::Applied } else { Truth::Rejected };
    match rng.u8(..100) {
        0..40 => Operation::Begin(Begin {
            key: key(n),
            label: format!("walk:effect:t:{n}").into(),
            print: Fingerprint::of(&[if rng.u8(..) < 8 { b"other" } else { b"args!" }]),
            nonce: Nonce(if rng.u8(..) < 30 {
                u128::from(rng.u8(..4))
            } else {
                u128::from(rng.u64(..)) << 64 | turn as u128
            }),
            nature: match n {
                0 => Nature::Opaque,
                1 => Nature::Queryable,
                2 => Nature::Idempotent,
                _ => Nature::Keyed { window: Duration::from_secs(24 * 3600) },
            },
            age: (rng.u8(..) < 60).then(|| Duration::from_secs(rng.u64(..100 * 3600))),
            ..wish()
        }),
        40..47 => {
            let (key, token) = right(rng);
            Operation::Renew { key, token, lease: Duration::from_secs(30) }
        }
        47..70 => {
            let (key, token) = right(rng);
            let outcome = match rng.u8(..10) {
                0..4 => Outcome::Ended(truth(rng), bytes(rng)),
                4..7 => Outcome::NotApplied { cooldown: Duration::from_secs(rng.u64(..60)) },
                _ => Outcome::Unknown { detail: Arc::from("the reply was lost: \u{201c}reset\u{201d}") },
            };
            Operation::Complete { key, token, outcome }
        }
        70..82 => {
            let nonce = Nonce(u128::from(rng.u8(..6)) + 100);
            Operation::Reconcile { key: key(n), nonce, lease: Duration::from_secs(30) }
        }
        82..94 => {
            let (key, token) = right(rng);
            let finding = match rng.u8(..10) {
                0..2 => Finding::Ended(truth(rng), bytes(rng)),
                2..5 => Finding::NotApplied { fenced: rng.bool() },
                _ => Finding::Unknown { detail: Arc::from("no answer") },
            };
            Operation::Resolve { key, token, finding }
        }
        94..97 => {
            let resolution =
                if rng.bool() { Resolution::NotApplied } else { Resolution::Ended(truth(rng), bytes(rng)) };
            Operation::Force {
                key: key(n),
                by: Arc::from("ana"),
                reason: Arc::from("looked it up"),
                resolution,
            }
        }
        _ => Operation::Peek { key: key(n) },
    }
}

const fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Run(_) => "run",
        Answer::Replay(..) => "replay",
        Answer::Busy(_) => "busy",
        Answer::Cooldown(_) => "cooldown",
        Answer::Exhausted => "exhausted",
        Answer::Mismatch => "mismatch",
        Answer::Expired => "expired",
        Answer::InDoubt { .. } => "in-doubt",
        Answer::Reconcile { .. } => "reconcile",
        Answer::Ok => "ok",
        Answer::Late => "late",
        Answer::Already => "already",
        Answer::Conflict => "conflict",
        Answer::Fenced => "fenced",
        Answer::No { .. } => "no",
        Answer::Found(_) => "found",
    }
}
