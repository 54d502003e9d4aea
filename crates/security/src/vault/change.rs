//! What changes a vault: each change reads the file anew under the lock, and is on the disk when it returns.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use seawall_core::secret::Secret;
use zeroize::Zeroizing;

use super::entry::{Entry, Version};
use super::file::Body;
use super::{MAX_NAMES, MAX_VALUE, Name, Trouble, Vault, VaultError, file, lock, when};

/// What is said of a value beside itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// When it stops being valid. Default never.
    pub expires: Option<SystemTime>,
    /// Whoever puts it in knows that it is weak, and [`Vault::check`] says no more about that. Default no.
    pub accept_weak: bool,
}

/// What became of putting a value in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// The version that is current now.
    pub version: u32,
    /// Whether anything was written: the same value on the same terms is left as it is.
    pub changed: bool,
}

impl Vault {
    /// Puts a value in. One that is there already is replaced, at once.
    ///
    /// Refuses an empty value, one longer than 64 KiB, an end that has passed, and the 4097th name.
    pub fn set(
        &mut self,
        name: &Name,
        value: &Secret,
        terms: Terms,
        now: SystemTime,
    ) -> Result<Set, VaultError> {
        self.put(name, value, terms, Some(Duration::ZERO), now)
    }

    /// Puts a value in where there is none under that name; refuses to replace another.
    pub fn set_new(
        &mut self,
        name: &Name,
        value: &Secret,
        terms: Terms,
        now: SystemTime,
    ) -> Result<Set, VaultError> {
        self.put(name, value, terms, None, now)
    }

    /// Puts a new value in place of one that is there; the old one stays accepted for `overlap`, and is gone at the first
    /// change after that.
    pub fn rotate(
        &mut self,
        name: &Name,
        value: &Secret,
        overlap: Duration,
        terms: Terms,
        now: SystemTime,
    ) -> Result<Set, VaultError> {
        self.reload()?;
        if !self.body.entries.contains_key(name) {
            return Err(self.missing(name));
        }
        self.put(name, value, terms, Some(overlap), now)
    }

    /// Takes values back: one version, or all there are. Their ciphertext leaves the file.
    ///
    /// Refuses a name or a version that is not there. It cannot reach copies of the file made before.
    pub fn revoke(&mut self, name: &Name, version: Option<u32>, now: SystemTime) -> Result<(), VaultError> {
        let at = when::from_wall(now);
        self.change(now, |vault, body| {
            let Some(entry) = body.entries.get_mut(name) else { return Err(vault.missing(name)) };
            let meant = |one: &Version| version.is_none_or(|version| version == one.version);
            if !entry.versions.iter().any(meant) {
                let message =
                    format!("vault:{name} has no version {}: see `seawall vault list`", version.unwrap_or(0));
                return Err(VaultError::new(Trouble::NoSuchName, message));
            }
            for one in entry.versions.iter_mut().filter(|one| meant(one)) {
                one.revoked = one.revoked.or(Some(at));
            }
            entry.tidy(at);
            Ok(())
        })
    }

    /// Takes a name out, with everything that is remembered of it.
    pub fn forget(&mut self, name: &Name, now: SystemTime) -> Result<(), VaultError> {
        self.change(now, |vault, body| match body.entries.remove(name) {
            Some(_) => Ok(()),
            None => Err(vault.missing(name)),
        })
    }

    /// Says when the newest value stops being valid, or with `None` that it never does.
    ///
    /// A moment that has passed ends it at once; one in the future revives a value that had expired.
    pub fn expire(&mut self, name: &Name, at: Option<SystemTime>, now: SystemTime) -> Result<(), VaultError> {
        self.change(now, |vault, body| {
            let Some(entry) = body.entries.get_mut(name) else { return Err(vault.missing(name)) };
            let kept = |one: &&mut Version| one.token.is_some();
            let Some(newest) = entry.versions.iter_mut().rev().find(kept) else {
                let message = format!(
                    "vault:{name} has no value that could expire: give it one with `seawall vault set {name}`"
                );
                return Err(VaultError::new(Trouble::NotValid, message));
            };
            newest.expires = at.map(when::from_wall);
            Ok(())
        })
    }

    /// `overlap`: how long the old value stays accepted; `None` refuses to replace one.
    fn put(
        &mut self,
        name: &Name,
        value: &Secret,
        terms: Terms,
        overlap: Option<Duration>,
        now: SystemTime,
    ) -> Result<Set, VaultError> {
        fits(value)?;
        let at = when::from_wall(now);
        let expires = terms.expires.map(when::from_wall);
        if let Some(past) = expires.filter(|expires| *expires <= at) {
            return Err(VaultError::refused(format!("{past} has passed: name a later end")));
        }
        self.change(now, |vault, body| {
            if !body.entries.contains_key(name) && body.entries.len() >= MAX_NAMES {
                return Err(VaultError::refused(format!(
                    "the vault has {MAX_NAMES} names already: take some out with `seawall vault revoke --forget`"
                )));
            }
            let there = body.entries.get(name).and_then(|entry| entry.current(at));
            if let Some(there) = there {
                let same = vault.value(name, there)?.expose() == value.expose();
                if same && (there.expires, there.accept_weak) == (expires, terms.accept_weak) {
                    return Ok(Set { version: there.version, changed: false });
                }
                if !same && overlap.is_none() {
                    let message =
                        format!("vault:{name} has another value already: replace it with --replace");
                    return Err(VaultError::refused(message));
                }
            }
            let version = body.entries.get(name).map_or(1, Entry::next);
            let bound = body.bound(name, version);
            let mut plain = Zeroizing::new(Vec::with_capacity(bound.len() + value.expose().len()));
            plain.extend_from_slice(bound.as_bytes());
            plain.extend_from_slice(value.expose().as_bytes());
            let token = Some(vault.ring.seal(&plain, now)?);
            let stored =
                Version { token, accept_weak: terms.accept_weak, ..Version::new(version, at, expires) };
            let until = overlap.filter(|overlap| !overlap.is_zero()).map(|overlap| later(at, overlap));
            body.entries.entry(name.clone()).or_default().replace(stored, until, at);
            Ok(Set { version, changed: true })
        })
    }

    /// Edits what the file says now, and writes it if that made a difference. After an error nothing has changed.
    fn change<T>(
        &mut self,
        now: SystemTime,
        edit: impl FnOnce(&Self, &mut Body) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let _lock = lock(&self.path)?;
        self.reload()?;
        let mut body = self.body.clone();
        let done = edit(self, &mut body)?;
        if body != self.body {
            body.generation = body.generation.saturating_add(1);
            file::write(&self.path, &body, &self.ring, false, now)?;
            self.body = body;
        }
        Ok(done)
    }

    fn reload(&mut self) -> Result<(), VaultError> {
        self.body = file::read(&self.path)?.prove(&self.path, &self.ring, &self.place.to_string())?;
        Ok(())
    }
}

fn fits(value: &Secret) -> Result<(), VaultError> {
    match value.expose().len() {
        0 => Err(VaultError::refused("the value is empty: give it on stdin")),
        length if length > MAX_VALUE => {
            Err(VaultError::refused("the value is longer than 64 KiB: a vault is for keys"))
        }
        _ => Ok(()),
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
