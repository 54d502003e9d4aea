//! Fernet: a text that only the holder of a key can read or make, in a form that other languages know.
//!
//! A token is `version ‖ time ‖ IV ‖ AES-128-CBC(plaintext) ‖ HMAC-SHA256(all before)`, base64 with the alphabet of
//! URLs; the time, in whole seconds, is readable by everybody. Formula and test vectors: the Fernet specification, which
//! Python's `cryptography` follows too. Fernet has no place for associated data, so what a token is for must be bound
//! inside its plaintext, as the [vault](crate::vault) does.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use seawall_core::secret::Secret;
use zeroize::Zeroizing;

use crate::base64;
use crate::random::{self, NoRandomness};

const VERSION: u8 = 0x80;
const IV: usize = 16;
const HEAD: usize = 1 + 8 + IV;
const MAC: usize = 32;

/// A Fernet key: 32 bytes, written as 44 characters.
///
/// `Debug` shows none of them, and they are wiped on drop.
///
/// ```
/// use seawall_security::fernet::Key;
/// use std::time::SystemTime;
///
/// let key = Key::generate()?;
/// let token = key.seal(b"sk-123", SystemTime::UNIX_EPOCH)?;
/// assert_eq!(&**key.open(&token)?, b"sk-123");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A new key from the operating system's generator.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(random::bytes()?)))
    }

    /// A key of these bytes: the first sixteen sign, the others encrypt.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The 44 characters.
    pub fn text(&self) -> Secret {
        Secret::new(base64::encode(&*self.0))
    }

    /// Encrypts. The token says when, to the second, to everybody.
    pub fn seal(&self, plain: &[u8], now: SystemTime) -> Result<String, NoRandomness> {
        self.seal_with(plain, now, random::bytes()?)
    }

    fn seal_with(&self, plain: &[u8], now: SystemTime, iv: [u8; IV]) -> Result<String, NoRandomness> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        // Room for the padding, so that the plaintext is not left behind where the buffer was too small.
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + IV));
        body.extend_from_slice(plain);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        // It fails where the library cannot allocate; there is no wrong key of the right length.
        let cipher = self.cipher().and_then(PaddedBlockEncryptingKey::cbc_pkcs7);
        cipher.and_then(|cipher| cipher.less_safe_encrypt(&mut *body, context)).map_err(|_| NoRandomness)?;
        let mut token = Vec::with_capacity(HEAD + body.len() + MAC);
        token.push(VERSION);
        token.extend_from_slice(&seconds.to_be_bytes());
        token.extend_from_slice(&iv);
        token.extend_from_slice(&body);
        let mac = hmac::sign(&self.signing(), &token);
        token.extend_from_slice(mac.as_ref());
        Ok(base64::encode(&token))
    }

    /// Decrypts what was made with this key, and nothing else. Neither the key nor the text is in an error.
    pub fn open(&self, token: &str) -> Result<Zeroizing<Vec<u8>>, BadToken> {
        let token = base64::decode(token.trim()).ok_or(BadToken::Malformed)?;
        self.open_bytes(&token)
    }

    /// The same, of a token that was made at most `age` before `now`, and not more than a minute after it.
    pub fn open_fresh(
        &self,
        token: &str,
        age: Duration,
        now: SystemTime,
    ) -> Result<Zeroizing<Vec<u8>>, BadToken> {
        const SKEW: u64 = 60;
        let token = base64::decode(token.trim()).ok_or(BadToken::Malformed)?;
        let plain = self.open_bytes(&token)?;
        let made = token[1..9].iter().fold(0u64, |seconds, byte| seconds << 8 | u64::from(*byte));
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        match made > now.saturating_add(SKEW) || made.saturating_add(age.as_secs()) < now {
            true => Err(BadToken::Stale),
            false => Ok(plain),
        }
    }

    fn open_bytes(&self, token: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadToken> {
        if token.first() != Some(&VERSION) || token.len() < HEAD + IV + MAC {
            return Err(BadToken::Malformed);
        }
        let (signed, mac) = token.split_at(token.len() - MAC);
        // In constant time, and before anything is decrypted: no oracle about the padding.
        hmac::verify(&self.signing(), signed, mac).map_err(|_| BadToken::Foreign)?;
        let iv: [u8; IV] = signed[9..HEAD].try_into().map_err(|_| BadToken::Malformed)?;
        let mut body = Zeroizing::new(signed[HEAD..].to_vec());
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let cipher = self.cipher().and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
        let plain = cipher.and_then(|cipher| Ok(cipher.decrypt(&mut body, context)?.len()));
        let length = plain.map_err(|_| BadToken::Malformed)?;
        body.truncate(length);
        Ok(body)
    }

    fn cipher(&self) -> Result<UnboundCipherKey, aws_lc_rs::error::Unspecified> {
        UnboundCipherKey::new(&AES_128, &self.0[16..])
    }

    fn signing(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0[..16])
    }
}

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bytes = base64::decode(text.trim()).ok_or(BadKey)?;
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| BadKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// Several keys: the first encrypts, and each may decrypt. So a key is changed without a moment at which nothing can be
/// read: put the new one first, seal everything anew, take the old one away.
#[derive(Debug, Clone)]
pub struct Ring {
    first: Key,
    others: Vec<Key>,
}

