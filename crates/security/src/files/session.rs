//! Names of sessions that nobody can guess.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use zeroize::Zeroizing;

use crate::base64;
use crate::random::{self, NoRandomness, hex};

/// The name of a session: 256 bits from the operating system's generator, 43 characters of `A-Z a-z 0-9 - _`.
///
/// Whoever has it is the session, so it is a secret: `Debug` shows a fingerprint, comparing takes the same time whatever
/// differs, and a store should keep [`fingerprint`](SessionId::fingerprint) and never the id.
///
/// ```
/// use seawall_security::files::SessionId;
/// let id = SessionId::new()?;
/// assert_eq!(id.expose().parse::<SessionId>().unwrap(), id);
/// assert_ne!(SessionId::new()?, id);
/// # Ok::<(), seawall_security::NoRandomness>(())
/// ```
#[derive(Clone)]
pub struct SessionId(Zeroizing<[u8; 32]>);

impl SessionId {
    /// A new one.
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(random::bytes()?)))
    }

    /// The text, for the cookie or header that carries it.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(base64::encode(&*self.0));
        text.pop();
        text
    }

    /// Its SHA-256: enough to find a session by, and not enough to be it.
    pub fn fingerprint(&self) -> String {
        hex(digest::digest(&digest::SHA256, &*self.0).as_ref())
    }
}

impl FromStr for SessionId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const REFUSED: &str = "is no session id: 43 characters of A-Z, a-z, 0-9, - and _";
        if text.len() != 43 || !text.is_ascii() {
            return Err(REFUSED);
        }
        let bytes = base64::decode(&format!("{text}=")).ok_or(REFUSED)?;
        bytes.as_slice().try_into().map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| REFUSED)
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&*self.0, &*other.0).is_ok()
    }
}

impl Eq for SessionId {}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[session {}]", &self.fingerprint()[..8])
    }
}
