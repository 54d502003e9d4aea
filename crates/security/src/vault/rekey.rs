//! Changing the key to the vault: every value is sealed anew, and no moment leaves it without a key that opens it.

use std::path::Path;
use std::time::SystemTime;

use super::file::{self, Body};
use super::master::{self, Sealing};
use super::{Master, Place, Sources, Vault, VaultError, lock, when};
use crate::disk;
use crate::fernet::{Key, Ring};

impl Vault {
    /// Seals every value anew under another key, or under the first of several, and takes the others out of use.
    ///
    /// The caller keeps the old key until this has returned. Refuses a passphrase that can be guessed.
    pub fn rekey(&mut self, master: &Master, place: Place, now: SystemTime) -> Result<(), VaultError> {
        let _lock = lock(&self.path)?;
        let body = file::read(&self.path)?.prove(&self.path, &self.ring, &self.place.to_string())?;
        let sealing = Sealing::of(master)?;
        let ring = sealing.ring(&self.path, master)?;
        let ring = Ring::new(ring.first().clone(), Vec::new());
        self.body = sealed_anew(&self.path, body, &self.ring, sealing, &ring, now)?;
        (self.ring, self.place) = (ring, place);
        Ok(())
    }

    /// Makes a new key in a key file and seals every value anew under it: first the file has both keys, then the vault
    /// has the new one, then the file does. A kill in between leaves a file that opens the vault.
    pub fn rotate_key_file(path: &Path, key_file: &Path, now: SystemTime) -> Result<Self, VaultError> {
        let path = disk::real(path);
        let key_file = disk::real(key_file);
        // Held from before the file is read until the last write: two that rotate would take each other's key away.
        let _lock = lock(&path)?;
        let sources = Sources { key_file: Some(key_file.clone()), environment: &|_| None };
        let Self { ring, place, body, .. } = Self::open(&path, &sources)?;
        let new = Key::generate()?;
        master::write(&key_file, &ring.clone().led_by(new.clone()), false)?;
        let alone = Ring::new(new, Vec::new());
        let body = sealed_anew(&path, body, &ring, Sealing::Key, &alone, now)?;
        master::write(&key_file, &alone, false)?;
        Ok(Self { path, ring: alone, place, body })
    }
}

/// Writes a body under another ring; a value that cannot be read any more is an error, and nothing is written.
fn sealed_anew(
    path: &Path,
    mut body: Body,
    old: &Ring,
    key: Sealing,
    new: &Ring,
    now: SystemTime,
) -> Result<Body, VaultError> {
    let at = when::from_wall(now);
    for (name, entry) in &mut body.entries {
        entry.tidy(at);
        for version in &mut entry.versions {
            let Some(token) = &mut version.token else { continue };
            let plain = old.open(token).map_err(|why| {
                VaultError::damaged(path, &format!("{name}, version {}, {why}", version.version))
            })?;
            *token = new.seal(&plain, now)?;
        }
    }
    body.key = key;
    body.generation = body.generation.saturating_add(1);
    file::write(path, &body, new, false, now)?;
    Ok(body)
}
