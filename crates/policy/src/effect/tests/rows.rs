//! Row by row: what each question makes of each state, what is answered, and who is told.

use seawall_core::effect::Done;

use super::*;

const SETTLE: Duration = Duration::from_secs(90);
const MINUTE: Duration = Duration::from_secs(60);

/// A record in a state of which every way there is known, its owner's token, and the moment.
fn standing(state: &str, nature: Nature) -> (Told, Token) {
    let mut told = Told::new();
    let Answer::Run(token) = told.ask(&Operation::Begin(Begin { nature, ..wish(1) })) else { panic!() };
    match state {
        "executing" => {}
        "in-doubt" => assert_eq!(told.complete(token, unknown()), Answer::Ok),
        "reconciling" => {
            told.complete(token, unknown());
            told.reconciling(50);
        }
        "quarantined" => {
            told.complete(token, unknown());
            for nonce in 0..u128::from(TRIES) {
                let (token, _) = told.reconciling(100 + nonce);
                told.resolve(token, nothing());
                told.wait(HOUR);
            }
        }
        "done" => assert_eq!(told.complete(token, applied()), Answer::Ok),
        "tombstone" => {
            told.complete(token, applied());
            let record = told.record.take().unwrap();
            told.record = Some(Record { keep: Keep { result: HOUR, key: HOUR * 9 }, ..record });
            told.wait(HOUR);
            told.ask(&Operation::Peek { key: key() });
        }
        "free" => assert_eq!(told.complete(token, not_applied(5)), Answer::Ok),
        other => panic!("no way to {other}"),
    }
    assert_eq!(told.state(), state);
    (told, token)
}

fn not_applied(cooldown: u64) -> Outcome {
    Outcome::NotApplied { cooldown: Duration::from_secs(cooldown) }
}

fn rejected() -> Outcome {
    Outcome::Ended(Truth::Rejected, None)
}

const DOUBTS: [&str; 3] = ["in-doubt", "reconciling", "quarantined"];

#[test]
fn an_owners_word_is_heard_as_the_table_says() {
    let cleared = || vec![Note::Cleared(How::Late)];
    let rows = [
        ("executing", applied(), Answer::Ok, "done", vec![]),
        ("executing", rejected(), Answer::Ok, "done", vec![]),
        ("executing", not_applied(5), Answer::Ok, "free", vec![]),
        ("executing", unknown(), Answer::Ok, "in-doubt", vec![Note::InDoubt(Reason::Unknown)]),
        ("done", applied(), Answer::Already, "done", vec![]),
        ("done", rejected(), Answer::Conflict, "done", vec![Note::Contradiction]),
        ("done", Outcome::Ended(Truth::Applied, None), Answer::Conflict, "done", vec![Note::Contradiction]),
        ("done", not_applied(5), Answer::Conflict, "done", vec![Note::Contradiction]),
        ("done", unknown(), Answer::Already, "done", vec![]),
        ("tombstone", Outcome::Ended(Truth::Applied, None), Answer::Already, "tombstone", vec![]),
        ("tombstone", rejected(), Answer::Conflict, "tombstone", vec![Note::Contradiction]),
        ("tombstone", not_applied(5), Answer::Conflict, "tombstone", vec![Note::Contradiction]),
        ("tombstone", unknown(), Answer::Already, "tombstone", vec![]),
        ("free", applied(), Answer::Fenced, "free", vec![Note::SuspectedDuplicate]),
        ("free", rejected(), Answer::Already, "free", vec![]),
        ("free", not_applied(9), Answer::Already, "free", vec![]),
        ("free", unknown(), Answer::Already, "free", vec![]),
    ];
    for (state, outcome, answer, after, notes) in rows {
        let (mut told, token) = standing(state, Nature::Opaque);
        let shown = format!("{state} {outcome:?}");
        assert_eq!(told.complete(token, outcome), answer, "{shown}");
        assert_eq!((told.state(), &told.notes), (after, &notes), "{shown}");
    }
    for state in DOUBTS {
        for (outcome, after) in [(applied(), "done"), (rejected(), "done"), (not_applied(5), "free")] {
            let (mut told, token) = standing(state, Nature::Opaque);
            let epoch = told.record.as_ref().unwrap().epoch;
            assert_eq!(told.complete(token, outcome), Answer::Late, "{state}");
            assert_eq!((told.state(), &told.notes), (after, &cleared()), "{state}");
            assert_eq!(told.record.unwrap().epoch, epoch + 1, "whoever reconciles is fenced off");
        }
        let (mut told, token) = standing(state, Nature::Opaque);
        assert_eq!((told.complete(token, unknown()), told.state()), (Answer::Already, state));
        assert_eq!(told.notes, []);
    }
}

