use proptest::prelude::{Strategy as _, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
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
        (5, secs(30), 20, secs(60), 1, 2)
    );
    assert_eq!(o.failure_rate, Share::percent(50));
}

#[test]
fn five_failures_in_a_row_open_it_and_a_success_between_does_not() {
    let mut m = machine(Options::default());
    for _ in 0..20 {
        for _ in 0..4 {
            assert_eq!(call(&mut m, Lesson::Failure, START), None);
        }
        if m.window(START).0 >= 15 {
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
    m.force_open(START);
    assert_eq!(m.admit(START + secs(86_400)).0, Err(Refusal::Forced));
    m.half_open(START);
    let probe = admit(&mut m, START);
    let _ = m.record(probe, Lesson::Success, START);
    m.reset(START);
    assert_eq!(m.state(), State::Closed);
    m.force_closed(START);
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
}

#[test]
fn it_is_smaller_than_a_kilobyte() {
    assert!(size_of::<Machine>() < 1024, "{}", size_of::<Machine>());
}

#[derive(Debug, Clone)]
enum Do {
    Admit,
    Record(usize, Lesson),
    Wait(u64),
    Drop(usize),
}

proptest! {
    /// Laws over random histories with calls overlapping, lost and late:
    /// a closed breaker never refuses; at most `probes` live probes; a stale epoch never changes state; a breaker that
    /// nobody forces always admits again after its pause and its leases.
    #[test]
    fn a_closed_breaker_never_refuses_and_no_breaker_stays_shut(
        probes in 1u32..4,
        successes in 1u32..4,
        history in prop::collection::vec(prop_oneof![
            3 => any::<bool>().prop_map(|_| Do::Admit),
            3 => (any::<usize>(), prop::sample::select(Lesson::ALL)).prop_map(|(n, lesson)| Do::Record(n, lesson)),
            1 => (0u64..90).prop_map(Do::Wait),
            1 => any::<usize>().prop_map(Do::Drop),
        ], 1..300),
    ) {
        let mut m = machine(Options { probes, successes, ..Options::default() });
        let mut now = START;
        let mut held: Vec<(Ticket, u64, Instant)> = Vec::new();
        let mut generation = 0u64;
        for step in history {
            match step {
                Do::Admit => {
                    let before = m.state();
                    let (admitted, moved) = m.admit(now);
                    generation += u64::from(moved.is_some());
                    if before == State::Closed {
                        prop_assert!(admitted.is_ok());
                    }
                    if let Ok(ticket) = admitted {
                        held.push((ticket, generation, now));
                    }
                    if m.state() == State::HalfOpen {
                        let live = held.iter().filter(|(_, g, at)| *g == generation && now.since(*at) < secs(60)).count();
                        prop_assert!(live <= probes as usize);
                    }
                }
                Do::Record(n, lesson) if !held.is_empty() => {
                    let (ticket, born, _) = held.swap_remove(n % held.len());
                    let before = m.state();
                    let moved = m.record(ticket, lesson, now);
                    if born != generation {
                        prop_assert!(moved.is_none());
                        prop_assert_eq!(m.state(), before);
                    }
                    generation += u64::from(moved.is_some());
                }
                Do::Drop(n) if !held.is_empty() => drop(held.swap_remove(n % held.len())),
                Do::Wait(span) => now = now + secs(span),
                _ => {}
            }
        }
        let later = now + secs(121);
        prop_assert!(m.admit(later).0.is_ok());
    }
}
