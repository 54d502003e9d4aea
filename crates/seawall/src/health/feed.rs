//! Where real calls are counted, so that no probe need ask what they have seen.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seawall_core::verdict::Lesson;
use seawall_policy::health::calls::Counts;

/// Counts the calls to what a check looks at. Clones share the counts. Counting costs one atomic addition.
#[derive(Clone, Default)]
pub struct Feed(Arc<Inner>);

#[derive(Default)]
struct Inner {
    good: AtomicU64,
    bad: AtomicU64,
    neither: AtomicU64,
}

impl Feed {
    /// A call ended. Tell it of calls that reached what the check looks at, or tried to; not of those that a policy of ours
    /// refused.
    pub fn heard(&self, lesson: Lesson) {
        let count = match lesson {
            Lesson::Success | Lesson::Answered => &self.0.good,
            Lesson::Failure => &self.0.bad,
            Lesson::Nothing => &self.0.neither,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> Counts {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Counts { good: take(&self.0.good), bad: take(&self.0.bad), neither: take(&self.0.neither) }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        f.debug_struct("Feed").field("good", &count(&self.0.good)).field("bad", &count(&self.0.bad)).finish()
    }
}