#[test]
fn a_result_that_others_found_out_may_differ_in_its_bytes_and_an_owners_may_not() {
    for (by, same) in [(How::Owner, false), (How::Late, false), (How::Reconciled, true), (How::Forced, true)]
    {
        let (mut told, token) = standing("done", Nature::Opaque);
        if let State::Done(Done { how, .. }) = &mut told.record.as_mut().unwrap().state {
            *how = by;
        }
        let answer = told.complete(token, Outcome::Ended(Truth::Applied, None));
        assert_eq!(answer, if same { Answer::Already } else { Answer::Conflict }, "{by:?}");
        assert_eq!(told.complete(token, applied()), Answer::Already, "{by:?}");
    }
}

#[test]
fn whoever_was_granted_something_before_is_heard_only_if_it_took_place() {
    for (nature, noted) in [
        (Nature::Opaque, vec![Note::SuspectedDuplicate]),
        (Nature::Queryable, vec![Note::SuspectedDuplicate]),
        (Nature::Idempotent, vec![]),
        (Nature::Keyed { window: HOUR }, vec![]),
    ] {
        let (mut told, old) = standing("free", nature);
        told.wait(MINUTE);
        let new = told.granted(2);
        assert_eq!((new.epoch, new.nonce), (old.epoch + 1, Nonce(2)));
        assert_eq!(told.complete(old, applied()), Answer::Fenced);
        assert_eq!(told.notes, noted, "{nature:?}");
        for outcome in [rejected(), not_applied(1), unknown()] {
            assert_eq!(told.complete(old, outcome), Answer::Fenced);
            assert_eq!(told.notes, []);
        }
        assert_eq!(told.state(), "executing");
    }
    let mut told = Told::new();
    let token = Token { epoch: 7, nonce: Nonce(1) };
    for outcome in [rejected(), not_applied(1), unknown()] {
        assert_eq!((told.complete(token, outcome), told.state()), (Answer::Fenced, "absent"));
        assert_eq!(told.notes, []);
    }
}

#[test]
fn who_may_find_out_is_told_so_and_the_others_when_to_come_back() {
    let ask = |nonce| Operation::Reconcile { key: key(), nonce: Nonce(nonce), lease: MINUTE };
    for state in ["executing", "quarantined", "done", "tombstone", "free"] {
        let (mut told, _) = standing(state, Nature::Opaque);
        assert_eq!(told.ask(&ask(9)), Answer::No { state });
    }
    assert_eq!(Told::new().ask(&ask(9)), Answer::No { state: "absent" });
    let (mut told, owner) = standing("in-doubt", Nature::Opaque);
    told.wait(SETTLE - Duration::from_millis(1));
    let Answer::Reconcile { token, quiet: false } = told.ask(&ask(9)) else { panic!("{:?}", told.record) };
    assert_eq!((token.epoch, token.nonce), (owner.epoch + 1, Nonce(9)));
    assert_eq!(told.ask(&ask(10)), Answer::Busy(MINUTE));
    told.wait(MINUTE - Duration::from_millis(1));
    assert_eq!(told.ask(&ask(9)), Answer::Reconcile { token, quiet: false }, "its reply was lost");
    assert_eq!(told.resolve(token, nothing()), Answer::Ok);
    assert_eq!(told.ask(&ask(11)), Answer::Cooldown(BACKOFF));
    told.wait(BACKOFF);
    let Answer::Reconcile { token, quiet: true } = told.ask(&ask(11)) else { panic!("{:?}", told.record) };
    assert_eq!(told.ask(&ask(11)), Answer::Reconcile { token, quiet: true });
    told.wait(MINUTE);
    assert!(matches!(told.ask(&ask(12)), Answer::Reconcile { .. }), "its lease is over");
}

#[test]
fn all_is_quiet_from_the_moment_on_that_was_said_and_not_before() {
    for (wait, quiet) in [(SETTLE - Duration::from_millis(1), false), (SETTLE, true)] {
        let (mut told, _) = standing("in-doubt", Nature::Opaque);
        told.wait(wait);
        let (token, said) = told.reconciling(9);
        assert_eq!(said, quiet);
        told.resolve(token, Finding::NotApplied { fenced: false });
        assert_eq!(told.state(), if quiet { "free" } else { "in-doubt" });
    }
}

