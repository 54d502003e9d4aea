//! From a file to a server and back: every row the same, and nothing believed of what was cut off.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seawall_core::effect::{Begin, Keep, Key, Nature, Operation, Outcome, Record, Resolution, Truth};
use seawall_core::store::{Asked, Page, Promise, Store, StoreError, Swept, Told, Wanted};
use seawall_store::Sqlite;
use seawall_store::moving::{Leaving, Moved, Source, survey};
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

/// From nowhere that is left: what is known of it is in the tests that need it.
const LEAVING: Leaving = Leaving::new(false, None);

async fn into_server(store: &Redis, from: &dyn Source) -> Result<Moved, StoreError> {
    let run = store.run().await;
    let moved = store.fill(from, LEAVING, &mut |_| {}).await?;
    store.trust(&run).await?;
    Ok(moved)
}

/// What was moved, and whether it may have forgotten.
async fn into_directory(
    dir: &Path,
    from: &dyn Source,
    leaving: Leaving,
) -> Result<(Moved, bool), StoreError> {
    let filled = Sqlite::fill(dir, from, leaving, &mut |_| {}).await?;
    Ok((filled.moved(), filled.trust()?))
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

impl Source for Cut<'_> {}

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
    source.moved_away(target.mark()).await.expect("it is noted");
    drop(source);
    let again = Sqlite::open(here.path(), &Options::default()).expect("it opens");
    assert_eq!(again.found, Found::Copy);
    assert!(again.store.forgot().is_some());

    let survey = survey(&target).await.expect("nobody runs anything");
    assert_eq!(survey, found);
    let (moved, forgot) = into_directory(back.path(), &target, LEAVING).await.expect("it is moved");
    assert_eq!((moved.verified, forgot), (u64::from(MANY), false));
    // Once more: all of it is there.
    let (moved, forgot) = into_directory(back.path(), &target, LEAVING).await.expect("it is there");
    assert_eq!((moved.verified, moved.before, forgot), (u64::from(MANY), u64::from(MANY), false));
    let opened = Sqlite::open(back.path(), &Options::default()).expect("it opens");
    assert_eq!((opened.found, opened.notes.len()), (Found::Journal, 0));
    assert_eq!(all(&opened.store).await, before);
    let to = Sqlite::fill(back.path(), &target, LEAVING, &mut |_| {}).await;
    assert!(matches!(to, Err(StoreError::InUse(_))));
    drop(opened);
    let to = Sqlite::fill(back.path(), &target, LEAVING, &mut |_| {}).await.expect("it is there");
    let leaving = target.leaving().await.expect("it answers");
    target.moved_away(to.mark(), leaving).await.expect("it is noted");
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
            Sqlite::fill(there.path(), &Cut(&source, AtomicUsize::new(pages)), LEAVING, &mut |_| {}).await;
        assert!(cut.is_err(), "{pages}");
        let left: Vec<_> = std::fs::read_dir(there.path()).expect("listed").flatten().collect();
        assert_eq!(left.len(), 1, "a lock, and no half of a journal: {left:?}");
    }
    into_directory(there.path(), &source, LEAVING).await.expect("it is moved");
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
    let refused = Sqlite::fill(there.path(), &source, LEAVING, &mut |_| {}).await;
    assert!(refused.is_err());
    assert_eq!(std::fs::read(there.path().join("effects.db")).expect("read"), kept);
    drop(file(there.path()));
    let open = file(there.path());
    let used = Sqlite::fill(there.path(), &source, LEAVING, &mut |_| {}).await;
    assert!(matches!(used, Err(StoreError::InUse(_))), "{used:?}");
    assert!(matches!(Sqlite::survey(there.path()), Err(StoreError::InUse(_))));
    drop(open);
    let found = Sqlite::survey(there.path()).expect("it is sound").expect("it is there");
    assert_eq!((found.total(), found.namespace.as_deref(), found.forgot), (1, Some("test"), false));
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
    let forgot = Leaving::new(true, None);
    let (_, forgot) = into_directory(there.path(), &source, forgot).await.expect("it is moved");
    assert!(forgot);
    let opened = file(there.path());
    assert!(opened.forgot().is_some());
    let told = opened.ask(Operation::Begin(wish(2))).await;
    assert!(matches!(told, Err(StoreError::Forgot(_))), "{told:?}");
    let arc: Arc<dyn Store> = Arc::new(opened);
    assert_eq!(all(&*arc).await.len(), 1);
}

