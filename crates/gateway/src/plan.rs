//! What a gateway is asked to be: the checked plan, made by whoever read the configuration.
//!
//! Everything here has been parsed and checked once; nothing downstream asks again.

pub mod callers;
pub mod health;
pub mod operators;
pub mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};
use seawall::bulkhead::Adaptive;
use seawall::cache::Life;
use seawall::effect::{self, Nature};
use seawall::pipeline::Shadow;
use seawall::{breaker, compress, fleet, hedge, retry, timeout};
use seawall_core::Effects;
use seawall_core::effect::Note;
use seawall_core::provider::Provider;
use seawall_core::secret::Secret;
use seawall_core::store::Store;
use seawall_core::units::Size;
use seawall_policy::alert::Rule;
use seawall_policy::anomaly;
use seawall_policy::keyring;
use seawall_policy::limiter::{Queue, Quota};
use seawall_security::injection;
use seawall_signals::alerts::Outlet;
use seawall_signals::logs::Logs;
use seawall_signals::otlp;

use crate::route::Pattern;

/// The whole gateway.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// Host names accepted beside the bound addresses, each `name:port` or `name`.
    pub hosts: Vec<String>,
    /// Who may call; none where everybody may who reaches the port.
    pub callers: Option<Arc<callers::Callers>>,
    /// What is unusual for a caller, and how long is looked until that is known.
    pub anomaly: anomaly::Options,
    /// What the data port proves itself with; none where it speaks plain HTTP.
    pub tls: Option<tls::Tls>,
    /// What the admin port proves itself with; none where it speaks plain HTTP.
    pub admin_tls: Option<tls::Tls>,
    /// Who may use the admin port; where there is nobody, anybody may who reaches it.
    pub operators: operators::Operators,
    /// The directory this instance owns while it runs; none for a gateway without a file.
    pub state: Option<PathBuf>,
    /// Threads, each with a runtime of its own. Zero is one for each core.
    pub workers: usize,
    /// How long a shutdown waits for calls in flight.
    pub drain: Duration,
    /// How much of a request body is kept so that it can be sent again.
    pub replay: usize,
    /// The number of this configuration.
    pub generation: u64,
    /// Who can be called, by index.
    pub upstreams: Vec<Upstream>,
    /// How some paths are called.
    pub routes: Vec<Route>,
    /// Where calls that must not happen twice are remembered.
    pub journal: Journal,
    /// When somebody is told that something is wrong, and how.
    pub alerts: Alerts,
    /// Where limits and breakers are kept that gateways share; none where this one stands alone.
    pub fleet: Option<Fleet>,
    /// Where calls are written down, if anywhere.
    pub logs: Option<Logs>,
    /// Where traces and metrics are sent, if anywhere.
    pub otlp: Option<otlp::Options<Secret>>,
    /// What is looked at beside real calls.
    pub health: Vec<health::Check>,
}

/// A memory of effects, opened by whoever made the plan.
#[derive(Debug, Clone)]
pub struct Journal {
    /// The memory.
    pub store: Arc<dyn Store>,
    /// What tells these effects from those of others in the same memory: letters, digits, `-`, `_` and `.`.
    pub namespace: Arc<str>,
    /// What was found when it was opened, with the label of each effect.
    pub found: Vec<(Arc<str>, Note)>,
}

/// A memory that gateways share, opened by whoever made the plan.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The memory.
    pub store: Arc<dyn seawall_core::fleet::Fleet>,
    /// How this gateway is one of them.
    pub options: fleet::Options,
}

/// Which policies of an upstream are those of all gateways of the fleet, and not of this one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// The limits of calls in a span of time. Places of calls at once are always each gateway's own.
    pub limits: bool,
    /// The breaker.
    pub breaker: bool,
}

/// When somebody is told, and how.
#[derive(Debug, Clone, Default)]
pub struct Alerts {
    /// When.
    pub rules: Vec<Rule>,
    /// How; rules name them.
    pub outlets: Vec<Outlet>,
}

