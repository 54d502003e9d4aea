use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::Instant;
use seawall_core::units::Share;
use seawall_core::verdict::Lesson;

use super::calls::{Advice, Counts};
use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(second: u64) -> Instant {
    START + secs(second)
}

use Level::{Degraded, Healthy, Unhealthy};

/// Findings in, the states they lead to out.
fn states(options: &Options, findings: &[Level]) -> Vec<State> {
    let mut machine = Machine::new(START);
    let look = |found: &Level| {
        machine.found(*found, options, START);
        machine.state()
    };
    findings.iter().map(look).collect()
}

#[test]
fn the_defaults_are_the_published_ones() {
    let o = Options::default();
    assert_eq!((o.interval, o.spread, o.deadline), (secs(30), secs(30), secs(5)));
    assert_eq!((o.down_after, o.up_after), (3, 2));
    o.check().unwrap();
    let c = calls::Options::default();
    assert_eq!((c.degraded, c.unhealthy, c.silent), (Share::percent(10), Share::percent(50), secs(300)));
    c.check().unwrap();
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let key = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err().key
    };
    assert_eq!(key(|o| o.interval = Duration::ZERO), "interval");
    assert_eq!(key(|o| o.spread = Duration::MAX), "spread");
    assert_eq!(key(|o| o.deadline = secs(601)), "deadline");
    assert_eq!(key(|o| o.down_after = 0), "down_after");
    assert_eq!(key(|o| o.up_after = 1001), "up_after");
    let wrong = Options { interval: Duration::from_millis(20), ..Options::default() };
    assert_eq!(
        wrong.check().unwrap_err().to_string(),
        "interval: 20ms is out of range: write \"1s\" to \"1d\""
    );
    let shares = calls::Options { unhealthy: Share::percent(5), ..calls::Options::default() };
    assert_eq!(
        shares.check().unwrap_err().to_string(),
        "unhealthy: 5% is below degraded, 10%: write at least as much"
    );
    let shares = calls::Options { degraded: Share::percent(0), ..calls::Options::default() };
    assert_eq!(shares.check().unwrap_err().key, "degraded");
}

#[test]
fn three_bad_findings_in_a_row_move_it_and_a_good_one_between_does_not() {
    let options = Options::default();
    let bad = [Healthy, Unhealthy, Unhealthy, Healthy, Unhealthy, Unhealthy, Unhealthy];
    assert_eq!(states(&options, &bad)[..6], [State::Healthy; 6]);
    assert_eq!(states(&options, &bad)[6], State::Unhealthy);
    let mixed = [Healthy, Degraded, Unhealthy, Degraded, Unhealthy, Unhealthy, Unhealthy];
    assert_eq!(
        states(&options, &mixed)[3..],
        [State::Degraded, State::Degraded, State::Degraded, State::Unhealthy]
    );
}

#[test]
fn it_comes_back_after_two_good_findings_and_by_way_of_degraded_where_they_say_so() {
    let options = Options { down_after: 1, ..Options::default() };
    let found = [Unhealthy, Healthy, Unhealthy, Healthy, Degraded, Healthy, Healthy];
    let stood = states(&options, &found);
    assert_eq!(stood[..4], [State::Unhealthy; 4], "one good finding may be luck");
    assert_eq!(stood[4..], [State::Degraded, State::Degraded, State::Healthy]);
}

#[test]
fn it_is_unknown_until_it_was_well_once_or_its_findings_agree() {
    let options = Options::default();
    assert_eq!(Machine::new(START).state(), State::Unknown);
    assert_eq!(states(&options, &[Unhealthy, Unhealthy, Unhealthy])[..2], [State::Unknown; 2]);
    assert_eq!(states(&options, &[Unhealthy, Healthy])[1], State::Healthy);
}

#[test]
fn what_is_absent_is_neither_well_nor_ill_and_may_come_back() {
    let options = Options::default();
    let mut machine = Machine::new(START);
    for _ in 0..3 {
        machine.found(Unhealthy, &options, at(1));
    }
    let moved = machine.found_nothing(at(2)).unwrap();
    assert_eq!((moved.from, moved.to), (State::Unhealthy, State::Absent));
    assert_eq!((machine.failures(), machine.failing(), machine.since()), (0, None, at(2)));
    assert_eq!(machine.found_nothing(at(3)), None);
    machine.found(Healthy, &options, at(4));
    assert_eq!((machine.state(), machine.since()), (State::Healthy, at(4)));
}

#[test]
fn the_share_that_failed_is_of_the_last_sixteen() {
    let options = Options::default();
    let mut machine = Machine::new(START);
    assert_eq!(machine.failing(), None);
    machine.found(Degraded, &options, START);
    machine.found(Healthy, &options, START);
    assert_eq!(machine.failing(), Some(0.5));
    for _ in 0..15 {
        machine.found(Healthy, &options, START);
    }
    assert_eq!(machine.failing(), Some(0.0));
    for _ in 0..4 {
        machine.found(Unhealthy, &options, START);
    }
    assert_eq!((machine.failing(), machine.failures()), (Some(0.25), 4));
    assert!(size_of::<Machine>() <= 64);
}

