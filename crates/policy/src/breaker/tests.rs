mod examples;
mod hours;
mod laws;
mod models;

use seawall_core::Instant;
use seawall_core::verdict::Lesson;

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn machine(options: Options) -> Machine {
    options.check().unwrap();
    Machine::new(options, START)
}

fn admit(m: &mut Machine, now: Instant) -> Ticket {
    m.admit(now).0.expect("admitted")
}

fn call(m: &mut Machine, lesson: Lesson, now: Instant) -> Option<Moved> {
    let ticket = admit(m, now);
    m.record(ticket, lesson, now)
}

fn opened() -> Machine {
    let mut m = machine(Options::default());
    for _ in 0..5 {
        call(&mut m, Lesson::Failure, START);
    }
    assert_eq!(m.state(), State::Open);
    m
}

#[test]
fn the_defaults_are_the_published_ones() {
    let o = Options::default();
    assert_eq!(
        (o.consecutive, o.window, o.min_calls, o.open, o.probes, o.successes),
        (5, Window::Time(secs(30)), 20, secs(60), 1, 2)
    );
    assert_eq!((o.failure_rate, o.slow_rate), (Share::percent(50), Share::percent(50)));
    let none = (o.failures, o.slow, o.open_cap, o.sample, o.ramp, o.mode, o.recover);
    assert_eq!(none, (0, None, None, 0, Duration::ZERO, Mode::Enforce, Recover::Automatic));
    assert_eq!(o.check(), Ok(()));
    assert_eq!(Options::off().check(), Ok(()));
}

#[test]
fn five_failures_in_a_row_open_it_and_a_success_between_does_not() {
    let mut m = machine(Options::default());
    for _ in 0..20 {
        for _ in 0..4 {
            assert_eq!(call(&mut m, Lesson::Failure, START), None);
        }
        if m.totals(START).calls >= 15 {
            break;
        }
        call(&mut m, Lesson::Success, START);
    }
    assert_eq!(m.state(), State::Closed);
    assert_eq!(call(&mut m, Lesson::Failure, START).map(|moved| moved.to), Some(State::Open));
}

#[test]
fn an_open_breaker_says_how_long_and_costs_nothing() {
    let m = opened();
    assert_eq!(m.peek(START + secs(20)), Err(Refusal::Open(secs(40))));
    assert_eq!(m.peek(START + secs(60)), Ok(()));
}

#[test]
fn a_window_slides_and_a_million_successes_do_not_hide_todays_outage() {
    let mut m = machine(Options { consecutive: 0, ..Options::default() });
    for _ in 0..1_000_000 {
        call(&mut m, Lesson::Success, START);
    }
    let later = START + secs(40);
    let opened_after = (1..=40).find(|n| {
        let lesson = if n % 2 == 0 { Lesson::Failure } else { Lesson::Success };
        call(&mut m, lesson, later).is_some()
    });
    assert_eq!(opened_after, Some(20));
}

#[test]
fn half_open_admits_one_probe_and_two_successes_close_it() {
    let mut m = opened();
    let now = START + secs(60);
    let probe = admit(&mut m, now);
    assert_eq!(m.state(), State::HalfOpen);
    assert_eq!(m.admit(now).0, Err(Refusal::Probing(secs(1))));
    assert_eq!(m.record(probe, Lesson::Success, now), None);
    assert_eq!(call(&mut m, Lesson::Answered, now).map(|moved| moved.to), Some(State::Closed));
}

#[test]
fn a_failed_probe_opens_it_again_for_the_whole_pause() {
    let mut m = opened();
    let now = START + secs(61);
    assert_eq!(call(&mut m, Lesson::Failure, now).map(|moved| moved.to), Some(State::Open));
    assert_eq!(m.peek(now), Err(Refusal::Open(secs(60))));
}

#[test]
fn a_probe_that_says_nothing_gives_its_place_back() {
    let mut m = opened();
    let now = START + secs(60);
    assert_eq!(call(&mut m, Lesson::Nothing, now), None);
    assert_eq!(m.state(), State::HalfOpen);
    let _probe = admit(&mut m, now);
}

