//! What a record takes, how long it lives, and what may be in it.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{Answer, Begin, Keep, Nonce, Note, Operation, Outcome, State, Truth};
use seawall_core::store::{Store, StoreError, Wanted};
use seawall_store::time::Time;

use crate::server::{NOTHING, Server, eventually, server};
use crate::{begin, bytes, careless, end, open, options, peek, run, wish};

/// The names of what the server keeps, of one kind.
fn names(server: &Server, kind: &str) -> Vec<String> {
    server.says(&["KEYS", &format!("sw:*{kind}*")]).expect("the server answers")
}

#[tokio::test]
async fn a_finished_record_takes_at_most_300_bytes() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let token = run(&store, wish(7)).await;
    end(&store, wish(7).key, token, b"{\"id\":\"ord_1234567\"}").await;
    let [name] = names(&server, ":e:").try_into().expect("one record");
    let taken: u64 = server.says(&["MEMORY", "USAGE", &name, "SAMPLES", "0"]).expect("the server answers");
    eprintln!("{name}: {taken} bytes");
    assert!(taken <= 300, "{taken}");
}

#[tokio::test]
async fn only_what_is_finished_or_free_ends_by_itself() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let life = |server: &Server| -> i64 {
        let [name] = names(server, ":e:").try_into().expect("one record");
        server.says(&["PTTL", &name]).expect("the server answers")
    };
    let hour = Duration::from_secs(3600);
    let wish = Begin { keep: Keep { result: hour, key: hour * 2 }, ..wish(1) };
    let complete = |token, outcome| store.ask(Operation::Complete { key: wish.key, token, outcome });
    let token = run(&store, wish.clone()).await;
    assert_eq!(life(&server), -1, "executing");
    complete(token, Outcome::NotApplied { cooldown: Duration::ZERO }).await.expect("the store answers");
    assert!((7_100_000..=7_200_000).contains(&life(&server)), "free");
    let token = run(&store, Begin { nonce: Nonce(5), ..wish.clone() }).await;
    assert_eq!(life(&server), -1, "executing again");
    complete(token, Outcome::Unknown { detail: "?".into() }).await.expect("the store answers");
    assert_eq!(life(&server), -1, "in doubt");
    let reconcile = Operation::Reconcile { key: wish.key, nonce: Nonce(6), lease: hour };
    store.ask(reconcile).await.expect("the store answers");
    assert_eq!(life(&server), -1, "reconciling");
    complete(token, Outcome::Ended(Truth::Applied, None)).await.expect("the store answers");
    assert!((7_100_000..=7_200_000).contains(&life(&server)), "done");
}

#[tokio::test]
async fn what_the_server_has_expired_was_forgotten_and_a_sweep_tidies_up() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let short = Duration::from_millis(150);
    let wish = Begin { keep: Keep { result: short, key: short }, ..wish(1) };
    let token = run(&store, wish.clone()).await;
    end(&store, wish.key, token, b"x").await;
    assert!(matches!(begin(&store, wish.clone()).await, Ok(Answer::Replay(..))));
    eventually("the server expires it", || names(&server, ":e:").is_empty()).await;
    assert_eq!(names(&server, ":x").len(), 1, "its place in the index");
    assert_eq!(peek(&store, wish.key).await, None);
    let swept = store.sweep(10).await.expect("the store answers");
    assert_eq!((swept.changed, swept.notes.len(), names(&server, ":x").len()), (1, 0, 0));
    assert_eq!(store.sweep(10).await.expect("the store answers").changed, 0);
    // A later wish is another run, under a later epoch.
    let again = run(&store, Begin { nonce: Nonce(8), ..wish.clone() }).await;
    assert!(again.epoch > token.epoch);
    let late = Operation::Complete { key: wish.key, token, outcome: Outcome::Ended(Truth::Applied, None) };
    assert_eq!(store.ask(late).await.expect("the store answers").answer, Answer::Fenced);
}

