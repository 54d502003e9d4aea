//! How full a file system is, and whether it can be written at all.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};
use seawall_policy::Invalid;

use super::Bounds;
use crate::health::check::{Finding, Probe, Probing};

/// The share of a file system that is used, of its bytes or of its files, whichever is fuller; unhealthy if it can only be
/// read. What the system keeps for the superuser counts as used, as in `df`.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    bounds: Bounds,
}

impl Disk {
    /// The bounds it has unless it is told others.
    pub const USUAL: Bounds = Bounds { degraded: 0.85, unhealthy: 0.95 };

    /// The file system that this path is on: degraded at 85 %, unhealthy at 95 %.
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), bounds: Self::USUAL }
    }

    /// The same with bounds of your own, as shares of 1. Refuses bounds that are not in order.
    pub fn within(mut self, bounds: Bounds) -> Result<Self, Invalid> {
        bounds.check()?;
        self.bounds = bounds;
        Ok(self)
    }

    pub(super) fn judge(&self, found: &StatVfs) -> Finding {
        let path = self.path.display();
        if found.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Finding::unhealthy(format_args!("{path} can only be read"));
        }
        let used = |all: u64, free: u64, left: u64| {
            let used = all.saturating_sub(free);
            let whole = used.saturating_add(left);
            if whole == 0 { 0.0 } else { used as f64 / whole as f64 }
        };
        let bytes = used(found.f_blocks, found.f_bfree, found.f_bavail);
        // A file system without a fixed number of files says zero.
        let files = used(found.f_files, found.f_ffree, found.f_favail);
        let (share, what) = if files > bytes { (files, "files of") } else { (bytes, "disk") };
        self.bounds.of_share(share, &format!("{what} {path}"))
    }
}

impl Probe for Disk {
    fn kind(&self) -> &'static str {
        "disk"
    }

    fn probe(self: Arc<Self>) -> Probing {
        Box::pin(async move {
            // Away from the runtime: a network file system that is gone answers after minutes, or never.
            let path = self.path.clone();
            match tokio::task::spawn_blocking(move || statvfs(&path)).await {
                Ok(Ok(found)) => self.judge(&found),
                Ok(Err(error)) => {
                    Finding::unhealthy(format_args!("{} cannot be looked at: {error}", self.path.display()))
                }
                Err(_) => Finding::unhealthy("the look was given up"),
            }
        })
    }
}
