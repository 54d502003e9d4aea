//! What a journal does from one opening to the next.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use seawall_core::effect::{Note, Reason};
use seawall_core::store::{Cursor, Promise, Wanted};
use seawall_policy::effect::{interrupted, restored};

use super::*;
use crate::sqlite::{Ack, Found};

/// Where no disk has to be waited for.
fn quick() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| folder())
}

#[tokio::test]
async fn sqlite_conforms_and_so_it_does_when_it_is_reopened_on_the_way() {
    for seed in 0..10 {
        let (dir, time) = (quick(), Time::manual(BEGAN));
        let mut walk = conformance::Walk::new(seed);
        let mut store = at(dir.path(), &time).store;
        for _ in 0..8 {
            walk.go(&store, &time, 1250).await;
            drop(store);
            let opened = at(dir.path(), &time);
            assert_eq!(opened.found, Found::Journal);
            assert_eq!(opened.notes.len(), walk.reopened(time.now(), interrupted));
            store = opened.store;
        }
        // And once from a copy.
        let (copy, elsewhere) = (dir.path().join("copy"), quick());
        store.backup(&copy).await.unwrap();
        drop(store);
        Sqlite::restore(&copy, elsewhere.path()).unwrap();
        let opened = at(elsewhere.path(), &time);
        assert_eq!(opened.notes.len(), walk.reopened(time.now(), restored));
        opened.store.settled().await.unwrap();
        walk.go(&opened.store, &time, 1250).await;
    }
}

#[tokio::test]
async fn a_walk_comes_by_every_answer() {
    let (dir, time) = (quick(), Time::manual(BEGAN));
    let walked = conformance::walk(&at(dir.path(), &time).store, &time, 7, 5000).await;
    assert!(walked.every_answer_was_given(), "{walked:?}");
}

#[tokio::test]
async fn lists_come_in_pages_with_their_totals_whatever_the_state() {
    let (dir, time) = (quick(), Time::manual(BEGAN));
    let store = at(dir.path(), &time).store;
    assert_eq!(store.promise(), Promise::Power);
    conformance::lists(&store).await;
    for n in 0..10 {
        let token = begin(&store, wish(n)).await.unwrap();
        complete(&store, key(n), token, None).await.unwrap();
    }
    for (state, expected) in
        [(Some("executing"), 25), (Some("done"), 10), (None, 35), (Some("free"), 0), (Some("nonsense"), 0)]
    {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let wanted = Wanted { state: state.map(str::to_owned), after, limit: 4 };
            let page = store.list(wanted).await.unwrap();
            assert_eq!(page.total, Some(expected));
            seen.extend(page.records.into_iter().map(|(key, record)| (record.label, key)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len() as u64, expected, "{state:?}");
        assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]), "by label, each once");
    }
    let strange = Wanted { state: None, after: Some(Cursor("list:effect:t:23".into())), limit: usize::MAX };
    let rest = store.list(strange).await.unwrap();
    assert_eq!(&*rest.records[0].1.label, "list:effect:t:24", "any text is a label to begin after");
    let counts = store.counts();
    assert_eq!((counts[0], counts[4]), (("executing", 25), ("done", 10)));
}

#[tokio::test]
async fn what_was_executing_is_in_doubt_at_once_and_what_was_done_is_replayed() {
    let (dir, time) = (folder(), Time::manual(BEGAN));
    let opened = at(dir.path(), &time);
    assert_eq!((opened.found, opened.notes.len()), (Found::Nothing, 0));
    let token = begin(&opened.store, wish(1)).await.unwrap();
    complete(&opened.store, key(1), token, Some(Arc::from(*b"filled"))).await.unwrap();
    begin(&opened.store, wish(2)).await.unwrap();
    drop(opened);
    let opened = at(dir.path(), &time);
    assert_eq!(opened.found, Found::Journal);
    assert_eq!(opened.notes, [(wish(2).label, Note::InDoubt(Reason::Crash))]);
    let again = opened.store.ask(Operation::Begin(Begin { nonce: Nonce(9), ..wish(2) })).await.unwrap();
    assert!(matches!(again.answer, Answer::InDoubt { reason: Reason::Crash, .. }), "{again:?}");
    let replayed = opened.store.ask(Operation::Begin(wish(1))).await.unwrap();
    assert_eq!(replayed.answer, Answer::Replay(Truth::Applied, Some(Arc::from(*b"filled"))));
}

