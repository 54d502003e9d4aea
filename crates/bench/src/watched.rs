//! What benches of signals share: where lines go, how time is taken, and the line of a call.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Duration;

pub use rustix::time::ClockId;
use rustix::time::clock_gettime;
use seawall_core::CallId;
use seawall_signals::logs::{Level, Logs, Stream};

/// Takes everything.
#[derive(Debug)]
pub struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Processor time of this thread, or of all of them.
pub fn spent(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let nanos = u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec);
    Duration::from_nanos(nanos.expect("time is not negative"))
}

/// Writes the line of a call that took so long.
pub fn log(logs: &Logs, id: CallId, took_ms: f64) {
    let line = logs.line(Stream::Performance, Level::Info, "answered").call(id);
    line.text("upstream", "openai")
        .text("route", "chat")
        .text("class", "ok")
        .count("status", 200)
        .count("attempts", 1)
        .number("took_ms", took_ms)
        .number("waited_ms", 0.0)
        .flag("cached", false)
        .write();
}
