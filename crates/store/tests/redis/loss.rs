//! A server that forgets: what it still does, what it refuses, and how that ends.

use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Nature, Nonce, Note, Operation, Outcome, Truth};
use seawall_core::store::{Store, StoreError};
use seawall_store::redis::{Check, Rearm, Redis, RedisOptions};

use crate::server::{ALWAYS, EVERY_SECOND, NOTHING, Server, eventually, server};
use crate::{back, begin, careless, end, notes, open, options, run, wish};

fn closed(answer: &Result<Answer, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Forgot(_)))
}

fn forgot(store: &Redis) -> bool {
    store.findings().iter().any(|concern| concern.check == Check::Forgotten)
}

/// Another wish for the same effect.
fn anew(begin: Begin) -> Begin {
    Begin { nonce: Nonce(begin.nonce.0 + 1000), ..begin }
}

#[tokio::test]
async fn what_was_acknowledged_survives_the_servers_crash() {
    let Some(server) = server(ALWAYS).await else { return };
    crash(server).await;
}

#[tokio::test]
async fn what_was_written_survives_the_servers_crash_where_it_syncs_once_a_second() {
    let Some(server) = server(EVERY_SECOND).await else { return };
    crash(server).await;
}

async fn crash(mut server: Server) {
    let store = open(&server.url(), options()).await;
    let mut granted = Vec::new();
    for n in 0..200 {
        granted.push(run(&store, wish(n)).await);
    }
    end(&store, wish(0).key, granted[0], b"done").await;
    // Where it syncs once a second and its disk is busy, it writes up to two seconds late: what it acknowledged
    // meanwhile would be lost, and found out.
    eventually("it has written", || {
        let info: String = server.says(&["INFO", "persistence"]).expect("the server answers");
        info.contains("aof_buffer_length:0")
    })
    .await;
    server.kill();
    assert!(matches!(begin(&store, wish(300)).await, Err(StoreError::Unavailable(_))));
    server.start().await;
    back(&store).await;
    assert!(!forgot(&store), "{:?}", store.findings());
    assert!(matches!(begin(&store, anew(wish(0))).await, Ok(Answer::Replay(..))));
    for n in 1..200 {
        let asked = begin(&store, anew(wish(n))).await;
        assert!(matches!(asked, Ok(Answer::Busy(_))), "{n}: {asked:?}");
        // Whoever lost the reply gets the same right.
        assert_eq!(begin(&store, wish(n)).await, Ok(Answer::Run(granted[n as usize])));
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let path = entry.expect("listed").path();
        std::fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
    }
}

#[tokio::test]
async fn a_server_set_back_to_an_older_copy_while_nothing_ran_is_found_out_by_what_was_noted() {
    let Some(mut server) = server(ALWAYS).await else { return };
    let noting = RedisOptions { known: Some(server.file("known")), ..options() };
    let (kept, older) = (server.file("appendonlydir"), server.file("older"));
    let store = open(&server.url(), noting.clone()).await;
    run(&store, wish(1)).await;
    copy(&kept, &older);
    run(&store, wish(2)).await;
    drop(store);
    let note = || std::fs::read_to_string(server.file("known")).unwrap_or_default();
    eventually("both are noted when the store is let go of", || note().matches("grant ").count() == 2).await;
    // A server that was started anew and has it all is the same memory.
    server.kill();
    server.start().await;
    let store = open(&server.url(), noting.clone()).await;
    assert!(!forgot(&store), "{:?}", store.findings());
    drop(store);
    server.kill();
    std::fs::remove_dir_all(&kept).expect("removed");
    copy(&older, &kept);
    server.start().await;
    let store = open(&server.url(), noting.clone()).await;
    assert!(forgot(&store), "{:?}", store.findings());
    assert!(closed(&begin(&store, anew(wish(2))).await));
    // It is written down there, for whoever knows nothing, and ended for all.
    assert!(forgot(&open(&server.url(), options()).await));
    store.rearm().await.expect("it is trusted");
    drop(store);
    server.kill();
    server.start().await;
    assert!(!forgot(&open(&server.url(), noting).await), "once is enough");
}

