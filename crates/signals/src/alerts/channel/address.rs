//! Where a webhook is posted.

use std::fmt;
use std::str::FromStr;

use ::http::Uri;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An `http` or `https` URL. A user or password in it is refused. Shown without its path and query, for with many services
/// these are the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Uri);

impl Address {
    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    pub(super) fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// What is at a path below it.
    pub(crate) fn at(&self, path: &str) -> Result<Self, String> {
        let base = self.0.path().trim_end_matches('/');
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}{base}{path}", self.0.scheme_str().unwrap_or("https")).parse()
    }

    /// Can whoever sits on the way read what is sent there?
    pub fn is_open(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !self.is_tls() && !loopback
    }
}

impl FromStr for Address {
    type Err = String;

    /// Reads a URL. What is wrong is said without repeating the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "is not a URL: write \"https://host/path\"".to_owned())?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
                Err("a user or password inside a URL is refused: write \"https://host/path\"".to_owned())
            }
            (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => Ok(Self(uri)),
            _ => Err("is not the URL of a web server: write \"https://host/path\"".to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}/…", self.0.scheme_str().unwrap_or("https"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Address;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL like \"https://host/path\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Address, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Address {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a URL like \"https://host/path\"" })
    }
}