#[test]
fn a_lost_probe_cannot_wedge_it() {
    let mut m = opened();
    let now = START + secs(60);
    let lost = admit(&mut m, now);
    assert!(m.admit(now + secs(59)).0.is_err());
    let second = admit(&mut m, now + secs(60));
    assert_eq!(m.record(lost, Lesson::Failure, now + secs(61)), None, "its lease has passed to another");
    assert_eq!(m.record(second, Lesson::Success, now + secs(61)), None);
    assert_eq!(m.state(), State::HalfOpen);
}

#[test]
fn a_call_admitted_under_an_earlier_state_never_decides_a_later_one() {
    let mut m = machine(Options::default());
    let slow = admit(&mut m, START);
    for _ in 0..5 {
        call(&mut m, Lesson::Failure, START);
    }
    let now = START + secs(60);
    let probe = admit(&mut m, now);
    assert_eq!(m.record(slow, Lesson::Success, now), None);
    assert_eq!(m.state(), State::HalfOpen, "the slow call's success is not the probe's");
    assert_eq!(m.record(slow, Lesson::Failure, now), None);
    assert_eq!(m.state(), State::HalfOpen, "nor its failure");
    let _ = m.record(probe, Lesson::Success, now);
}

#[test]
fn forced_open_stays_until_an_operator_says_otherwise() {
    let mut m = machine(Options::default());
    m.force_open(None, START);
    assert_eq!(m.admit(START + secs(86_400)).0, Err(Refusal::Forced));
    m.half_open(START);
    let probe = admit(&mut m, START);
    let _ = m.record(probe, Lesson::Success, START);
    m.reset(START);
    assert_eq!(m.state(), State::Closed);
    m.force_closed(None, START);
    for _ in 0..50 {
        assert_eq!(call(&mut m, Lesson::Failure, START), None);
    }
    assert_eq!(m.state(), State::ForcedClosed);
}

#[test]
fn an_update_keeps_state_and_counts() {
    let mut m = machine(Options::default());
    for _ in 0..4 {
        call(&mut m, Lesson::Failure, START);
    }
    m.update(Options { open: secs(5), ..Options::default() });
    call(&mut m, Lesson::Failure, START);
    assert_eq!(m.peek(START), Err(Refusal::Open(secs(5))));
    m.update(Options { open: secs(20), ..Options::default() });
    assert_eq!(m.peek(START + secs(6)), Err(Refusal::Open(secs(14))));
}

#[test]
fn it_is_smaller_than_a_kilobyte() {
    assert!(size_of::<Machine>() < 1024, "{}", size_of::<Machine>());
}

#[test]
fn what_contradicts_itself_is_refused_with_its_key() {
    let sound = Options::default();
    for (key, options) in [
        ("window", Options { window: Window::Time(Duration::ZERO), ..sound.clone() }),
        ("window", Options { window: Window::Time(Duration::MAX), ..sound.clone() }),
        ("window", Options { window: Window::Calls(0), ..sound.clone() }),
        ("window", Options { window: Window::Calls(1025), ..sound.clone() }),
        ("failures", Options { window: Window::Calls(9), failures: 10, ..sound.clone() }),
        ("failure_rate", Options { failure_rate: Share::percent(0), ..sound.clone() }),
        ("slow_rate", Options { slow_rate: Share::percent(0), ..sound.clone() }),
        ("slow", Options { slow: Some(Duration::ZERO), ..sound.clone() }),
        ("open", Options { open: Duration::ZERO, ..sound.clone() }),
        ("open_cap", Options { open_cap: Some(secs(59)), ..sound.clone() }),
        ("open_cap", Options { open_cap: Some(Duration::MAX), ..sound.clone() }),
        ("probes", Options { probes: 0, ..sound.clone() }),
        ("successes", Options { successes: 1001, ..sound.clone() }),
        ("sample", Options { sample: u32::MAX, ..sound.clone() }),
        ("lease", Options { lease: Duration::ZERO, ..sound.clone() }),
        ("ramp", Options { ramp: Duration::MAX, ..sound }),
    ] {
        assert_eq!(options.check().map_err(|invalid| invalid.key), Err(key), "{options:?}");
    }
}

