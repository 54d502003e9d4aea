//! What is remembered of jobs by a server.

use std::time::Duration;

use futures_util::future::join_all;
use seawall_core::job::{JobState, Key};
use seawall_core::store::StoreError;
use seawall_store::conformance;

use crate::server::{ALWAYS, NOTHING, server};
use crate::{careless, open, options};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn what_is_remembered_of_jobs_conforms() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    for seed in 0..2 {
        conformance::jobs::walk(&store, seed, 6000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loses_a_change_of_another() {
    let Some(server) = server(NOTHING).await else { return };
    let stores = join_all((0..4).map(|_| async { open(&server.url(), careless()).await })).await;
    let key = Key::Type("import".into());
    join_all(stores.iter().map(|store| conformance::jobs::count_up(store, &key, 250))).await;
    assert_eq!(stores[0].read(&key).await.unwrap().unwrap().text, "1000");
}

#[tokio::test]
async fn a_cell_outlives_everybody_and_goes_in_time() {
    let Some(mut server) = server(ALWAYS).await else { return };
    let store = open(&server.url(), options()).await;
    let (long, short) = (Key::Job("a".into(), "1".into()), Key::Job("a".into(), "2".into()));
    assert_eq!(store.swap(&long, None, "kept".into(), HOUR).await, Ok(true));
    drop(store);
    server.kill();
    server.start().await;
    let store = open(&server.url(), options()).await;
    assert_eq!(store.read(&long).await.unwrap().unwrap().text, "kept");
    assert_eq!(store.swap(&short, None, "gone".into(), Duration::from_millis(50)).await, Ok(true));
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(store.read(&short).await, Ok(None));
    // For ever is not too long.
    assert_eq!(store.swap(&short, None, "kept".into(), Duration::MAX).await, Ok(true));
}

#[tokio::test]
async fn scripts_that_were_flushed_and_things_that_are_in_the_way_are_told_apart() {
    let Some(server) = server(NOTHING).await else { return };
    let store = open(&server.url(), careless()).await;
    let key = Key::Type("import".into());
    assert_eq!(store.swap(&key, None, "1".into(), HOUR).await, Ok(true));
    server.tell(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.read(&key).await.unwrap().unwrap().text, "1");
    let names: Vec<String> = server.says(&["KEYS", "*:j:*"]).unwrap();
    server.tell(&["SET", &names[0], "short"]);
    assert!(matches!(store.read(&key).await, Err(StoreError::Unreadable(_))));
    server.tell(&["DEL", &names[0]]);
    server.tell(&["LPUSH", &names[0], "a list"]);
    assert!(matches!(store.read(&key).await, Err(StoreError::Unreadable(_))));
}

#[tokio::test]
async fn a_full_server_takes_in_no_more() {
    let Some(server) = server(&["--appendonly", "no", "--maxmemory", "1mb"]).await else { return };
    let mut opened = careless();
    opened.acknowledged.extend([seawall_store::redis::Check::Eviction, seawall_store::redis::Check::Memory]);
    let store = open(&server.url(), opened).await;
    let answer = store.swap(&Key::Type("import".into()), None, "1".into(), HOUR).await;
    assert!(matches!(answer, Err(StoreError::Full(_))), "{answer:?}");
}
