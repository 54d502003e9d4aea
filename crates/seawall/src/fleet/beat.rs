//! The heartbeat: one task for as long as the process is in its fleet.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use seawall_core::fleet::presence;

use super::Inner;
use crate::timeout::within;

/// Says that this process is there until it leaves; more often while the store is away.
pub(super) async fn go_on(inner: Arc<Inner>) {
    loop {
        let pause = match inner.up.load(Ordering::Relaxed) {
            true => inner.options.beat,
            false => inner.options.poll,
        };
        match within(inner.woken.notified(), pause).await {
            Ok(()) if inner.left.load(Ordering::Relaxed) => break,
            // The store was lost: it is asked again sooner, and not at once.
            Ok(()) => {}
            Err(_) => inner.beat().await,
        }
    }
    // It has been handed over; whoever does not hear it counts us for some beats more.
    drop(inner.store.presence(&inner.group, presence::Ask::Gone(inner.member)));
}
