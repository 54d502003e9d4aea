//! What identifies an effect, and what tells two uses of one identity apart.

use std::fmt;

use sha2::{Digest, Sha256};

/// The identity of one effect: 128 bits of SHA-256 over its namespace, type, id and occurrence, each with its length
/// in front, so that no two different ones read alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of an effect. Two equal intents can both be meant (the same order twice): `occurrence` tells them apart.
    pub fn of(namespace: &str, kind: &str, id: &[u8], occurrence: u32) -> Self {
        Self(digest(&[namespace.as_bytes(), kind.as_bytes(), id, &occurrence.to_be_bytes()]))
    }

    /// The key of an effect within a scope: equal ids of two scopes are two effects, and neither is one without a scope.
    pub fn scoped(namespace: &str, kind: &str, scope: &[u8], id: &[u8], occurrence: u32) -> Self {
        Self(digest(&[namespace.as_bytes(), kind.as_bytes(), scope, id, &occurrence.to_be_bytes()]))
    }

    /// A key as it was stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the 32 hexadecimal digits people see.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|bits| Self(bits.to_be_bytes()))
    }

    /// As it is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What an effect was asked to do: a second use of its key with another fingerprint is a mistake, never a replay.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of these parts, in this order.
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(digest(parts))
    }

    /// A fingerprint as it was stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// As it is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Drawn anew for every wish to run or to reconcile: whoever asks twice because a reply was lost is recognised by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce(pub u128);

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut cut = [0; 16];
    cut.copy_from_slice(&hash.finalize()[..16]);
    cut
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_intents_share_a_key_because_they_read_alike() {
        let all = [
            Key::of("a", "order", b"1", 0),
            Key::of("ao", "rder", b"1", 0),
            Key::of("a", "order1", b"", 0),
            Key::of("a", "order", b"1", 1),
            Key::of("", "aorder", b"1", 0),
            Key::scoped("a", "order", b"", b"1", 0),
            Key::scoped("a", "order", b"ann", b"1", 0),
            Key::scoped("a", "order", b"an", b"n1", 0),
        ];
        for (place, key) in all.iter().enumerate() {
            assert!(!all[..place].contains(key), "{place}");
        }
    }

    #[test]
    fn a_key_is_the_same_on_every_machine() {
        let key = Key::of("prod", "order", b"7", 0);
        assert_eq!(key.to_string(), "77f8ff48ce56e4f33a774d516b276618");
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        for bad in ["", "77", "+7f8ff48ce56e4f33a774d516b276618", "zzf8ff48ce56e4f33a774d516b276618"] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
    }
}