#[tokio::test]
async fn any_label_and_any_result_comes_back_as_it_was() {
    let (dir, time) = (folder(), Time::manual(BEGAN));
    let labels = ["", "it's \"quoted\"; DROP TABLE effect; --", "注文 · ордер · 🦀", "a\0b", "line\nline"];
    let results = [None, Some(0), Some(1), Some(7), Some(8), Some(9), Some(5000), Some(1 << 20)];
    let mut all = Vec::new();
    let store = at(dir.path(), &time).store;
    for (n, label) in (0..).zip(labels) {
        for (m, length) in (0..).zip(results) {
            let mut bytes = [0; 16];
            fastrand::Rng::with_seed(n * 100 + m).fill(&mut bytes);
            let key = if (n, m) == (0, 0) { Key::from_bytes([0; 16]) } else { Key::from_bytes(bytes) };
            let wish = Begin {
                key,
                label: label.into(),
                nature: Nature::Keyed { window: Duration::MAX },
                settle: Duration::MAX,
                keep: Keep { result: Duration::MAX, key: Duration::from_millis(u64::MAX) },
                lease: Duration::MAX,
                ..wish(0)
            };
            let token = begin(&store, wish).await.unwrap();
            let result = length.map(|length: usize| (0..length).map(|place| place as u8).collect());
            assert_eq!(complete(&store, key, token, result.clone()).await.unwrap(), Answer::Ok);
            all.push((key, label, result));
        }
    }
    drop(store);
    let store = at(dir.path(), &time).store;
    for (key, label, result) in all {
        let record = peek(&store, key).await.unwrap();
        assert_eq!(&*record.label, label);
        let State::Done(done) = record.state else { panic!("{}", record.state) };
        assert_eq!(done.result, result);
        assert!(record.keep.key > Duration::from_secs(1 << 40), "as good as for ever");
    }
}

