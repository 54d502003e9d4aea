use std::sync::Arc;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use seawall_core::effect::{
    Begin, Doubt, Finding, Fingerprint, How, Keep, Key, Nature, Nonce, Outcome, Reason, Resolution, Token,
    Truth,
};

use super::*;

mod rows;

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Stamp = Stamp(1_700_000_000_000);

fn key() -> Key {
    Key::of("test", "order", b"7", 0)
}

fn wish(nonce: u128) -> Begin {
    Begin {
        key: key(),
        label: Arc::from("test:effect:order:7"),
        print: Fingerprint::of(&[b"buy"]),
        nonce: Nonce(nonce),
        nature: Nature::Opaque,
        age: None,
        lease: Duration::from_secs(30),
        call: Duration::from_secs(20),
        settle: Duration::from_secs(90),
        max_attempts: 3,
        keep: Keep::default(),
    }
}

/// A record and a clock, asked one thing after another.
struct Told {
    record: Option<Record>,
    now: Stamp,
    notes: Vec<Note>,
}

impl Told {
    fn new() -> Self {
        Self { record: None, now: NOW, notes: Vec::new() }
    }

    fn ask(&mut self, operation: &Operation) -> Answer {
        let stepped = step(self.record.take(), self.now, operation);
        self.record = stepped.record;
        self.notes = stepped.notes;
        stepped.answer
    }

    fn begin(&mut self, nonce: u128) -> Answer {
        self.ask(&Operation::Begin(wish(nonce)))
    }

    fn granted(&mut self, nonce: u128) -> Token {
        match self.begin(nonce) {
            Answer::Run(token) => token,
            other => panic!("not granted: {other:?}"),
        }
    }

    fn complete(&mut self, token: Token, outcome: Outcome) -> Answer {
        self.ask(&Operation::Complete { key: key(), token, outcome })
    }

    fn reconciling(&mut self, nonce: u128) -> (Token, bool) {
        let ask = Operation::Reconcile { key: key(), nonce: Nonce(nonce), lease: Duration::from_secs(30) };
        match self.ask(&ask) {
            Answer::Reconcile { token, quiet } => (token, quiet),
            other => panic!("not granted: {other:?}"),
        }
    }

    fn resolve(&mut self, token: Token, finding: Finding) -> Answer {
        self.ask(&Operation::Resolve { key: key(), token, finding })
    }

    fn state(&self) -> &str {
        self.record.as_ref().map_or("absent", |record| record.state.as_str())
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }
}

fn applied() -> Outcome {
    Outcome::Ended(Truth::Applied, Some(Arc::from(&b"ok"[..])))
}

fn unknown() -> Outcome {
    Outcome::Unknown { detail: Arc::from("the reply was lost") }
}

fn nothing() -> Finding {
    Finding::Unknown { detail: Arc::from("no answer") }
}

#[test]
fn one_runs_the_others_wait_and_get_its_result() {
    let mut told = Told::new();
    let token = told.granted(1);
    assert_eq!(told.begin(2), Answer::Busy(Duration::from_secs(30)));
    assert_eq!(told.begin(1), Answer::Run(token), "the same wish again: its reply was lost");
    assert_eq!(told.complete(token, applied()), Answer::Ok);
    assert_eq!(told.begin(2), Answer::Replay(Truth::Applied, Some(Arc::from(&b"ok"[..]))));
    assert_eq!(told.complete(token, applied()), Answer::Already);
}

#[test]
fn a_lease_that_expires_lets_nobody_run_and_its_owner_may_still_say_how_it_ended() {
    let mut told = Told::new();
    let token = told.granted(1);
    told.wait(Duration::from_secs(30));
    let doubted = Answer::InDoubt { since: told.now, reason: Reason::Lease, quarantined: false };
    assert_eq!(told.begin(2), doubted);
    assert_eq!(told.notes, [Note::InDoubt(Reason::Lease)]);
    told.wait(HOUR * 1000);
    assert_eq!(told.begin(2), doubted, "a doubt does not expire");
    assert_eq!(told.complete(token, applied()), Answer::Late);
    assert_eq!(told.notes, [Note::Cleared(How::Late)]);
    assert_eq!(told.state(), "done");
}

