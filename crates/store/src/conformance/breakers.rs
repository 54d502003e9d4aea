//! What every store that keeps breakers for a fleet must do: answer as the step does.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use seawall_core::fleet::breaker::{Ask, Counts, Heard, Lever, Pull, Report, Rules, State, Why};
use seawall_core::fleet::{Fleet, Moment};
use seawall_core::units::Share;
use seawall_policy::fleet::breaker::step;

use crate::time::Time;

/// By what the breakers of a walk were moved, and how often.
#[derive(Debug, Default)]
pub struct Walked(BTreeMap<&'static str, usize>);

impl Walked {
    /// Did the walk come by everything that moves a breaker? One that did not proves little.
    pub fn everything_happened(&self) -> bool {
        Why::ALL.iter().all(|why| self.0.get(why.as_str()).is_some_and(|times| *times > 3))
            && self.0.get("probe").is_some_and(|times| *times > 50)
    }
}

/// What a walk knows of a breaker.
#[derive(Default)]
struct Known {
    bytes: Option<Vec<u8>>,
    epoch: u64,
    probes: Vec<(u64, u64)>,
}

/// Asks `store` and the step the same `steps` random questions and panics where they differ. `time` must be the clock the
/// store goes by.
pub async fn walk(store: &dyn Fleet, time: &Time, seed: u64, steps: usize) -> Walked {
    let (mut rng, mut walked) = (Rng::with_seed(seed), Walked::default());
    let mut all: HashMap<Arc<str>, (Vec<Rules>, Known)> = HashMap::new();
    for n in 0..6 {
        let first = rules(&mut rng);
        // One that is asked by processes of different options.
        let second = if n == 0 { rules(&mut rng) } else { first.clone() };
        all.insert(format!("breaker {n}").into(), (vec![first, second], Known::default()));
    }
    for turn in 0..steps {
        time.advance(pause(&mut rng));
        let now = Moment(time.micros());
        let name: Arc<str> = format!("breaker {}", rng.u8(..6)).into();
        let Some((rules, known)) = all.get_mut(&name) else { continue };
        let (rules, ask) = (&rules[rng.usize(..2)], question(&mut rng, known));
        let (kept, expected) = step(known.bytes.as_deref(), rules, &ask, now).expect("it is our own");
        let said = store.breaker(&name, rules, ask.clone()).await.expect("the store answers");
        assert_eq!(said, expected, "step {turn} of seed {seed}: {name} {ask:?}");
        known.bytes = kept.map(|kept| kept.bytes);
        known.epoch = said.standing.epoch;
        if let Some(probe) = said.probe {
            known.probes.push((said.standing.epoch, probe));
            *walked.0.entry("probe").or_default() += 1;
        }
        if let Some(why) = said.moved {
            *walked.0.entry(why.as_str()).or_default() += 1;
        }
        let forced = matches!(said.standing.state, State::ForcedOpen | State::ForcedClosed);
        assert_eq!(said.standing.held.is_some(), forced);
    }
    walked
}

fn rules(rng: &mut Rng) -> Rules {
    let millis = |rng: &mut Rng, most| Duration::from_millis(rng.u64(1..most));
    let share = |rng: &mut Rng| Share::percent(rng.u8(1..=100));
    let open = millis(rng, 3000);
    Rules {
        window: millis(rng, 20_000) + Duration::from_nanos(rng.u64(..5000)),
        consecutive: rng.u32(..9),
        failures: rng.u32(..12),
        min_calls: rng.u32(..12),
        failure_rate: share(rng),
        slow_rate: share(rng),
        open,
        open_cap: rng.bool().then(|| open * rng.u32(1..9)),
        manual: rng.u8(..6) == 0,
        probes: rng.u32(1..4),
        successes: rng.u32(1..4),
        sample: if rng.bool() { 0 } else { rng.u32(1..5) },
        lease: millis(rng, 4000),
        ramp: if rng.bool() { Duration::ZERO } else { millis(rng, 3000) },
    }
}

fn pause(rng: &mut Rng) -> Duration {
    let micros = [0, 1, 999, 1000, 20_000, 100_000, 400_000, 3_000_000, 60_000_000];
    let place = if rng.u8(..) < 3 { rng.usize(..micros.len()) } else { rng.usize(..7) };
    Duration::from_micros(micros[place])
}

fn question(rng: &mut Rng, known: &mut Known) -> Ask {
    match rng.u8(..40) {
        0..20 => Ask::Report(report(rng, known.epoch)),
        20..27 => Ask::Probe,
        27..38 => {
            let heard = [Heard::Worked, Heard::Worked, Heard::Slow, Heard::Failed, Heard::Nothing];
            let any = (rng.u64(..1 << 52), rng.u64(..9));
            let last = known.probes.len().checked_sub(rng.usize(1..4)).map(|place| known.probes[place]);
            let (epoch, probe) = if rng.u8(..9) == 0 { any } else { last.unwrap_or(any) };
            Ask::Probed { epoch, probe, heard: heard[rng.usize(..heard.len())] }
        }
        _ => Ask::Pull(Pull {
            lever: Lever::ALL[rng.usize(..4)],
            by: ["ann", "", "b\u{f6}b"][rng.usize(..3)].into(),
            reason: "\u{1f980} it hurts ".repeat(rng.usize(..40)).into(),
            hold: rng.bool().then(|| Duration::from_millis(rng.u64(..3000))),
        }),
    }
}

fn report(rng: &mut Rng, epoch: u64) -> Report {
    let counts = (0..rng.usize(..4)).map(|_| {
        let calls = if rng.u8(..) == 0 { u32::MAX } else { rng.u32(..6) };
        Counts {
            ago: Duration::from_micros(rng.u64(..30_000_000) >> rng.u8(..25)),
            calls,
            failures: rng.u32(..calls.saturating_add(1).max(1)).min(if rng.bool() { 0 } else { u32::MAX }),
            slow: if rng.u8(..4) == 0 { rng.u32(..calls.saturating_add(1).max(1)) } else { 0 },
        }
    });
    let counts: Vec<_> = counts.collect();
    let failed: u64 = counts.iter().map(|counts| u64::from(counts.failures)).sum();
    let failed = u32::try_from(failed).unwrap_or(u32::MAX);
    let worked = rng.bool();
    let first = if worked { rng.u32(..=failed) } else { failed };
    let last = if worked { rng.u32(..=failed - first) } else { 0 };
    let epoch = match rng.u8(..10) {
        0 => 0,
        1 => epoch + rng.u64(..3) - 1.min(epoch),
        _ => epoch,
    };
    Report { epoch, counts, first, last, worked }
}
