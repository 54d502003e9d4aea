use std::sync::Arc;

use tokio::net::TcpListener;

use super::*;
use crate::health::Level;

async fn level(probe: impl Probe) -> Option<Level> {
    Arc::new(probe).probe().await.level
}

/// A port where somebody listens, and one where nobody does.
async fn ports() -> (TcpListener, String, String) {
    let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (up, down) = (open.local_addr().unwrap().to_string(), closed.local_addr().unwrap().to_string());
    (open, up, down)
}

#[tokio::test]
async fn a_port_is_well_where_somebody_listens() {
    let (_open, up, down) = ports().await;
    assert_eq!(level(Tcp::to(&*up).unwrap()).await, Some(Level::Healthy));
    let finding = Arc::new(Tcp::to(&*down).unwrap()).probe().await;
    assert_eq!(finding.level, Some(Level::Unhealthy));
    assert!(finding.why.unwrap().starts_with(&format!("cannot connect to {down}: ")));
}

#[tokio::test]
async fn the_network_is_there_where_anybody_answers() {
    let (_open, up, down) = ports().await;
    assert_eq!(level(Tcp::any([&*down, &*up, &*down]).unwrap()).await, Some(Level::Healthy));
    assert_eq!(level(Tcp::any([&*down, &*down]).unwrap()).await, Some(Level::Unhealthy));
    assert_eq!(Tcp::any::<&str>([]).unwrap_err().key, "to");
}

#[test]
fn addresses_and_hosts_that_are_none_are_refused() {
    for wrong in ["", "host", ":80", "host:", "host:0", "host:99999", "::1:80", "http://host:80/"] {
        assert_eq!(Tcp::to(wrong).unwrap_err().key, "to", "{wrong:?}");
    }
    Tcp::to("[::1]:80").unwrap();
    for wrong in ["", "host:80", "http://host", "a b"] {
        assert_eq!(Resolve::of(wrong).unwrap_err().key, "host", "{wrong:?}");
    }
    assert_eq!(Ping::to("").unwrap_err().key, "host");
}

#[tokio::test]
async fn a_name_is_known_or_it_is_not() {
    assert_eq!(level(Resolve::of("localhost").unwrap()).await, Some(Level::Healthy));
    assert_eq!(level(Resolve::of("no-such-host.invalid").unwrap()).await, Some(Level::Unhealthy));
}

#[tokio::test]
async fn the_loopback_answers_a_ping_where_pings_are_allowed() {
    let finding = Arc::new(Ping::to("127.0.0.1").unwrap()).probe().await;
    // The first and the last group that may ping; the first is above the last where nobody may.
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let range: Vec<u64> = range.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match range[..] {
        [first, last] if first > last => assert_eq!(finding.level, None, "{finding:?}"),
        _ => assert!(matches!(finding.level, None | Some(Level::Healthy)), "{finding:?}"),
    }
}