#[test]
fn what_is_not_there_is_believed_only_when_nothing_can_be_under_way() {
    let mut told = Told::new();
    let token = told.granted(1);
    assert_eq!(told.complete(token, unknown()), Answer::Ok);
    let (early, quiet) = told.reconciling(2);
    assert!(!quiet);
    told.wait(Duration::from_secs(10));
    assert_eq!(told.resolve(early, Finding::NotApplied { fenced: false }), Answer::Ok);
    assert_eq!(told.state(), "in-doubt");
    told.wait(Duration::from_secs(80));
    let (late, quiet) = told.reconciling(3);
    assert!(quiet);
    assert_eq!(told.resolve(late, Finding::NotApplied { fenced: false }), Answer::Ok);
    assert_eq!(told.state(), "free");
    assert!(matches!(told.begin(4), Answer::Run(_)));
    assert_eq!(told.complete(token, applied()), Answer::Fenced);
    assert_eq!(told.notes, [Note::SuspectedDuplicate]);
}

#[test]
fn a_question_asked_too_early_is_not_believed_though_its_answer_comes_late() {
    let mut told = Told::new();
    let token = told.granted(1);
    told.complete(token, unknown());
    let (early, _) = told.reconciling(2);
    told.ask(&Operation::Renew { key: key(), token: early, lease: HOUR });
    told.wait(HOUR / 2);
    told.resolve(early, Finding::NotApplied { fenced: false });
    assert_eq!(told.state(), "in-doubt");
}

#[test]
fn a_far_side_that_refuses_what_is_late_is_believed_at_once() {
    let mut told = Told::new();
    let token = told.granted(1);
    told.complete(token, unknown());
    let (token, _) = told.reconciling(2);
    told.resolve(token, Finding::NotApplied { fenced: true });
    assert_eq!(told.state(), "free");
}

#[test]
fn the_owners_late_word_fences_whoever_reconciles() {
    let mut told = Told::new();
    let owner = told.granted(1);
    told.complete(owner, unknown());
    let (reconciler, _) = told.reconciling(2);
    assert_eq!(told.complete(owner, applied()), Answer::Late);
    assert_eq!(told.resolve(reconciler, Finding::NotApplied { fenced: true }), Answer::Fenced);
    assert_eq!(told.state(), "done");
}

#[test]
fn ten_reconciles_that_find_nothing_out_ask_for_a_person() {
    let mut told = Told::new();
    let token = told.granted(1);
    told.complete(token, unknown());
    for nonce in 0..u128::from(TRIES) {
        told.wait(HOUR);
        let (token, _) = told.reconciling(100 + nonce);
        told.resolve(token, nothing());
    }
    assert_eq!((told.state(), &told.notes[..]), ("quarantined", &[Note::Quarantined][..]));
    assert!(matches!(told.begin(2), Answer::InDoubt { quarantined: true, .. }));
    let resolution = Resolution::Ended(Truth::Applied, None);
    let force =
        Operation::Force { key: key(), by: "ana".into(), reason: "seen on the statement".into(), resolution };
    assert_eq!(told.ask(&force), Answer::Ok);
    assert_eq!(told.begin(3), Answer::Replay(Truth::Applied, None));
}

#[test]
fn a_person_decides_only_what_is_in_doubt() {
    let mut told = Told::new();
    let force =
        |resolution| Operation::Force { key: key(), by: "ana".into(), reason: "x".into(), resolution };
    assert_eq!(told.ask(&force(Resolution::NotApplied)), Answer::No { state: "absent" });
    let token = told.granted(1);
    assert_eq!(told.ask(&force(Resolution::NotApplied)), Answer::No { state: "executing" });
    told.complete(token, unknown());
    assert_eq!(told.ask(&force(Resolution::NotApplied)), Answer::Ok);
    assert!(matches!(told.begin(2), Answer::Run(_)));
}

