mod laws;
mod troubles;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use seawall_core::clock::{ManualClock, SystemClock};
use tempfile::TempDir;

use super::*;

fn open(directory: &Path) -> Trail {
    Trail::open(directory, Options::default(), Arc::new(SystemClock), None).unwrap()
}

fn entry(n: u64) -> Entry {
    Entry::open("job.retry", "train").by("seawall").because("it ended with 75").with("run", n)
}

/// A trail of so many entries that was closed in order.
fn written(entries: u64, options: &Options) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let trail = Trail::open(home.path(), options.clone(), Arc::new(SystemClock), None).unwrap();
    (1..=entries).for_each(|n| trail.note(entry(n)).unwrap());
    drop(trail);
    home
}

fn files(directory: &Path) -> Vec<PathBuf> {
    verify::files(directory).unwrap()
}

fn only_file(directory: &Path) -> PathBuf {
    let files = files(directory);
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn whats(directory: &Path) -> Vec<String> {
    verify(directory).unwrap().problems.iter().map(|problem| problem.what.clone()).collect()
}

#[test]
fn what_is_noted_is_in_the_file_with_its_members_in_order_and_for_its_owner_alone() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("audit");
    let trail = open(&directory);
    let lever = Entry::closed("lever.force-open", "openai").by("ann \"a\"").because("two\nlines");
    trail.note(lever.with("held", true).with("calls", 3u32)).unwrap();
    let path = only_file(&directory);
    let text = fs::read_to_string(&path).unwrap();
    let (body, hash) = text.trim_end().split_at(text.len() - 76);
    let (ts, rest) = body.strip_prefix("{\"seq\":1,\"ts\":\"").unwrap().split_once('"').unwrap();
    assert_eq!((ts.len(), ts.ends_with('Z')), (24, true), "{ts}");
    assert_eq!(
        rest,
        format!(
            ",\"kind\":\"lever.force-open\",\"subject\":\"openai\",\"by\":\"ann \\\"a\\\"\",\
             \"reason\":\"two\\nlines\",\"data\":{{\"calls\":3,\"held\":true}},\"prev\":\"{}\"",
            "0".repeat(64)
        )
    );
    assert!(hash.starts_with(",\"hash\":\""), "{hash}");
    for path in [path, directory.join("head.json")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_trail_goes_on_where_it_ended_and_one_process_writes_it() {
    let home = written(3, &Options::default());
    let trail = open(home.path());
    let refused = Trail::open(home.path(), Options::default(), Arc::new(SystemClock), None).unwrap_err();
    assert_eq!(refused, OpenError::InUse(home.path().to_owned()));
    let latest = |trail: &Trail| -> Vec<(u64, Kept)> {
        trail.latest(2).iter().map(|(record, kept)| (record.seq, *kept)).collect()
    };
    assert_eq!(latest(&trail), [(3, Kept::Durable), (2, Kept::Durable)], "it remembers what it has read");
    trail.note(entry(4)).unwrap();
    assert_eq!(latest(&trail), [(4, Kept::Written), (3, Kept::Durable)]);
    trail.flush().unwrap();
    assert_eq!(latest(&trail)[0], (4, Kept::Durable));
    drop(trail);
    let report = verify(home.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.entries, report.files), (4, 1));
    assert_eq!((report.first.unwrap().seq, report.last.unwrap().seq), (1, 4));
}

#[test]
fn files_follow_one_another_and_the_chain_goes_through_all_of_them() {
    let home = written(20, &Options { rotate: 1000, ..Options::default() });
    let report = verify(home.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.entries, 20);
    assert!(report.files >= 5, "{report:?}");
    let second = fs::read_to_string(&files(home.path())[1]).unwrap();
    let record: Record = serde_json::from_str(second.lines().next().unwrap()).unwrap();
    let first = fs::read_to_string(&files(home.path())[0]).unwrap();
    let before: Record = serde_json::from_str(first.lines().last().unwrap()).unwrap();
    assert_eq!((record.prev, record.seq), (before.hash, before.seq + 1));
    assert!(files(home.path())[1].ends_with(format!("audit-{:012}.jsonl", record.seq)));
    assert!(verify(&files(home.path())[2]).unwrap().is_sound(), "one file alone may begin anywhere");
    fs::remove_file(&files(home.path())[1]).unwrap();
    assert!(whats(home.path())[0].ends_with("are missing"), "{:?}", whats(home.path()));
}

#[test]
fn entries_that_must_not_be_lost_reach_the_disk_before_the_deed_and_others_in_batches() {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let options = Options { batch: 3, ..Options::default() };
    let trail = Trail::open(home.path(), options, Arc::new(clock.clone()), None).unwrap();
    let durable = || trail.latest(9).iter().filter(|(_, kept)| *kept == Kept::Durable).count();
    let mut seen = Vec::new();
    for n in 1..=4 {
        trail.note(entry(n)).unwrap();
        seen.push(durable());
    }
    assert_eq!(seen, [0, 0, 3, 3], "after three of them");
    trail.note(Entry::closed("lever.reset", "openai")).unwrap();
    assert_eq!(durable(), 5, "at once");
    trail.note(entry(6)).unwrap();
    clock.advance(Duration::from_secs(1));
    trail.note(entry(7)).unwrap();
    assert_eq!(durable(), 7, "after a second");
}

#[test]
fn a_trail_in_memory_is_chained_bounded_and_says_that_it_is_in_memory() {
    let trail = Trail::in_memory(Options { recent: 3, ..Options::default() }, Arc::new(SystemClock));
    (1..=5).for_each(|n| trail.note(entry(n)).unwrap());
    let latest = trail.latest(10);
    let seqs: Vec<u64> = latest.iter().map(|(record, _)| record.seq).collect();
    assert_eq!(seqs, [5, 4, 3]);
    assert!(latest.windows(2).all(|pair| pair[0].0.prev == pair[1].0.hash));
    assert!(latest.iter().all(|(_, kept)| *kept == Kept::Memory));
    let standing = trail.standing();
    assert_eq!((standing.in_files, standing.entries, standing.lost), (false, 5, 0));
}

#[test]
fn many_threads_write_one_chain() {
    let home = tempfile::tempdir().unwrap();
    let trail = open(home.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|n| trail.note(entry(n)).unwrap()));
        }
    });
    drop(trail);
    let report = verify(home.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.entries, 400);
}