#[tokio::test]
async fn what_a_source_was_told_while_it_was_copied_is_found_and_it_stays_what_it_was() {
    let Some(server) = new_server().await else { return };
    let there = tempfile::tempdir().expect("made");
    let source = open(&server.url(), by_hand()).await;
    let token = run(&source, wish(1)).await;
    end(&source, wish(1).key, token, b"done").await;
    let filled = Sqlite::fill(there.path(), &source, LEAVING, &mut |_| {}).await.expect("it is moved");
    let gateway = open(&server.url(), options()).await;
    let token = run(&gateway, wish(2)).await;
    let before = source.leaving().await.expect("it answers");
    let other = open(&server.url(), by_hand()).await;
    let gone = source.moved_away(filled.mark(), before).await.expect("it is noted");
    // Two who began at the same time do not both end, whatever they had seen.
    let seen = other.leaving().await.expect("it answers");
    assert_eq!(seen.moved, Some(filled.mark()));
    for leaving in [before, Leaving::new(false, None)] {
        let second = other.moved_away(gateway.mark(), leaving).await.expect_err("another move was noted");
        assert!(second.to_string().contains("was moved to another place before"), "{second}");
    }
    drop(other);
    // From now on it keeps everybody from what could happen twice.
    assert!(matches!(begin(&gateway, wish(3)).await, Err(StoreError::Forgot(_))));
    let leaving = source.leaving().await.expect("it answers");
    assert_eq!((leaving.forgot, leaving.moved), (false, Some(filled.mark())));
    let compared = filled.compare(&source, &mut |_| {}).await;
    assert!(compared.is_err(), "{compared:?}");
    // A loss that was noticed at another time is one, whatever was noted.
    let note: String = server.says(&["GET", "sw:{test:00}:w"]).expect("it answers");
    let (what, at) = note.rsplit_once(' ').expect("when");
    let earlier = format!("{what} {}", at.parse::<u64>().expect("a time") - 3_600_000);
    for (note, moved) in [(earlier, None), (note.clone(), Some(filled.mark()))] {
        server.says::<()>(&["SET", "sw:{test:00}:w", &note]).expect("it answers");
        let leaving = source.leaving().await.expect("it answers");
        assert_eq!((leaving.forgot, leaving.moved), (moved.is_none(), moved));
    }
    source.stays(&gone, false).await.expect("it answers");
    assert_eq!(source.leaving().await.expect("it answers"), LEAVING);
    source.stays(&gone, false).await.expect_err("what was told is not undone twice");
    end(&gateway, wish(2).key, token, b"done").await;
    run(&open(&server.url(), options()).await, wish(3)).await;
    drop(filled);
    assert_eq!(Sqlite::open(there.path(), &Options::default()).expect("it opens").found, Found::Copy);
}

#[tokio::test]
async fn a_target_that_had_forgotten_says_so_afterwards() {
    let Some(server) = new_server().await else { return };
    let (here, there) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let source = file(here.path());
    granted(&source, wish(1)).await;
    drop(source);
    let source = file(here.path());
    let target = open(&server.url(), by_hand()).await;
    server.says::<String>(&["FLUSHALL"]).expect("it answers");
    crate::server::eventually("it is noticed", || target.may_have_forgotten()).await;
    // Twice: the second has only to be compared.
    for _ in 0..2 {
        into_server(&target, &source).await.expect("it is moved");
        assert!(target.may_have_forgotten());
    }
    // Whether it is the source that forgot, since it was copied, or the target.
    into_directory(there.path(), &source, LEAVING).await.expect("it is moved");
    for leaving in [Leaving::new(true, None), LEAVING] {
        let (moved, forgot) = into_directory(there.path(), &source, leaving).await.expect("it is there");
        assert_eq!((moved.before, forgot), (1, true));
    }
    assert!(file(there.path()).forgot().is_some());
}

#[tokio::test]
async fn an_answer_that_went_between_two_attempts_is_no_difference() {
    let Some(server) = new_server().await else { return };
    let (here, there) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let source = file(here.path());
    let keep = Keep { result: Duration::from_millis(50), ..Keep::default() };
    let wish = Begin { keep, ..wish(1) };
    let (key, token) = (wish.key, granted(&source, wish).await);
    let outcome = Outcome::Ended(Truth::Applied, Some(b"soon gone"[..].into()));
    source.ask(Operation::Complete { key, token, outcome }).await.expect("it answers");
    let target = open(&server.url(), by_hand()).await;
    into_server(&target, &source).await.expect("it is moved");
    into_directory(there.path(), &source, LEAVING).await.expect("it is moved");
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(source.sweep(10).await.expect("it answers").changed, 1);
    assert_eq!(into_server(&target, &source).await.expect("it goes on").before, 1);
    assert_eq!(into_directory(there.path(), &source, LEAVING).await.expect("it is there").0.before, 1);
}