/// A provider that can be called.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its name: the first segment of a path.
    pub name: Arc<str>,
    /// Where it is; requests are joined to its path.
    pub url: Uri,
    /// How it differs from plain HTTP.
    pub provider: Arc<dyn Provider>,
    /// In whose words our refusals to its callers are said.
    pub dialect: Arc<dyn Provider>,
    /// A credential that replaces the caller's own.
    pub auth: Option<Credential>,
    /// Several of them, instead of one.
    pub keys: Option<Keys>,
    /// Rate limits and the limit of concurrent calls.
    pub limits: Vec<Limit>,
    /// Who may wait for a slot, and for how long.
    pub queue: Queue,
    /// Lets the provider's own rate-limit headers tighten the limits, never loosen them.
    pub learn: bool,
    /// When it is left alone.
    pub breaker: breaker::Options,
    /// What of that is shared with other gateways.
    pub share: Share,
    /// The share and floor of its retry budget come from here; routes may say otherwise for the rest.
    pub defaults: Calling,
    /// Policies that only say what they would have done.
    pub shadow: Shadow,
    /// Certificates trusted beside the public ones, as PEM.
    pub ca: Option<Arc<[u8]>>,
    /// HTTP/2 without TLS.
    pub http2_prior_knowledge: bool,
    /// What every connection to it goes through.
    pub proxy: Option<Proxy>,
}

impl Upstream {
    /// Does a credential of ours replace the caller's own?
    pub fn has_own_credential(&self) -> bool {
        self.auth.is_some() || self.keys.is_some()
    }
}

/// Several credentials of one upstream. The first is the one whatever must not happen twice is sent with.
#[derive(Debug, Clone, PartialEq)]
pub struct Keys {
    /// At least one.
    pub keys: Vec<Key>,
    /// How long one rests that was refused.
    pub rest: keyring::Options,
}

/// One of several credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// What people and metrics call it.
    pub name: Arc<str>,
    /// Its share, beside the others'.
    pub weight: NonZeroU32,
    /// Itself.
    pub credential: Credential,
}

/// A proxy that opens tunnels.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is, over `http`.
    pub url: Uri,
    /// What it wants to see in `Proxy-Authorization`; marked sensitive, so that no debug print shows it.
    pub credential: Option<HeaderValue>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A header that proves to a provider who pays.
#[derive(Clone, PartialEq)]
pub struct Credential {
    /// Such as `authorization` or `x-api-key`.
    pub header: HeaderName,
    /// Its value; marked sensitive, so that no debug print shows it.
    pub value: HeaderValue,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("header", &self.header).finish_non_exhaustive()
    }
}

/// One limit of an upstream.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    /// So many in so much time, for all or for each value of a header.
    Requests {
        /// The quota.
        quota: Quota,
        /// The header whose value is the key, in lower case.
        per: Option<HeaderName>,
    },
    /// So many at once, or as many as calls show to be well.
    Concurrent(u32, Option<Adaptive>),
}

/// How calls are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Calling {
    /// From arrival to the answer's head.
    pub deadline: Duration,
    /// The patience of one attempt.
    pub attempt: timeout::Options,
    /// What is sent again, and when.
    pub retry: retry::Options,
    /// Which bodies change their coding on the way.
    pub compress: compress::Options,
}

/// How some paths are called.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The one method it is for, if it is for one.
    pub method: Option<Method>,
    /// The paths it is for.
    pub path: Pattern,
    /// Indices into the upstreams, in the order they are tried. Never empty.
    pub to: Vec<usize>,
    /// How safe repeating is; none is what the provider or the method says.
    pub effects: Option<Effects>,
    /// How calls are made.
    pub calling: Calling,
    /// The `data:` of the event that ends its streams.
    pub terminal: Option<Arc<str>>,
    /// What callers may say with headers of their own.
    pub allow: Allow,
    /// Which of its answers may be given again.
    pub cache: Option<Cache>,
    /// When a second copy is sent beside one that is slow: of GET and HEAD, and of its own method where it names one.
    pub hedge: Option<hedge::Options>,
    /// How requests that read as attacks are looked for; none where nobody looks.
    pub inspect: Option<injection::Options>,
    /// How what must not happen twice is told from others.
    pub once: Once,
}

