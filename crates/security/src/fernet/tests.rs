//! Fernet as its specification tests it, and as nobody should be able to bend it.

use proptest::prelude::*;

use super::*;

const SECRET: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const TOKEN: &str =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
/// 1985-10-26T01:20:00-07:00.
const MADE: u64 = 499_162_800;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn key() -> Key {
    SECRET.parse().unwrap()
}

#[test]
fn the_published_vectors_are_written_and_read() {
    let iv = std::array::from_fn(|place| u8::try_from(place).unwrap());
    assert_eq!(key().seal_with(b"hello", at(MADE), iv).unwrap(), TOKEN);
    assert_eq!(&**key().open(TOKEN).unwrap(), b"hello");
    let minute = Duration::from_secs(60);
    assert_eq!(&**key().open_fresh(TOKEN, minute, at(MADE + 1)).unwrap(), b"hello");
    assert_eq!(key().open_fresh(TOKEN, minute, at(MADE + 61)), Err(BadToken::Stale));
    assert_eq!(key().open_fresh(TOKEN, minute, at(MADE - 61)), Err(BadToken::Stale));
    assert_eq!(key().text().expose(), SECRET);
}

/// What the list of bad tokens of the specification is about, and one whose parts stand in another order.
#[test]
fn the_published_bad_tokens_are_refused() {
    for (what, token) in [
        (
            "incorrect mac",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
        ),
        ("too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA=="),
        (
            "invalid base64",
            "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        ),
        (
            "no multiple of a block",
            "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
        ),
        (
            "another order of parts",
            "rn9hs9yS0GVWjk4hH822VIwQUWz-_WZWCLzsD7SgV2IAAAAAHcCesAABAgMEBQYHCAkKCwwNDg8tNtXKRlVimf3hMAhjOASy",
        ),
        ("nothing", ""),
    ] {
        assert!(key().open(token).is_err(), "{what}");
    }
}

/// A token whose MAC is right and whose padding is not: made by somebody who holds the key.
#[test]
fn a_rightly_signed_token_with_wrong_padding_is_no_token() {
    let mut bytes = base64::decode(TOKEN).unwrap();
    bytes.truncate(HEAD + IV);
    bytes[HEAD - 1] ^= 0x55;
    let mac = hmac::sign(&key().signing(), &bytes);
    bytes.extend_from_slice(mac.as_ref());
    assert_eq!(key().open(&base64::encode(&bytes)), Err(BadToken::Malformed));
}

#[test]
fn keys_are_read_in_one_spelling_and_never_shown() {
    for wrong in [
        "",
        "short",
        "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4",
        &"A".repeat(44),
        &format!("{SECRET}{SECRET}"),
    ] {
        assert_eq!(wrong.parse::<Key>().unwrap_err(), BadKey);
    }
    assert_eq!(format!("{:?}", key()), "[key]");
    let ring: Ring =
        format!("# new\n{SECRET}  # made today\n\n{}\n", Key::generate().unwrap().text().expose())
            .parse()
            .unwrap();
    assert_eq!((ring.count(), ring.first().text().expose()), (2, SECRET));
    assert!(!format!("{ring:?}").contains("cw_0"));
    assert_eq!(" , # only a comment\n".parse::<Ring>().unwrap_err(), BadKey);
}

#[test]
fn a_ring_reads_what_any_of_its_keys_made_and_writes_with_the_first() {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let made = old.seal(b"value", at(MADE)).unwrap();
    assert_eq!(new.open(&made), Err(BadToken::Foreign));
    let ring = Ring::new(old.clone(), Vec::new()).led_by(new.clone());
    assert_eq!(&**ring.open(&made).unwrap(), b"value");
    let renewed = ring.seal(&ring.open(&made).unwrap(), at(MADE)).unwrap();
    assert_eq!(&**new.open(&renewed).unwrap(), b"value");
    assert_eq!(old.open(&renewed), Err(BadToken::Foreign));
    assert_eq!(ring.open("gAAAA"), Err(BadToken::Malformed));
}

proptest! {
    /// Law: every plaintext comes back, and no token that differs in a character does.
    #[test]
    fn what_is_sealed_is_opened_and_what_is_changed_is_not(
        plain in proptest::collection::vec(any::<u8>(), 0..200), place in any::<proptest::sample::Index>(), to in "[A-Za-z0-9_=-]"
    ) {
        let token = key().seal(&plain, at(MADE)).unwrap();
        prop_assert_eq!(&**key().open(&token).unwrap(), &plain[..]);
        let place = place.index(token.len());
        if token[place..=place] != to {
            let changed = format!("{}{to}{}", &token[..place], &token[place + 1..]);
            prop_assert!(key().open(&changed).is_err());
        }
    }

    /// Law: no text makes it panic.
    #[test]
    fn garbage_is_refused(text in ".{0,300}") {
        prop_assert!(key().open(&text).is_err());
    }
}
