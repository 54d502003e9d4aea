//! What it says of itself, the ends of its ranges, and worked examples, number by number.

use super::*;
use crate::breaker::follow::Followed;

#[test]
fn it_says_what_it_runs_by_since_when_and_how_often_it_opened_and_refused() {
    let options = Options { open: secs(7), ..Options::default() };
    let mut m = machine(options.clone());
    assert_eq!((m.options(), m.since(), m.opened(), m.refused()), (&options, START, 0, 0));
    for n in 1..=5 {
        assert_eq!((m.consecutive(), m.opened()), (n - 1, 0));
        call(&mut m, Lesson::Failure, START + secs(n.into()));
    }
    assert_eq!((m.since(), m.opened(), m.consecutive()), (START + secs(5), 1, 0));
    assert!(m.admit(START + secs(6)).0.is_err() && m.admit(START + secs(11)).0.is_err());
    assert_eq!(m.refused(), 2);
    assert_eq!(
        call(&mut m, Lesson::Failure, START + secs(12)).map(|moved| moved.from),
        Some(State::HalfOpen)
    );
    assert_eq!((m.since(), m.opened()), (START + secs(12), 2));
    m.reset(START + secs(13));
    assert_eq!((m.since(), m.opened(), m.refused()), (START + secs(13), 2, 2));
}

