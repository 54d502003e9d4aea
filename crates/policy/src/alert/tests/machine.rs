use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn timed(held: u64, keep_for: u64, no_data: NoData) -> Rule {
    Rule { held: secs(held), keep_for: secs(keep_for), no_data, ..rule("x > 0") }
}

/// One letter a second: h holds, b between, c clear, x blind.
fn moves(rule: &Rule, story: &str) -> Vec<(u64, Moved)> {
    let mut machine = Machine::new(START);
    let seen = |c| match c {
        'h' => Seen::Holds,
        'b' => Seen::Between,
        'c' => Seen::Clear,
        _ => Seen::Blind,
    };
    let step = |(n, c): (usize, char)| Some((n as u64, machine.step(rule, seen(c), at(n as u64))?));
    story.chars().enumerate().filter_map(step).collect()
}

#[test]
fn it_is_pending_until_it_has_held_for_long_enough() {
    use Moved::{Active, Calmed, Pending, Recovering, Relapsed, Resolved};
    let rule = timed(3, 0, NoData::Keep);
    assert_eq!(moves(&rule, "chhhhc"), [(1, Pending), (4, Active), (5, Resolved)]);
    assert_eq!(moves(&rule, "hhhchh"), [(0, Pending), (3, Calmed), (4, Pending)]);
    assert_eq!(moves(&timed(0, 0, NoData::Keep), "hc"), [(0, Active), (1, Resolved)]);
    let rule = timed(0, 2, NoData::Keep);
    assert_eq!(
        moves(&rule, "hchccc"),
        [(0, Active), (1, Recovering), (2, Relapsed), (3, Recovering), (5, Resolved)]
    );
}

#[test]
fn between_two_thresholds_nothing_moves() {
    use Moved::{Active, Recovering, Relapsed, Resolved};
    assert_eq!(moves(&timed(0, 0, NoData::Keep), "bbhbbbcbb"), [(2, Active), (6, Resolved)]);
    assert_eq!(moves(&timed(0, 5, NoData::Keep), "hcb"), [(0, Active), (1, Recovering), (2, Relapsed)]);
    assert_eq!(
        moves(&timed(3, 0, NoData::Keep), "hbh")[1],
        (1, Moved::Calmed),
        "it must hold without a break"
    );
}

#[test]
fn without_data_it_is_kept_called_well_or_fired_as_the_rule_says() {
    use Moved::{Active, Pending, Resolved};
    assert_eq!(moves(&timed(0, 0, NoData::Keep), "hxxxxh"), [(0, Active)]);
    assert_eq!(moves(&timed(0, 0, NoData::Ok), "hx"), [(0, Active), (1, Resolved)]);
    assert_eq!(
        moves(&timed(2, 0, NoData::Fire), "cxxx"),
        [(1, Pending), (3, Active)],
        "no data obeys `for` too"
    );
    assert_eq!(
        moves(&timed(3, 0, NoData::Keep), "hhxxxxhh"),
        [(0, Pending), (7, Active)],
        "what nobody saw does not count"
    );
    let long = format!("h{}", "x".repeat(602));
    assert_eq!(moves(&timed(0, 0, NoData::Keep), &long), [(0, Active), (601, Moved::Lost)]);
}

#[test]
fn it_says_when_it_will_fire() {
    let rule = timed(30, 0, NoData::Keep);
    let mut machine = Machine::new(START);
    assert_eq!(machine.fires_in(&rule), None);
    machine.step(&rule, Seen::Holds, at(0));
    machine.step(&rule, Seen::Holds, at(10));
    assert_eq!(machine.fires_in(&rule), Some(secs(20)));
}

#[test]
fn a_restart_neither_shortens_nor_forgets_a_hold() {
    let rule = timed(30, 0, NoData::Keep);
    let mut machine = Machine::new(START);
    machine.step(&rule, Seen::Holds, at(0));
    machine.step(&rule, Seen::Holds, at(20));
    let mut later = Machine::restored(machine.phase(), machine.seen(), at(3600));
    assert_eq!(later.step(&rule, Seen::Holds, at(3600)), None);
    assert_eq!(later.fires_in(&rule), Some(secs(10)));
    assert_eq!(later.step(&rule, Seen::Holds, at(3610)), Some(Moved::Active));
    let since = at(3610);
    let again = Machine::restored(later.phase(), later.seen(), at(9000));
    assert_eq!(again.phase(), Phase::Active { since }, "it is active since then, stopped or not");
    let back = Machine::restored(later.phase(), later.seen(), at(5));
    assert_eq!(back.phase(), Phase::Active { since: at(5) }, "a clock that was set back invents no future");
}

fn history() -> impl Strategy<Value = Vec<(Seen, u64)>> {
    let seen = prop::sample::select(vec![Seen::Holds, Seen::Holds, Seen::Between, Seen::Clear, Seen::Blind]);
    prop::collection::vec((seen, 0u64..400), 1..80)
}

proptest! {
    /// Resolved follows active, active follows what held for `for`, and nothing happens twice.
    #[test]
    fn every_move_follows_from_the_one_before(
        held in 0u64..60, keep in 0u64..60, no_data in prop::sample::select(NoData::ALL), history in history()
    ) {
        let rule = timed(held, keep, no_data);
        let (mut machine, mut now, mut last, mut pending) = (Machine::new(START), 0, None, 0);
        for (seen, wait) in history {
            now += wait;
            let before = machine.phase();
            let Some(moved) = machine.step(&rule, seen, at(now)) else { continue };
            let allowed: &[Option<Moved>] = match moved {
                Moved::Pending => &[None, Some(Moved::Calmed), Some(Moved::Resolved), Some(Moved::Lost)],
                Moved::Calmed => &[Some(Moved::Pending)],
                Moved::Active if held > 0 => &[Some(Moved::Pending)],
                Moved::Active => &[None, Some(Moved::Resolved), Some(Moved::Lost)],
                Moved::Recovering => &[Some(Moved::Active), Some(Moved::Relapsed)],
                Moved::Relapsed => &[Some(Moved::Recovering)],
                Moved::Resolved if keep > 0 => &[Some(Moved::Recovering)],
                Moved::Resolved => &[Some(Moved::Active)],
                Moved::Lost => &[Some(Moved::Active), Some(Moved::Relapsed), Some(Moved::Recovering)],
            };
            prop_assert!(allowed.contains(&last), "{moved} after {last:?}");
            prop_assert!(machine.phase() != before);
            if moved == Moved::Pending { pending = now; }
            if moved == Moved::Active { prop_assert!(now - pending >= held || held == 0); }
            last = Some(moved);
        }
    }

    /// Stopped and started at any moment, for no time at all, it goes on as if it had not been.
    #[test]
    fn a_restart_in_no_time_changes_nothing(
        held in 0u64..60, keep in 0u64..60, history in history(), at_step in 0usize..80
    ) {
        let rule = timed(held, keep, NoData::Keep);
        let (mut one, mut other, mut now) = (Machine::new(START), Machine::new(START), 0);
        for (n, (seen, wait)) in history.into_iter().enumerate() {
            now += wait;
            // How long it was blind is not remembered: it is counted anew.
            let seen = if seen == Seen::Blind { Seen::Between } else { seen };
            if n == at_step {
                other = Machine::restored(other.phase(), other.seen(), other.seen());
            }
            prop_assert_eq!(one.step(&rule, seen, at(now)), other.step(&rule, seen, at(now)));
        }
    }
}
