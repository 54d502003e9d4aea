//! From a file to a server and back: every row the same, and nothing believed of what was cut off.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seawall_core::effect::{Begin, Keep, Key, Nature, Operation, Outcome, Record, Resolution, Truth};
use seawall_core::store::{Asked, Page, Promise, Store, StoreError, Swept, Told, Wanted};
use seawall_store::Sqlite;
use seawall_store::moving::{Moved, survey};
use seawall_store::redis::{Rearm, Redis, RedisOptions};
use seawall_store::sqlite::{Found, Options};

use crate::server::{ALWAYS, Server, server};
use crate::{begin, end, open, options, peek, run, wish};

/// More than two pages.
const MANY: u32 = 700;

fn by_hand() -> RedisOptions {
    RedisOptions { rearm: Rearm::ByHand, ..options() }
}

fn file(dir: &Path) -> Sqlite {
    Sqlite::open(dir, &Options::default()).expect("it opens").store
}

async fn granted(store: &dyn Store, wish: Begin) -> seawall_core::effect::Token {
    match store.ask(Operation::Begin(wish)).await.expect("it answers").answer {
        seawall_core::effect::Answer::Run(token) => token,
        other => panic!("{other:?}"),
    }
}

/// Effects in every state that waits for nobody, and some that are being run.
async fn filled(store: &dyn Store) {
    for n in 0..MANY {
        let nature =
            [Nature::Opaque, Nature::Queryable, Nature::Keyed { window: Duration::from_secs(86_400) }];
        let keep = match n % 7 {
            // Nothing but that it happened is remembered.
            3 => Keep { result: Duration::ZERO, ..Keep::default() },
            _ => Keep::default(),
        };
        let wish = Begin { nature: nature[n as usize % 3], keep, ..wish(n) };
        let (key, token) = (wish.key, granted(store, wish).await);
        let outcome = match n % 7 {
            0 => Outcome::Ended(Truth::Applied, Some(vec![n as u8; n as usize].into())),
            1 => Outcome::Ended(Truth::Rejected, None),
            2 | 6 => Outcome::Unknown { detail: "nobody knows, grüße".into() },
            3 => Outcome::Ended(Truth::Applied, Some(b"soon gone"[..].into())),
            4 => Outcome::NotApplied { cooldown: Duration::from_secs(60) },
            _ => continue,
        };
        store.ask(Operation::Complete { key, token, outcome }).await.expect("it answers");
        if n % 7 == 6 {
            let resolution = Resolution::Ended(Truth::Applied, None);
            let force = Operation::Force { key, by: "ann".into(), reason: "a test".into(), resolution };
            store.ask(force).await.expect("it answers");
        }
    }
    store.sweep(10_000).await.expect("it answers");
}

async fn all(store: &dyn Store) -> BTreeMap<Key, Record> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.list(Wanted { state: None, after, limit: 200 }).await.expect("it answers");
        all.extend(page.records);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

async fn into_server(store: &Redis, from: &dyn Store) -> Result<Moved, StoreError> {
    store.fill(from, false, &mut |_| {}).await
}

/// A store that says no more after so many pages.
#[derive(Debug)]
struct Cut<'s>(&'s Sqlite, AtomicUsize);

impl Store for Cut<'_> {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        self.0.ask(operation)
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        self.0.sweep(limit)
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        let left = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.0.list(wanted),
            Err(_) => Box::pin(async { Err(StoreError::Unavailable("cut".into())) }),
        }
    }

    fn promise(&self) -> Promise {
        self.0.promise()
    }
}

fn new_server() -> impl Future<Output = Option<Server>> {
    server(ALWAYS)
}

#[tokio::test]
async fn every_row_is_the_same_after_a_round_trip_and_the_source_knows_that_it_is_over() {
    let Some(server) = new_server().await else { return };
    let (here, back) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    filled(&file(here.path())).await;
    let source = file(here.path());
    let found = survey(&source).await.expect("nobody runs anything");
    assert_eq!(found.namespace.as_deref(), Some("test"));
    assert_eq!((found.total(), found.states.get("executing")), (u64::from(MANY), None));
    assert_eq!(found.states.keys().copied().collect::<Vec<_>>(), ["done", "free", "in-doubt", "tombstone"]);
    let before = all(&source).await;

    let target = open(&server.url(), by_hand()).await;
    let moved = into_server(&target, &source).await.expect("it is moved");
    assert_eq!(moved, Moved { verified: u64::from(MANY), ..Moved::default() });
    assert_eq!(all(&target).await, before);
    assert!(!target.may_have_forgotten());
    // What is finished goes by itself there too, and what is due is found.
    let (key, _) = before.iter().find(|(_, record)| record.state.as_str() == "done").expect("one is done");
    let name = format!("sw:{{test:{:02x}}}:e:{key}", key.as_bytes()[15]);
    assert!(server.says::<i64>(&["PTTL", &name]).expect("it answers") > 1000);
    source.moved_away().await.expect("it is noted");
    drop(source);
    let again = Sqlite::open(here.path(), &Options::default()).expect("it opens");
    assert_eq!(again.found, Found::Copy);
    assert!(again.store.forgot().is_some());

    let survey = survey(&target).await.expect("nobody runs anything");
    assert_eq!(survey, found);
    let moved = Sqlite::fill(back.path(), &target, false, &mut |_| {}).await.expect("it is moved");
    assert_eq!(moved.verified, u64::from(MANY));
    // Once more: all of it is there.
    let moved = Sqlite::fill(back.path(), &target, false, &mut |_| {}).await.expect("it is there");
    assert_eq!((moved.verified, moved.before), (u64::from(MANY), u64::from(MANY)));
    let opened = Sqlite::open(back.path(), &Options::default()).expect("it opens");
    assert_eq!((opened.found, opened.notes.len()), (Found::Journal, 0));
    assert_eq!(all(&opened.store).await, before);
    target.moved_away().await.expect("it is noted");
    assert!(matches!(begin(&target, wish(5000)).await, Err(StoreError::Forgot(_))));
}