#[tokio::test]
async fn a_server_that_comes_back_empty_has_forgotten() {
    let Some(mut server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let token = run(&store, wish(1)).await;
    server.kill();
    server.start().await;
    back(&store).await;
    assert!(forgot(&store));
    for nature in [Nature::Opaque, Nature::Queryable] {
        assert!(closed(&begin(&store, anew(Begin { nature, ..wish(1) })).await));
        assert!(closed(&begin(&store, Begin { nature, ..wish(2) }).await));
    }
    // Its owner's word is heard, and shows what was lost.
    let complete =
        Operation::Complete { key: wish(1).key, token, outcome: Outcome::Ended(Truth::Applied, None) };
    assert_eq!(notes(&store, complete).await, [Note::Forgotten]);
    // Others go on, flagged.
    for nature in [Nature::Idempotent, Nature::Keyed { window: Duration::from_secs(3600) }] {
        let wish = Begin { nature, key: wish(50).key, nonce: Nonce(9), ..wish(3) };
        let told = store.ask(Operation::Begin(wish.clone())).await.expect("the store answers");
        assert!(matches!(told.answer, Answer::Run(_)));
        assert_eq!(told.notes, [Note::Forgotten]);
        let Answer::Run(token) = told.answer else { unreachable!() };
        let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
        store.ask(Operation::Complete { key: wish.key, token, outcome }).await.expect("the store answers");
        server.tell(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn an_emptied_server_is_noticed_by_the_very_next_wish() {
    let Some(server) = server(ALWAYS).await else { return };
    let slow = RedisOptions { check_every: Duration::from_secs(3600), ..options() };
    let store = open(&server.url(), slow.clone()).await;
    let other = open(&server.url(), slow).await;
    run(&store, wish(1)).await;
    server.tell(&["FLUSHALL"]);
    assert!(closed(&begin(&store, anew(wish(1))).await));
    // A newcomer who knows nothing finds it written down already, once anybody has looked.
    eventually("it looks", || forgot(&store)).await;
    let newcomer = open(&server.url(), options()).await;
    assert!(forgot(&newcomer));
    assert!(closed(&begin(&newcomer, wish(2)).await));
    assert!(closed(&begin(&other, wish(2)).await));
}

#[tokio::test]
async fn one_part_that_lost_its_name_is_a_loss_of_all() {
    let Some(server) = server(ALWAYS).await else { return };
    let store = open(&server.url(), options()).await;
    // What an eviction that took one key leaves behind.
    server.tell(&["DEL", &format!("sw:{{test:{:02x}}}:s", wish(1).key.as_bytes()[15])]);
    assert!(closed(&begin(&store, wish(1)).await));
    eventually("it looks", || forgot(&store)).await;
    for n in 0..20 {
        assert!(closed(&begin(&store, wish(n)).await));
    }
}

#[tokio::test]
async fn evictions_that_took_a_name_close_what_could_happen_twice() {
    let Some(server) = server(NOTHING).await else { return };
    let reckless = RedisOptions { acknowledged: [Check::Persistence, Check::Eviction].into(), ..options() };
    let store =
        open(&server.url(), RedisOptions { check_every: Duration::from_secs(3600), ..reckless }).await;
    server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    let used: String = server.says(&["INFO", "memory"]).expect("the server answers");
    let used: u64 = used
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|used| used.trim().parse().ok())
        .expect("a number");
    server.tell(&["CONFIG", "SET", "maxmemory", &(used + 100_000).to_string()]);
    let named = || -> Vec<String> { server.says(&["KEYS", "sw:*:s"]).expect("the server answers") };
    for n in 0..100 {
        server.tell(&[
            "EVAL",
            "for n = 1, 200 do redis.call('SET', KEYS[1] .. n, string.rep('x', 500)) end",
            "1",
            &format!("foreign:{n}:"),
        ]);
        if named().len() < 200 {
            break;
        }
    }
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    let (named, mut refused) = (named().len(), 0);
    assert!(named < 256, "nothing of ours was thrown away");
    for n in 0..400 {
        refused += usize::from(closed(&begin(&store, wish(n)).await));
    }
    assert!(refused > 0);
    eventually("it looks", || forgot(&store)).await;
    for n in 400..420 {
        assert!(closed(&begin(&store, wish(n)).await));
    }
}

#[tokio::test]
async fn a_restart_of_ours_does_not_make_a_loss_a_first_start() {
    let Some(server) = server(ALWAYS).await else { return };
    let noted = RedisOptions { known: Some(server.file("known")), ..options() };
    let store = open(&server.url(), noted.clone()).await;
    run(&store, wish(1)).await;
    drop(store);
    server.tell(&["FLUSHALL"]);
    let store = open(&server.url(), noted.clone()).await;
    assert!(forgot(&store) && closed(&begin(&store, wish(1)).await));
    // Somebody who knows nothing takes an empty server for a new one; whoever knows better says so to all.
    server.tell(&["FLUSHALL"]);
    drop(store);
    let stranger = open(&server.url(), options()).await;
    run(&stranger, wish(1)).await;
    let store = open(&server.url(), noted.clone()).await;
    assert!(forgot(&store));
    assert!(closed(&begin(&stranger, wish(2)).await));
    // A note that cannot be read is not guessed at.
    std::fs::write(server.file("known"), "rubbish").expect("written");
    let error = Redis::open(&server.url(), noted).await.expect_err("unreadable");
    assert!(matches!(error, StoreError::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_lacks_the_last_grant_is_found_out() {
    let Some(mut server) = server(ALWAYS).await else { return };
    let store = open(&server.url(), options()).await;
    run(&store, wish(1)).await;
    // The last second of its history is gone, as after a loss of power or with a replica that lagged behind.
    let name: Vec<String> = server.says(&["KEYS", "sw:*:e:*"]).expect("the server answers");
    server.tell(&["DEL", &name[0]]);
    assert!(!forgot(&store));
    server.kill();
    server.start().await;
    back(&store).await;
    assert!(forgot(&store));
    assert!(closed(&begin(&store, anew(wish(1))).await));
}

#[tokio::test]
async fn time_ends_a_loss_but_not_for_wishes_that_may_be_older() {
    let Some(server) = server(ALWAYS).await else { return };
    let quick = RedisOptions { quarantine: Duration::from_millis(400), ..options() };
    let store = open(&server.url(), quick).await;
    let token = run(&store, wish(1)).await;
    end(&store, wish(1).key, token, b"done").await;
    server.tell(&["FLUSHALL"]);
    assert!(closed(&begin(&store, anew(wish(1))).await));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(closed(&begin(&store, Begin { age: Some(Duration::ZERO), ..wish(2) }).await), "too early");
    tokio::time::sleep(Duration::from_millis(600)).await;
    // Nobody knows how old it is: it may be the one that was finished before.
    assert!(closed(&begin(&store, anew(wish(1))).await));
    assert!(closed(&begin(&store, Begin { age: Some(Duration::from_secs(5)), ..wish(1) }).await));
    // Clocks may differ by a minute, so that only what is wished from then on is surely younger.
    assert!(closed(&begin(&store, Begin { age: Some(Duration::ZERO), ..wish(3) }).await));
    let forgotten_anyway =
        seawall_core::effect::Keep { result: Duration::ZERO, key: Duration::from_millis(1) };
    run(&store, Begin { keep: forgotten_anyway, ..wish(4) }).await;
    // A person may know more.
    store.rearm().await.expect("the store answers");
    assert!(!forgot(&store));
    run(&store, wish(5)).await;
}

#[tokio::test]
async fn where_only_a_person_may_end_a_loss_time_does_not() {
    let Some(server) = server(ALWAYS).await else { return };
    let by_hand = RedisOptions { quarantine: Duration::from_millis(1), rearm: Rearm::ByHand, ..options() };
    let store = open(&server.url(), by_hand).await;
    store.rearm().await.expect("nothing to do");
    run(&store, wish(1)).await;
    server.tell(&["FLUSHALL"]);
    assert!(closed(&begin(&store, wish(2)).await));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(closed(&begin(&store, wish(2)).await));
    store.rearm().await.expect("the store answers");
    run(&store, wish(2)).await;
    // Who was away meanwhile takes the new name.
    assert!(!forgot(&open(&server.url(), options()).await));
}

#[tokio::test]
async fn many_who_start_at_once_on_a_new_server_agree() {
    let Some(server) = server(ALWAYS).await else { return };
    let url = server.url();
    let opened = futures_util::future::join_all((0..8).map(|_| open(&url, options()))).await;
    for (n, store) in opened.iter().enumerate() {
        assert!(store.findings().is_empty(), "{:?}", store.findings());
        run(store, wish(u32::try_from(n).expect("few"))).await;
    }
    assert!(matches!(begin(&opened[0], anew(wish(7))).await, Ok(Answer::Busy(_))));
}
