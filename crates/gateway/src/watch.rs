//! Stays with an answer until its body has ended, and settles what the call still held.

use std::sync::Arc;

use seawall::pipeline::Held;
use seawall_core::verdict::Lesson;
use seawall_core::{Class, Code};

use crate::body::{Ending, Watch};
use crate::proxy::Worker;
use crate::record::count_end;
use crate::story::{End, Story};

/// The end of one call.
pub(crate) struct AtEnd {
    pub(crate) worker: Arc<Worker>,
    pub(crate) story: Arc<Story>,
    pub(crate) place: usize,
    pub(crate) held: Held,
}

impl Watch for AtEnd {
    fn ended(self: Box<Self>, ending: Ending, bytes: u64) {
        let class = match ending {
            Ending::Complete => self.story.class,
            Ending::Cut | Ending::Swollen => Class::Transport,
            Ending::Stalled => Class::Timeout,
            Ending::Abandoned => Class::Cancelled,
        };
        let now = self.worker.house.now();
        let after = now.since(self.worker.house.ground.started);
        if ending == Ending::Swollen
            && let Some(upstream) = self.story.upstream
        {
            // Refused by us, though too late to say so in a status.
            self.worker.house.upstreams[upstream].meters.rejections.of(Code::Swollen).inc();
        }
        if let (Ending::Cut | Ending::Stalled, Some(upstream)) = (ending, self.story.upstream) {
            // Its head was counted as good, and what came after it was not.
            self.worker.house.upstreams[upstream].feed.heard(Lesson::Failure);
        }
        let _ = self.story.end.set(End { ending, bytes, after });
        match ending {
            Ending::Complete => self.held.settle_at(now),
            Ending::Cut | Ending::Stalled | Ending::Swollen => self.held.cut(),
            Ending::Abandoned => drop(self.held),
        }
        count_end(&self.worker, &self.story, self.place, class, now);
    }
}