#[test]
fn a_breaker_that_is_off_never_opens_by_itself() {
    let mut m = machine(Options::off());
    for _ in 0..1000 {
        assert_eq!(call(&mut m, Lesson::Failure, START), None);
    }
    assert_eq!((m.state(), m.consecutive()), (State::Closed, 1000));
    assert_eq!(serde_json::from_str::<Options>(r#""off""#).unwrap(), Options::off());
    let error = serde_json::from_str::<Options>(r#""on""#).unwrap_err().to_string();
    assert!(error.contains("unknown variant `on`, expected `off`"), "{error}");
    let error = serde_json::from_str::<Options>("7").unwrap_err().to_string();
    assert!(error.contains("a table, or \"off\""), "{error}");
}

#[test]
fn the_ends_of_every_range_are_in_it() {
    let day = secs(86_400);
    let sound = Options::default();
    for options in [
        Options { window: Window::Time(Duration::from_millis(100)), ..sound.clone() },
        Options { window: Window::Time(day), ..sound.clone() },
        Options { window: Window::Calls(1), ..sound.clone() },
        Options { window: Window::Calls(1024), failures: 1024, ..sound.clone() },
        Options { slow: Some(day), open: day, open_cap: Some(day), ramp: day, ..sound.clone() },
        Options { open_cap: Some(secs(60)), ..sound.clone() },
        Options { probes: 1000, successes: 1000, sample: 1000, ..sound.clone() },
        Options { probes: 1, successes: 1, sample: 0, ..sound },
    ] {
        options.check().unwrap();
    }
    let over = day + Duration::from_nanos(1);
    for (key, options) in [
        ("window", Options { window: Window::Time(Duration::from_millis(99)), ..sound.clone() }),
        ("window", Options { window: Window::Time(over), ..sound.clone() }),
        ("slow", Options { slow: Some(over), ..sound.clone() }),
        ("open", Options { open: over, ..sound.clone() }),
        ("open_cap", Options { open_cap: Some(over), ..sound.clone() }),
        ("ramp", Options { ramp: over, ..sound }),
    ] {
        assert_eq!(options.check().map_err(|invalid| invalid.key), Err(key), "{options:?}");
    }
}

#[test]
fn a_call_is_slow_when_it_takes_longer_than_slow_and_not_when_it_takes_as_long() {
    let options = Options { slow: Some(secs(1)), min_calls: 0, ..Options::default() };
    for (took, slow) in [(Duration::from_millis(999), 0), (secs(1), 0), (Duration::from_millis(1001), 1)] {
        let mut m = machine(options.clone());
        let ticket = admit(&mut m, START);
        m.record(ticket, Lesson::Success, START + took);
        assert_eq!(m.totals(START + took), Totals { calls: 1, failures: 0, slow }, "{took:?}");
    }
}

#[test]
fn another_window_begins_anew_and_the_same_one_goes_on() {
    let mut m = machine(Options::default());
    call(&mut m, Lesson::Failure, START);
    m.update(Options { consecutive: 9, ..Options::default() });
    assert_eq!(m.totals(START).failures, 1);
    m.update(Options { window: Window::Calls(30), ..Options::default() });
    assert_eq!(m.totals(START), Totals::default());
}

#[test]
fn a_pass_is_one_word_and_comes_back_from_it() {
    let timed = Options { slow: Some(secs(1)), ..Options::default() };
    for options in [Options::default(), timed] {
        let timed = options.slow.is_some();
        let mut m = machine(options);
        for _ in 0..3 {
            m.reset(START);
            let pass = m.pass();
            assert_eq!(Pass::of(pass.word()), pass);
            let ticket = pass.ticket(|| if timed { START } else { panic!("nobody asks how long it takes") });
            assert!(m.is_current(ticket.unwrap()));
        }
        m.force_open(None, START);
        assert_eq!((m.pass(), m.pass().word(), m.pass().ticket(|| START)), (Pass::NONE, u64::MAX, None));
        m.force_closed(None, START);
        assert!(m.is_current(m.pass().ticket(|| START).unwrap()));
        m.force_closed(Some(START + secs(1)), START);
        assert_eq!(m.pass(), Pass::NONE, "it ends by itself, so it has to be asked");
    }
}

#[test]
fn a_ramp_counts_out_who_passes() {
    let options = Options { ramp: secs(10), successes: 1, ..Options::default() };
    let mut m = machine(options);
    for _ in 0..5 {
        call(&mut m, Lesson::Failure, START);
    }
    let began = START + secs(60);
    assert_eq!(
        call(&mut m, Lesson::Success, began),
        None,
        "the probe succeeded, and the door begins to open"
    );
    let passing = |m: &mut Machine, at: Duration, callers: usize| {
        (1..=callers).filter(|_| m.admit(began + at).0.is_ok()).collect::<Vec<_>>()
    };
    // A tenth at first, 55 % half-way, and what is left over is not lost.
    assert_eq!(passing(&mut m, Duration::ZERO, 20), [10, 20]);
    assert_eq!(passing(&mut m, secs(5), 9), [2, 4, 6, 8]);
    assert_eq!(m.state(), State::HalfOpen);
    let late = Duration::from_millis(9_999);
    assert_eq!(m.elapse(began + late), None);
    assert_eq!(
        m.elapse(began + secs(10)).map(|moved| (moved.to, moved.why)),
        Some((State::Closed, "its ramp is over"))
    );
}

#[test]
fn whoever_is_refused_just_before_a_ramp_ends_is_told_when_it_does() {
    let mut m = machine(Options { ramp: Duration::from_millis(800), successes: 1, ..Options::default() });
    for _ in 0..5 {
        call(&mut m, Lesson::Failure, START);
    }
    let began = START + secs(60);
    call(&mut m, Lesson::Success, began);
    for at in [0, 100, 300] {
        let at = Duration::from_millis(at);
        assert_eq!(m.peek(began + at), Err(Refusal::Ramping(Duration::from_millis(800) - at)));
    }
}

#[test]
fn a_reset_forgets_what_was_counted_in_every_kind_of_window() {
    for window in [Window::Time(secs(30)), Window::Calls(30)] {
        let mut m = machine(Options { window, slow: Some(secs(1)), ..Options::default() });
        call(&mut m, Lesson::Failure, START);
        let slow = admit(&mut m, START);
        m.record(slow, Lesson::Success, START + secs(2));
        assert_eq!(m.totals(START + secs(2)), Totals { calls: 2, failures: 1, slow: 1 });
        let moved = m.reset(START + secs(3));
        assert_eq!((moved.from, moved.to, moved.why), (State::Closed, State::Closed, "an operator reset it"));
        assert_eq!((m.totals(START + secs(3)), m.consecutive()), (Totals::default(), 0));
    }
}

#[test]
fn why_it_opened_is_said_in_words() {
    let slow = Some(secs(1));
    let base = Options { consecutive: 0, min_calls: 0, ..Options::default() };
    for (options, lesson, took, why) in [
        (Options { consecutive: 4, ..base.clone() }, Lesson::Failure, 0, "too many failures in a row"),
        (Options { failures: 4, ..base.clone() }, Lesson::Failure, 0, "too many failures"),
        (Options { min_calls: 4, ..base.clone() }, Lesson::Failure, 0, "too large a share of failures"),
        (Options { min_calls: 4, slow, ..base }, Lesson::Success, 2, "too large a share of slow calls"),
    ] {
        let mut m = machine(options);
        let moved: Vec<_> = (0..4)
            .map(|_| {
                let ticket = admit(&mut m, START);
                m.record(ticket, lesson, START + secs(took)).map(|moved| (moved.from, moved.to, moved.why))
            })
            .collect();
        assert_eq!(moved, [None, None, None, Some((State::Closed, State::Open, why))]);
    }
}

#[test]
fn levers_say_where_they_moved_it_and_hold_as_long_as_they_say() {
    let mut m = machine(Options::default());
    let said = |moved: Moved| (moved.from, moved.to, moved.why);
    let held = Some(START + secs(5));
    assert_eq!(
        said(m.force_open(held, START)),
        (State::Closed, State::ForcedOpen, "an operator holds it open")
    );
    assert_eq!(m.peek(START + Duration::from_millis(4_999)), Err(Refusal::Forced));
    assert_eq!(m.elapse(START + Duration::from_millis(4_999)), None);
    assert_eq!(m.peek(START + secs(5)), Ok(()));
    let moved = m.elapse(START + secs(5)).map(said);
    assert_eq!(moved, Some((State::ForcedOpen, State::HalfOpen, "the operator's hold is over")));
    let moved = said(m.force_closed(Some(START + secs(9)), START + secs(6)));
    assert_eq!(moved, (State::HalfOpen, State::ForcedClosed, "an operator holds it closed"));
    assert_eq!(m.elapse(START + Duration::from_millis(8_999)), None);
    let moved = m.elapse(START + secs(9)).map(said);
    assert_eq!(moved, Some((State::ForcedClosed, State::Closed, "the operator's hold is over")));
    assert_eq!(said(m.half_open(START)), (State::Closed, State::HalfOpen, "an operator asks for a probe"));
}

#[test]
fn one_that_only_counts_refuses_nobody_but_for_an_operator() {
    let mut m = machine(Options { mode: Mode::MetricsOnly, ..Options::default() });
    for _ in 0..9 {
        call(&mut m, Lesson::Failure, START);
    }
    assert_eq!((m.state(), m.shadow_state(), m.refused()), (State::MetricsOnly, State::Open, 4));
    assert_eq!((m.peek(START), m.pass()), (Ok(()), Pass::NONE));
    let spared = admit(&mut m, START);
    assert_eq!(spared.would_refuse(), Some(Refusal::Open(secs(60))));
    let moved = m.update(Options::default()).unwrap();
    assert_eq!((moved.from, moved.to), (State::MetricsOnly, State::Open));
    assert_eq!(m.peek(START), Err(Refusal::Open(secs(60))));
    m.update(Options { mode: Mode::MetricsOnly, ..Options::default() });
    m.force_open(None, START);
    assert_eq!((m.state(), m.peek(START)), (State::ForcedOpen, Err(Refusal::Forced)));
    let told = [
        Refusal::Open(secs(1)),
        Refusal::Probing(secs(2)),
        Refusal::Ramping(secs(3)),
        Refusal::Held,
        Refusal::Forced,
    ];
    assert_eq!(told.map(Refusal::retry_after), [Some(secs(1)), Some(secs(2)), Some(secs(3)), None, None]);
}

#[test]
fn whoever_follows_another_that_opened_waits_as_long_as_is_left() {
    let mut m = machine(Options::default());
    let opened = Followed { state: State::Open, resumes: secs(10), held: None, ramp: None };
    m.follow(&opened, "elsewhere", START);
    assert_eq!(m.state(), State::Open);
    assert!(m.admit(START + secs(9)).0.is_err());
    assert!(m.admit(START + secs(10)).0.is_ok());
}
