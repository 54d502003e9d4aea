//! The clock that drivers read: the machine's, or tokio's where time can be paused, so that a test gets virtual time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use seawall_core::clock::SystemClock;
use seawall_core::{Clock, Instant};

/// The monotonic clock of every policy that is given no other.
///
/// It is [`SystemClock`]; in a build where tokio's `test-util` is on it is tokio's clock, which inside a runtime with
/// paused time stands still until something sleeps.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultClock;

impl Clock for DefaultClock {
    fn now(&self) -> Instant {
        if PAUSABLE { by_tokio() } else { SystemClock.now() }
    }
}

/// The clock of every policy that is given no other.
pub fn default_clock() -> Arc<dyn Clock> {
    Arc::new(DefaultClock)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the origin is real time, so that no paused runtime can move it"
)]
fn by_tokio() -> Instant {
    static ORIGIN: OnceLock<tokio::time::Instant> = OnceLock::new();
    let now = tokio::time::Instant::now();
    // An hour's head start, so that short look-backs never saturate, nor a runtime that was paused a while ago.
    let origin = ORIGIN.get_or_init(|| {
        let now = std::time::Instant::now();
        tokio::time::Instant::from_std(now.checked_sub(Duration::from_secs(3600)).unwrap_or(now))
    });
    Instant::ORIGIN + now.saturating_duration_since(*origin)
}

/// Was tokio built with `test-util`? No crate can ask for the features of another. But an import from a glob in a
/// block shadows a name from outside it, and tokio's `pause` is there only with that feature.
const PAUSABLE: bool = {
    #[allow(unused_imports, reason = "needed for `pause`, where it is there")]
    use tokio::time::*;
    returns_nothing(pause as fn() -> _)
};

#[allow(dead_code, reason = "shadowed by tokio's where that is there")]
fn pause() -> Absent {
    Absent
}

struct Absent;

trait Returned {
    const NOTHING: bool;
}

impl Returned for () {
    const NOTHING: bool = true;
}

impl Returned for Absent {
    const NOTHING: bool = false;
}

const fn returns_nothing<R: Returned>(_: fn() -> R) -> bool {
    R::NOTHING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_is_paused_stands_still_until_something_sleeps() {
        let before = DefaultClock.now();
        assert_eq!(DefaultClock.now(), before);
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(DefaultClock.now().since(before), Duration::from_secs(9));
    }
}
