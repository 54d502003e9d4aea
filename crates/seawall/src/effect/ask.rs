//! A question to the store while somebody waits for its answer.

use std::time::Duration;

use seawall_core::effect::{Nonce, Operation};
use seawall_core::store::{Store, StoreError, Told};
use seawall_core::units::format_duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The pause before a question is asked again; doubled each time.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Asks until there is an answer, for at most `patience`. Every question is one that may be asked again.
pub(super) async fn ask(
    store: &dyn Store,
    question: &Operation,
    patience: Duration,
) -> Result<Told, StoreError> {
    let end = Instant::now() + patience;
    let mut pause = PAUSE;
    loop {
        // One that was lost on its way must leave time for another.
        let until = end.min(Instant::now() + patience / 3);
        let error = match timeout_at(until, store.ask(question.clone())).await {
            Ok(Ok(told)) => return Ok(told),
            Ok(Err(error @ StoreError::Unavailable(_))) => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => StoreError::Unavailable(format!("no answer within {}", format_duration(patience / 3))),
        };
        let jittered = pause.mul_f64(0.5 + fastrand::f64());
        if Instant::now() + jittered >= end {
            return Err(error);
        }
        sleep(jittered).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A nonce nobody has drawn before: 128 bits of the operating system's for this process, and a counter.
pub(super) fn nonce() -> Nonce {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static BASE: OnceLock<u128> = OnceLock::new();
    static DRAWN: AtomicU64 = AtomicU64::new(0);
    let base = BASE.get_or_init(|| {
        let half = || u128::from(RandomState::new().hash_one(std::process::id()));
        half() << 64 | half()
    });
    Nonce(base.wrapping_add(u128::from(DRAWN.fetch_add(1, Ordering::Relaxed))))
}
