//! Checks of the network: can one connect, does a host answer, is a name known.

mod ping;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use seawall_policy::Invalid;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use super::check::{Finding, Probe, Probing};

pub use ping::Ping;

/// Connects by TCP, says nothing, and hangs up.
#[derive(Debug, Clone)]
pub struct Tcp {
    to: Vec<Arc<str>>,
    kind: &'static str,
}

impl Tcp {
    /// To `host:port`. Refuses what is none.
    pub fn to(address: impl Into<Arc<str>>) -> Result<Self, Invalid> {
        Ok(Self { to: vec![checked(address.into())?], kind: "tcp" })
    }

    /// To any of several, all asked at once: is there a network at all? Healthy as soon as one answers.
    pub fn any<A: Into<Arc<str>>>(addresses: impl IntoIterator<Item = A>) -> Result<Self, Invalid> {
        let to = addresses.into_iter().map(|to| checked(to.into())).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(Invalid::new("to", "nobody to connect to: write at least one \"host:port\""));
        }
        Ok(Self { to, kind: "network" })
    }
}

fn checked(address: Arc<str>) -> Result<Arc<str>, Invalid> {
    let good = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.starts_with('[') && host.ends_with(']') || !host.contains(':');
        !host.is_empty() && bare && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if good {
        Ok(address)
    } else {
        Err(Invalid::new("to", format!("{address:?} is no address: write \"host:port\"")))
    }
}

impl Probe for Tcp {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn probe(self: Arc<Self>) -> Probing {
        Box::pin(async move {
            let mut trying = JoinSet::new();
            for address in &self.to {
                let address = address.clone();
                trying.spawn(
                    async move { TcpStream::connect(&*address).await.map_err(|error| (address, error)) },
                );
            }
            let mut finding = Finding::unhealthy("nobody to connect to");
            while let Some(tried) = trying.join_next().await {
                match tried {
                    Ok(Ok(_)) => return Finding::healthy(),
                    Ok(Err((address, error))) => finding = Finding::unhealthy(Refused(&address, &error)),
                    Err(_) => {}
                }
            }
            finding
        })
    }
}

struct Refused<'a>(&'a str, &'a std::io::Error);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.0, self.1)
    }
}

/// Asks for the addresses of a host, as any connection would.
#[derive(Debug, Clone)]
pub struct Resolve(Arc<str>);

impl Resolve {
    /// Of this host. Refuses an empty name.
    pub fn of(host: impl Into<Arc<str>>) -> Result<Self, Invalid> {
        let host = host.into();
        if host.is_empty() || host.contains([':', '/', ' ']) {
            return Err(Invalid::new(
                "host",
                format!("{host:?} is no host: write a name without port and path"),
            ));
        }
        Ok(Self(host))
    }
}

impl Probe for Resolve {
    fn kind(&self) -> &'static str {
        "dns"
    }

    fn probe(self: Arc<Self>) -> Probing {
        Box::pin(async move {
            match addresses(&self.0).await {
                Ok(_) => Finding::healthy(),
                Err(why) => Finding::unhealthy(why),
            }
        })
    }
}

/// The addresses of a host, at least one.
async fn addresses(host: &str) -> Result<Vec<SocketAddr>, String> {
    match lookup_host((host, 0)).await {
        Ok(found) => {
            let found: Vec<SocketAddr> = found.collect();
            if found.is_empty() { Err(format!("{host} has no address")) } else { Ok(found) }
        }
        Err(error) => Err(format!("{host} is not known: {error}")),
    }
}
