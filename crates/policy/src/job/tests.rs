use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy as Values, any, prop_assert, prop_assert_eq, proptest};
use seawall_core::Instant;
use seawall_core::effect::Stamp;
use seawall_core::job::{Note, Notes, Record, What};

use super::*;
use crate::breaker::{Machine, State, Window};

const NOON: Stamp = Stamp(1_800_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The pauses of a job that always fails, and why it ends.
fn pauses(options: &Options) -> (Vec<u64>, Block) {
    let (mut record, mut now, mut pauses) = (Record::default(), NOON, Vec::new());
    loop {
        let (begun, answer) = begin(options, &record, now);
        let Begun::Attempt(attempt) = answer else { panic!("{answer:?}") };
        let (after, next) = ended(options, &begun, attempt, "exit code 75", Some(true), now, 0.5);
        record = after;
        match next {
            Next::Again(pause) => {
                let (_, early) = begin(options, &record, now + (pause - Duration::from_millis(1)));
                assert!(matches!(early, Begun::Wait(_)), "{early:?}");
                pauses.push(pause.as_secs());
                now = now + pause;
            }
            Next::Over(why) => return (pauses, why),
            Next::Done => panic!("it failed"),
        }
    }
}

#[test]
fn the_defaults_are_the_published_ones() {
    let options = Options::default();
    assert_eq!((options.attempts, options.base, options.cap), (3, secs(60), secs(3600)));
    assert_eq!(options.on, [75]);
    assert!(options.repeats(75) && !options.repeats(1) && !options.repeats(0));
    let breaker = breaker();
    assert_eq!((breaker.window, breaker.failures), (Window::Time(secs(300)), 10));
    assert_eq!(breaker.recover, crate::breaker::Recover::Manual);
    assert_eq!((breaker.consecutive, breaker.min_calls), (0, 0));
    assert_eq!((breaker.successes, breaker.lease), (1, secs(3600)));
    assert!(options.check().is_ok() && breaker.check().is_ok());
}

#[test]
fn cooldowns_double_up_to_an_hour_and_attempts_end() {
    assert_eq!(pauses(&Options::default()), (vec![60, 120], Block::AttemptsSpent));
    let many = Options { attempts: 10, ..Options::default() };
    assert_eq!(pauses(&many).0, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    assert_eq!(pauses(&Options { attempts: 1, ..Options::default() }), (vec![], Block::AttemptsSpent));
}

#[test]
fn bad_options_are_refused_by_name() {
    for (options, key) in [
        (Options { attempts: 0, ..Options::default() }, "attempts"),
        (Options { attempts: u32::MAX, ..Options::default() }, "attempts"),
        (Options { base: Duration::ZERO, ..Options::default() }, "base"),
        (Options { cap: secs(1), ..Options::default() }, "cap"),
        (Options { cap: Duration::MAX, ..Options::default() }, "cap"),
        (Options { on: vec![75, 0], ..Options::default() }, "on"),
    ] {
        assert_eq!(options.check().unwrap_err().key, key);
    }
    let read: Options =
        serde_json::from_str(r#"{"attempts": 3, "base": "60s", "cap": "1h", "on": [75]}"#).unwrap();
    assert_eq!(read, Options::default());
}

#[test]
fn a_failure_that_lasts_ends_a_job_and_a_success_lets_it_begin_anew() {
    let options = Options::default();
    let (record, _) = begin(&options, &Record::default(), NOON);
    let (over, next) = ended(&options, &record, 1, "bad input", Some(false), NOON, 0.0);
    assert_eq!(next, Next::Over(Block::Final));
    assert_eq!(begin(&options, &over, NOON + secs(9999)).1, Begun::Over(Block::Final));
    assert_eq!(over.history[0].ended.as_deref(), Some("bad input"));
    let (done, next) = ended(&options, &record, 1, "worked", None, NOON, 0.0);
    assert_eq!((done, next), (Record::default(), Next::Done));
}

#[test]
fn an_attempt_that_is_never_heard_of_counts() {
    let options = Options::default();
    let mut record = Record::default();
    for attempt in 1..=3 {
        let (after, begun) = begin(&options, &record, NOON);
        assert_eq!(begun, Begun::Attempt(attempt));
        record = after;
    }
    assert_eq!(begin(&options, &record, NOON).1, Begun::Over(Block::AttemptsSpent));
    // One of them is heard of after all.
    let (record, next) = ended(&options, &record, 2, "late", Some(true), NOON, 0.0);
    assert_eq!(next, Next::Over(Block::AttemptsSpent));
    assert_eq!(record.history[1].ended.as_deref(), Some("late"));
}

#[test]
fn ten_failures_in_five_minutes_open_it_and_nine_do_not() {
    let options = breaker();
    let mut notes = Notes::default();
    for n in 0..9 {
        assert_eq!(note(&options, &mut notes, What::Failed(NOON.0, None), NOON + secs(n)), None);
    }
    // Six minutes later those nine are forgotten.
    let later = NOON + secs(360);
    for n in 0..9 {
        assert_eq!(note(&options, &mut notes, What::Failed(later.0, None), later + secs(n)), None);
    }
    assert!(notes.notes.len() <= 10, "{}", notes.notes.len());
    let moved = note(&options, &mut notes, What::Failed(later.0, None), later + secs(10)).unwrap();
    assert_eq!((moved.to, moved.why), (State::Open, "too many failures"));
    let gate = Gate::of(&options, &notes);
    assert_eq!((gate.state(), gate.since()), (State::Open, later + secs(10)));
    let year = later + secs(365 * 86_400);
    assert!(gate.ask(year, 1).is_err(), "until somebody says otherwise");
    assert_eq!(note(&options, &mut notes, What::Failed(later.0, None), year), None);
    assert_eq!(Gate::of(&options, &notes).state(), State::Open);
}

#[test]
fn an_override_lets_one_probe_through_and_its_success_closes_it() {
    let options = breaker();
    let mut notes = Notes::default();
    for _ in 0..10 {
        note(&options, &mut notes, What::Failed(NOON.0, None), NOON);
    }
    let then = NOON + secs(3600);
    note(&options, &mut notes, Lever::HalfOpen.note(), then);
    let probe = Gate::of(&options, &notes).ask(then, 7).unwrap().unwrap();
    note(&options, &mut notes, probe, then);
    assert!(Gate::of(&options, &notes).ask(then, 8).is_err(), "one at a time");
    note(&options, &mut notes, What::Gone(7), then);
    let probe = Gate::of(&options, &notes).ask(then, 8).unwrap().unwrap();
    note(&options, &mut notes, probe, then);
    let moved = note(&options, &mut notes, What::Worked(then.0, Some(8)), then + secs(5)).unwrap();
    assert_eq!((moved.to, notes.notes.len()), (State::Closed, 1), "it begins anew");
    // What began before it closed says nothing.
    for _ in 0..20 {
        note(&options, &mut notes, What::Failed(then.0, None), then + secs(6));
    }
    assert_eq!(Gate::of(&options, &notes).state(), State::Closed);
    for _ in 0..10 {
        note(&options, &mut notes, What::Failed(then.0 + 5000, None), then + secs(7));
    }
    assert_eq!(Gate::of(&options, &notes).state(), State::Open);
}

#[test]
fn notes_stay_few_however_long_it_stays_open() {
    let options = crate::breaker::Options { recover: crate::breaker::Recover::Automatic, ..breaker() };
    let mut notes = Notes::default();
    for _ in 0..10 {
        note(&options, &mut notes, What::Failed(NOON.0, None), NOON);
    }
    let mut now = NOON;
    for number in 0..5_000 {
        now = now + secs(60);
        let probe = Gate::of(&options, &notes).ask(now, number).unwrap().unwrap();
        note(&options, &mut notes, probe, now);
        note(&options, &mut notes, What::Failed(now.0, Some(number)), now);
        assert_eq!(Gate::of(&options, &notes).state(), State::Open);
    }
    assert!(notes.notes.len() <= 2050, "{}", notes.notes.len());
}

#[test]
fn absurd_times_neither_overflow_nor_panic() {
    let (options, breaker) = (Options::default(), breaker());
    let mut notes = Notes::default();
    for at in [Stamp(0), Stamp(u64::MAX), NOON, Stamp(u64::MAX)] {
        note(&breaker, &mut notes, What::Failed(at.0, None), at);
        note(&breaker, &mut notes, What::Probe(1), at);
        note(&breaker, &mut notes, What::Worked(u64::MAX, Some(1)), at);
        let (record, _) = begin(&options, &Record::default(), at);
        ended(&options, &record, u32::MAX, "é".repeat(500).as_str(), Some(true), at, f64::NAN);
    }
}

#[test]
fn an_hour_counts_and_forgets_a_minute_at_a_time() {
    let mut tally = Tally::default();
    let at = |minute: u64| Instant::ORIGIN + secs(60 * minute);
    for minute in 0..60 {
        tally.began(1, at(minute));
        tally.ended(false, None, at(minute));
        tally.began(2, at(minute));
        tally.ended(true, Some(2), at(minute));
        tally.blocked(Block::CoolingDown, at(minute));
    }
    let hour = tally.summary(at(59));
    assert_eq!((hour.attempts, hour.retries, hour.retries_per_minute), (120, 60, 1.0));
    assert_eq!((hour.success, hour.failure, hour.average_attempts), (Some(0.5), Some(0.5), Some(2.0)));
    assert_eq!((hour.blocked, hour.reasons[Block::CoolingDown as usize]), (Some(60.0 / 180.0), 60));
    assert_eq!(tally.summary(at(89)).retries, 30);
    assert_eq!(tally.summary(at(200)), Summary { success: None, ..Summary::default() });
}

#[test]
fn reasons_and_levers_have_the_words_that_metrics_and_the_audit_trail_show() {
    let words: Vec<_> = Block::ALL.iter().map(|block| block.as_str()).collect();
    let said = ["cooling-down", "attempts-spent", "final", "breaker-open", "state-unavailable"];
    assert_eq!(words, said);
    assert_eq!(Block::Final.to_string(), "final");
    for (lever, word, note) in [
        (Lever::ForceOpen, "force-open", What::ForceOpen),
        (Lever::ForceClosed, "force-closed", What::ForceClosed),
        (Lever::HalfOpen, "half-open", What::HalfOpen),
        (Lever::Reset, "reset", What::Reset),
    ] {
        assert_eq!((lever.as_str(), lever.note()), (word, note));
    }
}

#[test]
fn an_attempt_that_worked_matters_only_where_the_breaker_counts_it() {
    let by_number = breaker();
    let in_a_row = crate::breaker::Options { consecutive: 5, ..breaker() };
    let by_share = crate::breaker::Options { min_calls: 20, ..breaker() };
    let worked = What::Worked(NOON.0, None);
    assert!(!matters(&by_number, worked) && matters(&in_a_row, worked) && matters(&by_share, worked));
    for what in [What::Worked(NOON.0, Some(1)), What::Failed(NOON.0, None), What::Probe(1), What::Reset] {
        assert!(matters(&by_number, what), "{what:?}");
    }
}

#[test]
fn codes_and_cooldowns_at_the_ends_of_their_ranges_are_sound() {
    let week = Options { cap: secs(7 * 86_400), on: vec![1, 255], ..Options::default() };
    week.check().unwrap();
    let more = Options { cap: secs(7 * 86_400 + 1), ..Options::default() };
    assert_eq!(more.check().unwrap_err().key, "cap");
}

#[test]
fn a_tally_tells_first_attempts_from_retries_and_failures_from_successes() {
    let (mut tally, now) = (Tally::default(), Instant::ORIGIN + secs(9999));
    for attempt in [1, 1, 1, 2, 3] {
        tally.began(attempt, now);
    }
    tally.ended(false, None, now);
    tally.ended(true, Some(3), now);
    tally.ended(true, Some(1), now);
    tally.ended(true, Some(2), now);
    tally.blocked(Block::Final, now);
    tally.blocked(Block::BreakerOpen, now);
    tally.blocked(Block::BreakerOpen, now);
    let expected = Summary {
        attempts: 5,
        retries: 2,
        retries_per_minute: 2.0 / 60.0,
        success: Some(0.75),
        failure: Some(0.25),
        average_attempts: Some(2.0),
        blocked: Some(3.0 / 8.0),
        reasons: [0, 0, 1, 2, 0],
    };
    assert_eq!(tally.summary(now), expected);
    tally.clear();
    assert_eq!(tally.summary(now), Summary::default());
}

#[test]
fn cooldowns_grow_as_the_strategy_says() {
    let fixed = Options { strategy: Strategy::Fixed, attempts: 4, ..Options::default() };
    assert_eq!(pauses(&fixed).0, [60, 60, 60]);
    let linear = Options { strategy: Strategy::Linear, attempts: 4, cap: secs(150), ..Options::default() };
    assert_eq!(pauses(&linear).0, [60, 120, 150]);
}

#[test]
fn an_attempt_that_is_no_probe_says_nothing_while_probes_decide() {
    let mut gate = Gate::of(
        &breaker(),
        &Notes { notes: vec![Note { at: NOON, what: What::HalfOpen }], ..Notes::default() },
    );
    for what in [What::Failed(NOON.0, None), What::Worked(NOON.0, None), What::Failed(NOON.0, Some(9))] {
        assert_eq!(gate.take(&Note { at: NOON, what }), None);
        assert_eq!(gate.state(), State::HalfOpen);
    }
    assert!(gate.ask(NOON, 1).is_ok(), "nobody has taken the probe's place");
}

#[test]
fn of_many_notes_the_oldest_go_first_and_the_one_it_began_with_stays() {
    let options = crate::breaker::Options { window: Window::Calls(1000), min_calls: 1000, ..breaker() };
    let worked = |n: u64| Note { at: NOON + secs(n), what: What::Worked(NOON.0 + 1000 * n, None) };
    let began = Note { at: NOON, what: What::Reset };
    for first in [Some(began), None] {
        let mut notes =
            Notes { notes: first.into_iter().chain((1..=2050).map(worked)).collect(), ..Notes::default() };
        let last = worked(2051);
        note(&options, &mut notes, last.what, last.at);
        assert_eq!(notes.notes.len(), 2048);
        assert_eq!(notes.notes.first().map(|note| note.what == What::Reset), Some(first.is_some()));
        assert_eq!(notes.notes.last(), Some(&last));
        assert_eq!(notes.notes[1].what, worked(2051 - 2046).what);
    }
}

#[test]
fn a_probe_under_way_is_not_forgotten_for_want_of_room() {
    let at = NOON;
    let probes = (0..1100).flat_map(|n| [What::Probe(n), What::Gone(n)].map(|what| Note { at, what }));
    let mut notes = Notes {
        notes: std::iter::once(Note { at, what: What::HalfOpen }).chain(probes).collect(),
        ..Notes::default()
    };
    note(&breaker(), &mut notes, What::Probe(5000), at);
    assert!(notes.notes.len() > 2200);
    assert!(Gate::of(&breaker(), &notes).ask(at, 5001).is_err(), "one probe is under way");
}

/// What happens to a breaker of a type.
fn happening() -> impl Values<Value = (u64, u8)> {
    (0u64..200, 0u8..12)
}

proptest! {
    /// Law: no job is attempted more often than its options say, nor before its cooldown is over, whatever is heard of
    /// its attempts and whenever.
    #[test]
    fn no_job_is_attempted_too_often_or_too_early(
        attempts in 1u32..=10,
        steps in vec((0u64..4000, any::<bool>(), 0.0f64..1.0), 1..60),
    ) {
        let options = Options { attempts, ..Options::default() };
        let (mut record, mut now, mut made, mut earliest) = (Record::default(), NOON, 0, NOON);
        for (wait, heard, dice) in steps {
            now = now + secs(wait);
            let (after, begun) = begin(&options, &record, now);
            record = after;
            let Begun::Attempt(number) = begun else { continue };
            made += 1;
            prop_assert_eq!(number, made);
            prop_assert!(now >= earliest);
            if heard {
                let (after, next) = ended(&options, &record, number, "75", Some(true), now, dice);
                record = after;
                if let Next::Again(pause) = next {
                    prop_assert!(pause >= secs(60) && pause <= secs(3600));
                    earliest = now + pause;
                }
            }
        }
        prop_assert!(made <= attempts);
        prop_assert!(record.history.len() <= attempts as usize);
    }

    /// Law: a breaker read back from its notes stands where the machine stands that was told everything.
    #[test]
    fn whoever_reads_the_notes_stands_where_the_machine_does(steps in vec(happening(), 1..200)) {
        let options = crate::breaker::Options { failures: 3, window: secs(300).into(), ..breaker() };
        let mut machine = Machine::new(options.clone(), Instant::ORIGIN);
        let (mut notes, mut now, mut probes) = (Notes::default(), NOON, Vec::new());
        for (number, (wait, what)) in steps.into_iter().enumerate() {
            now = now + secs(wait);
            let instant = Instant::from_nanos(now.0 * 1_000_000);
            let number = number as u64;
            match what {
                0 => { machine.half_open(instant); note(&options, &mut notes, What::HalfOpen, now); }
                1 => { machine.force_open(None, instant); note(&options, &mut notes, What::ForceOpen, now); }
                2 => { machine.reset(instant); note(&options, &mut notes, What::Reset, now); }
                3 | 4 if !probes.is_empty() => {
                    let (probe, ticket) = probes.remove(0);
                    let (lesson, word) = if what == 3 {
                        (seawall_core::verdict::Lesson::Success, What::Worked(0, Some(probe)))
                    } else {
                        (seawall_core::verdict::Lesson::Failure, What::Failed(0, Some(probe)))
                    };
                    machine.record(ticket, lesson, instant);
                    note(&options, &mut notes, word, now);
                }
                _ => {
                    let asked = Gate::of(&options, &notes).ask(now, number);
                    prop_assert_eq!(asked.is_ok(), machine.peek(instant).is_ok());
                    let Ok(probe) = asked else { continue };
                    let (ticket, _) = machine.admit(instant);
                    let ticket = ticket.unwrap();
                    if let Some(probe) = probe {
                        note(&options, &mut notes, probe, now);
                        probes.push((number, ticket));
                    } else {
                        machine.record(ticket, seawall_core::verdict::Lesson::Failure, instant);
                        note(&options, &mut notes, What::Failed(now.0, None), now);
                    }
                }
            }
            let gate = Gate::of(&options, &notes);
            prop_assert_eq!(gate.state(), machine.state());
            prop_assert!(notes.notes.len() <= 200);
            let text = serde_json::to_string(&notes).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Notes>(&text).unwrap(), &notes);
            let _: Vec<Note> = notes.notes.clone();
        }
    }
}
