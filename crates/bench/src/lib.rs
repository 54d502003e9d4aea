//! One guarded call, ours and other people's: who is measured, and how; the benches only look.
//!
//! Every contender guards the same operation, a future that is ready at once, with limits nobody reaches, so what is
//! measured is the guard alone, on the path where nothing goes wrong. State is built once, outside the measurement.

mod breakers;
mod crowd;
mod ours;
mod rivals;
pub mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use crowd::{THREADS, alone, together};

/// Is shown every contender, in one order.
pub trait Audience {
    /// One contender: `make` gives each thread its way to call what they share.
    fn watch<F: AsyncFnMut()>(&mut self, name: &str, make: impl Fn() -> F + Sync);
}

/// Shows the floors, then us, then the others.
pub fn parade(audience: &mut impl Audience) {
    ours::floors(audience);
    ours::whole(audience);
    ours::layered(audience);
    ours::apart(audience);
    ours::keyed(audience);
    breakers::closed(audience);
    breakers::rejecting(audience);
    rivals::tower(audience);
    rivals::tower_resilience(audience);
    rivals::governor(audience);
}

/// How many keys a keyed limiter is shown.
const KEYS: usize = 100_000;

/// Every key, as a caller would hold it.
fn keys() -> Arc<[String]> {
    (0..KEYS).map(|n| format!("user-{n:06}")).collect()
}

/// Walks over all keys in an order no cache can guess, the same for every contender.
struct Walk(usize);

impl Walk {
    /// A prime, so that the walk meets every key before it meets one twice.
    const STRIDE: usize = 61_703;

    /// Each walk starts half-way round from the one before: two threads share the map and seldom a key.
    fn new() -> Walk {
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        Walk(BEGUN.fetch_add(1, Ordering::Relaxed) % 2 * (KEYS / 2))
    }

    fn step(&mut self) -> usize {
        self.0 = (self.0 + Self::STRIDE) % KEYS;
        self.0
    }
}
