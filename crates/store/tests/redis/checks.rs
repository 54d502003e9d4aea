//! What is looked at before a server is trusted, and afterwards.

use seawall_core::effect::{Answer, Begin, Nature};
use seawall_core::secret::Secret;
use seawall_core::store::{Promise, Store, StoreError};
use seawall_store::redis::{Check, Redis, RedisOptions, Weight};

use crate::server::{ALWAYS, EVERY_SECOND, NOTHING, eventually, server};
use crate::{begin, careless, open, options, run, wish};

fn found(store: &Redis) -> Vec<(Check, Weight)> {
    store.findings().iter().map(|concern| (concern.check, concern.weight)).collect()
}

#[tokio::test]
async fn a_fit_server_is_found_fit_and_promises_what_it_is_set_to() {
    for (settings, promise) in [(ALWAYS, Promise::Power), (EVERY_SECOND, Promise::Restart)] {
        let Some(server) = server(settings).await else { return };
        let store = open(&server.url(), options()).await;
        assert_eq!((found(&store), store.promise()), (vec![], promise));
        run(&store, wish(1)).await;
    }
}

#[tokio::test]
async fn a_server_that_keeps_nothing_begins_only_what_may_happen_twice() {
    let Some(server) = server(NOTHING).await else { return };
    let opened = Redis::open(&server.url(), options()).await.expect("it opens");
    assert_eq!(found(&opened.store), [(Check::Persistence, Weight::Refuse)]);
    assert_eq!(opened.findings, opened.store.findings());
    assert_eq!(opened.store.promise(), Promise::Process);
    for nature in [Nature::Opaque, Nature::Queryable] {
        let refused = begin(&opened.store, Begin { nature, ..wish(1) }).await;
        assert!(
            matches!(&refused, Err(StoreError::Forgot(why)) if why.contains("appendonly")),
            "{refused:?}"
        );
    }
    run(&opened.store, Begin { nature: Nature::Idempotent, ..wish(2) }).await;
    // Somebody who answers for it may overrule that.
    let store = open(&server.url(), careless()).await;
    run(&store, wish(1)).await;
}

#[tokio::test]
async fn an_evicting_policy_is_refused_and_noticed_when_it_is_set_later() {
    let settings = [ALWAYS, &["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]].concat();
    let Some(server) = server(&settings).await else { return };
    let store = open(&server.url(), options()).await;
    assert_eq!(found(&store), [(Check::Eviction, Weight::Refuse)]);
    assert!(store.refuses(Nature::Opaque).is_some() && store.refuses(Nature::Idempotent).is_none());
    server.tell(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    eventually("it is fit", || store.findings().is_empty()).await;
    run(&store, wish(1)).await;
    server.tell(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    eventually("it is unfit", || store.refuses(Nature::Queryable).is_some()).await;
    assert!(matches!(begin(&store, wish(2)).await, Err(StoreError::Forgot(_))));
}

#[tokio::test]
async fn a_server_that_hides_its_settings_needs_somebody_who_answers_for_them() {
    let Some(server) = server(EVERY_SECOND).await else { return };
    server.tell(&["ACL", "SETUSER", "app", "on", ">hunter2", "~*", "&*", "+@all", "-config"]);
    let app = RedisOptions {
        username: Some("app".into()),
        password: Some(Secret::new("hunter2".into())),
        ..options()
    };
    let store = open(&server.url(), app.clone()).await;
    assert_eq!(found(&store), [(Check::Settings, Weight::Refuse)]);
    assert!(
        matches!(begin(&store, wish(1)).await, Err(StoreError::Forgot(why)) if why.contains("CONFIG GET"))
    );
    let known = RedisOptions { acknowledged: [Check::Settings].into(), ..app.clone() };
    let store = open(&server.url(), known).await;
    run(&store, wish(1)).await;
    let wrong = RedisOptions { password: Some(Secret::new("hunter3".into())), ..app };
    let error = Redis::open(&server.url(), wrong).await.expect_err("refused").to_string();
    assert!(!error.contains("hunter3"), "{error}");
}

#[tokio::test]
async fn a_server_over_its_budget_is_warned_of() {
    let Some(server) = server(ALWAYS).await else { return };
    let store = open(&server.url(), RedisOptions { memory_budget: 1000, ..options() }).await;
    assert_eq!(found(&store), [(Check::Memory, Weight::Warn)]);
    run(&store, wish(1)).await;
}

#[tokio::test]
async fn a_full_server_begins_nothing_and_still_takes_in_what_has_happened() {
    let Some(server) = server(ALWAYS).await else { return };
    let store = open(&server.url(), options()).await;
    let token = run(&store, wish(1)).await;
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(matches!(begin(&store, wish(2)).await, Err(StoreError::Full(_))));
    assert_eq!(crate::end(&store, wish(1).key, token, b"done").await, Answer::Ok);
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    run(&store, wish(2)).await;
    assert!(matches!(begin(&store, wish(1)).await, Ok(Answer::Replay(..))));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_not_one_is_an_error_with_its_address() {
    let url = format!("redis://127.0.0.1:{}/0?namespace=test", crate::server::free());
    let error = Redis::open(&url, options()).await.expect_err("nobody listens").to_string();
    assert!(error.contains("127.0.0.1"), "{error}");
    let error = Redis::open("redis://h?x=1", options()).await.expect_err("no address").to_string();
    assert!(error.contains("?x=1"), "{error}");
    let zero = RedisOptions { timeout: std::time::Duration::ZERO, ..options() };
    let error = Redis::open(&url, zero).await.expect_err("no patience").to_string();
    assert!(error.contains("timeout"), "{error}");
}
