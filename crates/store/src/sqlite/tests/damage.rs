//! Files that are not what they were: cut, flipped, foreign, newer, or changed by hand.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;

use super::*;

/// A journal with a little of everything, closed; and what is in it.
async fn sample(dir: &Path) -> BTreeMap<Key, Record> {
    let store = open(dir);
    for n in 0..40 {
        let token = begin(&store, wish(n)).await.unwrap();
        let result = (n % 3 == 0).then(|| vec![n as u8; 100 * n as usize].into());
        match n % 4 {
            0 | 1 => drop(complete(&store, key(n), token, result).await.unwrap()),
            2 => {
                let outcome = Outcome::Unknown { detail: "no reply".into() };
                store.ask(Operation::Complete { key: key(n), token, outcome }).await.unwrap();
            }
            _ => {
                let outcome = Outcome::NotApplied { cooldown: Duration::from_secs(1) };
                store.ask(Operation::Complete { key: key(n), token, outcome }).await.unwrap();
            }
        }
    }
    everything(&store).await
}

async fn everything(store: &Sqlite) -> BTreeMap<Key, Record> {
    let mut all = BTreeMap::new();
    for n in 0..40 {
        if let Some(record) = peek(store, key(n)).await {
            all.insert(key(n), record);
        }
    }
    all
}

/// Lays `db` and its log into a new folder.
fn laid(db: &[u8], log: Option<&[u8]>) -> TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| folder());
    fs::write(dir.path().join("effects.db"), db).unwrap();
    if let Some(log) = log {
        fs::write(dir.path().join("effects.db-wal"), log).unwrap();
    }
    dir
}

fn try_open(dir: &Path) -> Result<Sqlite, StoreError> {
    let opened = Sqlite::open_with(dir, &Options::default(), Time::manual(BEGAN))?;
    Ok(opened.store)
}

/// Refused as unreadable, and left as it was.
fn refused(dir: &Path) -> String {
    let before = files(dir);
    let error = try_open(dir).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Unreadable(_)), "{error}");
    let mut after = files(dir);
    after.retain(|(name, bytes)| name == "effects.db" || !bytes.is_empty());
    assert!(before == after, "the files were changed");
    error.to_string()
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused_and_left_alone() {
    let dir = folder();
    sample(dir.path()).await;
    let whole = fs::read(dir.path().join("effects.db")).unwrap();
    let cuts =
        [0, 1, 15, 99, 100, 512, 4095, 4096, 4097, whole.len() / 2, whole.len() - 4096, whole.len() - 1];
    for cut in cuts {
        refused(laid(&whole[..cut], None).path());
    }
}

#[tokio::test]
async fn a_flipped_byte_is_noticed_or_does_no_harm() {
    let dir = folder();
    let known = sample(dir.path()).await;
    let whole = fs::read(dir.path().join("effects.db")).unwrap();
    let mut rng = fastrand::Rng::with_seed(11);
    let (mut noticed, mut harmless) = (0, 0);
    for place in (0..100).chain((0..steps(4000)).map(|_| rng.usize(..whole.len()))) {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        let dir = laid(&flipped, None);
        match try_open(dir.path()) {
            Ok(store) => {
                assert!(everything(&store).await == known, "byte {place}");
                harmless += 1;
            }
            Err(StoreError::Unreadable(_)) => noticed += 1,
            Err(error) => panic!("byte {place}: {error}"),
        }
    }
    // Pages have room that nobody uses.
    assert!(noticed > 100 && harmless > 0, "{noticed} noticed, {harmless} harmless");
}

#[tokio::test]
async fn other_files_are_refused() {
    assert!(refused(laid(b"{\"not\": \"a database\"}", None).path()).contains("cut short"));
    assert!(refused(laid(&[b'x'; 5000], None).path()).contains("not an SQLite"));
    let dir = folder();
    let foreign = dir.path().join("foreign");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE effect (id)").unwrap();
    assert!(refused(laid(&fs::read(foreign).unwrap(), None).path()).contains("not a journal"));
}

