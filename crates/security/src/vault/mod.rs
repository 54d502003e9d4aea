//! Keeps keys encrypted on disk: set, rotated, revoked, with an end that is known ahead.
//!
//! One file, mode 0600, holds every entry; its values are Fernet tokens that any Fernet implementation reads, each with
//! the vault, the name and the version it belongs to inside. A seal over the whole file shows whatever was changed
//! without the key. Every change reads the file anew under a lock and replaces it in one step, so two writers lose
//! nothing and a kill leaves the old file or the new one.
//!
//! ```
//! use seawall_core::{clock::wall_now, secret::Secret};
//! use seawall_security::vault::{Sources, Terms, Vault};
//!
//! # let home = tempfile::tempdir()?;
//! let path = home.path().join("vault");
//! let sources = Sources { key_file: None, environment: &|_| None };
//! let (mut vault, made) = Vault::init(&path, &sources, wall_now())?;
//! assert!(made.is_some(), "no key was given, so one was put beside the vault");
//!
//! let name = "openai".parse()?;
//! vault.set(&name, &Secret::new("sk-1".into()), Terms::default(), wall_now())?;
//! assert_eq!(Vault::open(&path, &sources)?.get(&name, wall_now())?.expose(), "sk-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod change;
mod entry;
mod error;
mod file;
mod master;
mod name;
mod rekey;
mod strength;
mod uses;
mod view;
mod when;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use seawall_core::secret::Secret;

pub use change::{Set, Terms};
pub use entry::State;
pub use error::{Trouble, VaultError};
pub use master::{
    CREDENTIAL, KEY_VARIABLE, Master, PASSPHRASE_VARIABLE, Place, Sources, beside as key_file_of,
    write_new as write_key_file,
};
pub use name::{BadName, Name, is_value_variable, name_of_variable};
pub use strength::{Grade, STRONG, Strength, WEAK, strength};
pub use uses::Use;
pub use view::{Concern, ListedEntry, ListedVersion, Worry};
pub use when::moment;

use entry::Version;
use file::Body;
use master::Sealing;

use crate::disk;
use crate::fernet::Ring;

/// The longest value.
pub const MAX_VALUE: usize = 64 << 10;

/// The most names.
pub const MAX_NAMES: usize = 4096;

/// A vault that was opened: what its file said then, and the key to it.
///
/// `Debug` shows neither keys nor values. A change made elsewhere is seen by the next change here, or by opening it again.
pub struct Vault {
    path: PathBuf,
    ring: Ring,
    place: Place,
    body: Body,
}

impl Vault {
    /// Makes a vault where there is none, with the directory it is in. Where no key is given one is made and put into
    /// the key file, which is then the second part of the answer.
    ///
    /// Refuses where there is a file already, and a passphrase that can be guessed.
    pub fn init(
        path: &Path,
        sources: &Sources<'_>,
        now: SystemTime,
    ) -> Result<(Self, Option<PathBuf>), VaultError> {
        let directory = disk::directory_of(path);
        disk::private_directory(directory).map_err(|why| VaultError::io("made", directory, &why))?;
        let _lock = lock(path)?;
        if path.symlink_metadata().is_ok() {
            return Err(file::already(path));
        }
        let given = match sources.find_new()? {
            // A key file from before, whose vault is gone: better used than written over.
            None if sources.key_file.is_none() && master::beside(path).exists() => {
                Some(sources.find(path, &Sealing::Key)?)
            }
            given => given,
        };
        let (master, place, made) = match given {
            Some((master, place)) => (master, place, None),
            None => {
                let file = sources.key_file.clone().unwrap_or_else(|| master::beside(path));
                let ring = Ring::new(crate::fernet::Key::generate()?, Vec::new());
                master::write(&file, &ring, true)?;
                (Master::Ring(ring), Place::File(file.clone()), Some(file))
            }
        };
        let sealing = Sealing::of(&master)?;
        let ring = sealing.ring(path, &master)?;
        let body = Body::new(sealing)?;
        file::write(path, &body, &ring, true, now)?;
        Ok((Self { path: path.to_path_buf(), ring, place, body }, made))
    }

    /// Opens a vault, and holds it to its seal. Nothing is written, and no lock is waited for.
    ///
    /// Refuses a file that is missing, damaged, of a newer format or sealed with another key, and a key file that others
    /// may read. With a passphrase it takes the time and the 64 MiB the stretching takes, about a tenth of a second.
    pub fn open(path: &Path, sources: &Sources<'_>) -> Result<Self, VaultError> {
        let path = disk::real(path);
        let unproven = file::read(&path)?;
        let (master, place) = sources.find(&path, unproven.key())?;
        let ring = unproven.key().ring(&path, &master)?;
        let body = unproven.prove(&path, &ring, &place.to_string())?;
        Ok(Self { path, ring, place, body })
    }

