//! How hard a secret is to guess: an estimate, and what is wrong with it in words.

use std::fmt;

/// How keys of known providers begin. What follows is what counts.
const MARKS: [&str; 18] = [
    "AKIA",
    "ASIA",
    "AIza",
    "eyJ",
    "gho_",
    "ghp_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "hf_",
    "pk_live_",
    "pk_test_",
    "rk_live_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "whsec_",
    "xox",
];

/// Words that stand where a key should be, and words everybody tries first.
const PLACEHOLDERS: [&str; 26] = [
    "changeme",
    "change-me",
    "change_me",
    "dummy",
    "example",
    "hunter2",
    "insert",
    "letmein",
    "passphrase",
    "password",
    "placeholder",
    "replaceme",
    "replace-me",
    "replace_me",
    "redacted",
    "secret",
    "todo",
    "your-api-key",
    "your-key",
    "your_api_key",
    "your_key",
    "yourapikey",
    "yourkey",
    "qwerty",
    "12345",
    "xxxx",
];

/// Below this many bits a secret is weak: a rented machine finds it in days.
pub const WEAK: u32 = 64;
/// From this many bits on nothing is gained by more.
pub const STRONG: u32 = 96;

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// It can be guessed.
    Weak,
    /// Good enough where guesses are counted.
    Fair,
    /// It cannot be guessed.
    Strong,
}

impl Grade {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Grade::Weak => "weak",
            Grade::Fair => "fair",
            Grade::Strong => "strong",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is thought of a secret. It says nothing about the secret but what is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// Bits somebody has to guess, at most: twenty characters of a known sentence are still twenty characters here.
    pub bits: u32,
    /// In a word.
    pub grade: Grade,
    /// What is wrong with it, where something is.
    pub why: Option<&'static str>,
}

/// Judges a secret.
///
/// The estimate is the smaller of two: letters it could have been made of, and letters that occur; characters that
/// repeat, or follow from the one before, do not count, nor does a mark like `sk-`. A text that contains a word like
/// `changeme` or `password` is weak unless much else is in it. A PEM block is strong: its key is not looked at.
///
/// ```
/// use seawall_security::vault::{Grade, strength};
/// assert_eq!(strength("sk-7Qm2xVb9Lw4TzR1nKc8YpD3f").grade, Grade::Strong);
/// assert_eq!(strength("password123").why, Some("it is a word that everybody tries, or a placeholder"));
/// ```
pub fn strength(secret: &str) -> Strength {
    if secret.starts_with("-----BEGIN ") {
        return Strength { bits: 128, grade: Grade::Strong, why: None };
    }
    let body = MARKS.iter().find_map(|mark| secret.strip_prefix(mark)).unwrap_or(secret);
    let lower = zeroize::Zeroizing::new(body.to_ascii_lowercase());
    let word = PLACEHOLDERS.iter().filter(|word| lower.contains(*word)).map(|word| word.len()).max();
    let counted = counted(body);
    let bits = (counted * spread(body)).min(counted * alphabet(body)).min(f64::from(u16::MAX));
    // Whole bits, downwards: nothing here is that exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 65535")]
    let bits = bits as u32;
    let bits = match word {
        // What stands around the word still counts, as far as it goes.
        Some(length) => {
            let around = body.chars().count().saturating_sub(length);
            bits.saturating_mul(u32::try_from(around).unwrap_or(u32::MAX))
                / u32::try_from(body.chars().count().max(1)).unwrap_or(1)
        }
        None => bits,
    };
    let grade = match bits {
        0..WEAK => Grade::Weak,
        WEAK..STRONG => Grade::Fair,
        _ => Grade::Strong,
    };
    let why = (grade == Grade::Weak).then(|| match word {
        Some(_) => "it is a word that everybody tries, or a placeholder",
        None if body.chars().count() < 16 => "it is short",
        None => "it repeats itself",
    });
    Strength { bits, grade, why }
}