#[tokio::test]
async fn a_newer_version_is_refused_and_says_so() {
    let dir = folder();
    sample(dir.path()).await;
    Connection::open(dir.path().join("effects.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let why = refused(dir.path());
    assert!(why.contains("version 99") && why.contains("up to version 1"), "{why}");
}

#[tokio::test]
async fn a_log_without_its_journal_is_refused_and_so_is_a_log_beside_a_copy() {
    let dir = folder();
    let store = open(dir.path());
    begin(&store, wish(1)).await.unwrap();
    let copy = dir.path().join("copy");
    store.backup(&copy).await.unwrap();
    let log = fs::read(dir.path().join("effects.db-wal")).unwrap();
    let orphan = laid(b"", Some(&log));
    fs::remove_file(orphan.path().join("effects.db")).unwrap();
    assert!(refused(orphan.path()).contains("missing"));
    assert!(refused(laid(&fs::read(&copy).unwrap(), Some(&log)).path()).contains("log of another"));
}

/// A journal of six effects whose log was never folded, as a kill would leave it: the file and the log.
async fn unfolded() -> (Vec<u8>, Vec<u8>) {
    let dir = folder();
    let store = open(dir.path());
    for n in 0..6 {
        begin(&store, wish(n)).await.unwrap();
    }
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    (read("effects.db"), read("effects.db-wal"))
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_leaves_a_beginning_of_what_happened() {
    let (db, log) = unfolded().await;
    let mut last = 0;
    for cut in (0..=log.len()).step_by(512).chain([log.len()]) {
        let dir = laid(&db, Some(&log[..cut]));
        let store = try_open(dir.path()).unwrap();
        let mut states = Vec::new();
        for n in 0..6 {
            states.push(word(peek(&store, key(n)).await.as_ref()));
        }
        let known = states.iter().filter(|state| **state == "in-doubt").count();
        assert!(states[known..].iter().all(|state| *state == "absent"), "{states:?} at {cut}");
        assert!(known >= last, "a longer log knows more");
        last = known;
    }
    assert_eq!(last, 6);
}

#[tokio::test]
async fn a_log_whose_folding_was_cut_short_has_everything() {
    let (db, log) = unfolded().await;
    let dir = laid(&db, Some(&log));
    let folding = Connection::open(dir.path().join("effects.db")).unwrap();
    folding.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let folded = fs::read(dir.path().join("effects.db")).unwrap();
    let mut rng = fastrand::Rng::with_seed(8);
    for _ in 0..30 {
        // Each sector of 512 bytes is as it was or as it shall be, and the file as long as it got.
        let mut torn = folded.clone();
        for (before, now) in db.chunks(512).zip(torn.chunks_mut(512)) {
            if rng.bool() {
                now.copy_from_slice(before);
            }
        }
        torn.truncate(rng.usize(db.len()..=folded.len()));
        let dir = laid(&torn, Some(&log));
        let store = try_open(dir.path()).unwrap();
        for n in 0..6 {
            assert_eq!(word(peek(&store, key(n)).await.as_ref()), "in-doubt");
        }
    }
}

#[tokio::test]
async fn a_log_that_is_damaged_before_its_last_transaction_is_refused() {
    let (db, log) = unfolded().await;
    // Where each transaction ends: frames that say how large the file is then.
    let frame = |number: usize| 32 + number * (24 + 4096);
    let frames = (log.len() - 32) / (24 + 4096);
    let commits: Vec<usize> =
        (0..frames).filter(|number| log[frame(*number) + 4..frame(*number) + 8] != [0; 4]).collect();
    let last = frame(commits[commits.len() - 2] + 1);
    let mut rng = fastrand::Rng::with_seed(5);
    for place in (0..200).map(|_| rng.usize(32..log.len())).chain([32, last - 1, last]) {
        let mut flipped = log.clone();
        flipped[place] ^= 0x10;
        let dir = laid(&db, Some(&flipped));
        if place < last {
            assert!(refused(dir.path()).contains("effects.db-wal"), "byte {place}");
        } else {
            // What was damaged here cannot be told from what was never finished.
            let store = try_open(dir.path()).unwrap();
            assert_eq!(word(peek(&store, key(4)).await.as_ref()), "in-doubt");
            assert_eq!(word(peek(&store, key(5)).await.as_ref()), "absent");
        }
    }
    let mut headless = log.clone();
    headless[3] ^= 1;
    assert!(refused(laid(&db, Some(&headless)).path()).contains("not a log"));
}

#[tokio::test]
async fn a_row_changed_by_hand_is_not_believed() {
    let dir = folder();
    sample(dir.path()).await;
    let db = Connection::open(dir.path().join("effects.db")).unwrap();
    db.execute("UPDATE effect SET since = since - 1, due = 1 WHERE label = 'test:effect:order:0004'", [])
        .unwrap();
    db.close().unwrap();
    assert!(refused(dir.path()).contains("0004"));
    // Where the file is too large to be read when it is opened, each record is checked when it is asked for.
    let (options, time) = (Options { full_check: 0, ..Options::default() }, Time::manual(BEGAN));
    let store = Sqlite::open_with(dir.path(), &options, time.clone()).unwrap().store;
    for operation in [Operation::Begin(wish(4)), Operation::Peek { key: key(4) }] {
        let told = store.ask(operation).await;
        assert!(matches!(told, Err(StoreError::Unreadable(_))), "{told:?}");
    }
    // The others live on, and time goes on for them.
    begin(&store, wish(100)).await.unwrap();
    time.advance(Duration::from_secs(80 * 3600));
    assert!(store.sweep(10_000).await.unwrap().changed > 20);
    assert_eq!(word(peek(&store, key(5)).await.as_ref()), "absent");
}

#[tokio::test]
async fn a_row_taken_away_by_hand_is_missed() {
    let dir = folder();
    sample(dir.path()).await;
    let db = Connection::open(dir.path().join("effects.db")).unwrap();
    db.execute("DELETE FROM effect WHERE label = 'test:effect:order:0004'", []).unwrap();
    db.close().unwrap();
    assert!(refused(dir.path()).contains("by hand"));
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_refused() {
    let dir = folder();
    sample(dir.path()).await;
    let path = dir.path().join("effects.db");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    if fs::File::options().write(true).open(&path).is_ok() {
        return; // Whoever runs this may write to anything.
    }
    let error = try_open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}
