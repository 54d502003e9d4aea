//! Does a host answer? An echo request (ICMP) over an unprivileged socket, as the system's own `ping` uses where it can.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use seawall_policy::Invalid;
use socket2::{Domain, Protocol, Socket, Type};

use super::addresses;
use crate::health::check::{Finding, Probe, Probing};

/// What every echo carries; answers without it are somebody else's.
const MARK: &[u8; 8] = b"seawall\0";

/// Sends one echo request to a host and waits for the answer.
///
/// Where the system allows no such sockets (on Linux `net.ipv4.ping_group_range`), the check is absent: it cannot be said
/// whether the host is well, and a firewall that drops pings says nothing about it either. Prefer
/// [`Tcp`](super::Tcp) where there is a port to connect to.
#[derive(Debug)]
pub struct Ping {
    host: Arc<str>,
    next: AtomicU16,
}

impl Ping {
    /// To a name or an address. Refuses an empty one.
    pub fn to(host: impl Into<Arc<str>>) -> Result<Self, Invalid> {
        let host = host.into();
        if host.is_empty() || host.contains(['/', ' ']) {
            return Err(Invalid::new("host", format!("{host:?} is no host: write a name or an address")));
        }
        Ok(Self { host, next: AtomicU16::new(1) })
    }
}

impl Probe for Ping {
    fn kind(&self) -> &'static str {
        "ping"
    }

    fn probe(self: Arc<Self>) -> Probing {
        Box::pin(async move {
            let host = match self.host.parse::<IpAddr>() {
                Ok(address) => SocketAddr::new(address, 0),
                Err(_) => match addresses(&self.host).await {
                    Ok(found) => found[0],
                    Err(why) => return Finding::unhealthy(why),
                },
            };
            let socket = match open(host) {
                Ok(socket) => socket,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
                    ) =>
                {
                    return Finding::absent("the system allows no pings: see net.ipv4.ping_group_range");
                }
                Err(error) => return Finding::unhealthy(format_args!("cannot ping {}: {error}", self.host)),
            };
            match echo(&socket, host.is_ipv6(), self.next.fetch_add(1, Ordering::Relaxed)).await {
                Ok(()) => Finding::healthy(),
                Err(error) => Finding::unhealthy(format_args!("{} does not answer: {error}", self.host)),
            }
        })
    }
}

fn open(host: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
    let (domain, protocol) = match host {
        SocketAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        SocketAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).map_err(|error| {
        // Linux says "protocol not supported" where nobody may ping.
        let refused = matches!(error.raw_os_error(), Some(93 | 43));
        if refused { io::Error::from(io::ErrorKind::Unsupported) } else { error }
    })?;
    socket.set_nonblocking(true)?;
    let socket = UdpSocket::from(socket);
    socket.connect(host)?;
    tokio::net::UdpSocket::from_std(socket)
}

async fn echo(socket: &tokio::net::UdpSocket, v6: bool, sequence: u16) -> io::Result<()> {
    socket.send(&request(v6, sequence)).await?;
    let mut buffer = [0; 256];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if answers(&buffer[..length], v6, sequence) {
            return Ok(());
        }
    }
}

/// An echo request. The kernel fills in the identifier, and for IPv6 the checksum.
fn request(v6: bool, sequence: u16) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[0] = if v6 { 128 } else { 8 };
    packet[6..8].copy_from_slice(&sequence.to_be_bytes());
    packet[8..].copy_from_slice(MARK);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Is this the answer to that request? Some systems leave the IP header before it.
fn answers(packet: &[u8], v6: bool, sequence: u16) -> bool {
    let packet = match packet.first() {
        Some(first) if !v6 && first >> 4 == 4 => {
            packet.get(usize::from(first & 15) * 4..).unwrap_or_default()
        }
        _ => packet,
    };
    let kind = if v6 { 129 } else { 0 };
    packet.len() >= 16
        && packet[0] == kind
        && packet[6..8] == sequence.to_be_bytes()
        && packet[8..16] == *MARK
}

/// RFC 1071: the complement of the sum of the complements.
fn checksum(packet: &[u8]) -> u16 {
    let words =
        packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, proptest};

    #[test]
    fn a_request_sums_up_to_nothing_and_its_answer_is_known() {
        let packet = request(false, 0x1234);
        assert_eq!(checksum(&packet), 0, "a packet with its checksum sums to all ones");
        let mut answer = packet;
        answer[0] = 0;
        assert!(
            answers(&answer, false, 0x1234)
                && !answers(&answer, false, 0x1235)
                && !answers(&packet, false, 0x1234)
        );
        let behind_a_header = [&[0x45; 20][..], &answer].concat();
        assert!(answers(&behind_a_header, false, 0x1234));
        answer[0] = 129;
        assert!(answers(&answer, true, 0x1234) && !answers(&answer[..15], true, 0x1234));
    }

    proptest! {
        /// Law: whatever comes from the network, nothing panics, and an answer bears our mark.
        #[test]
        fn whatever_comes_is_ours_or_is_not(packet in prop::collection::vec(any::<u8>(), 0..80), v6 in any::<bool>()) {
            let ours = answers(&packet, v6, 7);
            prop_assert!(!ours || packet.windows(8).any(|part| part == MARK));
            let _ = checksum(&packet);
        }
    }
}