    /// The value that is used now.
    ///
    /// Refuses a name the vault does not have, naming those that are near, and one whose values are all expired or
    /// revoked.
    pub fn get(&self, name: &Name, now: SystemTime) -> Result<Secret, VaultError> {
        let version = self.current(name, when::from_wall(now))?;
        self.value(name, version)
    }

    /// Every value that is accepted now, the current one first: two while one takes over from another.
    pub fn accepted(&self, name: &Name, now: SystemTime) -> Result<Vec<Secret>, VaultError> {
        Ok(self.accepted_until(name, now)?.into_iter().map(|(secret, _)| secret).collect())
    }

    /// The same with the moment each of them ends, where that is known already: for whoever keeps them for longer.
    pub fn accepted_until(
        &self,
        name: &Name,
        now: SystemTime,
    ) -> Result<Vec<(Secret, Option<SystemTime>)>, VaultError> {
        let now = when::from_wall(now);
        self.current(name, now)?;
        let valid = self.body.entries.get(name).map(|entry| entry.valid(now)).unwrap_or_default();
        let value = |version: &Version| Ok((self.value(name, version)?, version.ends().map(when::to_wall)));
        valid.into_iter().map(value).collect()
    }

    /// The value as a Fernet token under the vault's first key, and nothing else inside: what another program decrypts
    /// with that key is the value itself.
    pub fn export(&self, name: &Name, now: SystemTime) -> Result<String, VaultError> {
        let value = self.get(name, now)?;
        Ok(self.ring.seal(value.expose().as_bytes(), now)?)
    }

    /// Encrypts a text under the vault's first key; [`Vault::read_token`] reads it again.
    pub fn seal(&self, text: &str, now: SystemTime) -> Result<String, VaultError> {
        Ok(self.ring.seal(text.as_bytes(), now)?)
    }

    /// Reads a token that another program made with one of the vault's keys.
    pub fn read_token(&self, token: &str) -> Result<Secret, VaultError> {
        let plain = self.ring.open(token).map_err(|why| VaultError::refused(format!("the token {why}")))?;
        match String::from_utf8(plain.to_vec()) {
            Ok(text) => Ok(Secret::new(text)),
            Err(why) => {
                drop(zeroize::Zeroizing::new(why.into_bytes()));
                Err(VaultError::refused("the token holds bytes that are no UTF-8 text: keep a file instead"))
            }
        }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.body.entries.keys()
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its key was found.
    pub fn key_place(&self) -> &Place {
        &self.place
    }

    /// How often it was changed.
    pub fn generation(&self) -> u64 {
        self.body.generation
    }

    fn current(&self, name: &Name, now: Timestamp) -> Result<&Version, VaultError> {
        let Some(entry) = self.body.entries.get(name) else { return Err(self.missing(name)) };
        if let Some(version) = entry.current(now) {
            return Ok(version);
        }
        let why = match entry.states(now).last() {
            Some((version, State::Expired)) => {
                format!("expired on {}", version.expires.unwrap_or(version.created))
            }
            Some((_, State::Revoked)) => "was revoked".to_owned(),
            _ => "has no value any more".to_owned(),
        };
        let message = format!("vault:{name} {why}: give it a new value with `seawall vault set {name}`");
        Err(VaultError::new(Trouble::NotValid, message))
    }

    fn missing(&self, name: &Name) -> VaultError {
        const SHOWN: usize = 8;
        let mut there: Vec<&str> = self.names().map(Name::as_str).take(SHOWN + 1).collect();
        let more = there.len() > SHOWN;
        there.truncate(SHOWN);
        let there = match (there.is_empty(), more) {
            (true, _) => "it is empty".to_owned(),
            (false, more) => format!("it has {}{}", there.join(", "), if more { ", …" } else { "" }),
        };
        let message = format!(
            "the vault {} has no {name}: put it in with `seawall vault set {name}` ({there})",
            self.path.display()
        );
        VaultError::new(Trouble::NoSuchName, message)
    }

    fn value(&self, name: &Name, version: &Version) -> Result<Secret, VaultError> {
        let damaged = |why: &str| {
            VaultError::damaged(&self.path, &format!("{name}, version {}, {why}", version.version))
        };
        let token = version.token.as_deref().ok_or_else(|| damaged("has no value"))?;
        let plain = self.ring.open(token).map_err(|why| damaged(&why.to_string()))?;
        let bound = self.body.bound(name, version.version);
        let value = plain.strip_prefix(bound.as_bytes()).ok_or_else(|| damaged("is another entry's"))?;
        let value = std::str::from_utf8(value).map_err(|_| damaged("is no text"))?;
        Ok(Secret::new(value.to_owned()))
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&Name> = self.names().collect();
        f.debug_struct("Vault").field("path", &self.path).field("names", &names).finish_non_exhaustive()
    }
}

/// Nobody else writes the vault while this is held.
fn lock(path: &Path) -> Result<std::fs::File, VaultError> {
    let lock = disk::beside(path, ".lock");
    disk::lock(&lock).map_err(|why| VaultError::io("locked", &lock, &why))
}

#[cfg(test)]
mod tests;