#[test]
fn a_window_is_a_time_or_a_number_of_calls() {
    for (text, window) in [
        ("30s", Window::Time(secs(30))),
        ("5m", Window::Time(secs(300))),
        ("100 calls", Window::Calls(100)),
        ("1 call", Window::Calls(1)),
    ] {
        assert_eq!(text.parse(), Ok(window));
        assert_eq!(window.to_string(), text);
    }
    assert_eq!("100calls".parse(), Ok(Window::Calls(100)));
    for (text, remedy) in [
        ("100", "\"100 calls\""),
        ("calls", "is not a number of calls"),
        ("-1 calls", "write \"100 calls\""),
        ("+1 calls", "write \"100 calls\""),
        ("99999999999 calls", "write \"100 calls\""),
        ("", "\"100 calls\""),
    ] {
        let wrong = text.parse::<Window>().unwrap_err();
        assert!(wrong.contains(remedy), "{wrong}");
    }
}

#[test]
fn ten_failures_in_five_minutes_open_it_however_many_calls_worked() {
    let options = Options {
        consecutive: 0,
        min_calls: 0,
        failures: 10,
        window: Window::Time(secs(300)),
        ..Options::default()
    };
    let opens_after = |every: u64| {
        let mut m = machine(options.clone());
        (1..=1000).find(|n| {
            let now = START + secs(every * n);
            (0..100).for_each(|_| assert_eq!(call(&mut m, Lesson::Success, now), None));
            call(&mut m, Lesson::Failure, now).is_some()
        })
    };
    assert_eq!(opens_after(27), Some(10));
    assert_eq!(opens_after(34), None, "there are never ten within five minutes");
}

#[test]
fn a_window_of_calls_forgets_the_oldest_and_a_million_successes_do_not_hide_an_outage() {
    let options = Options { consecutive: 0, window: Window::Calls(100), min_calls: 20, ..Options::default() };
    let mut m = machine(options);
    for _ in 0..1_000_000 {
        call(&mut m, Lesson::Success, START);
    }
    let needed = (1..=100).find(|_| call(&mut m, Lesson::Failure, START).is_some());
    assert_eq!(needed, Some(50));
}

#[test]
fn a_share_is_believed_as_soon_as_the_window_is_full_whatever_min_calls_says() {
    let options = Options { consecutive: 0, window: Window::Calls(4), min_calls: 20, ..Options::default() };
    let mut m = machine(options);
    let opened = (1..=40)
        .find(|n| call(&mut m, if n % 2 == 0 { Lesson::Failure } else { Lesson::Success }, START).is_some());
    assert_eq!(opened, Some(4));
}

#[test]
fn seven_of_a_hundred_are_seven_percent() {
    let options = Options {
        consecutive: 0,
        window: Window::Calls(100),
        min_calls: 100,
        failure_rate: Share::percent(7),
        ..Options::default()
    };
    let mut m = machine(options);
    for n in 0..100 {
        assert_eq!(m.state(), State::Closed);
        call(&mut m, if n >= 93 { Lesson::Failure } else { Lesson::Success }, START);
    }
    assert_eq!(m.state(), State::Open);
}

fn slow_call(m: &mut Machine, took: Duration, lesson: Lesson) -> Option<Moved> {
    let ticket = admit(m, START);
    m.record(ticket, lesson, START + took)
}

#[test]
fn half_of_the_calls_being_slow_opens_it_though_all_of_them_work() {
    let mut m = machine(Options { slow: Some(secs(2)), ..Options::default() });
    let opened = (1..=40).find_map(|n| {
        let took = if n % 2 == 0 { Duration::from_millis(2001) } else { secs(2) };
        slow_call(&mut m, took, Lesson::Success).map(|moved| (n, moved.why))
    });
    assert_eq!(opened, Some((20, "too large a share of slow calls")));
    assert_eq!(m.totals(START).slow, 10, "two seconds are not longer than two seconds");
    let mut m = machine(Options::default());
    for _ in 0..40 {
        slow_call(&mut m, secs(86_400), Lesson::Success);
    }
    assert_eq!((m.state(), m.totals(START).slow), (State::Closed, 0), "without `slow` no call is");
}

