//! A job from its first attempt to its last, cooldowns included.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::{Block, Blocked, Next, Retrier};

/// What a failure is to whoever may run the job again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words.
    pub how: Cow<'static, str>,
    /// May another attempt change that?
    pub repeat: bool,
}

impl Failure {
    /// Another attempt may work.
    pub fn passing(how: impl Into<Cow<'static, str>>) -> Self {
        Self { how: how.into(), repeat: true }
    }

    /// Another attempt would fail alike.
    pub fn lasting(how: impl Into<Cow<'static, str>>) -> Self {
        Self { how: how.into(), repeat: false }
    }
}

/// Why a job came to its end without working.
#[derive(Debug)]
pub enum Stopped<E> {
    /// An attempt was not made; with the error of the one before, where there was one.
    Blocked(Blocked, Option<E>),
    /// The last attempt failed, and why there is no other.
    Failed(E, Block),
}

impl<E: fmt::Display> fmt::Display for Stopped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Blocked(blocked, None) => blocked.fmt(f),
            Stopped::Blocked(blocked, Some(error)) => write!(f, "{blocked}, after {error}"),
            Stopped::Failed(error, why) => write!(f, "{error} ({why})"),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Stopped<E> {}

impl Retrier {
    /// Attempts a job until it works, is given up, or is blocked; waits for its cooldowns in between. `op` is given the
    /// number of the attempt, from 1.
    ///
    /// Dropping it mid-way leaves what was attempted as it is: whoever comes with the same job later goes on from there.
    pub async fn run<T, E, F>(
        &self,
        job_type: &str,
        job_id: &str,
        classify: impl Fn(&E) -> Failure,
        mut op: impl FnMut(u32) -> F,
    ) -> Result<T, Stopped<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut last = None;
        loop {
            let attempt = match self.begin(job_type, job_id).await {
                Ok(attempt) => attempt,
                Err(blocked) => return Err(Stopped::Blocked(blocked, last)),
            };
            let error = match op(attempt.number()).await {
                Ok(value) => {
                    attempt.worked().await;
                    return Ok(value);
                }
                Err(error) => error,
            };
            let Failure { how, repeat } = classify(&error);
            match attempt.failed(&how, repeat).await {
                Next::Again(pause) => self.cool_down(job_type, job_id, pause).await,
                Next::Over(why) => return Err(Stopped::Failed(error, why)),
                Next::Done => return Err(Stopped::Failed(error, Block::Final)),
            }
            last = Some(error);
        }
    }

    /// Waits for a cooldown. The timer's clock and ours may differ by a hair, and somebody else may have attempted the
    /// job meanwhile: whoever comes too early waits for the rest, and is not blocked.
    async fn cool_down(&self, job_type: &str, job_id: &str, pause: Duration) {
        let mut left = Some(pause);
        while let Some(pause) = left {
            tokio::time::sleep(pause).await;
            left = match self.may_retry(job_type, job_id).await {
                Err(blocked) if blocked.reason == Block::CoolingDown => blocked.retry_after,
                _ => None,
            };
        }
    }
}