#[test]
fn a_right_is_renewed_by_whoever_holds_it_and_by_nobody_else() {
    let renew = |token| Operation::Renew { key: key(), token, lease: HOUR };
    let (mut told, owner) = standing("executing", Nature::Opaque);
    let stranger = Token { nonce: Nonce(77), ..owner };
    assert_eq!(told.ask(&renew(stranger)), Answer::No { state: "executing" });
    assert_eq!(due(told.record.as_ref().unwrap()), Some(NOW + Duration::from_secs(30)));
    assert_eq!(told.ask(&renew(owner)), Answer::Ok);
    assert_eq!(due(told.record.as_ref().unwrap()), Some(NOW + HOUR));
    let (mut told, owner) = standing("in-doubt", Nature::Opaque);
    assert_eq!(told.ask(&renew(owner)), Answer::No { state: "in-doubt" });
    let (finder, _) = told.reconciling(9);
    assert_eq!(told.ask(&renew(owner)), Answer::No { state: "reconciling" });
    told.wait(Duration::from_secs(10));
    assert_eq!(told.ask(&renew(finder)), Answer::Ok);
    assert_eq!(due(told.record.as_ref().unwrap()), Some(told.now + HOUR));
    assert_eq!(told.resolve(stranger, nothing()), Answer::Fenced);
    assert_eq!(Told::new().ask(&renew(owner)), Answer::No { state: "absent" });
    assert_eq!(Told::new().resolve(owner, nothing()), Answer::No { state: "absent" });
}

#[test]
fn what_is_found_out_clears_the_doubt_and_says_how() {
    let (mut told, _) = standing("in-doubt", Nature::Opaque);
    let (token, _) = told.reconciling(9);
    assert_eq!(told.resolve(token, Finding::Ended(Truth::Applied, Some(Arc::from(&b"x"[..])))), Answer::Ok);
    assert_eq!(told.notes, [Note::Cleared(How::Reconciled)]);
    let State::Done(done) = &told.record.as_ref().unwrap().state else { panic!() };
    let found =
        Done { truth: Truth::Applied, at: NOW, how: How::Reconciled, result: Some(Arc::from(&b"x"[..])) };
    assert_eq!(*done, found);
    let (mut told, _) = standing("in-doubt", Nature::Opaque);
    let (token, _) = told.reconciling(9);
    assert_eq!(told.resolve(token, Finding::NotApplied { fenced: true }), Answer::Ok);
    assert_eq!((told.state(), &told.notes[..]), ("free", &[Note::Cleared(How::Reconciled)][..]));
    assert!(matches!(told.begin(3), Answer::Run(_)), "there is no cooldown");
}

#[test]
fn too_early_to_believe_means_asking_again_when_all_is_quiet() {
    let (mut told, _) = standing("in-doubt", Nature::Opaque);
    let (token, _) = told.reconciling(9);
    told.resolve(token, Finding::NotApplied { fenced: false });
    let again = Operation::Reconcile { key: key(), nonce: Nonce(10), lease: MINUTE };
    assert_eq!(told.ask(&again), Answer::Cooldown(SETTLE));
    // Asked when it was not quiet yet, answered when it would have been: in a second.
    let (mut told, _) = standing("in-doubt", Nature::Opaque);
    let (token, _) = told.reconciling(9);
    told.wait(SETTLE * 2);
    told.resolve(token, Finding::NotApplied { fenced: false });
    assert_eq!(told.ask(&again), Answer::Cooldown(Duration::from_secs(1)));
    assert_eq!(told.record.unwrap().state.doubt().unwrap().tries, 0, "nobody failed");
}

#[test]
fn a_reconcile_that_finds_nothing_out_waits_twice_as_long_each_time_and_at_most_an_hour() {
    let (mut told, _) = standing("in-doubt", Nature::Opaque);
    let mut waits = Vec::new();
    for nonce in 0..u128::from(TRIES) - 1 {
        let (token, _) = told.reconciling(100 + nonce);
        assert_eq!(told.resolve(token, nothing()), Answer::Ok);
        assert_eq!((told.state(), &told.notes[..]), ("in-doubt", &[][..]));
        let Answer::Cooldown(wait) =
            told.ask(&Operation::Reconcile { key: key(), nonce: Nonce(1000 + nonce), lease: MINUTE })
        else {
            panic!()
        };
        waits.push(wait.as_secs());
        told.wait(wait);
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280]);
    let record = told.record.clone().unwrap();
    let doubt = record.state.doubt().unwrap();
    assert_eq!((doubt.tries, &*doubt.detail, doubt.reason), (9, "no answer", Reason::Unknown));
    // A record from a store that counted on: the wait has its bound.
    let State::InDoubt(doubt) = record.state.clone() else { panic!() };
    for (tries, after) in [(9, "quarantined"), (u32::MAX, "quarantined")] {
        told.record =
            Some(Record { state: State::InDoubt(Doubt { tries, ..doubt.clone() }), ..record.clone() });
        let (token, _) = told.reconciling(5);
        told.resolve(token, nothing());
        assert_eq!(told.state(), after);
        let not_before = told.record.as_ref().unwrap().state.doubt().unwrap().not_before;
        let wait = told.now.until(not_before);
        assert_eq!(wait, if tries == 9 { Duration::from_secs(2560) } else { HOUR });
    }
}

