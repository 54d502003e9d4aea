//! What may be chosen about a server.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::secret::Secret;

use super::Check;

/// How a server is spoken to, and what is accepted of it.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Who we are, where the server has users. Default none.
    pub username: Option<String>,
    /// Our password. Default none.
    pub password: Option<Secret>,
    /// Authorities trusted beside the public ones, as PEM, where the address says `rediss://`. Default none.
    pub ca: Option<Arc<[u8]>>,
    /// What we show of ourselves, where the server asks for a certificate. Default nothing.
    pub identity: Option<Identity>,
    /// How long an answer may take, connecting included. Default 2 s: far above a healthy server's milliseconds, and
    /// below the patience of most callers. A server that takes longer is disconnected.
    pub timeout: Duration,
    /// Replicas that must have received a grant before it counts. Default none: a replica that takes over may then lack
    /// the last grants, and the check `failover` says so.
    pub wait: Option<Wait>,
    /// Memory of the whole server above which it is warned of. Default 100 MB.
    pub memory_budget: u64,
    /// Checks whose refusal is overruled: somebody knows, and answers for it. Default none.
    pub acknowledged: BTreeSet<Check>,
    /// A file in which this machine notes which memory it trusts, so that a server that comes back empty is recognised
    /// after a restart of ours too. Default none: then a process that starts on an empty namespace takes it for a first
    /// start.
    pub known: Option<PathBuf>,
    /// How long nothing that could happen twice is begun after the server forgot. Default 15 min: give at least the
    /// longest lease and the longest settling time together.
    pub quarantine: Duration,
    /// What ends that time.
    pub rearm: Rearm,
    /// How often the server is looked over again. Default 60 s: its settings can change while it runs.
    pub check_every: Duration,
}

/// A certificate of our own.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate and those that lead to its authority, as PEM.
    pub chain: Arc<[u8]>,
    /// Its key, as PEM.
    pub key: Secret,
}

/// How many replicas a grant waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// So many.
    pub replicas: u32,
    /// So long; then the run is not granted.
    pub within: Duration,
}

/// What makes a memory that forgot trusted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rearm {
    /// Time: when the quarantine is over. Wishes that may be older than the loss stay refused for as long as their
    /// record would have lived.
    #[default]
    AfterQuarantine,
    /// A person only, by [`super::Redis::rearm`].
    ByHand,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            username: None,
            password: None,
            ca: None,
            identity: None,
            timeout: Duration::from_secs(2),
            wait: None,
            memory_budget: 100 << 20,
            acknowledged: BTreeSet::new(),
            known: None,
            quarantine: Duration::from_secs(15 * 60),
            rearm: Rearm::default(),
            check_every: Duration::from_secs(60),
        }
    }
}

impl RedisOptions {
    /// What is wrong with them, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        let hour = Duration::from_secs(3600);
        let span = |name: &str, span: Duration, longest: Duration| match span {
            Duration::ZERO => Err(format!("{name} is zero: write something like \"2s\"")),
            span if span > longest => Err(format!("{name} is {span:?}: write at most {longest:?}")),
            _ => Ok(()),
        };
        span("timeout", self.timeout, hour)?;
        span("check_every", self.check_every, hour * 24)?;
        if let Some(wait) = self.wait {
            span("wait.within", wait.within, hour)?;
            if wait.replicas == 0 {
                return Err("wait.replicas is zero: leave wait out, or write at least 1".into());
            }
        }
        Ok(())
    }
}