#[test]
fn the_checkpoint_and_empty_directories_are_held_to_account() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(verify(empty.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    let home = written(3, &Options::default());
    let head = home.path().join("head.json");
    let text = fs::read_to_string(&head).unwrap();
    for (changed, expected) in [
        (
            text.replace("\"seq\":3", "\"seq\":2"),
            "entry 2 is not the one the checkpoint knows: it was written anew",
        ),
        (text.replace("\"seq\":3", "\"seq\":4"), "entry 4 is missing at the end"),
        (text.replace("\"seq\":3", "\"seq\":x"), "the checkpoint was changed: it cannot be read"),
    ] {
        fs::write(&head, changed).unwrap();
        assert_eq!(whats(home.path()), [expected]);
    }
    fs::remove_file(&head).unwrap();
    assert_eq!(whats(home.path()), ["the checkpoint is missing"]);
}

#[test]
fn an_entry_rewritten_with_a_hash_of_its_own_does_not_fit_the_next() {
    let home = written(3, &Options::default());
    let path = only_file(home.path());
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let (record, prev, _) = line::read(lines[1].as_bytes()).unwrap();
    let other = Entry::open("job.retry", "train").by("mallory");
    let (forged, _) = line::write(record.seq, wall_now(), &other, prev).unwrap();
    lines[1] = String::from_utf8(forged).unwrap().trim_end().to_owned();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let report = verify(home.path()).unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(report.problems[0].line, 3);
    assert!(report.problems[0].what.contains("that one was written anew"), "{report:?}");
}

/// The lines of Python in the documentation.
fn published_python() -> String {
    let page = include_str!("../../../../../docs/audit.md");
    let (_, rest) = page.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn ten_lines_of_python_come_to_the_same_conclusion() {
    let home = written(12, &Options { rotate: 1000, ..Options::default() });
    let python =
        |directory: &Path| Command::new("python3").arg("-c").arg(published_python()).arg(directory).output();
    let sound = match python(home.path()) {
        Ok(sound) => sound,
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: python3 cannot be started ({error}): install it");
            return;
        }
        Err(error) => panic!("python3 cannot be started: {error}"),
    };
    let last = verify(home.path()).unwrap().last.unwrap();
    let said = String::from_utf8([sound.stdout, sound.stderr].concat()).unwrap();
    assert_eq!(said, format!("12 {} True\n", last.hash));
    let path = &files(home.path())[1];
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, text.replacen("75", "74", 1)).unwrap();
    let broken = python(home.path()).unwrap();
    assert!(!broken.status.success());
    assert!(String::from_utf8_lossy(&broken.stderr).contains("is not as it was written"));
}

/// Remembers what was offered.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Sink for Told {
    fn offer(&self, event: Event) {
        if let Fact::AuditTrouble { what } = event.fact {
            self.0.lock().unwrap().push(what.to_string());
        }
    }
}
