//! Texts that look like a key though nobody has said that they are one.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::secrets::HIDDEN;

/// Beginnings of keys, as their issuers document them, and of what HTTP says them with; and how many characters must
/// follow.
const BEGINNINGS: [(&str, usize); 20] = [
    ("Bearer ", 8),
    ("bearer ", 8),
    ("Basic ", 8),
    ("sk-", 16),
    ("sk_live_", 10),
    ("sk_test_", 10),
    ("rk_live_", 10),
    ("whsec_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("AKIA", 16),
    ("AIza", 30),
    ("hf_", 20),
    ("eyJ", 20),
    ("npm_", 30),
    ("-----BEGIN ", 8),
];

/// The text without what looks like a key.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    static FINDER: LazyLock<Option<AhoCorasick>> =
        LazyLock::new(|| AhoCorasick::new(BEGINNINGS.map(|(beginning, _)| beginning)).ok());
    let Some(finder) = &*FINDER else { return Cow::Borrowed(text) };
    let mut shown = String::new();
    let mut at = 0;
    for found in finder.find_iter(text) {
        let (start, (_, least)) = (found.start(), BEGINNINGS[found.pattern().as_usize()]);
        // `risk-` ends in the beginning of a key, and is none.
        let within_word = text[..start].bytes().next_back().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if start < at || within_word {
            continue;
        }
        let pem = text[start..].starts_with("-----BEGIN ");
        let length = if pem { block(&text[found.end()..]) } else { run(&text[found.end()..]) };
        if length < least {
            continue;
        }
        // The word that says what follows may stay.
        let kept = if found.end() > start && text[..found.end()].ends_with(' ') && !pem {
            found.end()
        } else {
            start
        };
        shown.push_str(&text[at..kept]);
        shown.push_str(HIDDEN);
        at = found.end() + length;
    }
    if at == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}

/// How many characters of a key follow.
fn run(text: &str) -> usize {
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=+/~".contains(byte);
    text.bytes().take_while(of_key).count()
}

/// A key in PEM reaches to its end, or, if that is missing, as far as the text does before a quote.
fn block(text: &str) -> usize {
    if !text.split("-----").next().unwrap_or("").ends_with("PRIVATE KEY") {
        return 0;
    }
    match text.find("-----END ") {
        Some(end) => text[end + 9..].find("-----").map_or(text.len(), |more| end + 9 + more + 5),
        None => text.find('"').unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn what_looks_like_a_key_is_hidden_and_what_does_not_is_left() {
        let key = "sk-proj-abcdefghijklmnop1234";
        assert_eq!(hide(&format!("no such key: {key}, sorry")), "no such key: [secret], sorry");
        assert_eq!(hide("authorization: Bearer abc.def-ghi="), "authorization: Bearer [secret]");
        assert_eq!(
            hide("two: AKIAABCDEFGHIJKLMNOP and ghp_0123456789abcdefghij"),
            "two: [secret] and [secret]"
        );
        let pem = r"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest";
        assert_eq!(hide(pem), r"[secret]\nrest");
        for plain in [
            "the risk-adjusted-return-of-capital",
            "Bearer token",
            "a Basic idea",
            "-----BEGIN CERTIFICATE-----",
            "sk-short",
            "",
        ] {
            assert_eq!(hide(plain), plain);
        }
    }

    proptest! {
        /// Law: whatever the text, nothing panics, and a key in it does not survive.
        #[test]
        fn a_key_does_not_survive_any_text(before in "\\PC{0,30}[ ,:\"]", after in "[ ,\"]\\PC{0,30}") {
            let key = "sk-abcdefghij0123456789";
            let hidden = hide(&format!("{before}{key}{after}")).into_owned();
            prop_assert!(!hidden.contains("abcdefghij0123456789"), "{}", hidden);
        }
    }
}