/// Whether a text begins as a provider's keys do, and is long enough to be one.
pub(super) fn is_marked_as_key(text: &str) -> bool {
    let rest = MARKS.iter().find_map(|mark| text.strip_prefix(mark));
    rest.is_some_and(|rest| rest.len() >= 12)
}

/// How many characters are news: neither the one before again, nor its neighbour, nor the same period over and over.
fn counted(text: &str) -> f64 {
    let characters: Vec<u32> = text.chars().map(u32::from).collect();
    let period = (1..=characters.len() / 2)
        .find(|period| characters[*period..].iter().zip(&characters).all(|(a, b)| a == b));
    let once = &characters[..period.unwrap_or(characters.len())];
    let news = once.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) > 1).count();
    precise(news + usize::from(!once.is_empty()))
}

/// Bits of one character, by what kinds of characters occur.
fn alphabet(text: &str) -> f64 {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return 10f64.log2();
    }
    if text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f' | '-')) {
        return 4.0;
    }
    let has = |kind: fn(char) -> bool| text.chars().any(kind);
    let kinds = [
        (has(|c| c.is_ascii_digit()), 10),
        (has(|c| c.is_ascii_lowercase()), 26),
        (has(|c| c.is_ascii_uppercase()), 26),
        (has(|c| !c.is_ascii_alphanumeric()), 20),
    ];
    let size: usize = kinds.iter().filter(|(has, _)| *has).map(|(_, size)| size).sum();
    precise(size.max(1)).log2()
}

/// Bits of one character, by how evenly the characters that occur do.
fn spread(text: &str) -> f64 {
    let mut counts = std::collections::HashMap::new();
    for c in text.chars() {
        *counts.entry(c).or_insert(0usize) += 1;
    }
    let all = precise(text.chars().count().max(1));
    counts.values().map(|count| precise(*count) / all).map(|share| -share * share.log2()).sum()
}

#[allow(clippy::cast_precision_loss, reason = "lengths of secrets are far below 2^52")]
fn precise(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_can_be_guessed_is_weak_and_says_why() {
        for (secret, part) in [
            ("", "short"),
            ("1234", "short"),
            ("Tr0ub4dor&3", "short"),
            ("password", "everybody"),
            ("MyPassword2026!", "everybody"),
            ("sk-your-api-key-here", "everybody"),
            ("changeme-changeme-changeme", "everybody"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "repeats"),
            ("abcabcabcabcabcabcabcabcabcabcabcabcabc", "repeats"),
            ("abcdefghijklmnopqrstuvwxyzabcdefghij", "repeats"),
        ] {
            let judged = strength(secret);
            assert_eq!(judged.grade, Grade::Weak, "{secret}: {judged:?}");
            assert!(judged.why.is_some_and(|why| why.contains(part)), "{secret}: {judged:?}");
        }
    }

    #[test]
    fn what_a_generator_made_is_strong_and_a_long_sentence_is_not_weak() {
        for secret in [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "3b1c6a4e-9f27-4d08-b5e1-7a60c2d94f83",
            "sk-7Qm2xVb9Lw4TzR1nKc8YpD3fGh6JsE5a",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----",
        ] {
            assert_eq!(strength(secret).grade, Grade::Strong, "{secret}: {:?}", strength(secret));
        }
        assert!(strength("brown horses seldom drink green tea at noon").grade > Grade::Weak);
        // A word in it takes away no more than the word.
        assert!(strength("todo7Qm2xVb9Lw4TzR1nKc8YpD3fGh6JsE5a").grade > Grade::Weak);
    }

    #[test]
    fn only_a_long_text_with_a_mark_looks_like_a_key() {
        assert!(is_marked_as_key("sk-proj-0123456789abcdef"));
        for name in ["sk-test", "openai", "skeleton", "team/sk-1", "hf_token"] {
            assert!(!is_marked_as_key(name), "{name}");
        }
    }

    proptest! {
        /// Law: any text gets a verdict, and a weak one says why.
        #[test]
        fn whatever_it_is_it_is_judged(secret in ".{0,200}") {
            let judged = strength(&secret);
            prop_assert_eq!(judged.why.is_some(), judged.grade == Grade::Weak);
        }
    }
}
