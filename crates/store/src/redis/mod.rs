//! Effects kept by a Redis or Valkey server, for fleets.
//!
#![doc = include_str!("../../../../docs/stores-redis.md")]

mod address;
mod breaking;
mod check;
mod examine;
mod fleet;
mod jobs;
mod link;
mod list;
mod live;
mod moving;
mod note;
mod options;
mod scripts;
mod shared;
mod standing;
mod sweep;
mod tls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use redis::{Cmd, Value};
use seawall_core::effect::{Answer, Key, Nature, Operation};
use seawall_core::store::{Asked, Page, Promise, Store, StoreError, Swept, Told, Wanted};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use crate::time::Time;
use address::Address;
pub use check::{Check, Concern, Weight};
use link::{Job, Reply, Step, Ways};
pub use moving::{Gone, Run};
pub use options::{Identity, Rearm, RedisOptions, Wait};
use scripts::Script;
use shared::{Looked, Shared};
use tls::Tls;
use wire::Said;

/// A server that remembers effects. A thread of its own speaks to it, and ends with it; questions that were asked are
/// still carried then.
pub struct Redis {
    shared: Arc<Shared>,
    ways: Ways,
    /// The part a sweep begins with, so that none is always last.
    turn: AtomicUsize,
}

/// The namespace an address names, `seawall` where it names none; or what is wrong with the address.
pub fn namespace(url: &str) -> Result<String, String> {
    Address::parse(url).map(|address| address.namespace)
}

/// The server, database and namespace an address names, spelt in one way; or what is wrong with it.
pub fn spelt(url: &str) -> Result<String, String> {
    Address::parse(url).map(|address| address.to_string())
}

/// A store, and what is to be known about it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Redis,
    /// What somebody should know, at the time it was opened; later, see [`Redis::findings`].
    pub findings: Vec<Concern>,
}

impl Redis {
    /// Connects to `redis://host:port/db?namespace=…`, or `rediss://…` with TLS, and looks the server over.
    ///
    /// An error where it cannot be reached or used at all: a replica, a cluster, a version before 7. Where it can be
    /// used but not trusted with everything, it opens, and says so in the findings.
    pub async fn open(url: &str, options: RedisOptions) -> Result<Opened, StoreError> {
        Self::open_by(url, options, None, false).await
    }

    /// The same to look at only: nothing is brought to rest, noted or loaded, there or here. It lists, and is asked nothing
    /// else.
    pub async fn look_at(url: &str, options: RedisOptions) -> Result<Opened, StoreError> {
        Self::open_by(url, options, None, true).await
    }

    /// The same, going by a clock of your own: for tests. Set it far ahead of the server's, which ends the lives of what
    /// is finished.
    pub async fn open_at(url: &str, options: RedisOptions, time: Time) -> Result<Opened, StoreError> {
        Self::open_by(url, options, Some(time), false).await
    }

    async fn open_by(
        url: &str,
        options: RedisOptions,
        time: Option<Time>,
        looking: bool,
    ) -> Result<Opened, StoreError> {
        let address = Address::parse(url).map_err(StoreError::Unavailable)?;
        options.check().map_err(StoreError::Unavailable)?;
        let tls = Tls::of(&address, &options).map_err(StoreError::Unavailable)?;
        let noted = options.known.as_deref().map(note::read).transpose()?.flatten();
        let looked = Looked {
            run: noted.as_ref().and_then(|noted| noted.run.clone()),
            known: noted.as_ref().map(|noted| noted.incarnation),
            from_note: noted.is_some(),
            noted,
            ..Looked::default()
        };
        let shared = Arc::new(Shared::new(address, options, tls, time, looked, looking));
        let (ways, opened) = link::start(shared.clone())
            .map_err(|error| StoreError::Broken(format!("no thread for the server: {error}")))?;
        opened.await.unwrap_or_else(|_| Err(link::gone()))?;
        let store = Self { shared, ways, turn: AtomicUsize::new(0) };
        let findings = store.findings();
        Ok(Opened { store, findings })
    }

    /// What somebody should know about the server, as it was last seen.
    pub fn findings(&self) -> Vec<Concern> {
        self.shared.gate().concerns.clone()
    }

    /// Why no effect of this nature is begun, if none is.
    pub fn refuses(&self, nature: Nature) -> Option<Arc<str>> {
        self.shared.gate().refusal.clone().filter(|_| wire::wary(nature))
    }

