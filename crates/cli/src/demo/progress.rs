//! What is shown while the traffic runs: bars on a terminal, a line now and then elsewhere.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{Instant, sleep};

use super::Way;
use super::clients::Seen;
use crate::output::note;

/// How far one way is.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ended: AtomicUsize,
    succeeded: AtomicUsize,
}

impl Tally {
    /// One more has ended.
    pub(super) fn add(&self, seen: &Seen) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.succeeded.fetch_add(usize::from(seen.succeeded()), Ordering::Relaxed);
    }

    fn read(&self) -> (usize, usize) {
        (self.ended.load(Ordering::Relaxed), self.succeeded.load(Ordering::Relaxed))
    }
}

/// The bars. Dropping them clears them away.
struct Bars(Vec<ProgressBar>);

impl Drop for Bars {
    fn drop(&mut self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// Shows how far each way is of so many operations, until it is dropped.
pub(super) async fn show(tallies: &[Tally; 3], of: usize) -> Infallible {
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    if all.is_hidden() {
        return tell(tallies, of).await;
    }
    // Without colours: it is gone in a moment, and the table has them.
    let style = ProgressStyle::with_template("{prefix:>10}  {bar:40}  {pos:>4} of {len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = |way: Way| {
        let bar = all.add(ProgressBar::new(of as u64));
        bar.set_style(style.clone());
        bar.set_prefix(way.name());
        bar
    };
    let bars = Bars(Way::ALL.map(bar).into());
    loop {
        for (bar, tally) in bars.0.iter().zip(tallies) {
            let (ended, succeeded) = tally.read();
            bar.set_position(ended as u64);
            bar.set_message(format!("{} failed", ended - succeeded.min(ended)));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn tell(tallies: &[Tally; 3], of: usize) -> Infallible {
    let began = Instant::now();
    loop {
        sleep(Duration::from_secs(5)).await;
        let ways: Vec<String> = Way::ALL
            .iter()
            .zip(tallies)
            .map(|(way, tally)| {
                let (ended, succeeded) = tally.read();
                format!("{} {ended} ({} failed)", way.name(), ended - succeeded.min(ended))
            })
            .collect();
        note(format_args!("seawall: {:>2} s, of {of}: {}", began.elapsed().as_secs(), ways.join(", ")));
    }
}
