//! Any bytes as the file of a configuration's version: read whole or refused in one line; and any text that is kept is
//! read back.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use seawall_config::versions::{Cause, Deed, Versions};

const DEED: Deed<'static> = Deed { cause: Cause::Start, by: "", reason: "why", generation: 1, again: None };

/// Two directories of versions, the only file in the first and what was in it.
struct Home {
    read: Versions,
    kept: Versions,
    path: PathBuf,
    whole: Vec<u8>,
    _directory: tempfile::TempDir,
}

fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let read = Versions::at(directory.path().join("read"), 5);
        read.keep("version = 1\n", "seawall.toml", &DEED, SystemTime::UNIX_EPOCH).expect("kept");
        let path = read.directory().join("00000001.json");
        let whole = std::fs::read(&path).expect("its file");
        let kept = Versions::at(directory.path().join("kept"), 2);
        Home { read, kept, path, whole, _directory: directory }
    })
}

fuzz_target!(|input: &[u8]| {
    let Home { read, kept, path, whole, .. } = home();
    let Some((how, rest)) = input.split_first() else { return };
    let bytes = match how % 4 {
        // Bytes of their own, a sound file with some of them in it, one that was cut.
        0 => rest.to_vec(),
        1 => {
            let place = rest.first().map_or(0, |place| usize::from(*place) * whole.len() / 256);
            [&whole[..place], rest.get(1..).unwrap_or_default(), &whole[place..]].concat()
        }
        2 => whole[..rest.len().min(whole.len())].to_vec(),
        _ => {
            let text = String::from_utf8_lossy(rest);
            kept.keep(&text, "seawall.toml", &DEED, SystemTime::UNIX_EPOCH).expect("kept");
            assert_eq!(kept.latest().expect("it was kept").text, text);
            return;
        }
    };
    std::fs::write(path, &bytes).expect("the file is written");
    let listing = read.list().expect("it is there");
    assert_eq!(listing.versions.len() + listing.damaged.len(), 1);
    match read.read(1) {
        Ok(one) => {
            assert!(one.version.number == 1 && one.version.is_of(&one.text));
            assert_eq!(listing.versions, [one.version]);
        }
        Err(why) => assert!(!why.to_string().contains(char::is_control), "{why}"),
    }
});
