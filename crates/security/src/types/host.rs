//! Names and ports of hosts.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{shown, text};

/// A host: an IP address, or a name of RFC 1123 in lower case. No port, no scheme, no user.
///
/// ```
/// use seawall_security::types::Host;
/// assert_eq!("API.Example.com".parse::<Host>()?.to_string(), "api.example.com");
/// assert!("127.0.0.1".parse::<Host>()?.is_loopback() && "localhost".parse::<Host>()?.is_loopback());
/// assert!("http://host".parse::<Host>().is_err() && "1.2.3.999".parse::<Host>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name.
    Name(String),
}

impl Host {
    /// Whether it is this machine, as far as its text says.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Address(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Host::Address(address));
        }
        let wrong = |advice: &str| Err(format!("{} is no host: {advice}", shown(text)));
        if text.contains("://") || text.contains('/') {
            return wrong("write the name alone, without scheme and path");
        }
        if text.contains('@') {
            return wrong("write the name alone, without a user");
        }
        if text.contains(':') {
            return wrong("write the name alone, without a port");
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() || name.len() > 253 || !name.split('.').all(label) {
            return wrong("write a name such as api.example.com");
        }
        // A name whose last label is a number would be taken for an address by some, and not by others.
        match name.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit())) {
            true => wrong("write four numbers of 0 to 255, or a name"),
            false => Ok(Host::Name(name)),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(address) => address.fmt(f),
            Host::Name(name) => f.write_str(name),
        }
    }
}

text!(Host, "a host such as \"api.example.com\"");

/// A port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Port(NonZeroU16);

impl Port {
    /// Refuses 0 and more than 65535.
    pub fn new(port: u64) -> Result<Self, String> {
        let port_16 = u16::try_from(port).ok().and_then(NonZeroU16::new);
        port_16.map(Self).ok_or_else(|| format!("{port} is no port: write a number from 1 to 65535"))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }

    /// Whether only the administrator may listen there, as a rule.
    pub fn is_privileged(self) -> bool {
        self.get() < 1024
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