#[tokio::test]
async fn cut_off_before_it_is_trusted_the_same_again_trusts_it_and_nowhere_else() {
    let (Some(server), Some(other)) = (new_server().await, new_server().await) else { return };
    let (here, there) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    granted(&file(here.path()), wish(1)).await;
    let source = file(here.path());
    let target = open(&server.url(), by_hand()).await;
    target.fill(&source, LEAVING, &mut |_| {}).await.expect("it is moved");
    source.moved_away(target.mark()).await.expect("it is noted");
    // Here it is cut off. Opened to be moved, it knows where it went.
    drop((source, target));
    let leave =
        || Sqlite::leave(here.path(), &Options::default()).expect("it opens").expect("it is there").store;
    let (source, target) = (leave(), open(&server.url(), by_hand()).await);
    let leaving = source.leaving();
    assert_eq!((leaving.forgot, leaving.moved), (false, Some(target.mark())));
    assert!(target.may_have_forgotten());
    for other in [
        open(&other.url(), by_hand()).await.fill(&source, leaving, &mut |_| {}).await.expect_err("elsewhere"),
        into_directory(there.path(), &source, leaving).await.expect_err("elsewhere"),
    ] {
        assert!(other.to_string().contains("was moved to another place before"), "{other}");
    }
    let run = target.run().await;
    let moved = target.fill(&source, leaving, &mut |_| {}).await.expect("it goes on");
    assert!(!moved.finished && !target.trust(&run).await.expect("it answers"));
    // And once more, when it has come to its end, and when it has been used since.
    let moved = target.fill(&source, leaving, &mut |_| {}).await.expect("it is there");
    assert!(moved.finished && !target.trust(&run).await.expect("it answers"));

    let filled = Sqlite::fill(there.path(), &target, LEAVING, &mut |_| {}).await.expect("it is moved");
    let before = target.leaving().await.expect("it answers");
    target.moved_away(filled.mark(), before).await.expect("it is noted");
    drop((filled, target));
    let target = open(&server.url(), by_hand()).await;
    let leaving = target.leaving().await.expect("it answers");
    for finished in [false, true] {
        let filled = Sqlite::fill(there.path(), &target, leaving, &mut |_| {}).await.expect("it is there");
        assert_eq!((filled.moved().finished, filled.trust()), (finished, Ok(false)));
    }
    granted(&file(there.path()), wish(2)).await;
    let used = Sqlite::fill(there.path(), &target, leaving, &mut |_| {}).await.expect_err("it was used");
    assert!(used.to_string().contains("has been used there since"), "{used}");
    assert_eq!(Sqlite::open(there.path(), &Options::default()).expect("it opens").found, Found::Journal);
}

/// A young wish: after a loss it would be believed to be new.
fn young(n: u32) -> Begin {
    Begin { age: Some(Duration::ZERO), ..wish(n) }
}

#[tokio::test]
async fn what_was_moved_away_is_trusted_by_no_time_but_by_a_person() {
    let Some(server) = new_server().await else { return };
    let (here, there) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
    let source = open(&server.url(), by_hand()).await;
    let token = run(&source, wish(1)).await;
    end(&source, wish(1).key, token, b"done").await;
    let filled = Sqlite::fill(there.path(), &source, LEAVING, &mut |_| {}).await.expect("it is moved");
    let leaving = source.leaving().await.expect("it answers");
    source.moved_away(filled.mark(), leaving).await.expect("it is noted");
    drop(source);
    // Somebody whose configuration still says so: a loss would be over in a moment.
    let quick = RedisOptions { quarantine: Duration::from_millis(1), ..options() };
    let stray = open(&server.url(), RedisOptions { check_every: Duration::from_millis(20), ..quick }).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(matches!(begin(&stray, young(2)).await, Err(StoreError::Forgot(_))));
    assert_eq!(
        stray.leaving().await.expect("it answers").moved,
        Some(filled.mark()),
        "and it knows where it went"
    );
    let moved = |concern: &seawall_store::redis::Concern| concern.text.contains("was moved from here");
    assert!(stray.findings().iter().any(moved), "{:?}", stray.findings());
    stray.rearm().await.expect("it answers");
    run(&stray, young(2)).await;

    // The same of a directory: the other lives on, so a wish that is young proves nothing.
    let mark = filled.mark();
    assert_eq!(filled.trust(), Ok(false));
    let source = file(there.path());
    source.moved_away(mark).await.expect("it is noted");
    drop(source);
    for _ in 0..2 {
        let stray = Sqlite::open(there.path(), &Options::default()).expect("it opens");
        assert_eq!(stray.found, Found::Copy);
        let told = stray.store.ask(Operation::Begin(young(3))).await;
        assert!(matches!(told, Err(StoreError::Forgot(_))), "{told:?}");
    }
    let source = Sqlite::leave(there.path(), &Options::default()).expect("it opens").expect("it is there");
    assert_eq!(source.store.leaving().moved, Some(mark), "whoever strayed there has not changed that");
    drop(source);
    let stray = file(there.path());
    stray.settled().await.expect("it answers");
    granted(&stray, young(3)).await;
    drop((stray, here));
    let again = Sqlite::open(there.path(), &Options::default()).expect("it opens");
    assert_eq!((again.found, again.store.leaving()), (Found::Journal, LEAVING));
}

