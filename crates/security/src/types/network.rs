//! Settings of a network, and blocks of addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use seawall_core::units;
use seawall_core::units::Size;
use seawall_policy::Invalid;
use serde::{Deserialize, Serialize};

use super::checked::Checking;
use super::{Check, Host, Port, shown, text};

/// A block of addresses: `10.0.0.0/8`, `::1/128`, or one address.
///
/// Bits behind the mask are refused: whoever writes `10.0.0.7/8` means one or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    base: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether an address is in it. An IPv4 address that is written as IPv6 is the same address.
    pub fn contains(self, address: IpAddr) -> bool {
        let (address, base) = (address.to_canonical(), self.base);
        match (masked(address, self.bits), masked(base, self.bits)) {
            (Some(a), Some(b)) => address.is_ipv4() == base.is_ipv4() && a == b,
            _ => false,
        }
    }

    /// Whether every address is in it.
    pub fn is_everyone(self) -> bool {
        self.bits == 0
    }
}

/// The bits of an address before the mask; `None` where the mask is longer than the address.
fn masked(address: IpAddr, bits: u8) -> Option<u128> {
    let (value, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32u32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let rest = width.checked_sub(u32::from(bits))?;
    Some(value.checked_shr(rest).unwrap_or(0))
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |advice: &str| Err(format!("{} is no block of addresses: {advice}", shown(text)));
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let Ok(base) = base.parse::<IpAddr>() else { return wrong("write one such as 10.0.0.0/8") };
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse::<u8>) {
            None => width,
            Some(Ok(bits)) if bits <= width => bits,
            Some(_) => return wrong(&format!("write a mask of 0 to {width}")),
        };
        let behind = masked(base, bits).and_then(|value| {
            let back = value.checked_shl(u32::from(width - bits)).unwrap_or(0);
            (masked(base, width)? != back).then_some(())
        });
        match behind {
            Some(()) => wrong(&format!(
                "it has bits behind its mask, write {base} alone or the block's first address"
            )),
            None => Ok(Self { base, bits }),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

text!(Cidr, "a block of addresses such as \"10.0.0.0/8\"");

/// How somebody is reached, or reaches others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The host. Default `127.0.0.1`: this machine alone.
    pub host: Host,
    /// The port. Default 7070.
    pub port: Port,
    /// Encrypted. Default no; needed outside this machine.
    pub tls: bool,
    /// Name, connection and TLS. Default 10 s; 1 ms to 5 min.
    #[serde(with = "units::duration")]
    pub connect: Duration,
    /// All of a call. Default 60 s; at least `connect`, at most a day.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    /// Connections at once. Default 256; 1 to 65535.
    pub connections: u32,
    /// The largest body. Default 16 MiB; 1 KiB to 4 GiB.
    pub body: Size,
    /// Who may come. Default: this machine.
    pub allow: Vec<Cidr>,
}

impl Default for Network {
    fn default() -> Self {
        let loopback = [
            Cidr { base: [127, 0, 0, 0].into(), bits: 8 },
            Cidr { base: std::net::Ipv6Addr::LOCALHOST.into(), bits: 128 },
        ];
        Self {
            host: Host::Address([127, 0, 0, 1].into()),
            port: Port::new(7070).unwrap_or_else(|_| unreachable!("7070 is a port")),
            tls: false,
            connect: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            connections: 256,
            body: Size(16 << 20),
            allow: loopback.into(),
        }
    }
}

impl Check for Network {
    fn check(&self) -> Vec<Invalid> {
        let mut checking = Checking::default();
        checking.must(self.tls || self.host.is_loopback(), "tls", || {
            format!(
                "what is said to {} would be read on the way: write tls = true, or a loopback host",
                self.host
            )
        });
        checking.lasting("connect", self.connect, Duration::from_millis(1), Duration::from_secs(300));
        checking.lasting("timeout", self.timeout, self.connect, Duration::from_secs(86_400));
        checking.within("connections", self.connections, 1, 65_535);
        checking.must((1 << 10..=4 << 30).contains(&self.body.0), "body", || {
            format!("{} is not from 1KiB to 4GiB: write a size in between", self.body)
        });
        checking.must(!self.allow.is_empty(), "allow", || {
            "nobody may come: write a block of addresses".to_owned()
        });
        checking.must(self.allow.len() <= 256, "allow", || {
            format!("{} blocks are more than 256: write larger ones", self.allow.len())
        });
        let everyone = self.allow.iter().find(|block| block.is_everyone());
        if let Some(block) = everyone {
            checking.must(self.tls, "allow", || {
                format!("{block} is everybody: write smaller blocks, or tls = true")
            });
        }
        checking.0
    }
}