    /// Trusts a server that forgot, from now on and for everything: by the word of somebody who has made sure that
    /// nothing it lost will be asked for again. Without a loss, nothing changes.
    pub async fn rearm(&self) -> Result<(), StoreError> {
        answer(self.send(Job::Rearm).await?).await
    }

    async fn send<T>(
        &self,
        job: impl FnOnce(Reply<T>) -> Job,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ways.jobs.send(job(reply)).await.map_err(|_| link::gone())?;
        Ok(answer)
    }

    async fn batch(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        answer(self.send(|reply| Job::Batch(commands, reply)).await?).await
    }

    /// Asks by a script, and gives what it answered to the question's number. It is handed over before anybody polls:
    /// whoever drops what is returned has asked.
    fn raw(
        &self,
        key: Key,
        script: Script,
        question: impl FnOnce(&str, [u8; 4]) -> Cmd,
    ) -> Asked<'_, Vec<u8>> {
        let (number, digest) = self.shared.asking(script);
        let command = question(digest, number.to_be_bytes());
        let (reply, answered) = oneshot::channel();
        let left = hand(&self.ways.jobs, Job::Step(Step { number, key, command, reply }));
        Box::pin(async move {
            if let Some(job) = left? {
                self.ways.jobs.send(job).await.map_err(|_| link::gone())?;
            }
            // The number has been compared.
            answer(answered).await.map(|mut said| said.split_off(4))
        })
    }

    /// What a step was answered.
    fn heard(&self, operation: &Operation, reply: &[u8]) -> Result<Told, StoreError> {
        match wire::said(reply) {
            Some(Said::Told(told)) => {
                if let (Operation::Begin(begin), Answer::Run(token)) = (operation, &told.answer) {
                    self.shared.granted(begin.key, *token, begin.keep.key);
                }
                Ok(told)
            }
            Some(Said::Forgot { older: false }) => {
                self.shared.look.notify_one();
                Err(StoreError::Forgot("the server is not the memory this fleet trusted".into()))
            }
            Some(Said::Forgot { older: true }) => {
                Err(StoreError::Forgot("the wish may be older than what the server lost".into()))
            }
            Some(Said::Passed { .. }) | None => {
                Err(StoreError::Unreadable("the server answered in words this version does not know".into()))
            }
        }
    }
}

async fn answer<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    answer.await.unwrap_or_else(|_| Err(link::gone()))
}

/// Hands something over now if there is room, and otherwise says what is left to be handed over.
fn hand<T>(way: &Sender<T>, job: T) -> Result<Option<T>, StoreError> {
    match way.try_send(job) {
        Ok(()) => Ok(None),
        Err(TrySendError::Full(job)) => Ok(Some(job)),
        Err(TrySendError::Closed(_)) => Err(link::gone()),
    }
}

impl Store for Redis {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        if let Operation::Begin(begin) = &operation
            && let Some(why) = self.refuses(begin.nature)
        {
            return Box::pin(std::future::ready(Err(StoreError::Forgot(why.to_string()))));
        }
        let (number, command) = self.shared.question(&operation);
        let (reply, answered) = oneshot::channel();
        let step = Step { number, key: operation.key(), command, reply };
        // Handed over before anybody polls: whoever drops what is returned has asked.
        let way = match (&operation, &self.ways.grants) {
            (Operation::Begin(_), Some(grants)) => hand(grants, step).map(|left| left.map(Left::Grant)),
            _ => hand(&self.ways.jobs, Job::Step(step)).map(|left| left.map(Left::Job)),
        };
        Box::pin(async move {
            match (way?, &self.ways.grants) {
                (Some(Left::Grant(step)), Some(grants)) => {
                    grants.send(step).await.map_err(|_| link::gone())?;
                }
                (Some(Left::Job(job)), _) => self.ways.jobs.send(job).await.map_err(|_| link::gone())?,
                _ => {}
            }
            self.heard(&operation, &answer(answered).await?)
        })
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        Box::pin(sweep::sweep(self, limit))
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        Box::pin(list::list(self, wanted))
    }

    /// What an acknowledged step survives, as the server was last seen to be set.
    fn promise(&self) -> Promise {
        self.shared.gate().promise
    }

    fn doubted(&self) -> Option<String> {
        self.refuses(Nature::Opaque).map(|why| why.to_string())
    }

    fn settle(&self) -> Asked<'_, ()> {
        Box::pin(self.rearm())
    }
}

/// What found no room at once.
enum Left {
    Job(Job),
    Grant(Step),
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("address", &self.shared.address).finish_non_exhaustive()
    }
}
