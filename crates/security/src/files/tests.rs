//! Hashes as others compute them, and files that go.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use proptest::prelude::*;
use seawall_core::clock::wall_now;

use super::*;
use crate::paths::{Base, Relative, Rules, Trouble};

fn relative(text: &str) -> Relative {
    text.parse().unwrap()
}

#[test]
fn digests_are_those_of_the_standards() {
    for (text, algorithm, expected) in [
        ("abc", Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("", Algorithm::Sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "abc",
            Algorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        ("abc", Algorithm::Blake3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        ("", Algorithm::Blake3, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
    ] {
        assert_eq!(digest(text.as_bytes(), algorithm).unwrap().hex(), expected, "{algorithm} of {text:?}");
    }
    let several = digests(&b"abc"[..], &Algorithm::ALL).unwrap();
    assert_eq!(several, Algorithm::ALL.map(|algorithm| digest(&b"abc"[..], algorithm).unwrap()));
}

#[test]
fn a_digest_is_read_in_one_spelling_and_says_what_is_wrong() {
    for (wrong, part) in [
        ("9f86d0", "write sha256:"),
        ("md5:00", "write sha256:"),
        ("sha256:00", "has 64 digits, and this has 2"),
        (&format!("sha256:{}", "g".repeat(64)), "hexadecimal"),
        (&format!("sha256:{}", "\u{e9}".repeat(32)), "hexadecimal"),
    ] {
        let why = wrong.parse::<Digest>().unwrap_err();
        assert!(why.contains(part), "{why}");
    }
    let upper = format!("sha256:{}", "AB".repeat(32)).parse::<Digest>().unwrap();
    assert_eq!(upper.hex(), "ab".repeat(32));
    assert_ne!(format!("blake3:{}", "ab".repeat(32)).parse::<Digest>().unwrap(), upper, "of another kind");
}

/// Gives a few bytes at a time, and is interrupted in between.
struct Slow<'b>(&'b [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let take = self.0.len().min(buffer.len()).min(3);
        let (now, later) = self.0.split_at(take);
        buffer[..take].copy_from_slice(now);
        self.0 = later;
        Ok(take)
    }
}

proptest! {
    /// Law: however it comes in pieces, the digest is the same; and one bit of difference is found at the end.
    #[test]
    fn pieces_do_not_matter_and_every_bit_does(
        bytes in proptest::collection::vec(any::<u8>(), 1..300), bit in any::<proptest::sample::Index>()
    ) {
        for algorithm in Algorithm::ALL {
            let promised = digest(&bytes[..], algorithm).unwrap();
            prop_assert_eq!(&digest(Slow(&bytes, false), algorithm).unwrap(), &promised);
            let mut read = Vec::new();
            let mut verifying = Verifying::new(Slow(&bytes, false), promised.clone());
            prop_assert!(!verifying.is_good());
            verifying.read_to_end(&mut read).unwrap();
            prop_assert!(verifying.is_good() && read == bytes);
            let mut changed = bytes.clone();
            let bit = bit.index(bytes.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut verifying = Verifying::new(&changed[..], promised);
            let why = verifying.read_to_end(&mut Vec::new()).unwrap_err();
            prop_assert_eq!(why.kind(), std::io::ErrorKind::InvalidData);
            prop_assert!(!verifying.is_good() && verifying.read(&mut [0]).is_err(), "and it stays one");
        }
    }
}

#[test]
fn only_what_was_promised_appears_under_its_name() {
    let home = tempfile::tempdir().unwrap();
    let base = Base::open(home.path()).unwrap();
    let promised = digest(&b"model"[..], Algorithm::Sha256).unwrap();
    for (bytes, arrives) in [(&b"m0del"[..], false), (b"mode", false), (b"model", true)] {
        let mut writing = base.begin(&relative("model.bin"), &Rules::new()).unwrap();
        let copied = std::io::copy(&mut Verifying::new(bytes, promised.clone()), &mut writing);
        match copied {
            Ok(_) => writing.finish().unwrap(),
            Err(_) => drop(writing),
        }
        assert_eq!(home.path().join("model.bin").exists(), arrives);
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn session_ids_are_random_secret_and_read_in_one_spelling() {
    let ids: std::collections::HashSet<String> =
        (0..1000).map(|_| SessionId::new().unwrap().expose().to_string()).collect();
    assert_eq!(ids.len(), 1000);
    let id = SessionId::new().unwrap();
    let text = id.expose();
    assert!(text.len() == 43 && !format!("{id:?}").contains(text.as_str()));
    assert_eq!(
        (id.fingerprint().len(), text.parse::<SessionId>().unwrap().fingerprint()),
        (64, id.fingerprint())
    );
    let mut last = text.to_string();
    last.pop();
    for wrong in [
        String::new(),
        last.clone(),
        format!("{last}="),
        format!("{last}+"),
        format!("{last}\u{e9}"),
        format!("{}B", &text[..42]),
    ] {
        assert!(wrong.parse::<SessionId>().is_err() || wrong == *text, "{wrong}");
    }
}

#[test]
fn temporary_files_are_their_owners_alone_and_gone_afterwards() {
    let mut file = Temporary::holding(b"secret", ".conf").unwrap();
    let path = file.path().to_path_buf();
    let parent = path.parent().unwrap().to_path_buf();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(parent.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert!(path.to_str().unwrap().ends_with(".conf"));
    file.file().write_all(b" more").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"secret more");
    drop(file);
    assert!(!path.exists() && !parent.exists());
    assert_eq!(scratch().unwrap().metadata().unwrap().nlink(), 0, "it has no name");
}

#[test]
fn what_is_deleted_was_overwritten_and_the_answer_says_what_that_is_worth() {
    let home = tempfile::tempdir().unwrap();
    let base = Base::open(home.path()).unwrap();
    let file = home.path().join("a");
    std::fs::write(&file, "canary".repeat(20_000)).unwrap();
    // Somebody who holds it open sees what becomes of its blocks.
    let mut held = std::fs::File::open(&file).unwrap();
    let deleted = delete(&base, &relative("a")).unwrap();
    assert_eq!(deleted.overwritten, 120_000);
    assert!(deleted.caveats.starts_with(&[Caveat::WearLevelling, Caveat::Copies]), "{deleted:?}");
    assert!(!file.exists());
    let mut left = Vec::new();
    held.read_to_end(&mut left).unwrap();
    assert!(left.len() == 120_000 && !String::from_utf8_lossy(&left).contains("canary"));
    assert_eq!(delete(&base, &relative("a")).unwrap_err().trouble, Trouble::Missing);

    std::fs::write(home.path().join("b"), "canary").unwrap();
    std::fs::hard_link(home.path().join("b"), home.path().join("c")).unwrap();
    assert!(delete(&base, &relative("b")).unwrap().caveats.contains(&Caveat::OtherNames));
    assert_ne!(std::fs::read(home.path().join("c")).unwrap(), b"canary");
}

#[test]
fn deleting_does_not_follow_links_and_waits_for_no_pipe() {
    let home = tempfile::tempdir().unwrap();
    let (inside, outside) = (home.path().join("inside"), home.path().join("outside"));
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(&outside, "canary").unwrap();
    symlink(&outside, inside.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, inside.join("fifo"), rustix::fs::Mode::from_raw_mode(0o600))
        .unwrap();
    let base = Base::open(&inside).unwrap();
    assert_eq!(delete(&base, &relative("link")).unwrap_err().trouble, Trouble::Link);
    assert_eq!(delete(&base, &relative("fifo")).unwrap_err().trouble, Trouble::Special);
    assert_eq!(std::fs::read(&outside).unwrap(), b"canary");
    assert!(inside.join("fifo").exists());
}

#[test]
fn an_erasable_file_is_noise_without_its_key() {
    let home = tempfile::tempdir().unwrap();
    let base = Base::open(home.path()).unwrap();
    let key = Erasable::write(&base, &relative("a"), b"canary", wall_now()).unwrap();
    let other = Erasable::write(&base, &relative("b"), b"canary", wall_now()).unwrap();
    assert!(!String::from_utf8_lossy(&std::fs::read(home.path().join("a")).unwrap()).contains("canary"));
    assert_eq!(&**key.read(&base, &relative("a")).unwrap(), b"canary");
    assert_eq!(&**Erasable::of(&key.key()).unwrap().read(&base, &relative("a")).unwrap(), b"canary");
    assert!(other.read(&base, &relative("a")).unwrap_err().to_string().contains("another key"));
    assert!(!format!("{key:?}").contains(key.key().expose()));
}
