//! `[callers.NAME]`: who may call, with a key of their own.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use seawall::Priority;
use seawall_config::SecretRef;
use seawall_policy::limiter::Queue;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};

use super::Key;
use super::upstream::Limit;

/// One who may call: a key, or a table with a key.
#[derive(Debug)]
pub(crate) struct Caller {
    /// What it may do beside having a key.
    pub(crate) table: Table,
    /// It was written as a key alone.
    is_short: bool,
}

impl Caller {
    /// Where the key of the caller of this name is written.
    pub(crate) fn place(&self, name: &str) -> Key {
        let key = Key::top("callers").named(name);
        if self.is_short { key } else { key.then("key") }
    }
}

/// One who may call, and how much.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    /// What proves that it is this caller. Of a vault's entry that is being rotated both values are good.
    pub(crate) key: Option<SecretRef>,
    /// A name that proves the same where it stands in a certificate of `tls.client_ca`, as a DNS name.
    pub(crate) certificate: Option<String>,
    /// How much it may call, before the limits of upstreams; all of them hold. Default as much as those let pass.
    #[serde(default)]
    pub(crate) limits: Vec<Limit>,
    /// Who of its calls may wait for a slot, and for how long.
    #[serde(default)]
    pub(crate) queue: Queue,
    /// The routes it may call by. Default all, unless upstreams are named.
    pub(crate) routes: Option<Vec<String>>,
    /// The upstreams it may call, by whatever route leads to them alone. Default all, unless routes are named.
    pub(crate) upstreams: Option<Vec<String>>,
    /// How its calls stand among those that wait: high, normal, low. Default normal.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) priority: Priority,
    /// In whose name its idempotency keys are: callers of one tenant that bring the same key want the same thing. Default
    /// its own name: equal keys of two callers never meet.
    pub(crate) tenant: Option<String>,
}

const EXPECTED: &str = "where a key is, like \"vault:ann\", or a table";

impl<'de> Deserialize<'de> for Caller {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;
        impl<'de> Visitor<'de> for Spelling {
            type Value = Caller;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Caller, E> {
                let key = Some(text.parse().map_err(E::custom)?);
                let table = Table {
                    key,
                    certificate: None,
                    limits: Vec::new(),
                    queue: Queue::default(),
                    routes: None,
                    upstreams: None,
                    priority: Priority::default(),
                    tenant: None,
                };
                Ok(Caller { table, is_short: true })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Caller, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Caller { table, is_short: false })
            }
        }
        deserializer.deserialize_any(Spelling)
    }
}

impl JsonSchema for Caller {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Caller".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let key = generator.subschema_for::<SecretRef>();
        let table = generator.subschema_for::<Table>();
        json_schema!({ "description": EXPECTED, "anyOf": [key, table] })
    }
}
