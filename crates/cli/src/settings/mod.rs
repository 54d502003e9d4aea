//! The settings tree: every key a configuration may have, read once, cross-checked, and turned into a plan.
//!
//! ```text
//! file ← profile ← environment ─► tree ─► inheritance ─► Settings ─► findings
//!                                                            └─► Plan (secrets fetched, files read)
//! ```

mod age;
mod callers;
mod check;
mod draw;
mod facts;
mod finding;
mod health;
mod inherit;
mod key;
#[expect(
    dead_code,
    reason = "read, so that a file written today stays valid; used by the parts that come later"
)]
mod later;
mod once;
mod operators;
mod read;
mod reload;
mod route;
mod schema;
mod state;
mod tls;
mod upstream;
mod vault;
mod wire;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use seawall_config::SecretRef;
use seawall_core::units;
use seawall_policy::{alert, anomaly};
use seawall_signals::alerts::channel;
use seawall_signals::logs;
use seawall_signals::otlp;
use serde::Deserialize;

pub(crate) use draw::{Drawn, draw};
pub(crate) use facts::facts;
pub(crate) use finding::{Finding, Findings, Purpose, Weight};
pub(crate) use inherit::with_builtin;
pub(crate) use key::Key;
pub(crate) use read::{Loaded, load, tree_of};
pub(crate) use reload::versions_of;
pub(crate) use schema::{is_secret, schema};
pub(crate) use vault::FILE as VAULT_FILE;
pub(crate) use wire::{Memory, Place, Ready, plan, ready};

use callers::Caller;
use health::Health;
use later::{Carbon, Job};
pub(crate) use once::Effects;
use operators::AdminToken;
pub(crate) use operators::admin_token;
use reload::Reload;
use route::Route;
pub(crate) use state::State;
use tls::Tls;
use upstream::Upstream;
use vault::Vault;
use words::{Host, Listen, Shared};

/// The whole configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The version of this format: 1.
    pub(crate) version: u32,
    /// Where callers connect. Default 127.0.0.1:7070; outside loopback it needs `callers`.
    pub(crate) listen: Listen,
    /// Where operators connect. Default 127.0.0.1:7071; outside loopback it needs `admin_token` or `admin_tokens`.
    pub(crate) admin: Listen,
    /// Host names accepted beside the bound addresses, each `name` or `name:port`.
    pub(crate) hosts: Vec<Host>,
    /// Who may call, each with a key of their own. Needed outside loopback; without any everybody may.
    pub(crate) callers: BTreeMap<String, Caller>,
    /// What is unusual for a caller: told, never refused.
    pub(crate) anomaly: anomaly::Options,
    /// What the data port proves itself with. Default none: it speaks plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// What the admin port proves itself with. Default none: it speaks plain HTTP.
    pub(crate) admin_tls: Option<Tls>,
    /// The token that opens the admin port to everything; its owner is called admin. Outside loopback this or
    /// `admin_tokens` is needed.
    pub(crate) admin_token: Option<SecretRef>,
    /// Further tokens of the admin port, by whose they are.
    pub(crate) admin_tokens: BTreeMap<String, AdminToken>,
    /// A directory of this instance's own, or a Redis: its URL, or a table. Default `./seawall-state`.
    pub(crate) state: State,
    /// How this gateway is one of those with the same state, where upstreams share anything.
    pub(crate) fleet: seawall::fleet::Options,
    /// How effects are remembered.
    pub(crate) effects: Effects,
    /// Where the values of `vault:NAME` are kept.
    pub(crate) vault: Vault,
    /// How one configuration follows another.
    pub(crate) reload: Reload,
    /// What upstreams and routes begin with; each may say otherwise, key by key.
    pub(crate) defaults: Defaults,
    /// Who can be called, by name: the first segment of a path.
    pub(crate) upstream: BTreeMap<String, Upstream>,
    /// How some paths are called.
    pub(crate) route: BTreeMap<String, Route>,
    /// What is written down, and where; without it nothing is.
    pub(crate) logs: Option<logs::Options>,
    /// Where traces and metrics are sent; without it nowhere.
    pub(crate) otlp: Option<otlp::Options<SecretRef>>,
    /// What is looked at every so often, by name.
    pub(crate) health: BTreeMap<String, Health>,
    /// When somebody is told.
    pub(crate) alert: BTreeMap<String, alert::Options>,
    /// How they are told.
    pub(crate) channel: BTreeMap<String, channel::Options<SecretRef>>,
    /// Commands that are supervised.
    pub(crate) job: BTreeMap<String, Job>,
    /// Where the carbon intensity of electricity is read.
    pub(crate) carbon: Option<Carbon>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: 1,
            listen: Listen::loopback(7070),
            admin: Listen::loopback(7071),
            hosts: Vec::new(),
            callers: BTreeMap::new(),
            anomaly: anomaly::Options::default(),
            tls: None,
            admin_tls: None,
            admin_token: None,
            admin_tokens: BTreeMap::new(),
            state: State::default(),
            fleet: seawall::fleet::Options::default(),
            effects: Effects::default(),
            vault: Vault::default(),
            reload: Reload::default(),
            defaults: Defaults::default(),
            upstream: BTreeMap::new(),
            route: BTreeMap::new(),
            logs: None,
            otlp: None,
            health: BTreeMap::new(),
            alert: BTreeMap::new(),
            channel: BTreeMap::new(),
            job: BTreeMap::new(),
            carbon: None,
        }
    }
}

/// What upstreams and routes begin with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Defaults {
    /// From arrival to the response's head, queueing and retries included. Default 60 s.
    #[serde(with = "units::duration")]
    #[schemars(schema_with = "units::duration_schema")]
    pub(crate) deadline: Duration,
    /// The patience of one attempt.
    pub(crate) attempt: seawall::timeout::Options,
    /// What is sent again, and when.
    #[schemars(schema_with = "schema::retry")]
    pub(crate) retry: seawall::retry::Options,
    /// When an upstream is left alone.
    #[schemars(schema_with = "schema::breaker")]
    pub(crate) breaker: seawall::breaker::Options,
    /// Which bodies are compressed or decompressed on the way. Default false: all pass as they are.
    #[schemars(schema_with = "schema::compress")]
    pub(crate) compress: seawall::compress::Options,
    /// What is that of all gateways with the same state, a Redis: limits, breaker. Default none: each has its own.
    pub(crate) share: Vec<Shared>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            deadline: minute(),
            attempt: seawall::timeout::Options::default(),
            retry: seawall::retry::Options::default(),
            breaker: seawall::breaker::Options::default(),
            compress: seawall::compress::Options::off(),
            share: Vec::new(),
        }
    }
}

/// The deadline of a call, unless something says otherwise.
fn minute() -> Duration {
    Duration::from_secs(60)
}

#[cfg(test)]
mod tests;
