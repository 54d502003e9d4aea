//! Allocations per guarded call, counted in a program of their own: the counting would cost time.

use std::alloc::System;
use std::io::Write;

use seawall_bench::{Audience, alone, parade};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: u64 = 10_000;

struct Counted;

impl Audience for Counted {
    fn watch<F: AsyncFnMut()>(&mut self, name: &str, make: impl Fn() -> F + Sync) {
        let (before, after) = alone(CALLS, make, || ALLOCATOR.stats());
        let spent = after - before;
        let each = |count: usize| count as f64 / CALLS as f64;
        let (times, bytes) = (each(spent.allocations + spent.reallocations), each(spent.bytes_allocated));
        let shown =
            writeln!(std::io::stdout(), "{name:<44} {times:>7.2} allocations {bytes:>8.0} B per call");
        // Nobody is left to read: the figures are lost, and nothing else is.
        drop(shown);
    }
}

fn main() {
    parade(&mut Counted);
}
