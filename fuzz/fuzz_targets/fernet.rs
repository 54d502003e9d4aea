//! Any bytes as keys and as a token: refused, or read; whatever of a sound token is changed, it is refused.
#![no_main]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libfuzzer_sys::fuzz_target;
use seawall_security::fernet::{BadToken, Key, Ring};

const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
/// `hello`, sealed with it by somebody else: an example of the specification.
const TOKEN: &str =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

// How, a place, a byte; then keys and a token, parted by NUL.
fuzz_target!(|input: &[u8]| {
    let [how, place, byte, rest @ ..] = input else { return };
    let mut pieces = rest.splitn(2, |byte| *byte == 0).map(String::from_utf8_lossy);
    let (keys, token) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    let key: Key = KEY.parse().expect("a key");
    if let Ok(ring) = keys.parse::<Ring>() {
        assert!(ring.count() > 0);
        assert!(ring.keys().all(|key| key.text().expose().len() == KEY.len()));
        let _ = ring.open(&token);
    }
    let now = UNIX_EPOCH + Duration::from_secs(499_162_800);
    let opened = key.open(&token);
    let fresh = key.open_fresh(&token, Duration::from_secs(60), now);
    assert!(fresh.is_err() || fresh == opened);
    if let Ok(plain) = opened {
        sealed(&key, &plain, now);
    }
    changed(&key, usize::from(*place) % TOKEN.len(), *byte, how % 4);
    if how & 4 != 0 {
        sealed(&key, rest, now);
    }
});

/// What is sealed is read back by its key, by a ring that has it, and by nobody else.
fn sealed(key: &Key, plain: &[u8], now: SystemTime) {
    let token = key.seal(plain, now).expect("randomness");
    let other = Key::from_bytes([7; 32].into());
    assert_eq!(key.open(&token).as_ref().map(|plain| &***plain), Ok(plain));
    assert_eq!(other.open(&token), Err(BadToken::Foreign));
    let ring = Ring::new(other, vec![key.clone()]);
    assert_eq!(ring.open(&token).as_ref().map(|plain| &***plain), Ok(plain));
}

/// A sound token with one byte changed, put in or taken out, or cut: refused, unless that changed nothing.
fn changed(key: &Key, place: usize, byte: u8, how: u8) {
    let mut bytes = TOKEN.as_bytes().to_vec();
    match how {
        0 => bytes[place] = byte,
        1 => bytes.insert(place, byte),
        2 => drop(bytes.remove(place)),
        _ => bytes.truncate(place),
    }
    let Ok(text) = String::from_utf8(bytes) else { return };
    match text.trim() == TOKEN {
        true => assert_eq!(key.open(&text).as_ref().map(|plain| &***plain), Ok(&b"hello"[..])),
        false => assert!(key.open(&text).is_err(), "{text:?} is read"),
    }
}
