//! Signs webhooks as Standard Webhooks say: HMAC-SHA256 over id, moment and body, with a secret that begins with `whsec_`.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seawall_core::secret::Secret;

/// Bytes of a key, at least and at most.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// What webhooks are signed with.
#[derive(Clone)]
pub struct Key(hmac::Key);

/// A secret that is no key. It is not repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

impl Key {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    pub fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let text = secret.expose().trim();
        let wrong = |why: &str| {
            KeyError(format!("{why}: write whsec_ and base64, as `openssl rand -base64 32` gives it"))
        };
        let text =
            text.strip_prefix("whsec_").ok_or_else(|| wrong("the secret does not begin with whsec_"))?;
        let bytes = STANDARD.decode(text).map_err(|_| wrong("what follows whsec_ is not base64"))?;
        if !LENGTHS.contains(&bytes.len()) {
            return Err(wrong(&format!("the secret has {} bytes instead of 24 to 64", bytes.len())));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature` for a message, sent at this second since 1970.
    pub fn sign(&self, id: &str, second: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{second}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([secret])")
    }
}
