//! Servers with replicas: what a wait gives, and what it does not.

use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Nonce, State};
use seawall_core::store::StoreError;
use seawall_store::redis::{Check, Redis, RedisOptions, Wait};

use crate::cable::Cable;
use crate::server::{NOTHING, Server, eventually, server};
use crate::{back, begin, careless, end, open, peek, run, wish};

async fn pair() -> Option<(Server, Server)> {
    let primary = server(&[NOTHING, &["--repl-diskless-sync-delay", "0"]].concat()).await?;
    let port = primary.port().to_string();
    let replica = server(&[NOTHING, &["--replicaof", "127.0.0.1", &port]].concat()).await?;
    // A replica that is connected hears nothing yet; one that acknowledges a write does.
    let acknowledges = || {
        let client = redis::Client::open(("127.0.0.1", primary.port())).expect("an address");
        let mut line = client.get_connection().expect("a connection");
        let written: String = redis::cmd("SET").arg("probe").arg(1).query(&mut line).expect("written");
        let replicas = redis::cmd("WAIT").arg(1).arg(20).query::<u32>(&mut line);
        written == "OK" && replicas.is_ok_and(|replicas| replicas == 1)
    };
    eventually("they are connected", acknowledges).await;
    Some((primary, replica))
}

/// A line of what a server says of its replication.
fn told(server: &Server, name: &str) -> String {
    let info: String = server.says(&["INFO", "replication"]).expect("the server answers");
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned));
    line.unwrap_or_default()
}

/// Asking with WAIT would not do: a connection that has written nothing has nothing to wait for.
async fn caught_up(primary: &Server, replica: &Server) {
    let offset = told(primary, "master_repl_offset");
    eventually("the replica has caught up", || told(replica, "slave_repl_offset") >= offset).await;
}

fn waiting() -> RedisOptions {
    RedisOptions { wait: Some(Wait { replicas: 1, within: Duration::from_millis(1500) }), ..careless() }
}

#[tokio::test]
async fn a_replica_is_no_place_to_write() {
    let Some((primary, replica)) = pair().await else { return };
    let error = Redis::open(&replica.url(), careless()).await.expect_err("a replica").to_string();
    assert!(error.contains(&format!("replica of 127.0.0.1:{}", primary.port())), "{error}");
    // One that becomes a replica later is left alone from then on.
    let store = open(&primary.url(), careless()).await;
    assert!(store.findings().iter().any(|concern| concern.check == Check::Failover));
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    primary.tell(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
    for n in 0.. {
        match begin(&store, wish(n)).await {
            Err(StoreError::Unavailable(why)) if why.contains("replica of") => break,
            other => assert!(n < 300, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_grant_waits_for_its_replica_and_is_given_back_without_one() {
    let Some((primary, mut replica)) = pair().await else { return };
    let store = open(&primary.url(), waiting()).await;
    assert!(!store.findings().iter().any(|concern| concern.check == Check::Failover));
    let crowd: Vec<_> = (0..200).map(|n| begin(&store, wish(n))).collect();
    for answer in futures_util::future::join_all(crowd).await {
        assert!(matches!(answer, Ok(Answer::Run(_))), "{answer:?}");
    }
    replica.kill();
    let refused = begin(&store, wish(500)).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("0 of 1")), "{refused:?}");
    assert!(matches!(peek(&store, wish(500).key).await.map(|it| it.state), Some(State::Free { .. })));
    // What needs no grant needs no replica.
    let told = begin(&store, Begin { nonce: Nonce(77), ..wish(1) }).await;
    assert!(matches!(told, Ok(Answer::Busy(_))), "{told:?}");
    replica.start().await;
    for n in 0.. {
        if let Ok(Answer::Run(_)) =
            begin(&store, Begin { nonce: Nonce(1000 + n), max_attempts: 1000, ..wish(500) }).await
        {
            return;
        }
        assert!(n < 100, "never granted again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_same_wish_again_waits_for_its_own_grant() {
    let Some((primary, replica)) = pair().await else { return };
    // Granted without a wait, while the replica hears nothing.
    let careless = open(&primary.url(), careless()).await;
    stop(&replica);
    run(&careless, wish(1)).await;
    // A new connection has written nothing yet: it must not take the silence of others for an acknowledgement.
    let store = open(&primary.url(), waiting()).await;
    let refused = begin(&store, wish(1)).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("0 of 1")), "{refused:?}");
    go_on(&replica);
}

#[tokio::test]
async fn a_replica_that_takes_over_without_the_last_grant_is_found_out_and_with_it_is_not() {
    let Some((primary, replica)) = pair().await else { return };
    let store = open(&primary.url(), waiting()).await;
    let token = run(&store, wish(1)).await;
    end(&store, wish(1).key, token, b"done").await;
    // What was waited for is there when the replica takes over.
    caught_up(&primary, &replica).await;
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    let taken = open(&replica.url(), careless()).await;
    assert!(!taken.findings().iter().any(|concern| concern.check == Check::Forgotten));
    assert!(matches!(begin(&taken, Begin { nonce: Nonce(5), ..wish(1) }).await, Ok(Answer::Replay(..))));
}

#[tokio::test]
async fn without_a_wait_a_failover_can_lose_a_grant_and_only_its_owner_notices() {
    let Some((mut primary, replica)) = pair().await else { return };
    let cable = Cable::to(primary.port()).await;
    let owner = open(&cable.url(), careless()).await;
    run(&owner, wish(1)).await;
    caught_up(&primary, &replica).await;
    // The replica takes over while the primary still grants: what it grants now is lost.
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    run(&owner, wish(2)).await;
    // A newcomer finds a server in good order, and the lost effect is run a second time. No check can prevent that.
    let newcomer = open(&replica.url(), careless()).await;
    assert!(matches!(begin(&newcomer, Begin { nonce: Nonce(6), ..wish(1) }).await, Ok(Answer::Busy(_))));
    let second = begin(&newcomer, Begin { nonce: Nonce(5), ..wish(2) }).await;
    assert!(matches!(second, Ok(Answer::Run(_))), "{second:?}");
    run(&owner, wish(3)).await;
    // The owner of a lost grant finds out as soon as it is led there, and from then on everybody knows.
    primary.kill();
    cable.leads_to(replica.port());
    back(&owner).await;
    assert!(owner.findings().iter().any(|concern| concern.check == Check::Forgotten));
    assert!(matches!(begin(&newcomer, wish(4)).await, Err(StoreError::Forgot(_))));
}

fn signal(server: &Server, what: &str) {
    let sent = std::process::Command::new("kill").args([what, &server.pid().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

fn stop(server: &Server) {
    signal(server, "-STOP");
}

fn go_on(server: &Server) {
    signal(server, "-CONT");
}