impl Ring {
    /// A ring of these keys.
    pub fn new(first: Key, others: Vec<Key>) -> Self {
        Self { first, others }
    }

    /// The key that encrypts.
    pub fn first(&self) -> &Key {
        &self.first
    }

    /// How many keys there are, at least one.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The keys, the one that encrypts first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// This ring with another key put first.
    #[must_use]
    pub fn led_by(self, first: Key) -> Self {
        let mut others = vec![self.first];
        others.extend(self.others);
        Self { first, others }
    }

    /// Encrypts with the first key.
    pub fn seal(&self, plain: &[u8], now: SystemTime) -> Result<String, NoRandomness> {
        self.first.seal(plain, now)
    }

    /// Decrypts with whichever key fits.
    pub fn open(&self, token: &str) -> Result<Zeroizing<Vec<u8>>, BadToken> {
        let token = base64::decode(token.trim()).ok_or(BadToken::Malformed)?;
        self.keys()
            .map(|key| key.open_bytes(&token))
            .find(|opened| *opened != Err(BadToken::Foreign))
            .unwrap_or(Err(BadToken::Foreign))
    }
}

impl FromStr for Ring {
    type Err = BadKey;

    /// Reads keys that stand apart by commas, spaces or line breaks; what follows a `#` on a line is a comment.
    fn from_str(text: &str) -> Result<Self, BadKey> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let mut keys = lines
            .flat_map(|line| line.split(|c: char| c == ',' || c.is_whitespace()))
            .filter(|word| !word.is_empty())
            .map(str::parse::<Key>)
            .collect::<Result<Vec<Key>, BadKey>>()?;
        if keys.is_empty() {
            return Err(BadKey);
        }
        let others = keys.split_off(1);
        Ok(Self { first: keys.remove(0), others })
    }
}

/// A text is no Fernet key. It is not repeated: it may be another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKey;

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a Fernet key: write 44 characters of A-Z, a-z, 0-9, - and _ that end in =")
    }
}

impl std::error::Error for BadKey {}

/// Why a token could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadToken {
    /// It is no Fernet token, or was cut.
    Malformed,
    /// It was made with another key, or changed since.
    Foreign,
    /// It is older than asked for, or from the future.
    Stale,
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadToken::Malformed => "is not a Fernet token, or was cut",
            BadToken::Foreign => "was made with another key, or was changed",
            BadToken::Stale => "is too old, or from the future",
        })
    }
}

impl std::error::Error for BadToken {}

#[cfg(test)]
mod tests;