/// How calls that must not happen twice are told from others, and what is done where nobody knows how one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The header that carries the caller's key.
    pub key: HeaderName,
    /// Refuses calls without a key, instead of making one for each.
    pub require: bool,
    /// How long an outcome is remembered.
    pub keep: Duration,
    /// Sends the key on, under the provider's own name for it.
    pub forward: bool,
    /// What may differ between two tries of one operation, beside what the provider itself ignores.
    pub ignore: Vec<Part>,
    /// How long the provider recognises a key; none is that it does not.
    pub keyed: Option<Duration>,
    /// How to find out what became of a call.
    pub probe: Option<Probe>,
}

impl Default for Once {
    fn default() -> Self {
        Self {
            key: HeaderName::from_static("idempotency-key"),
            require: false,
            keep: Duration::from_secs(72 * 3600),
            forward: true,
            ignore: Vec::new(),
            keyed: None,
            probe: None,
        }
    }
}

/// What an answer may take beyond the deadline until its body is whole.
const MARGIN: Duration = Duration::from_secs(5);
/// The largest answer that is kept, as it is written down: quotes, and bytes that are no text, grow.
const LARGEST_RESULT: Size = Size(4 << 20);

impl Once {
    /// The same as the guard of effects reads it, for calls that have so long.
    pub fn options(&self, deadline: Duration) -> effect::Options {
        let defaults = effect::Options::default();
        effect::Options {
            nature: match (self.keyed, &self.probe) {
                (Some(window), _) => Nature::Keyed { window },
                (None, Some(_)) => Nature::Queryable,
                (None, None) => Nature::Opaque,
            },
            keep: self.keep,
            call: deadline.saturating_add(MARGIN),
            visibility: self.probe.as_ref().map_or(defaults.visibility, |probe| probe.visibility),
            // A caller that is told *not done* may try again for as long as it likes.
            attempts: 0,
            result: LARGEST_RESULT,
            ..defaults
        }
    }
}

/// A part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A parameter of the query.
    Query(String),
    /// A member of a JSON object, or a field of a form.
    Body(String),
    /// A header.
    Header(HeaderName),
}

impl FromStr for Part {
    type Err = String;

    /// Reads `query:NAME`, `body:NAME` or `header:NAME`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} names no part of a request: write \"query:NAME\" or \"body:NAME\"");
        match text.split_once(':') {
            Some((_, "")) | None => Err(bad()),
            Some(("query", name)) => Ok(Part::Query(name.to_owned())),
            Some(("body", name)) => Ok(Part::Body(name.to_owned())),
            Some(("header", name)) => name.parse().map(Part::Header).map_err(|_| bad()),
            Some(_) => Err(bad()),
        }
    }
}

/// The request that finds out what became of a call, sent to the upstreams it may have gone to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// GET or HEAD.
    pub method: Method,
    /// Path and query at the upstream, with `{key}` where the key goes.
    pub path: String,
    /// What is done when it took place.
    pub found: Found,
    /// What is done when it did not.
    pub absent: Absent,
    /// How long the upstream takes to show what it did.
    pub visibility: Duration,
}

/// What is done when a probe finds that a call took place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Found {
    /// The probe's answer is from now on the answer to the call.
    #[default]
    Replay,
    /// A person is told, and decides.
    Report,
}

/// What is done when a probe does not find the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Absent {
    /// A person is told, and decides.
    #[default]
    Report,
    /// Asked when nothing can be under way any more, it is believed: the key is free, and the next caller runs it.
    Release,
}

/// What is kept of a route's answers: those to GET and HEAD, and those to its own method where it names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// How long they live. The upstream's word can only shorten it.
    pub life: Life,
    /// The largest body that is kept.
    pub max_body: usize,
}

/// Which headers of a caller are listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allow {
    /// `seawall-effects`
    pub effects: bool,
    /// `seawall-deadline`
    pub deadline: bool,
    /// `seawall-priority`
    pub priority: bool,
    /// `seawall-first-seen`
    pub first_seen: bool,
}
