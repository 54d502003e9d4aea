//! Files that are gone when their key is: the only deletion that can be relied on.

use std::time::SystemTime;

use seawall_core::secret::Secret;
use zeroize::Zeroizing;

use crate::fernet::{BadKey, Key};
use crate::paths::{Base, PathError, Relative, Rules, Trouble};

/// The key to one file. Without it the file is noise, wherever copies of it may be; so forgetting the key erases them all.
///
/// That is as true as the forgetting: a key that is kept on a disk has the same afterlife as any file there. Keep it in
/// memory, in a store that can forget, or in a vault whose own key is changed afterwards (`seawall vault rotate`).
///
/// ```
/// use seawall_core::clock::wall_now;
/// use seawall_security::files::Erasable;
/// use seawall_security::paths::Base;
///
/// # let home = tempfile::tempdir()?;
/// let base = Base::open(home.path())?;
/// let path = "batch.bin".parse()?;
/// let key = Erasable::write(&base, &path, b"samples", wall_now())?;
/// assert_eq!(&**key.read(&base, &path)?, b"samples");
/// drop(key); // and nobody reads it again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Erasable(Key);

impl Erasable {
    /// The largest file, in the clear: all of it is in memory at once.
    pub const MOST: usize = 64 << 20;

    /// Encrypts and writes a file, under a key of its own.
    pub fn write(base: &Base, path: &Relative, bytes: &[u8], now: SystemTime) -> Result<Self, PathError> {
        if bytes.len() > Self::MOST {
            return Err(PathError::new(
                Trouble::TooLarge,
                format!("{path} is larger than {} bytes", Self::MOST),
            ));
        }
        let noise = |why: crate::NoRandomness| PathError::new(Trouble::Failed, why.to_string());
        let key = Key::generate().map_err(noise)?;
        let token = key.seal(bytes, now).map_err(noise)?;
        base.write(path, &Self::rules(), token.as_bytes())?;
        Ok(Self(key))
    }

    /// Reads it again. Refuses a file that was changed, or written under another key.
    pub fn read(&self, base: &Base, path: &Relative) -> Result<Zeroizing<Vec<u8>>, PathError> {
        let token = base.read(path, &Self::rules())?;
        let opened = std::str::from_utf8(&token).ok().and_then(|token| self.0.open(token).ok());
        opened.ok_or_else(|| {
            PathError::new(Trouble::Failed, format!("{path} was written under another key, or changed since"))
        })
    }

    /// The key, to keep it somewhere else.
    pub fn key(&self) -> Secret {
        self.0.text()
    }

    /// A key that was kept somewhere else.
    pub fn of(key: &Secret) -> Result<Self, BadKey> {
        key.expose().parse().map(Self)
    }

    fn rules() -> Rules {
        // A token is a third longer than what is in it, and a little.
        Rules::new().most(Self::MOST as u64 / 3 * 4 + 256)
    }
}
