//! What every store that a fleet shares must do: answer as the steps do.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use seawall_core::fleet::{Fleet, Member, Moment, lease, limit, presence};
use seawall_core::units::Rate;
use seawall_policy::fleet::{self, Kept, Stepped};

use crate::time::Time;

/// How often each answer was given on a walk.
#[derive(Debug, Default)]
pub struct Walked(BTreeMap<&'static str, usize>);

impl Walked {
    /// Did the walk come by every answer there is? One that did not proves little.
    pub fn every_answer_was_given(&self) -> bool {
        self.0.len() == 9 && self.0.values().all(|times| *times > 5)
    }

    fn count(&mut self, answer: &'static str) {
        *self.0.entry(answer).or_default() += 1;
    }
}

/// What a store keeps, as the steps say.
#[derive(Default)]
struct Reference(BTreeMap<String, Kept>);

impl Reference {
    fn run<T>(&mut self, place: String, step: impl FnOnce(Option<&[u8]>) -> Stepped<T>) -> T {
        let held = self.0.remove(&place);
        let (kept, said) = step(held.as_ref().map(|kept| &kept.bytes[..])).expect("it is our own");
        self.0.extend(kept.map(|kept| (place, kept)));
        said
    }
}

/// Asks `store` and the steps the same `steps` random questions and panics where they differ. `time` must be the clock
/// the store goes by.
pub async fn walk(store: &dyn Fleet, time: &Time, seed: u64, steps: usize) -> Walked {
    let (mut rng, mut reference, mut walked) =
        (Rng::with_seed(seed), Reference::default(), Walked::default());
    let limits = limits(&mut rng);
    let names: Vec<Arc<str>> = vec!["a".into(), "".into(), "\u{1f980} \u{0}".into()];
    let (mut taken, mut rights) = (Vec::new(), Vec::new());
    for turn in 0..steps {
        time.advance(pause(&mut rng));
        let now = Moment(time.micros());
        let name = &names[rng.usize(..names.len())];
        let at = format!("step {turn} of seed {seed}");
        match rng.u8(..10) {
            0..6 => {
                let which = rng.usize(..limits.len());
                let (of, ask) = (&limits[which], question(&mut rng, which, &mut taken));
                let place = format!("limit {} {}", of.name, fleet::limit::id(of));
                let expected = reference.run(place, |held| fleet::limit::step(held, of, ask, now));
                let said = store.limit(of, ask).await.expect("the store answers");
                assert_eq!(said, expected, "{at}: {of:?} {ask:?}");
                walked.count(match said {
                    limit::Said::Go(_) => "go",
                    limit::Said::Wait(_) => "wait",
                    limit::Said::Never => "never",
                    limit::Said::Done => "done",
                });
                if let (limit::Said::Go(at), limit::Ask::Take { n, .. }) = (said, ask) {
                    taken.push((which, n, at));
                }
            }
            6..8 => {
                let ask = claim(&mut rng, &rights);
                let place = format!("lease {name}");
                let expected = reference.run(place, |held| fleet::lease::step(held, ask, now));
                let said = store.lease(name, ask).await.expect("the store answers");
                assert_eq!(said, expected, "{at}: {ask:?}");
                walked.count(match said {
                    lease::Said::Held(_) => "held",
                    lease::Said::Busy(_) => "busy",
                    lease::Said::Lost => "lost",
                    lease::Said::Free => "free",
                });
                if let (lease::Said::Held(epoch), lease::Ask::Acquire { holder, .. }) = (said, ask) {
                    rights.push((holder, epoch));
                }
            }
            _ => {
                let member = Member(u128::from(rng.u8(..5)));
                let ask = match rng.u8(..4) {
                    0 => presence::Ask::Gone(member),
                    _ => presence::Ask::Here(member, Duration::from_secs(rng.u64(..20))),
                };
                let place = format!("members {name}");
                let expected = reference.run(place, |held| fleet::presence::step(held, ask, now));
                let said = store.presence(name, ask).await.expect("the store answers");
                assert_eq!(said, expected, "{at}: {ask:?}");
                walked.count("there");
            }
        }
    }
    walked
}

/// Many that take from one limit as fast as they can, each over its own way to the store: the sum of what was granted, in
/// the order of the store's own time, is within the limit at every moment.
pub async fn take_all(store: &dyn Fleet, of: &limit::Of, times: usize) -> Vec<Moment> {
    let mut granted = Vec::new();
    for _ in 0..times {
        let said = store.limit(of, limit::Ask::Take { n: 1, owed: 0 }).await.expect("the store answers");
        if let limit::Said::Go(at) = said {
            granted.push(at);
        }
    }
    granted
}

/// Panics where a span of `of`'s rate holds more of `granted` than it may.
pub fn within(of: &limit::Of, mut granted: Vec<Moment>) {
    granted.sort_unstable();
    let per = fleet::micros(of.rate.per);
    let bound = of.rate.count.get() + of.burst.map_or(0, NonZeroU32::get);
    for (place, first) in granted.iter().enumerate() {
        let seen = granted[place..].iter().take_while(|at| at.0 - first.0 < per).count();
        assert!(seen <= bound as usize, "{seen} of {bound} in {:?}", of.rate.per);
    }
}

/// Usual limits, and absurd ones.
fn limits(rng: &mut Rng) -> Vec<limit::Of> {
    let limit = |(name, key, count, per, burst): (&str, u64, u32, Duration, u32)| limit::Of {
        name: name.into(),
        key,
        rate: Rate { count: NonZeroU32::new(count).expect("above zero"), per },
        burst: NonZeroU32::new(burst),
    };
    let second = Duration::from_secs(1);
    let year = second * 366 * 86_400;
    vec![
        limit(("a", 0, 20, second, 0)),
        limit(("a", 0, 7, second, 0)),
        limit(("a", 0, 50, second, 10)),
        limit(("a", 0, 300_000, second, 3)),
        limit(("a", rng.u64(1..), 3, second * 60, 0)),
        limit(("b", 0, 5, Duration::from_nanos(1), 0)),
        limit(("b", 0, u32::MAX, second, u32::MAX)),
        limit(("b", 0, 1, year, u32::MAX)),
        limit(("b", 0, u32::MAX, year, 0)),
        limit(("c", 0, 1, Duration::MAX, 1)),
    ]
}

/// Around the places where something changes.
fn pause(rng: &mut Rng) -> Duration {
    let micros = [0, 1, 3, 999, 1000, 50_000, 333_333, 1_000_000, 20_000_000];
    let place = if rng.u8(..) < 4 { rng.usize(..micros.len()) } else { rng.usize(..6) };
    Duration::from_micros(micros[place])
}

type Taken = (usize, u32, Moment);

fn question(rng: &mut Rng, which: usize, taken: &mut Vec<Taken>) -> limit::Ask {
    let own = taken.iter().position(|(limit, ..)| *limit == which);
    match (rng.u8(..40), own) {
        (0, _) => limit::Ask::Reset,
        (1..8, Some(place)) => {
            let (_, n, taken) = taken.swap_remove(place);
            limit::Ask::GiveBack { n: n.into(), taken }
        }
        (8, _) => limit::Ask::GiveBack { n: rng.u64(..) >> rng.u8(..64), taken: Moment(rng.u64(..1 << 52)) },
        (9, _) => limit::Ask::Take { n: rng.u32(..), owed: rng.u64(..) >> rng.u8(..64) },
        (10..14, _) => limit::Ask::Take { n: rng.u32(..30), owed: rng.u64(..4) },
        _ => limit::Ask::Take { n: 1, owed: 0 },
    }
}

fn claim(rng: &mut Rng, rights: &[(Member, u64)]) -> lease::Ask {
    let (holder, epoch) = match rights.last() {
        Some(right) if rng.u8(..4) > 0 => *right,
        _ => (Member(u128::from(rng.u8(1..4)) << 100), rng.u64(..9)),
    };
    let span = Duration::from_millis(rng.u64(..500));
    match rng.u8(..6) {
        0..3 => {
            let holder = Member(u128::from(rng.u8(1..4)) << 100);
            lease::Ask::Acquire { holder, span }
        }
        3..5 => lease::Ask::Renew { holder, epoch, span },
        _ => lease::Ask::Release { holder, epoch },
    }
}
