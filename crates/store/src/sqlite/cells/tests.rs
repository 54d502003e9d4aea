//! That the shared file conforms, is shared, survives, and refuses what is not its own.

use std::fs;
use std::num::NonZeroU32;
use std::sync::Arc;

use futures_util::future::join_all;
use seawall_core::fleet::limit;
use seawall_core::units::Rate;
use tempfile::TempDir;

use super::*;
use crate::conformance;

const HOUR: Duration = Duration::from_secs(3600);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn key() -> Key {
    Key::Job("import".into(), "7".into())
}

async fn text(cells: &Cells, key: &Key) -> Option<String> {
    cells.read(key).await.unwrap().map(|cell| cell.text)
}

#[tokio::test]
async fn what_is_remembered_of_jobs_conforms() {
    let dir = folder();
    let cells = Cells::open(dir.path()).unwrap();
    for seed in 0..3 {
        conformance::jobs::walk(&cells, seed, 4000).await;
    }
}

#[tokio::test]
async fn what_a_fleet_shares_conforms() {
    let (dir, time) = (folder(), Time::manual(conformance::BEGAN));
    let cells = Cells::open_with(dir.path(), time.clone()).unwrap();
    let walked = conformance::fleet::walk(&cells, &time, 7, 12_000).await;
    assert!(walked.every_answer_was_given(), "{walked:?}");
}

#[tokio::test]
async fn breakers_conform() {
    let (dir, time) = (folder(), Time::manual(conformance::BEGAN));
    let cells = Cells::open_with(dir.path(), time.clone()).unwrap();
    conformance::breakers::walk(&cells, &time, 7, 12_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_have_the_file_open_keep_one_limit_together() {
    let dir = folder();
    let all: Vec<_> = (0..4).map(|_| Cells::open(dir.path()).unwrap()).collect();
    for burst in [None, NonZeroU32::new(5)] {
        let rate = Rate { count: NonZeroU32::new(40).unwrap(), per: Duration::from_millis(100) };
        let of = limit::Of { name: "a".into(), key: 0, rate, burst };
        let takers = all.iter().map(|cells| conformance::fleet::take_all(cells, &of, 600));
        let granted: Vec<_> = join_all(takers).await.concat();
        assert!(granted.len() >= burst.map_or(40, |_| 5), "{}", granted.len());
        conformance::fleet::within(&of, granted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_has_the_file_open_loses_a_change_of_another() {
    let dir = folder();
    let all: Vec<_> = (0..4).map(|_| Cells::open(dir.path()).unwrap()).collect();
    let key = key();
    join_all(all.iter().map(|cells| conformance::jobs::count_up(cells, &key, 250))).await;
    assert_eq!(text(&all[0], &key).await.as_deref(), Some("1000"));
}

#[tokio::test]
async fn a_cell_outlives_its_process_and_is_forgotten_in_time() {
    let dir = folder();
    let time = Time::manual(Stamp(1_700_000_000_000));
    let cells = Cells::open_with(dir.path(), time.clone()).unwrap();
    assert_eq!(cells.swap(&key(), None, "1".into(), HOUR).await, Ok(true));
    let first = cells.read(&key()).await.unwrap().unwrap();
    drop(cells);
    // A clock that was set back does not let it live longer.
    let cells = Cells::open_with(dir.path(), Time::manual(Stamp(0))).unwrap();
    assert_eq!(cells.read(&key()).await.unwrap(), Some(first.clone()));
    drop(cells);
    time.advance(HOUR * 2);
    let cells = Cells::open_with(dir.path(), time).unwrap();
    assert_eq!(cells.read(&key()).await.unwrap(), None);
    assert_eq!(cells.swap(&key(), Some(first.version), "2".into(), HOUR).await, Ok(false));
    assert_eq!(cells.swap(&key(), None, "2".into(), HOUR).await, Ok(true));
    assert!(cells.read(&key()).await.unwrap().unwrap().version > first.version);
}

#[tokio::test]
async fn what_nobody_waits_for_is_still_done() {
    let dir = folder();
    let cells = Cells::open(dir.path()).unwrap();
    drop(cells.swap(&key(), None, "1".into(), HOUR));
    assert_eq!(text(&cells, &key()).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn what_is_past_its_time_leaves_the_file() {
    let dir = folder();
    let time = Time::manual(Stamp(1_700_000_000_000));
    let cells = Cells::open_with(dir.path(), time.clone()).unwrap();
    for n in 0..250 {
        let key = Key::Job("import".into(), n.to_string().into());
        cells.swap(&key, None, "1".into(), HOUR).await.unwrap();
    }
    for _ in 0..4 {
        time.advance(HOUR * 2);
        text(&cells, &key()).await;
    }
    drop(cells);
    let db = rusqlite::Connection::open(dir.path().join("shared.db")).unwrap();
    let left: i64 = db.query_row("SELECT count(*) FROM cell", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let dir = folder();
    let path = dir.path().join("shared.db");
    let refused = |what: &str| match Cells::open(dir.path()) {
        Err(StoreError::Unreadable(why)) => assert!(why.contains(what), "{why}"),
        other => panic!("{other:?}"),
    };
    fs::write(&path, b"words, words, words, and no database at all, at great length".repeat(40)).unwrap();
    refused("not a database");
    fs::remove_file(&path).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(db);
    refused("another program");
    fs::remove_file(&path).unwrap();
    drop(Cells::open(dir.path()).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    refused("version 99");
}

#[tokio::test]
async fn a_file_that_is_taken_away_is_missed() {
    let dir = folder();
    let cells = Arc::new(Cells::open(dir.path()).unwrap());
    fs::rename(dir.path().join("shared.db"), dir.path().join("elsewhere.db")).unwrap();
    let answer = cells.swap(&key(), None, "1".into(), HOUR).await;
    assert!(matches!(answer, Err(StoreError::Broken(why)) if why.contains("taken away")));
}

#[tokio::test]
async fn a_damaged_row_is_unreadable_and_harms_no_other() {
    let dir = folder();
    let cells = Cells::open(dir.path()).unwrap();
    let other = Key::Type("import".into());
    for key in [key(), other.clone()] {
        cells.swap(&key, None, "1".into(), HOUR).await.unwrap();
    }
    let db = rusqlite::Connection::open(dir.path().join("shared.db")).unwrap();
    db.execute("UPDATE cell SET value = x'ff' WHERE kind = 'job'", []).unwrap();
    assert!(matches!(cells.read(&key()).await, Err(StoreError::Unreadable(_))));
    assert_eq!(text(&cells, &other).await.as_deref(), Some("1"));
}