#[tokio::test]
async fn a_clock_set_back_never_takes_time_back() {
    let dir = folder();
    let store = at(dir.path(), &Time::manual(BEGAN + Duration::from_secs(3600))).store;
    begin(&store, wish(1)).await.unwrap();
    drop(store);
    let time = Time::manual(BEGAN);
    let store = at(dir.path(), &time).store;
    assert_eq!(time.now(), BEGAN + Duration::from_secs(3600));
    begin(&store, wish(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixty_four_who_race_for_an_effect_one_runs_it() {
    let dir = folder();
    let store = Arc::new(open(dir.path()));
    let runs = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..64_u32)
        .map(|who| {
            let (store, runs) = (store.clone(), runs.clone());
            tokio::spawn(async move {
                for n in 0..20 {
                    let wish = Begin { nonce: Nonce(u128::from(who) << 64 | u128::from(n)), ..wish(n) };
                    let told = store.ask(Operation::Begin(wish)).await.unwrap();
                    if let Answer::Run(token) = told.answer {
                        runs.fetch_add(1, Ordering::Relaxed);
                        assert_eq!(complete(&store, key(n), token, None).await.unwrap(), Answer::Ok);
                    }
                    // One of one's own in between.
                    begin(&store, self::wish(1000 + who * 20 + n)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(runs.load(Ordering::Relaxed), 20);
    assert_eq!(store.counts()[0], ("executing", 64 * 20));
    assert_eq!(store.counts()[4], ("done", 20));
}

#[tokio::test]
async fn a_full_line_makes_who_comes_wait_and_loses_nobody() {
    let dir = folder();
    let options = Options { queue: 2, ..Options::default() };
    let store = Arc::new(Sqlite::open(dir.path(), &options).unwrap().store);
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { begin(&store, wish(n)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.counts()[0].1, 50);
}

#[tokio::test]
async fn a_sweep_is_bounded_and_goes_on_where_it_stopped() {
    let (dir, time) = (quick(), Time::manual(BEGAN));
    let store = at(dir.path(), &time).store;
    for n in 0..10 {
        begin(&store, wish(n)).await.unwrap();
    }
    time.advance(Duration::from_secs(31));
    let mut swept = Vec::new();
    for expected in [4, 4, 2, 0] {
        let part = store.sweep(4).await.unwrap();
        assert_eq!(part.changed, expected);
        swept.extend(part.notes);
    }
    assert!(swept.iter().all(|(_, note)| *note == Note::InDoubt(Reason::Lease)));
    assert_eq!((swept.len(), store.counts()[1].1), (10, 10));
    assert_eq!(store.sweep(0).await.unwrap().changed, 0);
}

#[tokio::test]
async fn finished_effects_are_forgotten_in_time_and_their_room_is_used_again() {
    let (dir, time) = (quick(), Time::manual(BEGAN));
    let store = at(dir.path(), &time).store;
    let mut sizes = Vec::new();
    for round in 0..4 {
        for n in 0..50 {
            let token = begin(&store, Begin { nonce: Nonce(round), ..wish(n) }).await.unwrap();
            complete(&store, key(n), token, Some(vec![7; 4000].into())).await.unwrap();
        }
        time.advance(Duration::from_secs(72 * 3600));
        store.sweep(1000).await.unwrap();
        assert!(store.counts().iter().all(|(_, count)| *count == 0));
        let db = Connection::open(dir.path().join("effects.db")).unwrap();
        sizes.push(db.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).unwrap());
    }
    assert!(sizes[3] <= sizes[0], "{sizes:?}");
}

#[tokio::test]
async fn an_outcome_answered_early_is_on_the_disk_soon_after() {
    let dir = folder();
    let store = open(dir.path());
    for n in 0..5 {
        let token = begin(&store, wish(n)).await.unwrap();
        let outcome = Outcome::Ended(Truth::Applied, None);
        let complete = Operation::Complete { key: key(n), token, outcome };
        assert_eq!(store.ask_with(complete, Ack::Taken).await.unwrap().answer, Answer::Ok);
        assert_eq!(word(peek(&store, key(n)).await.as_ref()), "done");
    }
    drop(store);
    assert_eq!(open(dir.path()).counts()[4], ("done", 5));
}

#[tokio::test]
async fn a_second_user_is_refused_and_told_who_the_first_is() {
    let dir = folder();
    let store = open(dir.path());
    let refused = Sqlite::open(dir.path(), &Options::default()).unwrap_err();
    let me = std::process::id().to_string();
    assert!(matches!(&refused, StoreError::InUse(why) if why.contains(&me)), "{refused}");
    assert!(Sqlite::restore(&dir.path().join("copy"), dir.path()).is_err());
    begin(&store, wish(1)).await.unwrap();
    drop(store);
    assert_eq!(word(peek(&open(dir.path()), key(1)).await.as_ref()), "in-doubt");
}

#[tokio::test]
async fn its_files_are_for_their_owner_alone() {
    let dir = folder();
    let state = dir.path().join("new").join("state");
    let store = open(&state);
    begin(&store, wish(1)).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for name in ["effects.db", "effects.db-wal", "effects.lock"] {
        assert_eq!(mode(&state.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_person_can_read_it_with_the_shell_while_it_is_in_use() {
    let (dir, time) = (folder(), Time::manual(BEGAN));
    let store = at(dir.path(), &time).store;
    let token = begin(&store, wish(1)).await.unwrap();
    let unknown = Outcome::Unknown { detail: "the reply was lost".into() };
    store.ask(Operation::Complete { key: key(1), token, outcome: unknown }).await.unwrap();
    let db = Connection::open(dir.path().join("effects.db")).unwrap();
    let row: (String, String, String, String, i64, String) = db
        .query_row("SELECT label, state, since, detail, attempts, key FROM effects", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .unwrap();
    let label = "test:effect:order:0001".to_owned();
    let since = "2023-11-14T22:13:20.000Z".to_owned();
    assert_eq!(row, (label, "in-doubt".into(), since, "the reply was lost".into(), 1, key(1).to_string()));
    begin(&store, wish(2)).await.unwrap();
}

#[tokio::test]
async fn a_restored_journal_knows_that_it_may_have_forgotten() {
    let (dir, elsewhere, time) = (folder(), folder(), Time::manual(BEGAN));
    let store = at(dir.path(), &time).store;
    let done = begin(&store, wish(1)).await.unwrap();
    complete(&store, key(1), done, None).await.unwrap();
    begin(&store, wish(2)).await.unwrap();
    let free = begin(&store, wish(3)).await.unwrap();
    let outcome = Outcome::NotApplied { cooldown: Duration::ZERO };
    store.ask(Operation::Complete { key: key(3), token: free, outcome }).await.unwrap();
    let copy = dir.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    assert!(store.backup(&copy).await.is_err(), "a copy is never written over");
    // After the copy: this is what the restored journal cannot know.
    begin(&store, wish(4)).await.unwrap();
    assert_eq!(store.forgot(), None);
    drop(store);
    assert!(Sqlite::restore(&copy, dir.path()).is_err(), "nor is a journal");

    Sqlite::restore(&copy, elsewhere.path()).unwrap();
    time.advance(Duration::from_secs(10));
    let opened = at(elsewhere.path(), &time);
    let doubt = Note::InDoubt(Reason::Restored);
    assert_eq!(opened.found, Found::Copy);
    assert_eq!(opened.notes, [(wish(2).label, doubt.clone()), (wish(3).label, doubt)]);
    assert_eq!(word(peek(&opened.store, key(1)).await.as_ref()), "done");
    drop(opened);

    let opened = at(elsewhere.path(), &time);
    assert_eq!(opened.found, Found::Journal);
    let store = opened.store;
    assert_eq!(store.forgot(), Some(time.now()));
    assert!(matches!(begin(&store, wish(4)).await, Err(StoreError::Forgot(_))));
    let queryable = Begin { nature: Nature::Queryable, ..wish(5) };
    assert!(matches!(begin(&store, queryable).await, Err(StoreError::Forgot(_))));
    begin(&store, Begin { nature: Nature::Idempotent, ..wish(6) }).await.unwrap();
    begin(&store, Begin { nature: Nature::Keyed { window: Duration::from_secs(9999) }, ..wish(7) })
        .await
        .unwrap();
    // Ten minutes later: what was first wanted since cannot have been forgotten.
    time.advance(Duration::from_secs(600));
    let aged = |n, age| Begin { age: Some(Duration::from_secs(age)), ..wish(n) };
    assert!(matches!(begin(&store, aged(8, 601)).await, Err(StoreError::Forgot(_))));
    begin(&store, aged(8, 500)).await.unwrap();
    store.settled().await.unwrap();
    begin(&store, wish(4)).await.unwrap();
    drop(store);
    assert_eq!(at(elsewhere.path(), &time).store.forgot(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_of_one_moment_while_everybody_goes_on() {
    let (dir, elsewhere) = (folder(), folder());
    let store = Arc::new(open(dir.path()));
    let writing = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 0..400 {
                let token = begin(&store, wish(n)).await.unwrap();
                complete(&store, key(n), token, None).await.unwrap();
            }
        }
    });
    let mut copies = Vec::new();
    while copies.len() < 3 {
        let copy = elsewhere.path().join(format!("copy-{}", copies.len()));
        store.backup(&copy).await.unwrap();
        copies.push(copy);
    }
    writing.await.unwrap();
    for (n, copy) in copies.iter().enumerate() {
        let state = elsewhere.path().join(n.to_string());
        Sqlite::restore(copy, &state).unwrap();
        // Opening counts every row, and refuses if that is not what the journal says.
        let counts = open(&state).counts();
        assert!(counts[0].1 == 0 && counts[1].1 <= 1, "one at most was under way: {counts:?}");
    }
}
