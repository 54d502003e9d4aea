//! Jobs: attempts that are counted in the store, so that workers share their cooldowns and their breaker.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::job::JobState;
use seawall_jobs::retry::{Block, Lever, Options, Retrier};

use super::Me;
use crate::words::{Attempted, How, Job, Kind, Said, Trouble, What};

/// The type of all of them.
const TYPE: &str = "import";

/// What attempts jobs; by default by what this process alone remembers.
#[derive(Default)]
pub(super) struct Jobs(Retrier);

impl Jobs {
    pub(super) fn new(state: Arc<dyn JobState>) -> Self {
        // Ten failures in five minutes open the breaker, as usual; only cooldowns are not waited for.
        let options = Options { base: Duration::from_millis(1), ..Options::default() };
        let retrier = Retrier::builder().options(options).state(state).build();
        Self(retrier.unwrap_or_default())
    }

    pub(super) async fn half_open(&self) {
        // Whoever asks how it stands sees whether it was moved.
        let _ =
            self.0.override_breaker(TYPE, Lever::HalfOpen, "operator", "the far side is there again").await;
    }

    pub(super) async fn hour(&self) -> Said {
        let all = self.0.hour().all;
        let of = |block: Block| {
            let place = Block::ALL.iter().position(|known| *known == block);
            place.map_or(0, |place| all.reasons[place])
        };
        Said::Hour {
            breaker: self.0.breaker(TYPE).await.ok().map(|standing| standing.state.as_str().to_owned()),
            attempts: all.attempts,
            retries: all.retries,
            blocked: of(Block::BreakerOpen),
            unavailable: of(Block::StateUnavailable),
        }
    }
}

impl Me {
    /// Takes an attempt of a job and makes it: the effect of its number.
    pub(super) async fn attempt(self: Arc<Self>, id: u64, works: bool) -> Attempted {
        let attempt = match self.jobs.0.begin(TYPE, &id.to_string()).await {
            Ok(attempt) => attempt,
            Err(blocked) => return Attempted::Blocked(blocked.reason.as_str().to_owned()),
        };
        let trouble = if works { Trouble::None } else { Trouble::NotSent(0) };
        let job = Job { trouble, ..Job::plain(id, What { kind: Kind::Charge, id }) };
        match self.once(job).await {
            How::Ok { .. } => {
                attempt.worked().await;
                Attempted::Worked
            }
            other => {
                attempt.failed(&format!("{other:?}"), true).await;
                Attempted::Failed
            }
        }
    }
}
