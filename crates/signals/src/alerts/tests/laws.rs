//! Random outages, deliveries that fail, and kills at any moment.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::alerts::Kind;

#[derive(Debug, Clone)]
enum Do {
    Set(u8, bool),
    Pass(u64),
    /// It arrives; is that known?
    Deliver(bool),
    /// It does not; is that unknown?
    Fail(bool),
    Silence(u8, u64),
    Write,
    /// Killed: what was not written down is forgotten.
    Kill(u64),
}

fn history() -> impl Strategy<Value = Vec<Do>> {
    let step = prop_oneof![
        5 => (0u8..3, any::<bool>()).prop_map(|(upstream, open)| Do::Set(upstream, open)),
        6 => (1u64..20).prop_map(Do::Pass),
        5 => any::<bool>().prop_map(Do::Deliver),
        2 => any::<bool>().prop_map(Do::Fail),
        1 => (0u8..3, 0u64..60).prop_map(|(upstream, span)| Do::Silence(upstream, span)),
        3 => Just(Do::Write),
        1 => (0u64..100).prop_map(Do::Kill),
    ];
    prop::collection::vec(step, 1..80)
}

/// Who receives, and believes what arrives; the same notice twice is known by its id.
#[derive(Default)]
struct Receiver {
    seen: BTreeMap<String, Notice>,
    believes: BTreeMap<String, bool>,
    /// It may hear a beginning after a beginning: where the end between them expired.
    again: bool,
    /// It may hear an end alone: where nobody knew whether the beginning had arrived before that expired.
    alone: bool,
}

impl Receiver {
    fn take(&mut self, notice: &Notice) -> Result<(), proptest::test_runner::TestCaseError> {
        if let Some(before) = self.seen.insert(notice.id.clone(), notice.clone()) {
            prop_assert_eq!(&before, notice, "one id, one notice");
            return Ok(());
        }
        for item in &notice.items {
            let active = self.believes.entry(item.id.clone()).or_default();
            let again = if item.kind == Kind::Resolved { self.alone } else { self.again };
            prop_assert!(again || (item.kind == Kind::Resolved) == *active, "{} after {}", item.kind, active);
            *active = item.kind != Kind::Resolved;
        }
        Ok(())
    }
}

/// Takes one step without writing anything down.
fn look(w: &mut World) {
    let families = w.board.watch().families();
    let gathered = w.registry.gather_some(&|name| families.contains(name));
    let now = w.at();
    w.board.step(&gathered, now);
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 128, ..Default::default() })]

    /// However deliveries fail and whenever it is killed: an end is told only of what was told, nothing is told twice under
    /// two ids unless nobody knew, and in the end everybody knows how things are.
    #[test]
    fn nothing_is_forgotten_and_nothing_is_repeated(held in 0u64..15, cooldown in 0u64..20, expire in prop_oneof![Just(86_400), 60u64..2000], grouped in any::<bool>(), history in history()) {
        let mut ops = outlet("ops");
        (ops.delivery.cooldown, ops.delivery.expire) = (secs(cooldown), secs(expire));
        ops.grouping = if grouped { Grouping::Group } else { Grouping::Alert };
        let outlets = [ops];
        let rules = || vec![rule("any_down", "breaker_open > 0", held)];
        let mut w = World::new(rules(), &outlets);
        let gauges: Vec<_> = ["a", "b", "c"].iter().map(|name| w.gauge(name)).collect();
        let unknown = |what: &Do| matches!(what, Do::Kill(_) | Do::Deliver(false) | Do::Fail(true));
        let doubt = history.iter().any(unknown);
        let mut receiver = Receiver { again: expire < 86_400, alone: expire < 86_400 && doubt, ..Receiver::default() };
        let mut disk = None;
        let mut story = history;
        story.extend([Do::Set(0, true), Do::Set(1, false), Do::Set(2, true), Do::Write]);
        // Retries are up to five minutes apart.
        story.extend((0..80).flat_map(|_| [Do::Pass(19), Do::Deliver(true), Do::Write]));
        for what in story {
            match what {
                Do::Set(upstream, open) => gauges[usize::from(upstream)].set(f64::from(u8::from(open))),
                Do::Pass(seconds) => for step in [1, seconds - 1] {
                    w.now += step;
                    look(&mut w);
                },
                Do::Deliver(_) | Do::Fail(_) => {
                    let now = w.at();
                    if let Some(notice) = w.board.next(0, now) {
                        let (arrived, ended) = match what {
                            Do::Deliver(true) => (true, Ok("200".to_owned())),
                            Do::Deliver(false) => (true, Err(Failure::unknown("no answer in time"))),
                            Do::Fail(true) => (false, Err(Failure::unknown("no answer in time"))),
                            _ => (false, Err(Failure::later("cannot connect"))),
                        };
                        if arrived { receiver.take(&notice)?; }
                        w.board.ended(0, &notice.id, &ended, (0.5, secs(0)), now);
                    }
                }
                Do::Silence(upstream, span) => {
                    let id = format!("any_down:{}", ["a", "b", "c"][usize::from(upstream)]);
                    let now = w.at();
                    let _ = w.board.silence(&id, secs(span), ("ann", "a test"), now);
                }
                Do::Write => {
                    disk = Some(w.board.save(w.at()));
                    w.board.written = w.board.changed;
                }
                Do::Kill(seconds) => {
                    w.now += seconds;
                    let at = w.at();
                    w.board = match &disk {
                        Some(saved) => Board::restored(rules(), &outlets, saved, at).unwrap(),
                        None => Board::new(rules(), &outlets, at),
                    };
                }
            }
        }
        for (name, active) in [("any_down:a", true), ("any_down:b", false), ("any_down:c", true)] {
            prop_assert_eq!(receiver.believes.get(name).copied().unwrap_or_default(), active, "{}", name);
        }
    }

    #[test]
    fn no_file_is_too_odd_to_be_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), place in any::<prop::sample::Index>()) {
        let _ = Board::restored(vec![rule("r", "x > 0", 0)], &[outlet("ops")], &bytes, START);
        // And what was good, with one byte changed.
        let mut w = World::new(vec![rule("any_down", "breaker_open > 0", 3)], &[outlet("ops")]);
        w.gauge("a").set(1.0);
        w.pass(10);
        let mut saved = w.board.save(w.at());
        let place = place.index(saved.len());
        saved[place] = bytes.first().copied().unwrap_or(b'9');
        if let Ok(mut board) = Board::restored(vec![rule("any_down", "breaker_open > 0", 3)], &[outlet("ops")], &saved, START) {
            board.step(&[], START + secs(1));
            board.view();
        }
    }
}
