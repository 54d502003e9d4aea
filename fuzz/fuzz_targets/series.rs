//! Any bytes as the hours and days of metrics in a state directory: read whole or refused in one line, and what was read
//! and written is read again as the same.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use seawall_signals::metrics::{Registry, names};
use seawall_signals::series::{Kept, STEP, Step};

/// Longer than anything is kept.
const EVER: u64 = 500 * 86_400;

/// A sound file: two days of two gauges and a counter.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let registry = Registry::new();
        names::JOB_FAILURE_RATIO.with(&registry, ["train"]).set(0.25);
        names::JOB_FAILURE_RATIO.with(&registry, [""]).set(f64::NAN);
        let retries = names::JOB_RETRIES.with(&registry, ["train"]);
        let mut kept = Kept::default();
        for minute in 0..2 * 24 * 60 {
            retries.inc();
            kept.tick(minute * STEP, || registry.gather());
        }
        kept.save()
    })
}

fuzz_target!(|input: &[u8]| {
    let (Some((how, rest)), whole) = (input.split_first(), sound()) else { return };
    let bytes = match how % 4 {
        // Bytes of their own, a sound file with some of them in it, in the place of some of it, one that was cut.
        0 => rest.to_vec(),
        1 | 2 => {
            let place = rest.get(..2).map_or(0, |place| usize::from(place[0]) << 8 | usize::from(place[1]));
            let place = place % whole.len();
            let (put, over) =
                (rest.get(2..).unwrap_or_default(), if how % 4 == 1 { 0 } else { rest.len().max(2) - 2 });
            [&whole[..place], put, whole.get(place + over..).unwrap_or_default()].concat()
        }
        _ => whole[..rest.len().min(whole.len())].to_vec(),
    };
    let mut kept = match Kept::restored(&bytes) {
        Ok(kept) => kept,
        Err(why) => {
            assert!(!why.is_empty() && !why.contains(char::is_control), "{why}");
            return;
        }
    };
    let saved = kept.save();
    assert!(saved.len() <= bytes.len(), "{} bytes came from {}", saved.len(), bytes.len());
    let again = Kept::restored(&saved).expect("what was written is read");
    assert_eq!(again.save(), saved);
    for step in [Step::Hour, Step::Day] {
        for (_, stretches) in kept.steps("seawall_job_failure_ratio", step, EVER, EVER) {
            assert!(stretches.len() <= 10_000, "{}", stretches.len());
        }
    }
    // It goes on from there.
    let registry = Registry::new();
    names::JOB_FAILURE_RATIO.with(&registry, ["train"]).set(1.0);
    (0..3).for_each(|minute| kept.tick(EVER + minute * STEP, || registry.gather()));
});