#[test]
fn a_run_that_provably_did_not_happen_may_be_run_again_after_its_cooldown_and_so_often() {
    let mut told = Told::new();
    for nonce in 1..=3 {
        let token = told.granted(nonce);
        told.complete(token, Outcome::NotApplied { cooldown: Duration::from_secs(60) });
        assert_eq!(told.begin(nonce), Answer::Fenced, "a copy of an old wish, late on its way");
        assert_eq!(told.begin(nonce + 1), Answer::Cooldown(Duration::from_secs(60)));
        told.wait(Duration::from_secs(60));
    }
    assert_eq!(told.begin(9), Answer::Exhausted);
}

#[test]
fn a_key_used_for_something_else_is_refused_in_every_state() {
    let other = Operation::Begin(Begin { print: Fingerprint::of(&[b"sell"]), ..wish(9) });
    let mut told = Told::new();
    let token = told.granted(1);
    assert_eq!(told.ask(&other), Answer::Mismatch);
    told.complete(token, unknown());
    assert_eq!(told.ask(&other), Answer::Mismatch);
    told.complete(token, applied());
    assert_eq!((told.ask(&other), &told.notes[..]), (Answer::Mismatch, &[Note::Mismatch][..]));
}

#[test]
fn what_is_finished_is_forgotten_in_its_time_and_an_older_wish_is_refused() {
    let keep = Keep { result: HOUR, key: HOUR * 3 };
    let mut told = Told::new();
    let Answer::Run(token) = told.ask(&Operation::Begin(Begin { keep, ..wish(1) })) else { panic!() };
    told.complete(token, applied());
    told.wait(HOUR);
    assert_eq!(told.begin(2), Answer::Replay(Truth::Applied, None), "its result is gone");
    assert_eq!(told.state(), "tombstone");
    told.wait(HOUR * 2);
    let aged = |age| Operation::Begin(Begin { keep, age: Some(age), ..wish(3) });
    assert_eq!(told.ask(&aged(HOUR * 3)), Answer::Expired);
    assert_eq!(told.state(), "absent");
    assert!(matches!(told.ask(&aged(HOUR)), Answer::Run(again) if again.epoch > token.epoch));
}

#[test]
fn a_far_side_that_knows_our_key_is_sent_it_again_within_its_window_only() {
    let keyed = |nonce| {
        let nature = Nature::Keyed { window: HOUR };
        Operation::Begin(Begin { nature, max_attempts: 9, ..wish(nonce) })
    };
    let mut told = Told::new();
    told.ask(&keyed(1));
    told.wait(HOUR / 2);
    assert!(matches!(told.ask(&keyed(2)), Answer::Run(_)));
    told.wait(HOUR / 2 - Duration::from_secs(79));
    assert!(
        matches!(told.ask(&keyed(3)), Answer::InDoubt { .. }),
        "the call itself takes time, and clocks differ"
    );
}

