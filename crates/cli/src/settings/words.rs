//! Words and texts of the configuration that are read once: addresses, URLs, paths, header names.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use http::uri::Authority;
use http::{HeaderName, Method, Uri};
use schemars::JsonSchema;
use seawall_config::check_url;
use seawall_core::Effects;
use seawall_gateway::route::Pattern;
use serde::Deserialize;

/// Reads a type from a string through its `FromStr`, and describes it to editors as one.
macro_rules! text {
    ($type:ty, $name:literal, $expecting:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $expecting })
            }
        }
    };
}

/// An address to listen on: an IP address and a port, or `localhost` and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl Listen {
    /// The address of this machine alone.
    pub(crate) const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// Would both be bound to one and the same port?
    pub(crate) fn collides(self, other: Self) -> bool {
        let (a, b) = (self.0, other.0);
        a.port() != 0
            && a.port() == b.port()
            && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self::loopback(port));
        }
        if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
            return Err(format!("{text:?} has no address: write \"127.0.0.1:{port}\""));
        }
        if let Ok(ip) = text.parse::<std::net::IpAddr>() {
            return Err(format!("{text:?} has no port: write \"{}\"", SocketAddr::new(ip, 7070)));
        }
        text.parse().map(Self).map_err(|_| format!("{text:?} is not an address: write \"127.0.0.1:7070\""))
    }
}

text!(Listen, "Listen", "an address and a port like \"127.0.0.1:7070\"");

/// A name this gateway is called by, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host(pub(crate) String);

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<Authority>() {
            Ok(authority) if !text.contains(['@', '*']) && !authority.host().is_empty() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(format!("{text:?} is not a host name: write \"seawall\" or \"seawall:7070\"")),
        }
    }
}

text!(Host, "Host", "a host name like \"seawall\" or \"seawall:7070\"");

/// A URL requests are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) Uri);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        check_url(text)?;
        let uri: Uri = text.parse().map_err(|_| "is not a URL: write \"https://host/path\"".to_owned())?;
        match uri.query() {
            Some(_) => Err("a query here would be lost: write the URL without `?…`".to_owned()),
            None => Ok(Self(uri)),
        }
    }
}

/// Is what travels to a URL readable on the way?
pub(crate) fn in_the_clear(url: &Uri) -> bool {
    let local = |host: &str| {
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    };
    url.scheme_str() == Some("http") && !url.host().is_some_and(local)
}

text!(Url, "Url", "a URL like \"https://host/path\"");

/// A path a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Pattern);

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

text!(Path, "Path", "a path like \"/openai/v1/**\": \"*\" is one segment, \"**\" at the end is the rest");

/// A method a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verb(pub(crate) Method);

impl FromStr for Verb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_uppercase();
        match Method::from_bytes(text.as_bytes()) {
            Ok(method) if text == upper => Ok(Self(method)),
            Ok(_) => Err(format!("methods are upper case: write \"{upper}\"")),
            Err(_) => Err(format!("{text:?} is not a method: write \"POST\"")),
        }
    }
}

text!(Verb, "Verb", "a method like \"POST\"");

/// The name of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header(pub(crate) HeaderName);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name: HeaderName =
            text.parse().map_err(|_| format!("{text:?} is not a header: write \"x-api-key\""))?;
        match name.as_str() {
            "connection" | "content-length" | "host" | "te" | "trailer" | "transfer-encoding" | "upgrade"
            | "keep-alive" | "proxy-connection" => {
                Err(format!("{text:?} belongs to the connection: name another header, such as \"x-api-key\""))
            }
            _ => Ok(Self(name)),
        }
    }
}

text!(Header, "Header", "the name of a header like \"x-api-key\"");

/// What a limit is counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Per(pub(crate) HeaderName);

impl FromStr for Per {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("header:").map(str::parse) {
            Some(Ok(name)) => Ok(Self(name)),
            _ => Err(format!("{text:?} is nothing a limit is counted by: write \"header:x-user\"")),
        }
    }
}

text!(Per, "Per", "what a limit is counted by, like \"header:x-user\"");

/// An enum whose values are spelled as they are in the configuration.
macro_rules! spelled {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
        pub(crate) enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// The word.
            #[allow(dead_code, reason = "not every word is shown")]
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }
    };
}
pub(crate) use {spelled, text};

spelled! {
    /// Providers whose ways are known.
    Pack {
        /// Plain HTTP: the status says it all.
        Http = "http",
        /// OpenAI, and who speaks like it.
        Openai = "openai",
        /// Anthropic.
        Anthropic = "anthropic",
        /// Stripe.
        Stripe = "stripe",
        /// Binance.
        Binance = "binance",
    }
}

spelled! {
    /// What an upstream shares with other gateways.
    Shared {
        /// The limits of calls in a span of time.
        Limits = "limits",
        /// The breaker.
        Breaker = "breaker",
    }
}

spelled! {
    /// How safe a call is to repeat, or that its method and provider say so.
    Word {
        /// May be sent again on any retryable outcome.
        Repeatable = "repeatable",
        /// Costs money: again, unless a reply was lost.
        Billable = "billable",
        /// Again only when provably not processed.
        Guarded = "guarded",
        /// Must not happen twice.
        Once = "once",
        /// What the provider says, or else the method.
        Auto = "auto",
    }
}

impl Word {
    /// The word itself, unless it is `auto`.
    pub(crate) const fn said(self) -> Option<Effects> {
        match self {
            Word::Repeatable => Some(Effects::Repeatable),
            Word::Billable => Some(Effects::Billable),
            Word::Guarded => Some(Effects::Guarded),
            Word::Once => Some(Effects::Once),
            Word::Auto => None,
        }
    }
}

spelled! {
    /// A header of a caller that a route listens to.
    Listened {
        /// How safe this call is to repeat.
        Effects = "seawall-effects",
        /// How long this caller waits.
        Deadline = "seawall-deadline",
        /// On whose behalf.
        Tenant = "seawall-tenant",
        /// How important.
        Priority = "seawall-priority",
        /// When this operation was first meant.
        FirstSeen = "seawall-first-seen",
    }
}
