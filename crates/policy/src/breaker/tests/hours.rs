//! Six hours of traffic and an outage of twenty minutes, in virtual time: what reaches the upstream.

use super::*;

const OUTAGE: std::ops::Range<u64> = 7200..8400;

/// Five calls a second for six hours: those that reached the upstream during the outage, those it would have answered
/// and we refused, and when the last of these was.
fn six_hours(options: Options) -> (u32, u32, u64) {
    let mut m = machine(options);
    let (mut reached, mut refused_in_vain, mut last) = (0, 0, 0);
    for fifth in 0..6 * 3600 * 5u64 {
        let (now, second) = (START + Duration::from_millis(200) * fifth as u32, fifth / 5);
        let down = OUTAGE.contains(&second);
        match m.admit(now).0 {
            Ok(ticket) => {
                reached += u32::from(down);
                let _ = m.record(ticket, if down { Lesson::Failure } else { Lesson::Success }, now);
            }
            Err(_) if !down => (refused_in_vain, last) = (refused_in_vain + 1, second),
            Err(_) => {}
        }
    }
    assert_eq!(m.state(), State::Closed);
    (reached, refused_in_vain, last)
}

#[test]
fn of_six_thousand_calls_in_an_outage_twenty_four_reach_the_upstream() {
    // Five open it, and then one a minute; it is over for us at the first probe after its end.
    let (reached, refused, last) = six_hours(Options::default());
    assert_eq!(reached, 5 + 19);
    assert!(last < OUTAGE.end + 60, "{last}");
    assert_eq!(refused, 4);
}

#[test]
fn a_pause_that_grows_spares_an_upstream_most_of_the_probes_and_costs_minutes_afterwards() {
    let options = Options { open_cap: Some(secs(300)), ..Options::default() };
    let (reached, refused, last) = six_hours(options);
    assert_eq!(reached, 5 + 5);
    assert!(last < OUTAGE.end + 300, "{last}");
    assert!(refused > 4);
}

#[test]
fn a_ramp_gives_it_back_its_traffic_little_by_little() {
    let options = Options { ramp: secs(60), ..Options::default() };
    let (reached, refused, last) = six_hours(options);
    assert_eq!(reached, 5 + 19);
    // Half of a minute's three hundred, less the first tenth.
    assert!((120..150).contains(&refused), "{refused}");
    assert!(last < OUTAGE.end + 121, "{last}");
}

#[test]
fn one_that_only_counts_refuses_nothing_and_says_how_much_it_would_have() {
    let mut m = machine(Options { mode: Mode::MetricsOnly, ..Options::default() });
    let mut would_have = 0;
    for second in 0..6 * 3600 {
        let now = START + secs(second);
        let ticket = admit(&mut m, now);
        would_have += u64::from(ticket.would_refuse().is_some());
        let down = OUTAGE.contains(&second);
        let _ = m.record(ticket, if down { Lesson::Failure } else { Lesson::Success }, now);
    }
    assert_eq!((m.state(), m.shadow_state()), (State::MetricsOnly, State::Closed));
    assert_eq!(m.refused(), would_have);
    assert!((1170..1200).contains(&would_have), "{would_have}");
}
