//! Any bytes as a vault's file, a key, a ring of keys and a token: refused, and the file left as it is.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use seawall_core::secret::Secret;
use seawall_security::fernet::{Key, Ring};
use seawall_security::vault::{Sources, Terms, Vault};

/// A directory with a key, and a file for whatever comes.
fn home() -> &'static (tempfile::TempDir, PathBuf, Vec<u8>) {
    static HOME: OnceLock<(tempfile::TempDir, PathBuf, Vec<u8>)> = OnceLock::new();
    HOME.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("vault");
        let sources = Sources { key_file: None, environment: &|_| None };
        let (mut vault, _) = Vault::init(&path, &sources, SystemTime::UNIX_EPOCH).expect("a vault");
        let value = Secret::new("value".to_owned());
        vault
            .set(&"a".parse().expect("a name"), &value, Terms::default(), SystemTime::UNIX_EPOCH)
            .expect("set");
        let whole = std::fs::read(&path).expect("its file");
        (directory, path, whole)
    })
}

fuzz_target!(|input: &[u8]| {
    let (_, path, whole) = home();
    let Some((how, rest)) = input.split_first() else { return };
    // Bytes of their own, or a sound file with some of them in it.
    let bytes = match how % 3 {
        0 => rest.to_vec(),
        1 => {
            let place = rest.first().map_or(0, |place| usize::from(*place) * whole.len() / 256);
            [&whole[..place], rest.get(1..).unwrap_or_default(), &whole[place..]].concat()
        }
        _ => whole[..rest.len().min(whole.len())].to_vec(),
    };
    std::fs::write(path, &bytes).expect("the file is written");
    let sources = Sources { key_file: None, environment: &|_| None };
    if let Ok(mut vault) = Vault::open(path, &sources) {
        let name = "a".parse().expect("a name");
        assert_eq!(vault.get(&name, SystemTime::UNIX_EPOCH).expect("sound").expose(), "value");
        vault.expire(&name, None, SystemTime::UNIX_EPOCH).expect("sound");
    }
    assert_eq!(std::fs::read(path).expect("the file is there"), bytes);

    let text = String::from_utf8_lossy(rest);
    if let Ok(ring) = text.parse::<Ring>() {
        assert!(ring.count() > 0);
    }
    let key: Key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=".parse().expect("a key");
    let _ = key.open(&text);
});
