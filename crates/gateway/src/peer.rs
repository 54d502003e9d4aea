//! Who is at the other end of a connection, as far as that shows: for telling callers apart that have no names.

use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};

/// An address. Two connections of one IPv4 address are one peer, and so are two of one network of IPv6: whoever has one
/// address of a /64 has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    address: IpAddr,
    id: u64,
}

impl Peer {
    /// Whoever connected from there. The hasher is one that nobody outside can foresee.
    pub(crate) fn new(address: IpAddr, hasher: &impl BuildHasher) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            plain @ IpAddr::V4(_) => plain,
        };
        Self { address, id: hasher.hash_one(("address", address)) }
    }

    /// A number that stands for it in this process.
    pub(crate) fn id(self) -> u64 {
        self.id
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        if self.address.is_ipv6() { f.write_str("/64") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::RandomState;

    use super::*;

    #[test]
    fn a_peer_is_an_address_or_a_network_nobody_shares() {
        let hasher = RandomState::new();
        let peer = |text: &str| Peer::new(text.parse().unwrap(), &hasher);
        assert_eq!(peer("192.0.2.7"), peer("::ffff:192.0.2.7"));
        assert_ne!(peer("192.0.2.7").id(), peer("192.0.2.8").id());
        assert_eq!(peer("2001:db8:1:2:3:4:5:6"), peer("2001:db8:1:2::1"));
        assert_ne!(peer("2001:db8:1:2::1").id(), peer("2001:db8:1:3::1").id());
        assert_eq!(peer("::ffff:192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(peer("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }
}
