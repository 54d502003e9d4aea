//! `[upstream.NAME]`: a provider that can be called.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use seawall::bulkhead::Adaptive;
use seawall::pipeline::Shadow;
use seawall::{breaker, compress, retry, timeout};
use seawall_config::SecretRef;
use seawall_core::units::{self, Rate};
use seawall_packs::rules::Rule;
use seawall_policy::keyring;
use seawall_policy::limiter::{Queue, Quota};
use serde::Deserialize;

use super::Key;
use super::words::{Header, Pack, Per, Shared, Url, in_the_clear, spelled};
use super::{minute, schema};

/// A provider that can be called.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// How it differs from plain HTTP. Default http.
    #[serde(default = "plain")]
    pub(crate) provider: Pack,
    /// Where it is; requests are joined to its path.
    pub(crate) url: Url,
    /// A credential that replaces the caller's own. Without it the caller's passes through.
    pub(crate) auth: Option<Auth>,
    /// Several credentials instead of one: each is used as often as its weight says, and rests when it was refused.
    #[serde(default)]
    pub(crate) keys: Vec<UpstreamKey>,
    /// How long one of several keys rests that was refused.
    #[serde(default)]
    pub(crate) rest: keyring::Options,
    /// Rate limits and a limit of concurrent calls; all of them hold.
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    /// Who may wait for a slot, and for how long.
    #[serde(default)]
    pub(crate) queue: Queue,
    /// Lets the provider's own rate-limit headers tighten the limits, never loosen them.
    #[serde(default)]
    pub(crate) learn: bool,
    /// In whose words refusals are said. Default the provider's own.
    pub(crate) errors: Option<Pack>,
    /// Which errors fall in which row, before the provider has its say. The first that fits holds.
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
    /// From arrival to the response's head, queueing and retries included.
    #[serde(default = "minute", with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) deadline: Duration,
    /// The patience of one attempt.
    #[serde(default)]
    pub(crate) attempt: timeout::Options,
    /// What is sent again, and when.
    #[serde(default)]
    #[schemars(schema_with = "schema::retry")]
    pub(crate) retry: retry::Options,
    /// When it is left alone.
    #[serde(default)]
    #[schemars(schema_with = "schema::breaker")]
    pub(crate) breaker: breaker::Options,
    /// What is that of all gateways with the same state, a Redis: limits, breaker. Default none: each has its own.
    #[serde(default)]
    pub(crate) share: Vec<Shared>,
    /// Which bodies are compressed or decompressed on the way. Default false: all pass as they are.
    #[serde(default = "compress::Options::off")]
    #[schemars(schema_with = "schema::compress")]
    pub(crate) compress: compress::Options,
    /// Policies that only say what they would have done: retry, breaker, limiter, bulkhead, hedge. Default none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(crate) shadow: Shadow,
    /// A file of certificates (PEM) trusted beside the public ones.
    pub(crate) ca: Option<PathBuf>,
    /// HTTP/2 without TLS and without asking first.
    #[serde(default)]
    pub(crate) http2: bool,
    /// A proxy that every connection goes through.
    pub(crate) proxy: Option<Through>,
}

/// A proxy that opens tunnels (HTTP `CONNECT`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Through {
    /// Where it is: `http://proxy.example:3128`.
    pub(crate) url: Url,
    /// The secret it wants to see, which reads `user:password`.
    pub(crate) auth: Option<SecretRef>,
}

fn plain() -> Pack {
    Pack::Http
}

impl Upstream {
    /// Does a credential of ours replace the caller's own?
    pub(crate) fn has_own_credential(&self) -> bool {
        self.auth.is_some() || !self.keys.is_empty()
    }

    /// The credentials it has, and the keys that lead to each: one under `auth`, or those of `keys`.
    pub(crate) fn credentials(&self, key: &Key) -> Vec<(Key, &Auth)> {
        let several =
            (self.keys.iter().enumerate()).map(|(place, own)| (key.then("keys").item(place), &own.auth));
        self.auth.iter().map(|auth| (key.then("auth"), auth)).chain(several).collect()
    }

    /// Is that shared with other gateways?
    pub(crate) fn shares(&self, what: Shared) -> bool {
        self.share.contains(&what)
    }

    /// Is there a limit that is shared with other gateways?
    pub(crate) fn shares_limits(&self) -> bool {
        self.shares(Shared::Limits) && self.limits.iter().any(|limit| matches!(limit, Limit::Requests { .. }))
    }

    /// Is what travels to it readable on the way?
    pub(crate) fn in_the_clear(&self) -> bool {
        in_the_clear(&self.url.0)
    }
}

/// Does what is sent there never leave this machine?
pub(super) fn is_here(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// A credential, in one of three forms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "AuthKeys")]
pub(crate) enum Auth {
    /// `authorization: Bearer …`
    Bearer(SecretRef),
    /// `authorization: Basic …`, of `user:password`.
    Basic(SecretRef),
    /// A header of the provider's own.
    Header(Header, SecretRef),
}

impl Auth {
    /// Where the secret is kept, and the key that says so.
    pub(crate) fn secret(&self) -> (&'static str, &SecretRef) {
        match self {
            Auth::Bearer(secret) => ("bearer", secret),
            Auth::Basic(secret) => ("basic", secret),
            Auth::Header(_, secret) => ("value", secret),
        }
    }
}

/// The forms a credential can be written in: `bearer`, `basic`, or `header` with `value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AuthKeys {
    /// The secret of `authorization: Bearer …`.
    bearer: Option<SecretRef>,
    /// The secret of `authorization: Basic …`, which reads `user:password`.
    basic: Option<SecretRef>,
    /// The header a key is sent in; with `value`.
    header: Option<Header>,
    /// The secret sent in `header`.
    value: Option<SecretRef>,
}