#[test]
fn that_the_last_run_did_not_take_place_does_not_end_the_doubt_about_an_earlier_one() {
    let keyed = |nonce| {
        let nature = Nature::Keyed { window: HOUR };
        Operation::Begin(Begin { nature, max_attempts: 9, ..wish(nonce) })
    };
    let not_applied = || Outcome::NotApplied { cooldown: Duration::ZERO };
    let run = |told: &mut Told, nonce| match told.ask(&keyed(nonce)) {
        Answer::Run(token) => token,
        other => panic!("{other:?}"),
    };
    let mut told = Told::new();
    let lost = run(&mut told, 1);
    told.complete(lost, unknown());
    let since = told.now;
    let doubted = Answer::InDoubt { since, reason: Reason::Unknown, quarantined: false };
    for nonce in [2, 3] {
        told.wait(Duration::from_secs(1));
        let refused = run(&mut told, nonce);
        assert_eq!(told.complete(refused, not_applied()), doubted, "the first run may have been done");
        assert_eq!((told.state(), &told.notes[..]), ("in-doubt", &[][..]));
    }
    // Late, it ends no doubt either: nobody knows any more whose doubt it is.
    let silent = run(&mut told, 4);
    told.wait(Duration::from_secs(60));
    told.ask(&Operation::Peek { key: key() });
    assert_eq!(told.state(), "in-doubt");
    let doubted = Answer::InDoubt { since, reason: Reason::Lease, quarantined: false };
    assert_eq!(told.complete(silent, not_applied()), doubted);
    told.wait(HOUR);
    assert_eq!(told.ask(&keyed(5)), doubted, "the far side may have forgotten the first run, which it did");
    // Where there was one run, and it did not take place, nothing can be there.
    let mut told = Told::new();
    let only = run(&mut told, 1);
    told.complete(only, not_applied());
    told.wait(HOUR);
    run(&mut told, 2);
}

#[test]
fn a_process_that_ended_leaves_doubts_and_a_copy_that_was_restored_trusts_nothing_open() {
    let mut told = Told::new();
    let token = told.granted(1);
    let (record, notes) = interrupted(told.record.clone().unwrap(), told.now);
    assert_eq!((record.state.as_str(), &notes[..]), ("in-doubt", &[Note::InDoubt(Reason::Crash)][..]));
    told.complete(token, Outcome::NotApplied { cooldown: Duration::ZERO });
    let (record, notes) = restored(told.record.clone().unwrap(), told.now);
    assert_eq!((record.state.as_str(), &notes[..]), ("in-doubt", &[Note::InDoubt(Reason::Restored)][..]));
    let (same, _) = interrupted(told.record.clone().unwrap(), told.now);
    assert_eq!(Some(same), told.record, "what is free was not running");
}

#[test]
fn a_store_that_forgot_is_noticed_when_the_owner_comes_back() {
    let mut told = Told::new();
    let token = told.granted(1);
    told.record = None;
    assert_eq!(told.complete(token, applied()), Answer::Fenced);
    assert_eq!(told.notes, [Note::Forgotten]);
}

#[derive(Debug, Clone)]
enum Move {
    Wait(u64),
    Begin(u8, bool),
    Renew(usize),
    Complete(usize, u8),
    Reconcile(u8),
    Resolve(usize, u8),
    Force(bool),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        prop_oneof![Just(0u64), 1u64..200_000, Just(72 * 3_600_000), 0u64..300_000_000_000]
            .prop_map(Move::Wait),
        (any::<u8>(), any::<bool>()).prop_map(|(nonce, other)| Move::Begin(nonce, other && nonce < 20)),
        any::<usize>().prop_map(Move::Renew),
        (any::<usize>(), 0u8..4).prop_map(|(which, how)| Move::Complete(which, how)),
        any::<u8>().prop_map(Move::Reconcile),
        (any::<usize>(), 0u8..4).prop_map(|(which, how)| Move::Resolve(which, how)),
        any::<bool>().prop_map(Move::Force),
    ]
}

