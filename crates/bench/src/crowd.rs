//! Callers on one thread or several: each with a current-thread runtime of its own, all starting together.

use std::future::Future;
use std::sync::Barrier;
use std::time::Duration;

use seawall_core::Clock;
use seawall_core::clock::SystemClock;

/// The crowds that are measured: alone, and two who share the state.
pub const THREADS: [usize; 2] = [1, 2];

/// Makes `calls` calls on each of `threads` threads; the mean time a thread took for all of its calls.
pub fn together<F: AsyncFnMut()>(threads: usize, calls: u64, make: impl Fn() -> F + Sync) -> Duration {
    let (clock, start) = (SystemClock::new(), Barrier::new(threads));
    let caller = || {
        in_runtime(async {
            let mut call = make();
            start.wait();
            let began = clock.now();
            for _ in 0..calls {
                call().await;
            }
            clock.now().since(began)
        })
    };
    let took: Duration = std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..threads).map(|_| scope.spawn(caller)).collect();
        crowd.into_iter().map(|thread| thread.join().expect("a caller panicked")).sum()
    });
    took / u32::try_from(threads).expect("a handful of threads")
}

/// Makes `calls` calls on this thread, and looks at the world before and after them.
pub fn alone<F: AsyncFnMut(), W>(calls: u64, make: impl Fn() -> F, look: impl Fn() -> W) -> (W, W) {
    in_runtime(async {
        let mut call = make();
        // The first calls fill caches, thread locals and tables that keep what they got.
        for _ in 0..1000 {
            call().await;
        }
        let before = look();
        for _ in 0..calls {
            call().await;
        }
        (before, look())
    })
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O needs nothing from the system").block_on(work)
}