impl TryFrom<AuthKeys> for Auth {
    type Error = &'static str;

    fn try_from(keys: AuthKeys) -> Result<Self, Self::Error> {
        match (keys.bearer, keys.basic, keys.header, keys.value) {
            (Some(secret), None, None, None) => Ok(Auth::Bearer(secret)),
            (None, Some(secret), None, None) => Ok(Auth::Basic(secret)),
            (None, None, Some(header), Some(secret)) => Ok(Auth::Header(header, secret)),
            _ => Err("is not one credential: write { bearer = \"env:NAME\" }, { basic = \"env:NAME\" } or \
                      { header = \"x-api-key\", value = \"env:NAME\" }"),
        }
    }
}

/// One of several credentials.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "KeyKeys")]
pub(crate) struct UpstreamKey {
    /// What people and metrics call it.
    pub(crate) name: String,
    /// Its share, beside the others'.
    pub(crate) weight: NonZeroU32,
    /// Itself.
    pub(crate) auth: Auth,
}

/// The keys one of several credentials has: a name, a weight, and the credential as `auth` has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeyKeys {
    /// What people and metrics call it. How it rests is known by this name.
    name: String,
    /// How often it is used, beside the others. Default 1, range 1–1000.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    weight: NonZeroU32,
    /// The secret of `authorization: Bearer …`.
    bearer: Option<SecretRef>,
    /// The secret of `authorization: Basic …`, which reads `user:password`.
    basic: Option<SecretRef>,
    /// The header a key is sent in; with `value`.
    header: Option<Header>,
    /// The secret sent in `header`.
    value: Option<SecretRef>,
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

impl TryFrom<KeyKeys> for UpstreamKey {
    type Error = &'static str;

    fn try_from(keys: KeyKeys) -> Result<Self, Self::Error> {
        let KeyKeys { name, weight, bearer, basic, header, value } = keys;
        Ok(Self { name, weight, auth: AuthKeys { bearer, basic, header, value }.try_into()? })
    }
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "LimitKeys")]
pub(crate) enum Limit {
    /// So many in so much time, for all or for each value of a header.
    Requests {
        /// How many in how long, and how many at once.
        quota: Quota,
        /// The header.
        per: Option<Per>,
    },
    /// So many at once, or as many as calls show to be well.
    Concurrent(NonZeroU32, Option<Adaptive>),
    /// A unit that is not counted yet.
    Later(Unit),
}

spelled! {
    /// What can be counted beside calls.
    Unit {
        /// Tokens of a language model.
        Tokens = "tokens",
        /// Money.
        Usd = "usd",
        /// The provider's own weights.
        Weight = "weight",
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        LimitKeys::json_schema(generator)
    }
}

/// The keys a limit can have: one of the units, and for a rate `per` and `burst`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LimitKeys {
    /// Calls in a span of time, like "500/min".
    requests: Option<Rate>,
    /// Calls at once.
    concurrent: Option<NonZeroU32>,
    /// Finds how many at once by how calls end; beside concurrent, which is where it begins.
    #[serde(default)]
    #[schemars(schema_with = "schema::adaptive")]
    adaptive: Option<Adaptive>,
    /// Tokens in a span of time.
    tokens: Option<Rate>,
    /// Dollars in a span of time, like "5/day".
    usd: Option<Rate>,
    /// The provider's own weights in a span of time.
    weight: Option<Rate>,
    /// Counts for each value of a header by itself: "header:x-user".
    per: Option<Per>,
    /// How many may come at once. Without it no span of time ever sees more than the rate.
    burst: Option<NonZeroU32>,
}

impl TryFrom<LimitKeys> for Limit {
    type Error = &'static str;

    fn try_from(keys: LimitKeys) -> Result<Self, Self::Error> {
        let LimitKeys { requests, concurrent, adaptive, tokens, usd, weight, per, burst } = keys;
        if adaptive.is_some() && concurrent.is_none() {
            return Err("adaptive is for calls at once: write { concurrent = 32, adaptive = \"gradient\" }");
        }
        match (requests, concurrent, tokens, usd, weight) {
            (Some(rate), None, None, None, None) => Ok(Limit::Requests { quota: Quota { rate, burst }, per }),
            (None, Some(size), None, None, None) if burst.is_none() && per.is_none() => {
                Ok(Limit::Concurrent(size, adaptive))
            }
            (None, Some(_), None, None, None) => {
                Err("concurrent stands alone: write { concurrent = 32 }, and per or burst beside requests")
            }
            (None, None, Some(_), None, None) => Ok(Limit::Later(Unit::Tokens)),
            (None, None, None, Some(_), None) => Ok(Limit::Later(Unit::Usd)),
            (None, None, None, None, Some(_)) => Ok(Limit::Later(Unit::Weight)),
            _ => Err(
                "is not one limit: write { requests = \"500/min\" } or { concurrent = 32 }, each in braces of its own",
            ),
        }
    }
}
