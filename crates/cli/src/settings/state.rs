//! `state`: a directory of this instance's own, or a Redis that several share.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use seawall_config::SecretRef;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};

use super::upstream::is_here;
use super::words::text;

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// A directory of this instance's own.
    Directory(PathBuf),
    /// A Redis that is shared.
    Redis(Box<Server>),
}

/// A Redis, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Where it is: `redis://host:6379/0?namespace=prod`, or `rediss://…` with TLS.
    pub(crate) url: RedisUrl,
    /// Who we are, where it has users.
    pub(crate) user: Option<String>,
    /// Our password.
    pub(crate) password: Option<SecretRef>,
    /// A file of certificates (PEM) trusted beside the public ones.
    pub(crate) ca: Option<PathBuf>,
    /// A file with our own certificate (PEM), where it asks for one.
    pub(crate) certificate: Option<PathBuf>,
    /// The key of that certificate, as PEM.
    pub(crate) key: Option<SecretRef>,
}

/// The address of a Redis, without a user or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl(pub(crate) String);

impl RedisUrl {
    /// Is what travels to it encrypted?
    pub(crate) fn is_tls(&self) -> bool {
        self.0.starts_with("rediss://") || self.0.starts_with("valkeys://")
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        if rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(
                "a user or password inside a URL is refused: write state = { url = \"redis://host:6379/0\", \
                        password = \"vault:redis\" }"
                    .to_owned(),
            );
        }
        seawall_store::redis::namespace(text)?;
        Ok(Self(text.to_owned()))
    }
}

text!(RedisUrl, "RedisUrl", "a URL like \"redis://127.0.0.1:6379/0?namespace=prod\"");

impl Default for State {
    fn default() -> Self {
        Self::Directory(PathBuf::from("./seawall-state"))
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = match text.split_once("://") {
            Some((scheme, _)) => scheme,
            None if text.is_empty() => {
                return Err("an empty path names no directory: write \"./seawall-state\"".to_owned());
            }
            None => return Ok(Self::Directory(PathBuf::from(text))),
        };
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" => {
                text.parse().map(|url| Self::Redis(Box::new(Server::at(url))))
            }
            _ => Err(
                "is neither a directory nor a Redis: write \"./seawall-state\" or \"redis://host:6379/0\""
                    .to_owned(),
            ),
        }
    }
}

impl Server {
    /// Is what travels to it readable on the way?
    pub(crate) fn in_the_clear(&self) -> bool {
        let authority =
            self.url.0.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => authority.split(':').next(),
        };
        !self.url.is_tls() && !host.is_some_and(is_here)
    }

    /// One that asks nobody who they are.
    fn at(url: RedisUrl) -> Self {
        Self { url, user: None, password: None, ca: None, certificate: None, key: None }
    }
}

const EXPECTED: &str = "a directory, a URL like \"redis://127.0.0.1:6379/0\", or a table with a url";

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;
        impl<'de> Visitor<'de> for Spelling {
            type Value = State;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<State, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<State, A::Error> {
                let server = Server::deserialize(MapAccessDeserializer::new(map))?;
                Ok(State::Redis(Box::new(server)))
            }
        }
        deserializer.deserialize_any(Spelling)
    }
}

impl JsonSchema for State {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "State".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<Server>();
        json_schema!({ "description": EXPECTED, "anyOf": [{ "type": "string" }, table] })
    }
}
