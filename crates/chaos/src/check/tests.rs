//! Each law, broken once: whoever checks must notice.

use seawall::effect::Reason;

use super::*;
use crate::history::{Fault, Grant, Hit, Wish};
use crate::words::{At, Trouble};

const LETTER: What = What { kind: Kind::Letter, id: 1 };
const CHARGE: What = What { kind: Kind::Charge, id: 2 };
const SETTING: What = What { kind: Kind::Setting, id: 3 };
/// A second.
const S: At = 1_000_000_000;

fn wish(what: What, how: Option<How>) -> Wish {
    let answered = how.map(|how| (12 * S, how));
    Wish { what, args: 0, process: 1, sent: 10 * S, trouble: Trouble::None, ran: true, answered }
}

fn ok(what: What, entry: u64) -> Option<How> {
    Some(How::Ok { entry, print: what.print(0), replayed: false, kept: true })
}

fn entry(number: u64, what: What, run: u64) -> Entry {
    let print = what.print(0);
    Entry { number, verdict: Verdict::Done, what, epoch: 5, run, print, at: 11 * S }
}

fn granted(what: What) -> Grant {
    Grant { what, epoch: 5, nonce: 1, asked: 10 * S, answered: 11 * S }
}

fn history(wishes: Vec<Wish>) -> History {
    let grants = [LETTER, CHARGE, SETTING].map(granted).to_vec();
    History { wishes, grants, ..History::default() }
}

/// The laws that were broken.
fn broken(history: &History, book: &[Entry]) -> Vec<Law> {
    let mut laws: Vec<Law> = check(history, book).into_iter().map(|violation| violation.law).collect();
    laws.dedup();
    laws
}

#[test]
fn what_is_well_is_well() {
    let run = history(vec![
        wish(LETTER, ok(LETTER, 1)),
        wish(SETTING, ok(SETTING, 0)),
        wish(CHARGE, ok(CHARGE, 4)),
    ]);
    let again = Entry { verdict: Verdict::Again, ..entry(5, CHARGE, 2) };
    let book = [entry(1, LETTER, 0), entry(2, SETTING, 1), entry(3, SETTING, 9), entry(4, CHARGE, 2), again];
    assert_eq!(check(&run, &book), []);
    assert_eq!(duplicates(&book), 0);
    assert_eq!(omissions(&run, &book), []);
}

#[test]
fn a_second_entry_is_a_duplicate_unless_two_are_as_good_as_one() {
    let run = history(vec![wish(LETTER, ok(LETTER, 1))]);
    let book = [entry(1, LETTER, 0), entry(2, LETTER, 7)];
    assert_eq!(broken(&run, &book), [Law::Once]);
    assert_eq!(duplicates(&book), 1);
    let run = history(vec![wish(CHARGE, ok(CHARGE, 1))]);
    assert_eq!(broken(&run, &[entry(1, CHARGE, 0), entry(2, CHARGE, 7)]), [Law::Once]);
}

#[test]
fn whoever_was_told_that_it_is_done_must_be_right() {
    assert_eq!(broken(&history(vec![wish(LETTER, ok(LETTER, 1))]), &[]), [Law::Done]);
    let other = history(vec![wish(LETTER, ok(LETTER, 1))]);
    assert_eq!(broken(&other, &[entry(1, CHARGE, 0)]), [Law::Done]);
    let twice = history(vec![wish(LETTER, ok(LETTER, 1)), wish(LETTER, ok(LETTER, 2))]);
    assert!(broken(&twice, &[entry(1, LETTER, 0)]).contains(&Law::Done));
    assert_eq!(broken(&history(vec![wish(SETTING, ok(SETTING, 0))]), &[]), [Law::Done]);
    let forgotten = history(vec![wish(LETTER, Some(How::Expired))]);
    assert!(broken(&forgotten, &[]).contains(&Law::Done));
}

#[test]
fn whoever_was_told_that_it_was_not_done_must_be_right() {
    let run = |how| history(vec![Wish { ran: false, ..wish(LETTER, Some(how)) }]);
    let book = [entry(1, LETTER, 0)];
    assert_eq!(broken(&run(How::NotApplied { run: 0 }), &book), [Law::NotDone]);
    let later = [Entry { at: 60 * S, ..entry(1, LETTER, 0) }];
    assert_eq!(broken(&run(How::NotApplied { run: 3 }), &later), []);
    let earlier = [Entry { at: 0, ..entry(1, LETTER, 0) }];
    assert_eq!(
        broken(&run(How::NotApplied { run: 3 }), &earlier),
        [Law::NotDone],
        "an earlier run took place"
    );
    assert_eq!(broken(&run(How::Refused { kept: true }), &book), [Law::NotDone]);
    assert_eq!(broken(&run(How::Exhausted), &book), [Law::NotDone]);
    let ran = history(vec![wish(LETTER, Some(How::Unavailable))]);
    assert_eq!(broken(&ran, &[]), [Law::NotDone]);
}