#[tokio::test]
async fn a_server_that_was_started_anew_since_it_was_filled_is_not_trusted_for_that() {
    let Some(server) = new_server().await else { return };
    let here = tempfile::tempdir().expect("made");
    granted(&file(here.path()), wish(1)).await;
    let source = file(here.path());
    let target = open(&server.url(), by_hand()).await;
    let run = target.run().await;
    target.fill(&source, LEAVING, &mut |_| {}).await.expect("it is moved");
    let other = seawall_store::redis::Run::default();
    let refused = target.trust(&other).await.expect_err("another run was filled");
    assert!(refused.to_string().contains("started anew"), "{refused}");
    assert!(target.may_have_forgotten());
    assert!(!target.trust(&run).await.expect("it answers"));
}

#[tokio::test]
async fn a_target_that_lost_everything_is_not_taken_for_one_that_was_used() {
    let Some(server) = new_server().await else { return };
    let here = tempfile::tempdir().expect("made");
    granted(&file(here.path()), wish(1)).await;
    let source = file(here.path());
    let target = open(&server.url(), by_hand()).await;
    // Cut off before it was trusted.
    target.fill(&source, LEAVING, &mut |_| {}).await.expect("it is moved");
    source.moved_away(target.mark()).await.expect("it is noted");
    let leaving = source.leaving();
    server.says::<String>(&["FLUSHALL"]).expect("it answers");
    let gone = async || {
        target
            .list(Wanted { state: None, after: None, limit: 1 })
            .await
            .expect("it answers")
            .records
            .is_empty()
    };
    assert!(gone().await);
    let refused = target.fill(&source, leaving, &mut |_| {}).await.expect_err("it is not there");
    assert!(refused.to_string().contains("do not empty the place it was moved from"), "{refused}");
}

#[tokio::test]
async fn what_is_not_confirmed_is_trusted_by_no_time_and_what_was_forgotten_before_stays_so() {
    let Some(server) = new_server().await else { return };
    let here = tempfile::tempdir().expect("made");
    granted(&file(here.path()), wish(1)).await;
    let source = file(here.path());
    let target = open(&server.url(), by_hand()).await;
    let run = target.run().await;
    // Cut off twice before it is confirmed; the second time nobody knows any more that something was forgotten.
    for leaving in [Leaving::new(true, None), LEAVING] {
        target.fill(&source, leaving, &mut |_| {}).await.expect("it is moved");
        let quick = RedisOptions { quarantine: Duration::from_millis(1), ..options() };
        let stray =
            open(&server.url(), RedisOptions { check_every: Duration::from_millis(20), ..quick }).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(matches!(begin(&stray, young(2)).await, Err(StoreError::Forgot(_))));
    }
    // What was forgotten since is dated from when that was found out, not from the first attempt.
    let name = "sw:{test:00}:s";
    let lost = || {
        let held: Vec<u8> = server.says(&["GET", name]).expect("it answers");
        held[17..23].iter().fold(0_u64, |lost, byte| lost << 8 | u64::from(*byte))
    };
    let first = lost();
    tokio::time::sleep(Duration::from_millis(20)).await;
    target.fill(&source, Leaving::new(true, None), &mut |_| {}).await.expect("it is there");
    assert!(lost() >= first + 20, "{} {first}", lost());
    let refused =
        target.trust(&seawall_store::redis::Run::default()).await.expect_err("another run was filled");
    assert!(refused.to_string().contains("started anew"), "{refused}");
    assert!(target.trust(&run).await.expect("it answers"), "it may have forgotten");
}