#[test]
fn a_slow_probe_is_a_failed_probe() {
    let mut m = machine(Options { slow: Some(secs(2)), ..Options::default() });
    m.half_open(START);
    assert_eq!(slow_call(&mut m, secs(1), Lesson::Answered), None);
    let moved = slow_call(&mut m, secs(3), Lesson::Answered).unwrap();
    assert_eq!((moved.to, moved.why), (State::Open, "a probe was slow"));
}

#[test]
fn a_call_let_through_on_a_pass_is_timed_only_where_that_matters() {
    let mut m = machine(Options::default());
    let untimed = m.pass().ticket(|| unreachable!("nobody asks how long it took")).unwrap();
    m.update(Options { slow: Some(secs(2)), min_calls: 1, ..Options::default() });
    assert_eq!(m.record(untimed, Lesson::Success, START + secs(9)), None, "nobody knows how long it took");
    let timed = m.pass().ticket(|| START).unwrap();
    assert!(m.record(timed, Lesson::Success, START + secs(9)).is_some());
    assert_eq!(m.pass(), Pass::NONE);
    assert_eq!(m.pass().ticket(|| START), None);
}

#[test]
fn a_sample_of_ten_probes_is_judged_by_its_share_of_failures() {
    let options = Options { sample: 10, probes: 3, failure_rate: Share::percent(30), ..Options::default() };
    let judged = |bad: usize| {
        let mut m = machine(options.clone());
        m.half_open(START);
        (1..=10).find_map(|n| {
            let lesson = if n <= bad { Lesson::Failure } else { Lesson::Answered };
            assert_eq!(call(&mut m, Lesson::Nothing, START), None, "which says nothing");
            call(&mut m, lesson, START).map(|moved| (n, moved.to))
        })
    };
    assert_eq!(judged(0), Some((10, State::Closed)));
    assert_eq!(judged(2), Some((10, State::Closed)));
    assert_eq!(judged(3), Some((3, State::Open)), "the other seven could not change it");
}

#[test]
fn each_reopening_doubles_the_pause_up_to_its_cap_and_closing_resets_it() {
    let mut m = machine(Options { open_cap: Some(secs(300)), ..Options::default() });
    let mut now = START;
    for _ in 0..5 {
        call(&mut m, Lesson::Failure, now);
    }
    for pause in [60, 120, 240, 300, 300] {
        assert_eq!(m.peek(now), Err(Refusal::Open(secs(pause))));
        now = now + secs(pause);
        assert!(call(&mut m, Lesson::Failure, now).is_some());
    }
    now = now + secs(300);
    call(&mut m, Lesson::Success, now);
    call(&mut m, Lesson::Success, now);
    assert_eq!(m.state(), State::Closed);
    for _ in 0..5 {
        call(&mut m, Lesson::Failure, now);
    }
    assert_eq!(m.peek(now), Err(Refusal::Open(secs(60))));
    assert_eq!(m.opened(), 7);
}

fn ramping() -> Machine {
    let mut m = machine(Options { ramp: secs(30), ..Options::default() });
    m.half_open(START);
    call(&mut m, Lesson::Success, START);
    assert_eq!(call(&mut m, Lesson::Success, START), None);
    m
}

#[test]
fn after_the_probes_a_ramp_lets_a_tenth_in_and_then_more_and_then_everybody() {
    let mut m = ramping();
    let mut through = [0; 4];
    for (tenth, at) in [0, 10, 20, 29].into_iter().enumerate() {
        for _ in 0..100 {
            assert_eq!(m.state(), State::HalfOpen);
            if let (Ok(ticket), _) = m.admit(START + secs(at)) {
                through[tenth] += 1;
                let _ = m.record(ticket, Lesson::Success, START + secs(at));
            }
        }
    }
    assert_eq!(through, [10, 40, 70, 97]);
    let (admitted, moved) = m.admit(START + secs(30));
    assert!(admitted.is_ok());
    assert_eq!(moved.map(|moved| (moved.to, moved.why)), Some((State::Closed, "its ramp is over")));
}

#[test]
fn failures_on_the_ramp_open_it_by_the_rules_of_a_closed_one() {
    let mut m = ramping();
    let mut failures = 0;
    while m.state() == State::HalfOpen {
        if let (Ok(ticket), _) = m.admit(START + secs(20)) {
            let _ = m.record(ticket, Lesson::Failure, START + secs(20));
            failures += 1;
        }
    }
    assert_eq!((m.state(), failures), (State::Open, 5));
}

