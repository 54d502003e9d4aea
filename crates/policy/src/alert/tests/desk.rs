use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn delivery(batch: u64, cooldown: u64) -> Delivery {
    Delivery { batch: secs(batch), cooldown: secs(cooldown), ..Delivery::default() }
}

fn alert<'a>(key: &'a u8, group: &'a str, active: bool) -> Present<'a, u8> {
    Present { key, group, active, silenced: false, quieted: false }
}

type Said = Vec<(String, Vec<(u8, What)>)>;

fn say(desk: &mut Desk<u8>, options: &Delivery, alerts: &[Present<'_, u8>], now: u64) -> Said {
    let (notices, _) = desk.step(options, alerts, at(now));
    notices.into_iter().map(|notice| (notice.group, notice.alerts)).collect()
}

fn one(group: &str, alerts: &[(u8, What)]) -> Said {
    vec![(group.to_owned(), alerts.to_vec())]
}

#[test]
fn what_breaks_together_is_told_together_and_only_once() {
    let (mut desk, options) = (Desk::default(), delivery(5, 60));
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", true)], 0), []);
    let both = [alert(&1, "g", true), alert(&2, "g", true)];
    assert_eq!(say(&mut desk, &options, &both, 4), []);
    assert_eq!(say(&mut desk, &options, &both, 5), one("g", &[(1, What::Active), (2, What::Active)]));
    assert_eq!(say(&mut desk, &options, &both, 500), []);
    let over = [alert(&1, "g", false), alert(&2, "g", true)];
    assert_eq!(say(&mut desk, &options, &over, 501), []);
    assert_eq!(say(&mut desk, &options, &over, 506), one("g", &[(1, What::Resolved)]));
    assert_eq!(say(&mut desk, &options, &over, 1000), []);
}

#[test]
fn what_comes_and_goes_within_the_cooldown_is_not_told() {
    let (mut desk, options) = (Desk::default(), delivery(0, 60));
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", true)], 0), one("g", &[(1, What::Active)]));
    for now in 1..60 {
        let (said, held) = desk.step(&options, &[alert(&1, "g", now % 2 == 0)], at(now));
        assert_eq!(said, []);
        let why = Held::Cooling { until: at(60) };
        assert_eq!(held, if now % 2 == 0 { vec![] } else { vec![(1, why)] });
    }
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", true)], 60), [], "it is as it was said to be");
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", false)], 61), one("g", &[(1, What::Resolved)]));
}

#[test]
fn silence_is_kept_and_what_it_hid_is_told_when_it_ends() {
    let (mut desk, options) = (Desk::default(), delivery(0, 0));
    let silent = |active| [Present { silenced: true, ..alert(&1, "g", active) }];
    assert_eq!(say(&mut desk, &options, &silent(true), 0), []);
    assert_eq!(desk.step(&options, &silent(true), at(0)).1, [(1, Held::Silenced)]);
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", true)], 1), one("g", &[(1, What::Active)]));
    assert_eq!(say(&mut desk, &options, &silent(false), 2), []);
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", false)], 3), one("g", &[(1, What::Resolved)]));
    assert_eq!(say(&mut desk, &options, &silent(true), 4), []);
    assert_eq!(
        say(&mut desk, &options, &[alert(&1, "g", false)], 5),
        [],
        "nobody was told that it was active"
    );
}

#[test]
fn an_alert_that_goes_on_is_told_again_where_that_is_asked_for() {
    let (mut desk, mut options) = (Desk::default(), delivery(0, 0));
    options.repeat = Some(secs(3600));
    let on = [alert(&1, "g", true)];
    assert_eq!(say(&mut desk, &options, &on, 0), one("g", &[(1, What::Active)]));
    assert_eq!(say(&mut desk, &options, &on, 3599), []);
    assert_eq!(say(&mut desk, &options, &on, 3600), one("g", &[(1, What::Reminder)]));
    assert_eq!(say(&mut desk, &options, &on, 3601), []);
}

#[test]
fn what_did_not_arrive_is_said_again_and_its_end_is_not_said() {
    let (mut desk, options) = (Desk::default(), delivery(0, 10));
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", true)], 0).len(), 1);
    desk.unsaid(&1);
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", true)], 10), one("g", &[(1, What::Active)]));
    desk.unsaid(&1);
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", false)], 20), []);
    desk.unended(&1, Told { at: at(10), sure: true });
    desk.unsure(&2);
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", false)], 21), one("g", &[(1, What::Resolved)]));
}

#[test]
fn what_may_have_arrived_is_said_again_and_its_end_is_said() {
    let (mut desk, options) = (Desk::default(), delivery(0, 10));
    let on = [alert(&1, "g", true)];
    say(&mut desk, &options, &on, 0);
    desk.unsure(&1);
    assert_eq!(say(&mut desk, &options, &on, 10), one("g", &[(1, What::Active)]));
    assert_eq!(say(&mut desk, &options, &on, 20), []);
    desk.unsure(&1);
    assert_eq!(say(&mut desk, &options, &[alert(&1, "g", false)], 30), one("g", &[(1, What::Resolved)]));
}

#[test]
fn a_desk_remembers_no_more_than_it_needs() {
    let (mut desk, options) = (Desk::default(), delivery(0, 10));
    for n in 0..200_u8 {
        let group = format!("g{n}");
        say(&mut desk, &options, &[alert(&n, &group, true)], u64::from(n) * 20);
        say(&mut desk, &options, &[alert(&n, &group, false)], u64::from(n) * 20 + 10);
    }
    desk.step(&options, &[], at(10_000));
    assert_eq!((desk.told().len(), desk.groups().len()), (0, 0));
}

#[derive(Debug, Clone)]
enum Do {
    Set(u8, bool),
    Silence(u8, bool),
    Wait(u64),
    Restart,
    Lose,
}

fn history() -> impl Strategy<Value = Vec<Do>> {
    let step = prop_oneof![
        6 => (0u8..6, any::<bool>()).prop_map(|(key, active)| Do::Set(key, active)),
        2 => (0u8..6, any::<bool>()).prop_map(|(key, silenced)| Do::Silence(key, silenced)),
        6 => (0u64..30).prop_map(Do::Wait),
        1 => proptest::prelude::Just(Do::Restart),
        1 => proptest::prelude::Just(Do::Lose),
    ];
    prop::collection::vec(step, 1..150)
}

fn options() -> impl Strategy<Value = Delivery> {
    (0u64..10, 0u64..40, any::<bool>()).prop_map(|(batch, cooldown, repeat)| Delivery {
        repeat: repeat.then(|| secs(60)),
        ..delivery(batch, cooldown)
    })
}

/// Runs a history, three groups of two, and gives back what was said and when.
fn run(
    options: &Delivery,
    history: &[Do],
    restarts: bool,
    mut see: impl FnMut(u64, &Notice<u8>, &[bool; 6]) -> Result<(), proptest::test_runner::TestCaseError>,
) -> Result<Vec<(u64, Notice<u8>)>, proptest::test_runner::TestCaseError> {
    let groups = ["a", "b", "c"];
    let (mut desk, mut now, mut said) = (Desk::default(), 0, Vec::new());
    let (mut active, mut silenced) = ([false; 6], [false; 6]);
    for what in history {
        match *what {
            Do::Set(key, on) => active[usize::from(key)] = on,
            Do::Silence(key, on) => silenced[usize::from(key)] = on,
            Do::Wait(span) => now += span,
            Do::Restart if restarts => {
                let (told, groups) = (desk.told().clone(), desk.groups().clone());
                desk = Desk::restored(told, groups, at(now));
            }
            Do::Restart => {}
            Do::Lose => {
                if let Some((_, Notice { alerts, .. })) = said.last() {
                    let alerts: &Vec<(u8, What)> = alerts;
                    alerts.iter().for_each(|(key, _)| desk.unsaid(key));
                }
            }
        }
        let keys: Vec<u8> = (0..6).collect();
        let present: Vec<_> = keys
            .iter()
            .map(|key| Present {
                key,
                group: groups[usize::from(*key) / 2],
                active: active[usize::from(*key)],
                silenced: silenced[usize::from(*key)],
                quieted: false,
            })
            .collect();
        for notice in desk.step(options, &present, at(now)).0 {
            see(now, &notice, &silenced)?;
            said.push((now, notice));
        }
    }
    Ok(said)
}

proptest! {
    /// A resolve is only ever said of what was said to be active, and nothing is said twice.
    #[test]
    fn a_resolve_is_never_said_of_what_was_never_told(options in options(), history in history()) {
        let history: Vec<Do> = history.into_iter().filter(|what| !matches!(what, Do::Lose)).collect();
        let mut told = [false; 6];
        run(&options, &history, true, |_, notice, _| {
            prop_assert!(!notice.alerts.is_empty());
            for (key, what) in &notice.alerts {
                let told = &mut told[usize::from(*key)];
                prop_assert_eq!(*what != What::Active, *told);
                *told = *what != What::Resolved;
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_silenced_alert_is_never_spoken_of(options in options(), history in history()) {
        run(&options, &history, true, |_, notice, silenced| {
            prop_assert!(notice.alerts.iter().all(|(key, _)| !silenced[usize::from(*key)]));
            Ok(())
        })?;
    }

    #[test]
    fn a_group_is_spoken_of_at_most_once_a_cooldown(options in options(), history in history()) {
        let mut last = BTreeMap::new();
        run(&options, &history, true, |now, notice, _| {
            if let Some(before) = last.insert(notice.group.clone(), now) {
                prop_assert!(secs(now - before) >= options.cooldown);
            }
            Ok(())
        })?;
    }

    /// Stopped and started at any moment, the same is said at the same moments.
    #[test]
    fn a_restart_neither_forgets_nor_repeats(options in options(), history in history()) {
        let with = run(&options, &history, true, |_, _, _| Ok(()))?;
        let without = run(&options, &history, false, |_, _, _| Ok(()))?;
        prop_assert_eq!(with, without);
    }

    /// Left alone for long enough, everybody has been told how things are.
    #[test]
    fn in_the_end_everybody_knows(options in options(), history in history()) {
        let mut history: Vec<Do> = history.into_iter().filter(|what| !matches!(what, Do::Lose)).collect();
        history.extend((0..6).map(|key| Do::Silence(key, false)));
        history.extend((0..30).map(|_| Do::Wait(10)));
        let mut believed = [false; 6];
        for (_, notice) in run(&options, &history, true, |_, _, _| Ok(()))? {
            notice.alerts.iter().for_each(|(key, what)| believed[usize::from(*key)] = *what != What::Resolved);
        }
        let mut active = [false; 6];
        for what in &history {
            if let Do::Set(key, on) = what { active[usize::from(*key)] = *on; }
        }
        prop_assert_eq!(believed, active);
    }
}
