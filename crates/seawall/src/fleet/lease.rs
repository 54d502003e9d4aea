//! A name that is kept: renewed in the background, and let go of when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use seawall_core::fleet::{Member, lease};
use seawall_core::store::StoreError;
use seawall_core::{Clock, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Fleet, drawn, late};
use crate::timeout::within;

/// What came of wanting a name.
#[derive(Debug)]
pub enum Taken {
    /// It is this process's.
    Mine(Lease),
    /// Somebody else has it, for at most this much longer unless it is renewed.
    Busy(Duration),
}

/// A name that this process has. Dropping it lets go of it.
///
/// It is renewed three times in its span, in the background of the runtime it was taken in. A runtime that stands still
/// loses it, and so does a process that is stopped: [`Lease::is_held`] says so, by this machine's clock and on the safe
/// side, but nothing can say so to work that is under way. Give the [epoch](Lease::epoch) along with everything that is
/// done by this right, and have whoever does it refuse a lower one than it has seen.
#[derive(Debug)]
#[must_use = "a lease that is dropped is let go of"]
pub struct Lease {
    right: Right,
    held: Arc<AtomicU64>,
    keeper: JoinHandle<()>,
}

/// Who holds what.
#[derive(Debug, Clone)]
struct Right {
    fleet: Fleet,
    name: Arc<str>,
    holder: Member,
    epoch: u64,
}

pub(super) async fn take(fleet: &Fleet, name: Arc<str>, span: Duration) -> Result<Taken, StoreError> {
    let (holder, asked) = (drawn(), fleet.clock().now());
    let span = span.max(Duration::from_millis(1));
    let (said, answer) = oneshot::channel();
    let claim = {
        let (store, name) = (fleet.store().clone(), name.clone());
        async move {
            let answer = store.lease(&name, lease::Ask::Acquire { holder, span }).await;
            // A claim that is granted when nobody waits for it any more is let go of.
            if let Err(Ok(lease::Said::Held(epoch))) = said.send(answer) {
                let _ = store.lease(&name, lease::Ask::Release { holder, epoch }).await;
            }
        }
    };
    tokio::spawn(claim);
    let answer = within(answer, fleet.0.0.options.patience).await;
    let epoch = match answer.unwrap_or_else(|_| Ok(Err(late()))).unwrap_or_else(|_| Err(late()))? {
        lease::Said::Held(epoch) => epoch,
        lease::Said::Busy(wait) => return Ok(Taken::Busy(wait)),
        said => return Err(StoreError::Unreadable(format!("a claim was answered {said:?}"))),
    };
    let right = Right { fleet: fleet.clone(), name, holder, epoch };
    let held = Arc::new(AtomicU64::new((asked + span).as_nanos()));
    let keeper = tokio::spawn(keep(right.clone(), span, held.clone()));
    Ok(Taken::Mine(Lease { right, held, keeper }))
}

/// Renews it until it is lost.
async fn keep(right: Right, span: Duration, held: Arc<AtomicU64>) {
    let Right { fleet, name, holder, epoch } = right;
    let clock = fleet.clock();
    loop {
        sleep(span / 3).await;
        let asked = clock.now();
        if asked >= Instant::from_nanos(held.load(Ordering::Relaxed)) {
            // Too late to be sure of it, whatever the store says.
            return held.store(0, Ordering::Relaxed);
        }
        let renewed = fleet.store().lease(&name, lease::Ask::Renew { holder, epoch, span });
        match within(renewed, span / 3).await {
            Ok(Ok(lease::Said::Held(_))) => held.store((asked + span).as_nanos(), Ordering::Relaxed),
            Ok(Ok(_)) => return held.store(0, Ordering::Relaxed),
            // The store is away. It is held until its span is over.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

impl Lease {
    /// Higher than that of everybody who had the name before.
    pub fn epoch(&self) -> u64 {
        self.right.epoch
    }

    /// Is it surely held at this moment?
    pub fn is_held(&self) -> bool {
        !self.left().is_zero()
    }

    /// For how much longer it is surely held if it is not renewed.
    pub fn left(&self) -> Duration {
        self.right.fleet.clock().now().until(Instant::from_nanos(self.held.load(Ordering::Relaxed)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.keeper.abort();
        let Right { fleet, name, holder, epoch } = &self.right;
        // It has been handed over; where it is lost the lease ends by itself.
        drop(fleet.store().lease(name, lease::Ask::Release { holder: *holder, epoch: *epoch }));
    }
}