fn ended(how: u8) -> Truth {
    if how == 0 { Truth::Applied } else { Truth::Rejected }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000)))]
    /// Whatever is asked in whatever order, by whoever holds whichever right.
    #[test]
    fn the_invariants_hold_for_any_sequence(
        nature in prop_oneof![Just(Nature::Opaque), Just(Nature::Queryable), Just(Nature::Idempotent), Just(Nature::Keyed { window: HOUR })],
        script in prop::collection::vec(moves(), 1..60),
    ) {
        let mut told = Told::new();
        let mut tokens = Vec::new();
        for (turn, step) in script.into_iter().enumerate() {
            let before = told.record.clone();
            let at = |which: usize, tokens: &Vec<Token>| tokens.get(which % tokens.len().max(1)).copied();
            let answer = match step {
                Move::Wait(millis) => { told.now = Stamp(told.now.0.saturating_add(millis)); continue }
                Move::Begin(nonce, other) => {
                    let print = if other { Fingerprint::of(&[b"other"]) } else { wish(0).print };
                    told.ask(&Operation::Begin(Begin { nature, print, ..wish(u128::from(nonce % 8) + 1000 * turn as u128 * u128::from(nonce > 99)) }))
                }
                Move::Renew(which) => match at(which, &tokens) {
                    Some(token) => told.ask(&Operation::Renew { key: key(), token, lease: HOUR }),
                    None => continue,
                },
                Move::Complete(which, how) => match at(which, &tokens) {
                    Some(token) => told.complete(token, match how {
                        0 | 1 => Outcome::Ended(ended(how), None),
                        2 => Outcome::NotApplied { cooldown: Duration::from_secs(1) },
                        _ => unknown(),
                    }),
                    None => continue,
                },
                Move::Reconcile(nonce) => {
                    let lease = Duration::from_secs(30);
                    told.ask(&Operation::Reconcile { key: key(), nonce: Nonce(u128::from(nonce)), lease })
                }
                Move::Resolve(which, how) => match at(which, &tokens) {
                    Some(token) => told.resolve(token, match how {
                        0 | 1 => Finding::Ended(ended(how), None),
                        2 => Finding::NotApplied { fenced: false },
                        _ => nothing(),
                    }),
                    None => continue,
                },
                Move::Force(happened) => {
                    let resolution = if happened { Resolution::Ended(Truth::Applied, None) } else { Resolution::NotApplied };
                    told.ask(&Operation::Force { key: key(), by: "a".into(), reason: "b".into(), resolution })
                }
            };
            if let Answer::Run(token) | Answer::Reconcile { token, .. } = answer {
                tokens.push(token);
            }
            check(before.as_ref(), &told, &answer)?;
        }
    }
}

fn check(
    before: Option<&Record>,
    told: &Told,
    answer: &Answer,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let Some(before) = before else { return Ok(()) };
    let after = told.record.as_ref();
    let finished = matches!(before.state, State::Done(_) | State::Tombstone { .. } | State::Free { .. });
    prop_assert!(after.is_some() || finished, "what is not finished is never forgotten");
    let Some(after) = after else { return Ok(()) };
    if after.first == before.first {
        prop_assert!(after.epoch >= before.epoch, "an epoch never falls");
    }
    if let Answer::Run(token) = answer
        && *token != before.run
    {
        let repeats = matches!(before.nature, Nature::Idempotent | Nature::Keyed { .. });
        let open = matches!(
            before.state,
            State::Executing { .. } | State::InDoubt(_) | State::Reconciling { .. } | State::Quarantined(_)
        );
        prop_assert!(!open || repeats, "nobody runs what somebody may be running: {:?}", before.state);
    }
    if let (State::Done(was), State::Done(is)) = (&before.state, &after.state)
        && after.epoch == before.epoch
    {
        prop_assert_eq!(was, is, "what is done stays as it is");
    }
    if let Some(Doubt { tries, .. }) = after.state.doubt() {
        prop_assert!(*tries <= TRIES);
        prop_assert_eq!(*tries == TRIES, matches!(after.state, State::Quarantined(_)));
    }
    let (again, notes) = pass(after.clone(), told.now);
    let settled =
        matches!(answer, Answer::Found(_) | Answer::Busy(_) | Answer::Cooldown(_) | Answer::Mismatch);
    prop_assert!(!settled || (again.as_ref() == Some(after) && notes.is_empty()), "time has already passed");
    let changes = due(after).is_some_and(|due| due <= told.now);
    prop_assert_eq!(
        changes,
        again.as_ref() != Some(after),
        "what is due is what time changes: {:?}",
        after.state
    );
    Ok(())
}