#[tokio::test]
async fn what_was_cut_off_is_not_believed_and_goes_on_where_it_ended() {
    let Some(server) = new_server().await else { return };
    let (here, there) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    filled(&file(here.path())).await;
    let source = file(here.path());
    survey(&source).await.expect("nobody runs anything");
    let target = open(&server.url(), by_hand()).await;
    // Cut while it is written, and while it is read back.
    for (pages, written) in [(1, 256), (4, MANY)] {
        let cut = into_server(&target, &Cut(&source, AtomicUsize::new(pages))).await;
        assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{cut:?}");
        assert_eq!(all(&target).await.len(), written as usize);
        assert!(target.may_have_forgotten());
        let other = open(&server.url(), options()).await;
        assert!(matches!(begin(&other, wish(5000)).await, Err(StoreError::Forgot(_))), "nobody may use it");
    }
    let moved = into_server(&target, &source).await.expect("it goes on");
    assert_eq!((moved.verified, moved.before), (u64::from(MANY), u64::from(MANY)));
    assert_eq!(all(&target).await, all(&source).await);
    let other = open(&server.url(), options()).await;
    run(&other, wish(5000)).await;

    for pages in [0, 1, 2, 3, 5] {
        let cut =
            Sqlite::fill(there.path(), &Cut(&source, AtomicUsize::new(pages)), false, &mut |_| {}).await;
        assert!(cut.is_err(), "{pages}");
        let left: Vec<_> = std::fs::read_dir(there.path()).expect("listed").flatten().collect();
        assert_eq!(left.len(), 1, "a lock, and no half of a journal: {left:?}");
    }
    Sqlite::fill(there.path(), &source, false, &mut |_| {}).await.expect("it is moved");
}

#[tokio::test]
async fn what_holds_something_else_is_left_as_it_was() {
    let Some(server) = new_server().await else { return };
    let here = tempfile::tempdir().expect("made");
    let source = file(here.path());
    let (key, token) = (wish(1).key, granted(&source, wish(1)).await);
    let outcome = Outcome::Ended(Truth::Applied, None);
    source.ask(Operation::Complete { key, token, outcome }).await.expect("it answers");
    // The same effect with another past is something else.
    let target = open(&server.url(), by_hand()).await;
    let theirs = run(&target, wish(1)).await;
    end(&target, wish(1).key, theirs, b"theirs").await;
    let before = peek(&target, wish(1).key).await;
    let refused = into_server(&target, &source).await.expect_err("it is not empty").to_string();
    assert!(refused.contains("it is not empty: test:effect:order:"), "{refused}");
    assert_eq!(peek(&target, wish(1).key).await, before);
    assert!(!target.may_have_forgotten());

    let there = tempfile::tempdir().expect("made");
    granted(&file(there.path()), wish(2)).await;
    let kept = std::fs::read(there.path().join("effects.db")).expect("read");
    let refused = Sqlite::fill(there.path(), &source, false, &mut |_| {}).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read(there.path().join("effects.db")).expect("read"), kept);
    drop(file(there.path()));
    let open = file(there.path());
    let used = Sqlite::fill(there.path(), &source, false, &mut |_| {}).await;
    assert!(matches!(used, Err(StoreError::InUse(_))), "{used:?}");
    assert!(matches!(Sqlite::counted(there.path()), Err(StoreError::InUse(_))));
    drop(open);
    let counted = Sqlite::counted(there.path()).expect("it is sound").expect("it is there");
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 1);
}

#[tokio::test]
async fn what_is_under_way_is_not_moved_and_who_may_have_forgotten_says_so_there_too() {
    let Some(server) = new_server().await else { return };
    let source = open(&server.url(), by_hand()).await;
    let token = run(&source, wish(1)).await;
    let refused = survey(&source).await.expect_err("somebody runs it").to_string();
    assert!(refused.contains("may be under way until"), "{refused}");
    end(&source, wish(1).key, token, b"done").await;
    assert_eq!(survey(&source).await.expect("nobody runs it").total(), 1);
    let there = tempfile::tempdir().expect("made");
    Sqlite::fill(there.path(), &source, true, &mut |_| {}).await.expect("it is moved");
    let opened = file(there.path());
    assert!(opened.forgot().is_some());
    let told = opened.ask(Operation::Begin(wish(2))).await;
    assert!(matches!(told, Err(StoreError::Forgot(_))), "{told:?}");
    let arc: Arc<dyn Store> = Arc::new(opened);
    assert_eq!(all(&*arc).await.len(), 1);
}