#[test]
fn at_the_end_nobody_is_at_it() {
    let stands = |what, state: &str| History { standing: vec![(what, state.into())], ..history(vec![]) };
    assert_eq!(broken(&stands(LETTER, "executing"), &[]), [Law::Quiet]);
    assert_eq!(broken(&stands(LETTER, "in-doubt"), &[]), []);
    assert_eq!(broken(&stands(CHARGE, "in-doubt"), &[]), [Law::Quiet]);
    assert_eq!(broken(&History { open: vec![LETTER], ..history(vec![]) }, &[]), [Law::Quiet]);
    assert_eq!(broken(&History { unsaid: 1, ..history(vec![]) }, &[]), [Law::Quiet]);
    assert_eq!(broken(&History { blind: Some("why".into()), ..history(vec![]) }, &[]), [Law::Quiet]);
}

#[test]
fn grants_are_numbered_and_the_numbers_grow() {
    let grants = |second| History { grants: vec![granted(LETTER), second], ..History::default() };
    let second = Grant { epoch: 6, nonce: 2, asked: 12 * S, answered: 13 * S, ..granted(LETTER) };
    assert_eq!(broken(&grants(second.clone()), &[]), []);
    for wrong in [
        Grant { epoch: 4, ..second.clone() },
        Grant { epoch: 5, ..second.clone() },
        // Side by side, and the same number.
        Grant { epoch: 5, asked: 10 * S, ..second.clone() },
        Grant { nonce: 1, ..second },
    ] {
        assert_eq!(broken(&grants(wrong.clone()), &[]), [Law::Epochs], "{wrong:?}");
    }
    let unheard = Entry { epoch: 9, ..entry(1, LETTER, 0) };
    assert_eq!(broken(&history(vec![]), &[unheard]), [Law::Epochs]);
}

#[test]
fn another_use_of_a_key_must_be_refused() {
    let other = |how| history(vec![Wish { args: 1, ..wish(LETTER, how) }]);
    assert_eq!(broken(&other(Some(How::Mismatch)), &[]), []);
    assert_eq!(broken(&other(ok(LETTER, 1)), &[entry(1, LETTER, 9)]), [Law::Mismatch]);
    let done = Entry { print: LETTER.print(1), ..entry(1, LETTER, 0) };
    assert_eq!(broken(&other(None), &[done]), [Law::Mismatch]);
    assert_eq!(
        broken(&history(vec![Wish { ran: false, ..wish(LETTER, Some(How::Mismatch)) }]), &[]),
        [Law::Mismatch]
    );
}

#[test]
fn an_alarm_without_cause_is_noticed() {
    let run = |note: &str| History { notes: vec![(Some(LETTER), note.into())], ..history(vec![]) };
    assert_eq!(broken(&run("SUSPECTED DUPLICATE: …"), &[]), [Law::Alarm]);
    assert_eq!(broken(&run("in doubt (lease): it may have taken place"), &[]), []);
}

#[test]
fn what_was_wanted_and_never_done_is_an_omission_unless_it_was_refused() {
    let run = history(vec![wish(LETTER, None), wish(CHARGE, None)]);
    let refused = Entry { verdict: Verdict::Refused, ..entry(1, CHARGE, 1) };
    assert_eq!(omissions(&run, &[refused]), [LETTER]);
}

#[test]
fn a_doubt_needs_a_reason_of_the_right_time_and_place() {
    let doubtful = Wish {
        answered: Some((12 * S, How::InDoubt { since: 11_000, reason: Reason::Lease, quarantined: false })),
        process: 2,
        ..wish(LETTER, None)
    };
    let owner = wish(LETTER, None);
    let unexplained = |owner: Wish, faults: Vec<Fault>| {
        let run = History { wishes: vec![owner, doubtful.clone()], faults, ..History::default() };
        let found = doubts(&run, &[]);
        assert_eq!(found.effects, 1);
        found.unexplained.len()
    };
    let fault = |at: At, hit, process| vec![Fault { at, hit, process }];
    assert_eq!(unexplained(owner.clone(), vec![]), 1);
    assert_eq!(unexplained(owner.clone(), fault(10 * S + 1, Hit::Kill, Some(1))), 0);
    assert_eq!(unexplained(owner.clone(), fault(10 * S + 1, Hit::Kill, Some(9))), 1, "somebody else");
    assert_eq!(unexplained(owner.clone(), fault(11 * S + S, Hit::Kill, Some(1))), 1, "too late");
    assert_eq!(
        unexplained(owner.clone(), fault(9 * S, Hit::CutStore { until: 9 * S }, Some(1))),
        1,
        "too early"
    );
    assert_eq!(unexplained(owner.clone(), fault(9 * S, Hit::Freeze { until: 11 * S }, Some(1))), 0);
    assert_eq!(unexplained(owner.clone(), fault(9 * S, Hit::StoreKill { until: 11 * S }, None)), 0);
    assert_eq!(unexplained(Wish { trouble: Trouble::Unanswered, ..owner.clone() }, vec![]), 0);
    // Another's reply was lost, and the connection with it.
    let (silent, other) = (Wish { trouble: Trouble::Unanswered, ..wish(CHARGE, None) }, entry(1, CHARGE, 2));
    let run = History { wishes: vec![owner.clone(), doubtful.clone(), silent], ..History::default() };
    assert_eq!(doubts(&run, &[other]).unexplained, [], "at the same second");
    // It had been answered, and the store knew, before the blow fell.
    let settled = Wish { answered: Some((10 * S + 5, How::InFlight)), ..owner };
    assert_eq!(unexplained(settled, fault(10 * S + 9, Hit::Kill, Some(1))), 1);
}