#[tokio::test]
async fn a_sweep_finds_lapsed_leases_everywhere_and_stops_where_it_is_told() {
    let Some(server) = server(NOTHING).await else { return };
    let time = Time::manual(seawall_core::effect::Stamp(4_000_000_000_000));
    let opened = seawall_store::redis::Redis::open_at(&server.url(), careless(), time.clone()).await;
    let store = opened.expect("it opens").store;
    for n in 0..300 {
        run(&store, wish(n)).await;
    }
    assert_eq!(store.sweep(100).await.expect("the store answers").changed, 0, "nothing is due");
    time.advance(Duration::from_secs(30));
    let first = store.sweep(100).await.expect("the store answers");
    assert_eq!((first.changed, first.notes.len()), (100, 100));
    let second = store.sweep(usize::MAX).await.expect("the store answers");
    assert_eq!((second.changed, second.notes.len()), (200, 200));
    let mut labels: Vec<Arc<str>> = first
        .notes
        .into_iter()
        .chain(second.notes)
        .map(|(label, note)| {
            assert!(matches!(note, Note::InDoubt(_)));
            label
        })
        .collect();
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), 300);
    let wanted = |state: &str, limit| Wanted { state: Some(state.into()), after: None, limit };
    let page = store.list(wanted("in-doubt", 7)).await.expect("the store answers");
    assert_eq!((page.records.len(), page.total), (7, Some(300)));
    assert!(page.records.iter().all(|(_, record)| matches!(record.state, State::InDoubt(_))));
    let page = store.list(wanted("quarantined", 0)).await.expect("the store answers");
    assert_eq!((page.records.len(), page.total, page.next), (0, Some(0), None));
}

#[tokio::test]
async fn a_mebibyte_of_anything_comes_back_as_it_went() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let mut rng = fastrand::Rng::with_seed(3);
    let result: Vec<u8> = (0..1 << 20).map(|_| rng.u8(..)).collect();
    let wish = Begin { label: "\u{e4}\0\r\n".repeat(1 << 18).into(), ..wish(1) };
    let token = run(&store, wish.clone()).await;
    assert_eq!(peek(&store, wish.key).await.expect("a record").label, wish.label);
    assert_eq!(end(&store, wish.key, token, &result).await, Answer::Ok);
    let replay = begin(&store, wish.clone()).await.expect("the store answers");
    assert_eq!(bytes(&replay).as_deref(), Some(result.as_slice()));
    // Empty is not nothing.
    let wish = crate::wish(2);
    let token = run(&store, wish.clone()).await;
    end(&store, wish.key, token, b"").await;
    assert_eq!(bytes(&begin(&store, wish).await.expect("the store answers")).as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn what_is_not_ours_or_damaged_is_named_and_not_overwritten() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    run(&store, wish(1)).await;
    let [name] = names(&server, ":e:").try_into().expect("one record");
    for stored in ["\u{2}E and more than one would expect of a later version", "\u{1}", "\u{1}E short", ""] {
        server.tell(&["SET", &name, stored]);
        let asked = store.ask(Operation::Peek { key: wish(1).key }).await;
        assert!(matches!(asked, Err(StoreError::Unreadable(_))), "{stored:?}: {asked:?}");
        let asked = begin(&store, Begin { nonce: Nonce(4), ..wish(1) }).await;
        assert!(matches!(asked, Err(StoreError::Unreadable(_))), "{stored:?}: {asked:?}");
        let kept: String = server.says(&["GET", &name]).expect("the server answers");
        assert_eq!(kept, stored);
    }
    let page = store.list(Wanted { state: None, after: None, limit: 5 }).await;
    assert!(matches!(page, Err(StoreError::Unreadable(_))), "{page:?}");
}

#[tokio::test]
async fn namespaces_on_one_server_do_not_see_each_other() {
    let Some(server) = server(NOTHING).await else { return };
    let ours = open(&server.url(), careless()).await;
    let theirs = open(&server.url().replace("=test", "=other"), careless()).await;
    run(&ours, wish(1)).await;
    assert_eq!(peek(&theirs, wish(1).key).await, None);
    run(&theirs, wish(1)).await;
    let all = Wanted { state: None, after: None, limit: 10 };
    assert_eq!(theirs.list(all).await.expect("the store answers").total, Some(1));
}

#[tokio::test]
async fn a_server_clock_that_is_set_back_does_not_turn_time_back() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), options()).await;
    // As if the server had told a time an hour ahead, and its clock were right again now.
    let told: Vec<u64> = server.says(&["TIME"]).expect("the server answers");
    let ahead = told[0] * 1000 + 3_600_000;
    let shard = format!("sw:{{test:{:02x}}}:s", wish(1).key.as_bytes()[15]);
    let client = redis::Client::open(("127.0.0.1", server.port())).expect("an address");
    let mut line = client.get_connection().expect("a connection");
    let latest = &ahead.to_be_bytes()[2..];
    let _: u64 = redis::cmd("SETRANGE").arg(&shard).arg(23).arg(latest).query(&mut line).expect("written");
    let store = {
        drop(store);
        open(&server.url(), careless()).await
    };
    let token = run(&store, wish(1)).await;
    assert_eq!(token.epoch, ahead * 1000 + 1);
}
