//! What is looked at beside real calls, how often, and how patiently it is believed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seawall::health::http::{Client, Http, Tunnel, VectorStore, carbon, models, vector_store};
use seawall::health::net::{Ping, Resolve, Tcp};
use seawall::health::system::{Bounds, Cpu, Disk, Gpu, Memory, Network, Temperature};
use seawall::{Invalid, health};
use seawall_core::secret::Secret;
use seawall_policy::health::{check_deadline, check_interval, check_patience};

use super::{Credential, Proxy};

/// How often an upstream is listened to: that sends nothing.
const LISTEN: Duration = Duration::from_secs(10);

/// A check. One that bears the name of an upstream is that upstream's: its calls are the finding, and it is probed only
/// while there are none.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Its name.
    pub name: Arc<str>,
    /// How it looks; nothing is by calls alone.
    pub look: Option<Look>,
    /// How often, and up to half of that later. Nothing is 10 s for calls, else every 30 to 60 s.
    pub every: Option<Duration>,
    /// How long a look may take. Nothing is 5 s.
    pub timeout: Option<Duration>,
    /// Findings in a row that must agree before it stands worse.
    pub failures: u32,
    /// Findings in a row that must agree before it stands better.
    pub successes: u32,
    /// Nothing works without it: when it is unhealthy, so is the whole.
    pub critical: bool,
}

/// How a check looks.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// One GET.
    Http {
        /// Of what.
        get: Get,
        /// A text that must be in the answer.
        contains: Option<String>,
        /// Statuses that are as good as a 2xx.
        accept: Vec<u16>,
    },
    /// The list of models of an AI provider.
    Models(Get),
    /// A store of vectors.
    VectorStore(VectorStore, Get, Option<String>),
    /// A provider of carbon intensities: where in its answer the value is, and where its moment, with the greatest age.
    Carbon(Get, String, Option<(String, Duration)>),
    /// A port; of several one is enough.
    Tcp(Vec<Arc<str>>),
    /// A name.
    Dns(Arc<str>),
    /// A host.
    Ping(Arc<str>),
    /// The file system that a path is on.
    Disk(PathBuf, Bounds),
    /// The memory.
    Memory(Bounds),
    /// The processor.
    Cpu(Bounds),
    /// The hottest sensor.
    Temperature(Bounds),
    /// The network cards.
    Network(Bounds),
    /// The graphics processors: their temperature.
    Gpu(Bounds),
}

/// A GET.
#[derive(Debug, Clone, PartialEq)]
pub struct Get {
    /// Its whole URL.
    pub url: String,
    /// The header that proves who asks.
    pub auth: Option<Credential>,
    /// Certificates trusted beside the public ones, as PEM.
    pub ca: Option<Arc<[u8]>>,
    /// What every connection goes through.
    pub proxy: Option<Proxy>,
}

impl Check {
    /// A check of this name that sends nothing.
    pub fn calls(name: Arc<str>) -> Self {
        let health::Options { down_after, up_after, .. } = health::Options::default();
        Self {
            name,
            look: None,
            every: None,
            timeout: None,
            failures: down_after,
            successes: up_after,
            critical: false,
        }
    }

    /// The check itself. Refuses what contradicts itself.
    pub fn build(&self) -> Result<health::Check, Invalid> {
        let name = self.name.clone();
        let mut check = match &self.look {
            None => health::Check::calls(name).interval(LISTEN),
            Some(look) => look.check(name)?,
        };
        if let Some(every) = self.every {
            check_interval(every).map_err(|invalid| Invalid { key: "every", ..invalid })?;
            check = check.interval(every);
        }
        if let Some(timeout) = self.timeout {
            check_deadline(timeout).map_err(|invalid| Invalid { key: "timeout", ..invalid })?;
            check = check.deadline(timeout);
        }
        check_patience("failures", self.failures)?;
        check_patience("successes", self.successes)?;
        check = check.patience(self.failures, self.successes);
        Ok(if self.critical { check.critical() } else { check })
    }
}

impl Look {
    fn check(&self, name: Arc<str>) -> Result<health::Check, Invalid> {
        let in_order = |invalid: Invalid| Invalid { key: "fail", ..invalid };
        Ok(match self {
            Look::Http { get, contains, accept } => {
                let mut probe = Http::get(get.client()?, &get.url)?;
                if let Some(text) = contains {
                    probe = probe.contains(text);
                }
                probe = accept.iter().fold(probe, |probe, status| probe.accepts(*status));
                health::Check::new(name, get.sign(probe)?)
            }
            Look::Models(get) => health::Check::new(name, get.sign(models(get.client()?, &get.url)?)?),
            Look::VectorStore(store, get, collection) => {
                let probe = vector_store(get.client()?, *store, &get.url, collection.as_deref())?;
                health::Check::new(name, get.sign(probe)?)
            }
            Look::Carbon(get, value, at) => {
                let at = at.as_ref().map(|(at, oldest)| (at.as_str(), *oldest));
                health::Check::new(name, get.sign(carbon(get.client()?, &get.url, value, at)?)?)
            }
            Look::Tcp(to) => health::Check::new(name, Tcp::any(to.iter().cloned())?),
            Look::Dns(host) => health::Check::new(name, Resolve::of(host.clone())?),
            Look::Ping(host) => health::Check::new(name, Ping::to(host.clone())?),
            Look::Disk(path, bounds) => {
                health::Check::new(name, Disk::of(path).within(*bounds).map_err(in_order)?)
            }
            Look::Memory(bounds) => health::Check::new(name, Memory::within(*bounds).map_err(in_order)?),
            Look::Cpu(bounds) => health::Check::new(name, Cpu::within(*bounds).map_err(in_order)?),
            Look::Temperature(bounds) => {
                health::Check::new(name, Temperature::within(*bounds).map_err(in_order)?)
            }
            Look::Network(bounds) => health::Check::new(name, Network::within(*bounds).map_err(in_order)?),
            Look::Gpu(bounds) => health::Check::new(name, Gpu::hot(*bounds).map_err(in_order)?),
        })
    }
}

impl Get {
    fn client(&self) -> Result<Client, Invalid> {
        let client =
            Client::new(self.ca.as_deref()).map_err(|error| Invalid::new("ca", error.to_string()))?;
        let Some(Proxy { url, credential }) = &self.proxy else { return Ok(client) };
        let tunnel = Tunnel::through(url, credential.clone()).map_err(|why| Invalid::new("proxy", why))?;
        Ok(client.through(tunnel))
    }

    fn sign(&self, probe: Http) -> Result<Http, Invalid> {
        let Some(Credential { header, value }) = &self.auth else { return Ok(probe) };
        match value.to_str() {
            Ok(text) => probe.header(header.as_str(), &Secret::new(text.to_owned())),
            Err(_) => Err(Invalid::new("auth", "holds characters a header cannot carry: write another")),
        }
    }
}
