//! `[health.NAME]`: something that is looked at every so often.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use schemars::JsonSchema;
use seawall::health::http::VectorStore;
use seawall::health::system::{Bounds, Cpu, Disk, Gpu, Memory, Network, Temperature};
use seawall_config::check_url;
use seawall_core::units::{self, Share};
use seawall_gateway::plan::health::{Check, Get, Look};
use seawall_gateway::plan::{Credential, Proxy};
use seawall_policy::Invalid;
use serde::Deserialize;

use super::upstream::Auth;
use super::words::{in_the_clear, text};

/// Something that is looked at: exactly one of `http`, `ai`, `vector_store`, `carbon`, `tcp`, `online`, `dns`, `ping`,
/// `disk`, `memory`, `cpu`, `temperature`, `network` and `gpu`, and what belongs to it. One that bears the name of an
/// upstream looks only while nobody calls that, and may do without.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Health {
    /// One GET: a 2xx is healthy.
    pub(crate) http: Option<Page>,
    /// The list of models of an AI provider, such as "https://api.openai.com/v1/models": free, and it shows that the key is
    /// good.
    pub(crate) ai: Option<Page>,
    /// A store of vectors at `url`: qdrant, weaviate, chroma, milvus or elastic.
    pub(crate) vector_store: Option<VectorStore>,
    /// Where a store of vectors is, without a path.
    pub(crate) url: Option<Page>,
    /// The collection that must be well. Default: the store as a whole.
    pub(crate) collection: Option<String>,
    /// A provider of carbon intensities: the URL of its present value.
    pub(crate) carbon: Option<Page>,
    /// Where in its JSON the value is, such as "/carbonIntensity".
    pub(crate) value: Option<String>,
    /// Where in its JSON the moment of the value is, such as "/datetime". Default: it is not looked at.
    pub(crate) at: Option<String>,
    /// How old the value may be. Default 2 h.
    #[serde(with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) oldest: Option<Duration>,
    /// A port that must take connections: "host:port".
    pub(crate) tcp: Option<String>,
    /// Ports of which one must take connections: is there a network at all?
    pub(crate) online: Option<Vec<String>>,
    /// A name that must be known.
    pub(crate) dns: Option<String>,
    /// A host that must answer pings.
    pub(crate) ping: Option<String>,
    /// A path whose file system must have room.
    pub(crate) disk: Option<PathBuf>,
    /// The memory, of the machine or of the container.
    pub(crate) memory: bool,
    /// The processor, of the machine or of the container.
    pub(crate) cpu: bool,
    /// The hottest sensor.
    pub(crate) temperature: bool,
    /// The network cards.
    pub(crate) network: bool,
    /// The temperature of the graphics processors, and the fullest memory of theirs.
    pub(crate) gpu: bool,
    /// A credential for who is asked over HTTP. Default: that of the upstream of the same name, at its own address.
    pub(crate) auth: Option<Auth>,
    /// A text that must be in the answer to `http`.
    pub(crate) contains: Option<String>,
    /// Statuses of the answer to `http` that are as good as a 2xx.
    pub(crate) accept: Vec<u16>,
    /// A file of certificates (PEM) trusted beside the public ones.
    pub(crate) ca: Option<PathBuf>,
    /// Degraded from here: a share like "85%", of temperatures degrees like "80C".
    pub(crate) warn: Option<Bound>,
    /// Unhealthy from here.
    pub(crate) fail: Option<Bound>,
    /// How often, and up to half of that later. Default: every 30 to 60 s; calls are listened to every 10 s.
    #[serde(with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) every: Option<Duration>,
    /// How long a look may take. Default 5 s.
    #[serde(with = "units::option_duration")]
    #[schemars(schema_with = "units::option_duration_schema")]
    pub(crate) timeout: Option<Duration>,
    /// Findings in a row that must agree before it stands worse. Default 3.
    pub(crate) failures: Option<u32>,
    /// Findings in a row that must agree before it stands better. Default 2.
    pub(crate) successes: Option<u32>,
    /// Nothing works without it: `/health` is 503 while it is unhealthy. Default false.
    pub(crate) critical: bool,
}

/// How old the value of a carbon provider may be.
const OLDEST: Duration = Duration::from_secs(7200);
const KINDS: &str = "write one of http, ai, vector_store, carbon, tcp, online, dns, ping, disk, memory, cpu, temperature, \
                     network, gpu";