#[test]
fn what_the_ramp_let_in_still_counts_after_its_end() {
    let mut m = ramping();
    let mut held = Vec::new();
    while held.len() < 5 {
        held.extend(m.admit(START + secs(20)).0);
    }
    assert!(m.admit(START + secs(30)).0.is_ok());
    assert_eq!(m.state(), State::Closed);
    let last = held.pop().unwrap();
    assert!(held.into_iter().all(|ticket| m.record(ticket, Lesson::Failure, START + secs(31)).is_none()));
    let moved = m.record(last, Lesson::Failure, START + secs(31));
    assert_eq!(moved.map(|moved| moved.to), Some(State::Open));
}

#[test]
fn in_the_shadow_a_call_the_ramp_would_have_refused_says_nothing() {
    let mut m =
        machine(Options { mode: Mode::MetricsOnly, ramp: secs(30), failures: 3, ..Options::default() });
    m.half_open(START);
    let late = admit(&mut m, START);
    call(&mut m, Lesson::Success, START + secs(60));
    call(&mut m, Lesson::Success, START + secs(60));
    let now = START + secs(61);
    let spared: Vec<Ticket> = (0..5).map(|_| admit(&mut m, now)).collect();
    assert!(spared.iter().all(|ticket| ticket.would_refuse().is_some()));
    for ticket in spared.into_iter().chain([late]) {
        assert_eq!(m.record(ticket, Lesson::Failure, now), None);
    }
    assert_eq!((m.totals(now).calls, m.shadow_state()), (0, State::HalfOpen));
}

#[test]
fn a_lever_with_an_end_lets_go_by_itself() {
    let mut m = machine(Options::default());
    m.force_open(Some(START + secs(10)), START);
    assert_eq!(m.peek(START + secs(9)), Err(Refusal::Forced));
    assert_eq!(m.peek(START + secs(10)), Ok(()));
    assert_eq!(m.elapse(START + secs(10)).map(|moved| moved.to), Some(State::HalfOpen));
    m.force_closed(Some(START + secs(30)), START + secs(10));
    assert_eq!(m.pass(), Pass::NONE, "it will end, and nobody is told in advance");
    for _ in 0..50 {
        assert_eq!(call(&mut m, Lesson::Failure, START + secs(29)), None);
    }
    assert_eq!(m.elapse(START + secs(29)), None);
    let (_, moved) = m.admit(START + secs(30));
    assert_eq!(moved.map(|moved| (moved.from, moved.to)), Some((State::ForcedClosed, State::Closed)));
    m.force_open(Some(START + Duration::MAX), START);
    assert_eq!(m.peek(START + secs(86_400)), Err(Refusal::Forced));
}

#[test]
fn a_metrics_only_breaker_admits_everything_and_says_what_it_would_have_done() {
    let mut m = machine(Options { mode: Mode::MetricsOnly, ..Options::default() });
    for _ in 0..5 {
        assert_eq!(
            call(&mut m, Lesson::Failure, START),
            None,
            "what happens in the shadow is told to nobody"
        );
    }
    assert_eq!((m.state(), m.shadow_state()), (State::MetricsOnly, State::Open));
    let spared = admit(&mut m, START + secs(20));
    assert_eq!(spared.would_refuse(), Some(Refusal::Open(secs(40))));
    assert_eq!(m.record(spared, Lesson::Failure, START + secs(20)), None);
    assert_eq!((m.totals(START + secs(20)).failures, m.refused()), (6, 1));
    let probe = admit(&mut m, START + secs(60));
    assert_eq!((probe.would_refuse(), m.shadow_state()), (None, State::HalfOpen));
    assert!(admit(&mut m, START + secs(60)).would_refuse().is_some());
    let moved = m.update(Options::default()).unwrap();
    assert_eq!((moved.from, moved.to), (State::MetricsOnly, State::HalfOpen));
    let mut m = machine(Options { mode: Mode::MetricsOnly, ..Options::default() });
    m.force_open(None, START);
    assert_eq!(m.admit(START).0, Err(Refusal::Forced), "an operator's word holds in every mode");
}
