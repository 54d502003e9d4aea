//! What a machine notes of a server, so that the next process knows which memory it was, and how far it had come.
//!
//! ```text
//! 8f0c…            the incarnation that is trusted
//! run 4be1…        the server's run
//! grant KEY EPOCH UNTIL   one of the last grants, and until when its record cannot have been forgotten by right
//! ```

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use seawall_core::effect::{Key, Stamp};
use seawall_core::store::StoreError;

use super::shared::{Grant, Looked, Noted};
use super::standing::Incarnation;

/// Notes the memory that is trusted, and the last grants, where they are others than were noted.
pub(super) fn write(path: &Path, looked: &mut Looked, run: &str, grants: Vec<Grant>) -> std::io::Result<()> {
    let Some(incarnation) = looked.known else { return Ok(()) };
    let wanted = Noted { incarnation, run: Some(run.to_owned()), grants };
    if looked.noted.as_ref() != Some(&wanted) {
        put(path, &wanted)?;
        looked.noted = Some(wanted);
    }
    Ok(())
}

fn put(path: &Path, noted: &Noted) -> std::io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut text = format!("{}\n", noted.incarnation);
    if let Some(run) = &noted.run {
        let _ = writeln!(text, "run {run}");
    }
    for Grant { key, epoch, until } in &noted.grants {
        let _ = writeln!(text, "grant {:032x} {epoch} {}", u128::from_be_bytes(*key.as_bytes()), until.0);
    }
    // Of this writer alone: several processes of this machine may note the same at once.
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let fresh = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let mut file = std::fs::File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

/// What was noted last, if anything ever was.
pub(super) fn read(path: &Path) -> Result<Option<Noted>, StoreError> {
    let unreadable = |why: String| {
        StoreError::Unreadable(format!("{}: {why}; remove it to take the server as it is", path.display()))
    };
    match std::fs::read_to_string(path) {
        Ok(text) => match parsed(&text) {
            Some(noted) => Ok(Some(noted)),
            None => Err(unreadable("this is no note of a memory".into())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

fn parsed(text: &str) -> Option<Noted> {
    let mut lines = text.trim().lines();
    let number = |text: &str| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes);
    let incarnation = Incarnation(number(lines.next()?)?);
    let mut noted = Noted { incarnation, run: None, grants: Vec::new() };
    for line in lines {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["run", run] => noted.run = Some(run.to_owned()),
            ["grant", key, epoch, until] => {
                let (key, until) = (Key::from_bytes(number(key)?), Stamp(until.parse().ok()?));
                noted.grants.push(Grant { key, epoch: epoch.parse().ok()?, until });
            }
            _ => return None,
        }
    }
    Some(noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Noted {
        let grant = |n: u8| Grant { key: Key::from_bytes([n; 16]), epoch: 7 + u64::from(n), until: Stamp(9) };
        Noted {
            incarnation: Incarnation([7; 16]),
            run: Some("4be1".into()),
            grants: (1..9).map(grant).collect(),
        }
    }

    /// Several workers of one machine share the note: each writes it when it first trusts a server, all at once.
    #[test]
    fn whoever_reads_a_note_that_many_write_reads_all_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("known");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|_| put(&path, &one()).unwrap()));
            }
            for _ in 0..2000 {
                let read = read(&path);
                assert!(read == Ok(None) || read == Ok(Some(one())), "{read:?}");
            }
        });
        assert_eq!(read(&path), Ok(Some(one())));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left lying about");
    }

    #[test]
    fn rubbish_is_no_note_and_a_name_alone_is_one() {
        let name = "07".repeat(16);
        assert_eq!(parsed(&name), Some(Noted { run: None, grants: Vec::new(), ..one() }));
        for rubbish in [
            "",
            "rubbish",
            "xx\nrun 1",
            "07\ngrant 1",
            "07\ngrant x 1 1",
            "07\ngrant 1 -1 1",
            "07\nrun 1 2",
            "07\n\n07",
        ] {
            assert_eq!(parsed(rubbish), None, "{rubbish:?}");
        }
    }
}