impl Health {
    /// What it looks at; nothing where nothing is written. Refuses more than one.
    pub(crate) fn kind(&self) -> Result<Option<&'static str>, Invalid> {
        let kinds = [
            ("http", self.http.is_some()),
            ("ai", self.ai.is_some()),
            ("vector_store", self.vector_store.is_some()),
            ("carbon", self.carbon.is_some()),
            ("tcp", self.tcp.is_some()),
            ("online", self.online.is_some()),
            ("dns", self.dns.is_some()),
            ("ping", self.ping.is_some()),
            ("disk", self.disk.is_some()),
            ("memory", self.memory),
            ("cpu", self.cpu),
            ("temperature", self.temperature),
            ("network", self.network),
            ("gpu", self.gpu),
        ];
        let mut written = kinds.iter().filter(|(_, written)| *written).map(|(kind, _)| *kind);
        let kind = written.next();
        match written.next() {
            Some(other) => {
                let kind = kind.unwrap_or_default();
                Err(Invalid::new(other, format!("one check cannot be {kind} and {other}: {KINDS}")))
            }
            None => Ok(kind),
        }
    }

    /// The page it asks for over HTTP, and the key it is written under.
    pub(crate) fn page(&self) -> Option<(&'static str, &Page)> {
        let pages = [("http", &self.http), ("ai", &self.ai), ("carbon", &self.carbon), ("url", &self.url)];
        pages.into_iter().find_map(|(key, page)| Some((key, page.as_ref()?)))
    }

    /// Refuses keys that belong to another kind, and what is missing. `of_upstream` is whether calls are heard of it.
    pub(crate) fn check(&self, of_upstream: bool) -> Result<(), Invalid> {
        let kind = self.kind()?;
        if kind.is_none() && !of_upstream {
            return Err(Invalid::new("http", format!("there is nothing to look at: {KINDS}")));
        }
        let of = |kinds: &[&str]| kind.is_some_and(|kind| kinds.contains(&kind));
        let asks = of(&["http", "ai", "vector_store", "carbon"]);
        let measures = of(&["disk", "memory", "cpu", "temperature", "network", "gpu"]);
        let foreign = [
            ("url", self.url.is_some(), of(&["vector_store"]), "vector_store"),
            ("collection", self.collection.is_some(), of(&["vector_store"]), "vector_store"),
            ("value", self.value.is_some(), of(&["carbon"]), "carbon"),
            ("at", self.at.is_some(), of(&["carbon"]), "carbon"),
            ("oldest", self.oldest.is_some(), of(&["carbon"]), "carbon"),
            ("contains", self.contains.is_some(), of(&["http"]), "http"),
            ("accept", !self.accept.is_empty(), of(&["http"]), "http"),
            ("auth", self.auth.is_some(), asks, "http, ai, vector_store or carbon"),
            ("ca", self.ca.is_some(), asks, "http, ai, vector_store or carbon"),
            ("warn", self.warn.is_some(), measures, "what is measured, such as disk"),
            ("fail", self.fail.is_some(), measures, "what is measured, such as disk"),
            ("timeout", self.timeout.is_some(), kind.is_some(), "what is looked at"),
        ];
        if let Some((key, _, _, whose)) =
            foreign.into_iter().find(|(_, written, belongs, _)| *written && !belongs)
        {
            return Err(Invalid::new(key, format!("belongs to {whose}: remove it")));
        }
        if self.vector_store.is_some() && self.url.is_none() {
            return Err(Invalid::new(
                "url",
                "nobody knows where the store is: write \"http://127.0.0.1:6333\"",
            ));
        }
        if self.carbon.is_some() && self.value.is_none() {
            return Err(Invalid::new("value", "nobody knows where the value is: write \"/carbonIntensity\""));
        }
        if let Some(status) = self.accept.iter().find(|status| !(100..=599).contains(*status)) {
            return Err(Invalid::new("accept", format!("{status} is no status: write 100 to 599")));
        }
        if self.disk.as_deref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(Invalid::new("disk", "an empty path names no file system: write \"/\""));
        }
        // What the probes call it, as it is written here.
        let key = |own: &'static str| match own {
            "to" | "host" => kind.unwrap_or(own),
            "url" => self.page().map_or(own, |(key, _)| key),
            other => other,
        };
        let built = self.plan("x", None, None, None)?.build();
        built.map(drop).map_err(|invalid| Invalid { key: key(invalid.key), ..invalid })
    }

    /// The check it stands for, with what was fetched for it.
    pub(crate) fn plan(
        &self,
        name: &str,
        auth: Option<&Credential>,
        ca: Option<&Arc<[u8]>>,
        proxy: Option<&Proxy>,
    ) -> Result<Check, Invalid> {
        let usual = Check::calls(Arc::from(name));
        Ok(Check {
            look: self.look(auth, ca, proxy)?,
            every: self.every,
            timeout: self.timeout,
            failures: self.failures.unwrap_or(usual.failures),
            successes: self.successes.unwrap_or(usual.successes),
            critical: self.critical,
            ..usual
        })
    }

    fn look(
        &self,
        auth: Option<&Credential>,
        ca: Option<&Arc<[u8]>>,
        proxy: Option<&Proxy>,
    ) -> Result<Option<Look>, Invalid> {
        let get = |page: &Page| Get {
            url: page.0.clone(),
            auth: auth.cloned(),
            ca: ca.cloned(),
            proxy: proxy.cloned(),
        };
        let Some(kind) = self.kind()? else { return Ok(None) };
        Ok(Some(match kind {
            "http" => {
                let Some(page) = &self.http else { return Ok(None) };
                Look::Http { get: get(page), contains: self.contains.clone(), accept: self.accept.clone() }
            }
            "ai" => return Ok(self.ai.as_ref().map(|page| Look::Models(get(page)))),
            "vector_store" => {
                let (Some(store), Some(url)) = (self.vector_store, &self.url) else { return Ok(None) };
                Look::VectorStore(store, get(url), self.collection.clone())
            }
            "carbon" => {
                let (Some(page), Some(value)) = (&self.carbon, &self.value) else { return Ok(None) };
                let at = self.at.clone().map(|at| (at, self.oldest.unwrap_or(OLDEST)));
                Look::Carbon(get(page), value.clone(), at)
            }
            "tcp" => Look::Tcp(self.tcp.iter().map(|to| to.as_str().into()).collect()),
            "online" => Look::Tcp(self.online.iter().flatten().map(|to| to.as_str().into()).collect()),
            "dns" => Look::Dns(self.dns.as_deref().unwrap_or_default().into()),
            "ping" => Look::Ping(self.ping.as_deref().unwrap_or_default().into()),
            "disk" => Look::Disk(self.disk.clone().unwrap_or_default(), self.shares(Disk::USUAL)?),
            "memory" => Look::Memory(self.shares(Memory::USUAL)?),
            "cpu" => Look::Cpu(self.shares(Cpu::USUAL)?),
            "network" => Look::Network(self.shares(Network::USUAL)?),
            "temperature" => Look::Temperature(self.degrees(Temperature::USUAL)?),
            _ => Look::Gpu(self.degrees(Gpu::USUAL)?),
        }))
    }

    fn shares(&self, usual: Bounds) -> Result<Bounds, Invalid> {
        self.bounds(usual, "\"85%\"", |bound| match bound {
            Bound::Share(share) => Some(share.get()),
            Bound::Degrees(_) => None,
        })
    }

    fn degrees(&self, usual: Bounds) -> Result<Bounds, Invalid> {
        self.bounds(usual, "\"80C\"", |bound| match bound {
            Bound::Degrees(degrees) => Some(*degrees),
            Bound::Share(_) => None,
        })
    }

    fn bounds(&self, usual: Bounds, write: &str, read: fn(&Bound) -> Option<f64>) -> Result<Bounds, Invalid> {
        let own = |key: &'static str, bound: &Option<Bound>| match bound {
            None => Ok(None),
            Some(bound) => read(bound)
                .map(Some)
                .ok_or_else(|| Invalid::new(key, format!("is of another unit: write {write}"))),
        };
        let (warn, fail) = (own("warn", &self.warn)?, own("fail", &self.fail)?);
        // What is written alone moves the other only where it would be on the wrong side of it.
        let degraded = warn.unwrap_or_else(|| fail.map_or(usual.degraded, |fail| usual.degraded.min(fail)));
        let unhealthy = fail.unwrap_or_else(|| usual.unhealthy.max(degraded));
        if degraded <= 0.0 {
            return Err(Invalid::new("warn", format!("zero is always degraded: write {write}")));
        }
        if unhealthy < degraded {
            return Err(Invalid::new("fail", format!("comes before warn: write more, such as {write}")));
        }
        Ok(Bounds { degraded, unhealthy })
    }
}

