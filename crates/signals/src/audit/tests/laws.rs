//! What holds for every trail and every tampering.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What somebody does to the lines of a file.
#[derive(Debug, Clone)]
enum Tampering {
    Drop(Index),
    Double(Index),
    Swap(Index, Index),
    Insert(Index, Index),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let place = any::<Index>;
    prop_oneof![
        place().prop_map(Tampering::Drop),
        place().prop_map(Tampering::Double),
        (place(), place()).prop_map(|(a, b)| Tampering::Swap(a, b)),
        (place(), place()).prop_map(|(a, b)| Tampering::Insert(a, b)),
    ]
}

/// The lines of all files, each with its end.
fn lines(directory: &Path) -> Vec<(PathBuf, Vec<Vec<u8>>)> {
    let split = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
    };
    files(directory).into_iter().map(split).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Law: a trail in which any single byte is another is not sound, and the first problem is in the line of that byte
    /// or, where the byte joined or split lines, in the next.
    #[test]
    fn whatever_single_byte_is_changed_is_found(
        entries in 1u64..8,
        rotate in prop_oneof![Just(1u64 << 20), Just(600)],
        file in any::<Index>(),
        place in any::<Index>(),
        flip in 1u8..=255,
    ) {
        let home = written(entries, &Options { rotate, ..Options::default() });
        let files = files(home.path());
        let path = file.get(&files);
        let mut bytes = fs::read(path).unwrap();
        if bytes.is_empty() {
            return Ok(());
        }
        let place = place.index(bytes.len());
        let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        bytes[place] ^= flip;
        fs::write(path, &bytes).unwrap();
        let report = verify(home.path()).unwrap();
        prop_assert!(!report.is_sound());
        let first = &report.problems[0];
        prop_assert_eq!(&first.file, &path.display().to_string());
        prop_assert!(first.line == line || first.line == line + 1, "{first} for line {line}");
    }

    /// Law: a trail from which any line is removed, in which any stands twice or in another's place, or into which any
    /// is put, is not sound.
    #[test]
    fn whatever_line_is_dropped_doubled_or_swapped_is_found(
        entries in 1u64..10,
        rotate in prop_oneof![Just(1u64 << 20), Just(600)],
        file in any::<Index>(),
        tampering in tampering(),
    ) {
        let home = written(entries, &Options { rotate, ..Options::default() });
        let mut all = lines(home.path());
        let (path, lines) = &mut all[file.index(files(home.path()).len())];
        if lines.is_empty() {
            return Ok(());
        }
        let count = lines.len();
        match tampering {
            Tampering::Drop(at) => drop(lines.remove(at.index(count))),
            Tampering::Double(at) => {
                let again = lines[at.index(count)].clone();
                lines.insert(at.index(count), again);
            }
            Tampering::Swap(a, b) => {
                if a.index(count) == b.index(count) {
                    return Ok(());
                }
                lines.swap(a.index(count), b.index(count));
            }
            Tampering::Insert(from, to) => {
                let other = lines[from.index(count)].clone();
                lines.insert(to.index(count + 1), other);
            }
        }
        fs::write(path, lines.concat()).unwrap();
        prop_assert!(!verify(home.path()).unwrap().is_sound());
    }

    /// Law: whatever texts an entry has, they are read back as they were, and the trail is sound.
    #[test]
    fn whatever_is_written_is_read_back_and_sound(texts in vec((".{0,40}", ".{0,40}", ".{0,80}", any::<u64>()), 1..12)) {
        let home = tempfile::tempdir().unwrap();
        let trail = open(home.path());
        for (subject, by, reason, number) in &texts {
            let entry = Entry::open("job.block", subject.as_str()).by(by.as_str()).because(reason.as_str());
            trail.note(entry.with(subject.clone(), *number)).unwrap();
        }
        drop(trail);
        let mut told = Vec::new();
        let report = read(home.path(), |record| {
            let number = record.data[&record.subject].as_u64().unwrap();
            told.push((record.subject, record.by, record.reason, number));
        }).unwrap();
        prop_assert!(report.is_sound(), "{report:?}");
        prop_assert_eq!(told, texts);
    }
}

#[test]
fn nothing_that_lies_in_a_directory_makes_verify_panic() {
    let mut runner = proptest::test_runner::TestRunner::default();
    let home = written(2, &Options::default());
    let path = only_file(home.path());
    let own = fs::read(&path).unwrap();
    let bytes =
        prop_oneof![vec(any::<u8>(), 0..400), vec(prop_oneof![Just(b'\n'), Just(b'"'), Just(b'{')], 0..400)];
    runner
        .run(&(bytes, any::<bool>()), |(bytes, behind)| {
            let text = if behind { [own.clone(), bytes].concat() } else { bytes };
            fs::write(&path, text).unwrap();
            let _ = verify(home.path()).unwrap();
            Ok(())
        })
        .unwrap();
    fs::write(&path, [own.clone(), vec![b'x'; 100_000], b"\n".to_vec(), own].concat()).unwrap();
    let problems = verify(home.path()).unwrap().problems;
    assert_eq!((problems[0].line, &*problems[0].what), (3, "it is no entry: it does not end in a hash"));
}
