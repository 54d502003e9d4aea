//! What every memory of jobs must do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use seawall_core::job::{Cell, JobState, Key};

/// Longer than any walk.
const KEEP: Duration = Duration::from_secs(8 * 86_400);

/// Reads and writes at random and panics where the memory is not what comparing and writing make of it. Keys of a walk
/// are its seed's own.
pub async fn walk(state: &dyn JobState, seed: u64, steps: usize) {
    let mut rng = Rng::with_seed(seed);
    let keys = keys(seed);
    let mut kept: HashMap<&Key, Cell> = HashMap::new();
    let mut given: HashMap<&Key, HashSet<u64>> = HashMap::new();
    for step in 0..steps {
        let key = &keys[rng.usize(..keys.len())];
        let held = kept.get(key).cloned();
        if rng.u8(..) < 100 {
            let read = state.read(key).await.expect("the memory answers");
            assert_eq!(read, held, "step {step} of seed {seed}: {key}");
            continue;
        }
        let version = held.as_ref().map(|cell| cell.version);
        let expected = match rng.u8(..10) {
            0 => None,
            1 => Some(rng.u64(..)),
            2 => given.get(key).and_then(|all| all.iter().next().copied()),
            _ => version,
        };
        let text = text(&mut rng, step);
        let swapped = state.swap(key, expected, text.clone(), KEEP).await.expect("the memory answers");
        assert_eq!(swapped, expected == version, "step {step} of seed {seed}: {key}");
        if swapped {
            let cell = state.read(key).await.expect("the memory answers").expect("it was written");
            assert_eq!(cell.text, text, "step {step} of seed {seed}: {key}");
            let new = given.entry(key).or_default().insert(cell.version);
            assert!(new, "step {step} of seed {seed}: {key} has had version {} before", cell.version);
            kept.insert(key, cell);
        }
    }
}

/// Counts a cell up by comparing and writing: many who do so at the same time, each over its own way to the memory, lose
/// nobody's turn.
pub async fn count_up(state: &dyn JobState, key: &Key, times: u64) {
    let mut done = 0;
    while done < times {
        let cell = state.read(key).await.expect("the memory answers");
        let count: u64 = cell.as_ref().map_or(0, |cell| cell.text.parse().expect("a number"));
        let version = cell.map(|cell| cell.version);
        let swapped = state.swap(key, version, (count + 1).to_string(), KEEP).await;
        done += u64::from(swapped.expect("the memory answers"));
    }
}

/// Names that must not be taken for one another, and absurd ones.
fn keys(seed: u64) -> Vec<Key> {
    let kind: Arc<str> = format!("walk {seed}").into();
    let job = |kind: &Arc<str>, id: &str| Key::Job(kind.clone(), id.into());
    let longer: Arc<str> = format!("{kind}/a").into();
    vec![
        Key::Type(kind.clone()),
        Key::Type(longer.clone()),
        job(&kind, ""),
        job(&kind, "a"),
        job(&kind, "a/b"),
        job(&longer, "b"),
        job(&kind, "\u{0}\n{}'\"\u{1f980}"),
        job(&kind, &"long".repeat(5000)),
    ]
}

fn text(rng: &mut Rng, step: usize) -> String {
    match rng.u8(..20) {
        0 => String::new(),
        1 => "\u{0}\u{1f980}\n".repeat(3000),
        _ => format!("{{\"step\":{step}}}"),
    }
}