/// A page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page(pub(crate) String);

impl FromStr for Page {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check_url(text)?;
        Ok(Self(text.to_owned()))
    }
}

text!(Page, "Page", "a URL like \"https://host/healthz\"");

impl Page {
    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> Option<(String, String, u16)> {
        origin(&self.0.parse().ok()?)
    }

    /// Is what travels there readable on the way?
    pub(crate) fn in_the_clear(&self) -> bool {
        self.0.parse().is_ok_and(|uri: Uri| in_the_clear(&uri))
    }
}

/// Scheme, host and port of a URL.
pub(crate) fn origin(url: &Uri) -> Option<(String, String, u16)> {
    let scheme = url.scheme_str()?.to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, url.host()?.to_ascii_lowercase(), port))
}

/// Where a number becomes bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bound {
    /// Of a whole.
    Share(Share),
    /// Celsius.
    Degrees(f64),
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(degrees) = text.strip_suffix(['C', 'c']) else { return text.parse().map(Self::Share) };
        match degrees.trim_end_matches('°').trim().parse::<f64>() {
            Ok(degrees) if (0.0..=200.0).contains(&degrees) => Ok(Self::Degrees(degrees)),
            _ => Err(format!("{text:?} is no temperature: write \"80C\"")),
        }
    }
}

text!(Bound, "Bound", "a share like \"85%\", or degrees like \"80C\"");