#[test]
fn a_person_may_decide_every_doubt_and_it_says_so() {
    for state in DOUBTS {
        for (resolution, after) in
            [(Resolution::Ended(Truth::Rejected, None), "done"), (Resolution::NotApplied, "free")]
        {
            let (mut told, _) = standing(state, Nature::Opaque);
            let epoch = told.record.as_ref().unwrap().epoch;
            let force = Operation::Force { key: key(), by: "ana".into(), reason: "seen".into(), resolution };
            assert_eq!(told.ask(&force), Answer::Ok);
            assert_eq!((told.state(), &told.notes[..]), (after, &[Note::Cleared(How::Forced)][..]));
            assert_eq!(told.record.as_ref().unwrap().epoch, epoch + 1);
        }
    }
}

#[test]
fn a_doubt_says_since_when_why_and_from_when_on_all_is_quiet() {
    let (told, _) = standing("in-doubt", Nature::Opaque);
    let doubt = |since, reason, detail: &str, quiet, not_before| Doubt {
        since,
        reason,
        detail: Arc::from(detail),
        quiet,
        not_before,
        tries: 0,
    };
    let record = told.record.unwrap();
    let said = doubt(NOW, Reason::Unknown, "the reply was lost", NOW + SETTLE, NOW);
    assert_eq!(record.state, State::InDoubt(said));
    let (told, _) = standing("executing", Nature::Opaque);
    let record = told.record.unwrap();
    let lapsed = NOW + Duration::from_secs(30);
    let (before, _) = pass(record.clone(), Stamp(lapsed.0 - 1));
    assert_eq!(before, Some(record.clone()));
    let later = lapsed + MINUTE;
    let (after, _) = pass(record.clone(), later);
    let said = doubt(later, Reason::Lease, "not heard of within its lease", lapsed + SETTLE, later);
    assert_eq!(after.unwrap().state, State::InDoubt(said));
    let (after, _) = interrupted(record.clone(), later);
    let said = doubt(later, Reason::Crash, "its process ended while it ran", later + SETTLE, later);
    assert_eq!(after.state, State::InDoubt(said));
    let (after, _) = restored(record, later);
    let said = doubt(later, Reason::Restored, "the journal was restored from a copy", later + SETTLE, later);
    assert_eq!(after.state, State::InDoubt(said));
}

#[test]
fn whoever_was_finding_out_when_its_process_ended_leaves_the_doubt_to_others_at_once() {
    let (told, _) = standing("reconciling", Nature::Opaque);
    let (record, later) = (told.record.unwrap(), NOW + Duration::from_secs(7));
    for (after, notes) in [interrupted(record.clone(), later), restored(record, later)] {
        assert_eq!((after.state.as_str(), &notes[..]), ("in-doubt", &[][..]));
        assert_eq!(after.state.doubt().unwrap().not_before, later);
    }
    let (told, _) = standing("done", Nature::Opaque);
    let done = told.record.unwrap();
    assert_eq!(restored(done.clone(), later), (done, vec![]));
}

