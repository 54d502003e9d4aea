//! Files move aside, are kept for a while, and survive what others do to them.

use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use proptest::prelude::{prop, prop_assert, proptest};

use super::super::file::{Rotating, Rules};
use super::*;

fn rules(rotate: u64, files: u32) -> Rules {
    Rules { rotate, every: Duration::ZERO, files, keep: Duration::ZERO }
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn a_long_file_is_moved_aside_and_only_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = Rotating::new(folder.path().join("app.jsonl"), rules(100, 3));
    let now = seawall_core::clock::wall_now();
    for n in 0..50 {
        file.append(format!("line number {n:02}\n").as_bytes(), now).unwrap();
    }
    assert_eq!(names(&folder), ["app.jsonl", "app.jsonl.1", "app.jsonl.2"]);
    let text: String = ["app.jsonl.2", "app.jsonl.1", "app.jsonl"]
        .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
        .concat();
    let expected: String = (36..50).map(|n| format!("line number {n:02}\n")).collect();
    assert!(text.ends_with(&expected) && text.len() <= 300, "{text}");
    assert!(names(&folder).iter().all(|name| fs::metadata(folder.path().join(name)).unwrap().len() <= 100));
}

#[test]
fn an_old_file_is_moved_aside_and_a_very_old_one_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let day = Duration::from_secs(86_400);
    let mut file = Rotating::new(path, Rules { every: day, keep: 3 * day, ..rules(1 << 20, 5) });
    let now = seawall_core::clock::wall_now();
    file.append(b"monday\n", now).unwrap();
    file.append(b"still monday\n", now - day).unwrap();
    file.append(b"tuesday\n", now + day).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("app.jsonl.1")).unwrap(), "monday\nstill monday\n");
    fs::write(folder.path().join("app.jsonl.9"), "too many").unwrap();
    fs::write(folder.path().join("app.jsonl.notes"), "somebody's").unwrap();
    file.prune(now + 2 * day);
    assert_eq!(names(&folder), ["app.jsonl", "app.jsonl.1", "app.jsonl.notes"]);
    file.prune(now + 4 * day);
    assert_eq!(names(&folder), ["app.jsonl", "app.jsonl.notes"], "the one that is written is never deleted");
}

#[test]
fn a_file_that_somebody_moved_cut_or_deleted_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    let mut file = Rotating::new(path.clone(), rules(1 << 20, 5));
    let now = seawall_core::clock::wall_now();
    file.append(b"one\n", now).unwrap();
    fs::rename(&path, folder.path().join("app.jsonl-20260301")).unwrap();
    file.look();
    file.append(b"two\n", now).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    fs::remove_file(&path).unwrap();
    file.look();
    file.append(b"three\n", now).unwrap();
    fs::File::create(&path).unwrap();
    file.look();
    file.append(b"four\n", now).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    let before = fs::metadata(&path).unwrap().ino();
    file.look();
    file.append(b"five\n", now).unwrap();
    assert_eq!(
        (fs::metadata(&path).unwrap().ino(), fs::read_to_string(&path).unwrap()),
        (before, "four\nfive\n".into())
    );
}

#[test]
fn half_a_line_that_a_kill_left_behind_is_ended_before_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    fs::write(&path, "{\"msg\":\"ha").unwrap();
    let mut file = Rotating::new(path.clone(), rules(1 << 20, 5));
    file.append(b"{}\n", SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"msg\":\"ha\n{}\n");
}

proptest! {
    /// Law: whatever is written, in whatever pieces, files together never exceed their size and number, and what is left is
    /// the end of what was written.
    #[test]
    fn files_keep_their_bounds(
        sizes in prop::collection::vec(1usize..60, 1..60),
        rotate in 60u64..200,
        files in 1u32..5,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let mut file = Rotating::new(path.clone(), rules(rotate, files));
        let mut all = String::new();
        for (n, size) in sizes.iter().enumerate() {
            let line = format!("{}\n", char::from(b'a' + (n % 26) as u8).to_string().repeat(*size));
            file.append(line.as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
            all.push_str(&line);
        }
        let mut left = String::new();
        for number in (1..files).rev() {
            left.push_str(&fs::read_to_string(folder.path().join(format!("app.jsonl.{number}"))).unwrap_or_default());
        }
        left.push_str(&fs::read_to_string(&path).unwrap());
        prop_assert!(all.ends_with(&left));
        prop_assert!(left.len() as u64 <= rotate * u64::from(files));
        prop_assert!(names(&folder).len() <= files as usize);
    }
}