#[test]
fn only_a_critical_check_makes_the_whole_unhealthy() {
    use Weight::{Critical, Supporting};
    assert_eq!(overall([]), Healthy);
    assert_eq!(overall([(State::Unhealthy, Supporting), (State::Healthy, Critical)]), Degraded);
    assert_eq!(overall([(State::Degraded, Critical), (State::Absent, Critical)]), Degraded);
    assert_eq!(overall([(State::Unhealthy, Critical), (State::Healthy, Supporting)]), Unhealthy);
    assert_eq!(overall([(State::Unknown, Critical), (State::Absent, Supporting)]), Healthy);
}

#[test]
fn a_number_is_judged_on_the_way_to_its_bound_whichever_way_that_is() {
    let full = |share| judge(share, 0.85, 0.95);
    assert_eq!([0.2, 0.85, 0.94, 0.95, 7.0].map(full), [Healthy, Degraded, Degraded, Unhealthy, Unhealthy]);
    let free = |bytes| judge(bytes, 100.0, 10.0);
    assert_eq!(
        [500.0, 100.0, 11.0, 10.0, -1.0].map(free),
        [Healthy, Degraded, Degraded, Unhealthy, Unhealthy]
    );
    assert_eq!(judge(f64::NAN, 1.0, 2.0), Unhealthy);
}

#[test]
fn calls_are_a_finding_and_no_probe_is_sent_while_they_flow() {
    let options = calls::Options::default();
    let advice = |good, bad, neither| Counts { good, bad, neither }.advise(&options, Some(START), at(60));
    assert_eq!(advice(100, 0, 3), Advice::Found(Healthy, 0.0));
    assert_eq!(advice(9, 1, 0), Advice::Found(Degraded, 0.1));
    assert_eq!(advice(1, 1, 0), Advice::Found(Unhealthy, 0.5));
    assert_eq!(advice(0, 0, 0), Advice::Probe);
}

#[test]
fn a_provider_that_asks_for_a_slower_pace_is_not_probed_for_a_while() {
    let options = calls::Options::default();
    let mut counts = Counts::default();
    counts.heard(Lesson::Nothing);
    assert_eq!(counts.advise(&options, Some(START), at(299)), Advice::Leave);
    assert_eq!(counts.advise(&options, Some(START), at(300)), Advice::Probe);
    assert_eq!(counts.advise(&options, None, at(1)), Advice::Probe);
    counts.heard(Lesson::Answered);
    assert_eq!(counts.advise(&options, None, at(1)), Advice::Found(Healthy, 0.0));
}

proptest! {
    /// Law: it stands worse only when so many findings in a row were that bad, and better only when so many were that
    /// good; it never moves on a finding that does not go the same way.
    #[test]
    fn it_moves_only_where_its_findings_agree(
        findings in prop::collection::vec(prop::sample::select(Level::ALL), 1..60),
        down_after in 1u32..5,
        up_after in 1u32..5,
    ) {
        let options = Options { down_after, up_after, ..Options::default() };
        let mut machine = Machine::new(START);
        for (n, found) in findings.iter().enumerate() {
            let before = machine.stands();
            machine.found(*found, &options, START);
            let after = machine.stands();
            let last = |count: u32| &findings[(n + 1).saturating_sub(count as usize)..=n];
            if after > before {
                prop_assert!(last(down_after).len() == down_after as usize);
                prop_assert!(last(down_after).iter().all(|found| *found >= after));
            } else if after < before {
                prop_assert!(last(up_after).iter().all(|found| *found <= after));
            } else {
                let worse = last(down_after);
                let agreed = worse.iter().min().copied().unwrap_or(Healthy);
                prop_assert!(worse.len() < down_after as usize || agreed <= after, "it should stand worse");
            }
        }
    }

    /// Law: with a patience of one it stands where it was last found.
    #[test]
    fn without_patience_it_stands_where_it_was_last_found(
        findings in prop::collection::vec(prop::sample::select(Level::ALL), 1..60),
    ) {
        let options = Options { down_after: 1, up_after: 1, ..Options::default() };
        let expected: Vec<State> = findings.iter().map(|found| State::from(*found)).collect();
        prop_assert_eq!(states(&options, &findings), expected);
    }

    /// Law: the next run is never sooner than the interval and never later than interval and spread together.
    #[test]
    fn the_next_run_lies_within_its_bounds(dice in any::<f64>()) {
        let options = Options::default();
        let next = options.next(START, if dice.is_nan() { 0.0 } else { dice });
        prop_assert!((at(30)..=at(60)).contains(&next));
    }

    /// Law: the whole is never better than a critical check, and never unhealthy without an unhealthy one.
    #[test]
    fn the_whole_follows_its_checks(
        checks in prop::collection::vec(
            (prop::sample::select(State::ALL), prop::sample::select(Weight::ALL)), 0..20),
    ) {
        let whole = overall(checks.iter().copied());
        let critical = checks.contains(&(State::Unhealthy, Weight::Critical));
        prop_assert_eq!(whole == Unhealthy, critical);
        let any = checks.iter().any(|check| matches!(check.0, State::Degraded | State::Unhealthy));
        prop_assert_eq!(whole == Healthy, !any);
    }
}