#[test]
fn time_changes_a_record_at_the_moment_that_was_said_and_not_before() {
    let keep = Keep { result: HOUR, key: HOUR * 3 };
    let millis = Duration::from_millis;
    let free = |since, not_before| State::Free { since, not_before };
    let done = State::Done(Done { truth: Truth::Applied, at: NOW, how: How::Owner, result: None });
    let buried = State::Tombstone { truth: Truth::Applied, at: NOW };
    for (state, keep, after, becomes) in [
        (done.clone(), keep, HOUR, Some("tombstone")),
        (done, Keep { result: HOUR, key: HOUR }, HOUR, None),
        (buried, keep, HOUR * 3, None),
        (free(NOW, NOW), keep, HOUR * 3, None),
        (free(NOW, NOW + HOUR * 5), keep, HOUR * 5, None),
    ] {
        let (told, _) = standing("executing", Nature::Opaque);
        let record = Record { state, keep, ..told.record.unwrap() };
        assert_eq!(due(&record), Some(NOW + after), "{:?}", record.state);
        let (before, notes) = pass(record.clone(), NOW + (after - millis(1)));
        assert_eq!((before.as_ref(), notes), (Some(&record), vec![]));
        let (is, notes) = pass(record.clone(), NOW + after);
        assert_eq!((is.as_ref().map(|record| record.state.as_str()), notes), (becomes, vec![]));
        assert_eq!(pass(record, NOW + HOUR * 99).0, None);
    }
    for state in ["in-doubt", "quarantined"] {
        let record = standing(state, Nature::Opaque).0.record.unwrap();
        assert_eq!(due(&record), None);
        assert_eq!(pass(record.clone(), Stamp(u64::MAX)), (Some(record), vec![]));
    }
    let (told, _) = standing("reconciling", Nature::Opaque);
    let record = told.record.unwrap();
    let lapses = due(&record).unwrap();
    assert_eq!(lapses, NOW + Duration::from_secs(30));
    assert_eq!(pass(record.clone(), Stamp(lapses.0 - 1)).0, Some(record.clone()));
    let (after, notes) = pass(record, lapses);
    assert_eq!((after.unwrap().state.doubt().unwrap().not_before, notes), (lapses, vec![]));
}

#[test]
fn a_wish_is_granted_with_a_number_that_grows_with_the_clock() {
    let mut told = Told::new();
    let token = told.granted(5);
    assert_eq!((token.epoch, token.nonce, grant(token)), (NOW.0 * 1000 + 1, Nonce(5), 1));
    told.complete(token, not_applied(0));
    assert_eq!(grant(told.granted(6)), 2);
    let record = told.record.clone().unwrap();
    assert_eq!((record.attempts, record.first), (2, NOW));
    let mut late = Told { now: Stamp(u64::MAX), ..Told::new() };
    assert_eq!(late.granted(1).epoch, (1 << 43) * 1000 + 1);
}

#[test]
fn a_wish_is_too_old_when_its_record_may_be_forgotten_a_minute_from_now() {
    let keep = Keep { result: HOUR, key: HOUR * 3 };
    let aged = |age| Begin { keep, age, ..wish(3) };
    assert!(!too_old(&aged(None)));
    assert!(!too_old(&aged(Some(HOUR * 3 - MINUTE - Duration::from_millis(1)))));
    assert!(too_old(&aged(Some(HOUR * 3 - MINUTE))));
    assert!(too_old(&aged(Some(Duration::MAX))));
    let (mut told, _) = standing("free", Nature::Opaque);
    told.wait(MINUTE);
    assert_eq!(told.ask(&Operation::Begin(aged(Some(HOUR * 3)))), Answer::Expired);
    assert_eq!(told.state(), "free");
    assert!(matches!(told.ask(&Operation::Begin(aged(Some(HOUR)))), Answer::Run(_)));
}

#[test]
fn a_doubt_is_run_again_only_where_the_far_side_makes_one_of_two_and_so_often() {
    let again = |nature: Nature, wait: Duration, max_attempts| {
        let (mut told, _) = standing("in-doubt", nature);
        told.wait(wait);
        told.ask(&Operation::Begin(Begin { nature, max_attempts, ..wish(2) }))
    };
    let window = HOUR;
    // A call of 20 s and a minute for clocks and queues must end within the window.
    let last = HOUR - Duration::from_secs(80);
    let keyed = Nature::Keyed { window };
    assert!(matches!(again(keyed, last - Duration::from_millis(1), 3), Answer::Run(_)));
    assert!(matches!(again(keyed, last, 3), Answer::InDoubt { .. }));
    assert!(matches!(again(Nature::Idempotent, HOUR * 99, 2), Answer::Run(_)));
    assert!(matches!(again(Nature::Idempotent, HOUR, 1), Answer::InDoubt { .. }));
    for nature in [Nature::Opaque, Nature::Queryable] {
        assert!(matches!(again(nature, MINUTE, 9), Answer::InDoubt { quarantined: false, .. }));
    }
}

#[test]
fn a_record_keeps_the_longer_time_to_settle_of_two_wishes() {
    let (mut told, _) = standing("free", Nature::Opaque);
    told.wait(MINUTE);
    let hasty = Begin { settle: Duration::from_secs(1), lease: MINUTE, ..wish(2) };
    assert!(matches!(told.ask(&Operation::Begin(hasty)), Answer::Run(_)));
    let record = told.record.clone().unwrap();
    assert_eq!((record.settle, due(&record)), (SETTLE, Some(told.now + MINUTE)));
}
