//! The key to the vault: where it is looked for, and how a passphrase becomes one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use seawall_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::{Trouble, VaultError};
use super::strength;
use crate::disk;
use crate::fernet::{Key, Ring};
use crate::random::{self, hex};

/// The variable with the key: one Fernet key, or several with commas between, of which the first encrypts.
pub const KEY_VARIABLE: &str = "SEAWALL_VAULT_KEY";
/// The variable with the passphrase.
pub const PASSPHRASE_VARIABLE: &str = "SEAWALL_VAULT_PASSPHRASE";
/// The name of a systemd credential with the key; with a passphrase it is `seawall-vault-passphrase`.
pub const CREDENTIAL: &str = "seawall-vault-key";
const PASSPHRASE_CREDENTIAL: &str = "seawall-vault-passphrase";

/// The largest key file.
const MOST: u64 = 64 << 10;

/// Fewer bits than this no stretching helps.
const LEAST_BITS: u32 = 40;

/// How a vault's key is come by, as its file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Sealing {
    /// It is a Fernet key.
    Key,
    /// It is Argon2id (RFC 9106) of a passphrase.
    Passphrase {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        /// Sixteen bytes, in hexadecimal digits.
        salt: String,
    },
}

/// What somebody opens a vault with.
#[derive(Debug, Clone)]
pub enum Master {
    /// Fernet keys.
    Ring(Ring),
    /// A passphrase, which is stretched with Argon2id: 64 MiB, three passes, four lanes.
    Passphrase(Secret),
}

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File(PathBuf),
    /// In a credential of systemd.
    Credential(PathBuf),
    /// In a variable of the environment.
    Variable(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) | Place::Credential(path) => write!(f, "the key in {}", path.display()),
            Place::Variable(name) => write!(f, "the key in {name}"),
        }
    }
}

/// Where keys are looked for, in this order: the named file, the variables, systemd's credentials, the file beside the
/// vault.
pub struct Sources<'s> {
    /// A file somebody named. For a vault with a passphrase it holds the passphrase.
    pub key_file: Option<PathBuf>,
    /// Looks up an environment variable.
    pub environment: &'s dyn Fn(&str) -> Option<String>,
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("key_file", &self.key_file).finish_non_exhaustive()
    }
}

/// The file beside a vault in which `init` puts a new key when no other place is named.
pub fn beside(vault: &Path) -> PathBuf {
    disk::beside(vault, ".key")
}

impl Sources<'_> {
    /// The key for a vault that is there.
    pub(super) fn find(&self, vault: &Path, sealing: &Sealing) -> Result<(Master, Place), VaultError> {
        let passphrase = matches!(sealing, Sealing::Passphrase { .. });
        let found = match &self.key_file {
            Some(path) => Some((private(path)?, Place::File(path.clone()))),
            None => match self.given(passphrase)? {
                None if !passphrase && beside(vault).exists() => {
                    let path = beside(vault);
                    Some((private(&path)?, Place::File(path)))
                }
                given => given,
            },
        };
        let Some((text, place)) = found else {
            let variable = if passphrase { PASSPHRASE_VARIABLE } else { KEY_VARIABLE };
            let message = format!(
                "the vault {} needs its {}: set {variable}, or name a file with --key-file",
                vault.display(),
                if passphrase { "passphrase" } else { "key" }
            );
            return Err(VaultError::new(Trouble::NoKey, message));
        };
        let master = if passphrase { Master::Passphrase(text) } else { ring(&text, &place)? };
        Ok((master, place))
    }

    /// The key for a new vault; `None` where none was given, and one must be made and put into the file.
    pub(super) fn find_new(&self) -> Result<Option<(Master, Place)>, VaultError> {
        if let Some(path) = &self.key_file {
            return match path.exists() {
                true => {
                    let place = Place::File(path.clone());
                    Ok(Some((ring(&private(path)?, &place)?, place)))
                }
                false => Ok(None),
            };
        }
        if let Some((text, place)) = self.given(false)? {
            return Ok(Some((ring(&text, &place)?, place)));
        }
        let Some((text, place)) = self.given(true)? else { return Ok(None) };
        good_passphrase(&text)?;
        Ok(Some((Master::Passphrase(text), place)))
    }

    /// From a variable, or else a credential.
    fn given(&self, passphrase: bool) -> Result<Option<(Secret, Place)>, VaultError> {
        let (variable, credential) = match passphrase {
            true => (PASSPHRASE_VARIABLE, PASSPHRASE_CREDENTIAL),
            false => (KEY_VARIABLE, CREDENTIAL),
        };
        let set = |name: &str| (self.environment)(name).filter(|value| !value.trim().is_empty());
        if let Some(value) = set(variable) {
            return Ok(Some((Secret::new(value), Place::Variable(variable))));
        }
        let Some(directory) = set("CREDENTIALS_DIRECTORY") else { return Ok(None) };
        let path = Path::new(&directory).join(credential);
        // Its mode is systemd's own affair: with an access list the group bits show the list's mask.
        match disk::read(&path, MOST) {
            Ok((bytes, _)) => Ok(Some((text(&path, &bytes)?, Place::Credential(path)))),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(unreadable(&path, &why)),
        }
    }
}

/// The text of a file that is its owner's alone.
fn private(path: &Path) -> Result<Secret, VaultError> {
    let (bytes, mode) = disk::read(path, MOST).map_err(|why| unreadable(path, &why))?;
    if mode & 0o077 != 0 {
        let message = format!(
            "the key file {} can be read by others (mode {:04o}): run chmod 600 on it",
            path.display(),
            mode & 0o7777
        );
        return Err(VaultError::new(Trouble::NoKey, message));
    }
    text(path, &bytes)
}

fn text(path: &Path, bytes: &[u8]) -> Result<Secret, VaultError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.trim().is_empty() => {
            Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        _ => {
            let message = format!("the key file {} holds no key: write one into it", path.display());
            Err(VaultError::new(Trouble::NoKey, message))
        }
    }
}

fn unreadable(path: &Path, why: &io::Error) -> VaultError {
    let message = format!("the key file {} cannot be read: {why}", path.display());
    VaultError::new(Trouble::NoKey, message)
}

fn ring(text: &Secret, place: &Place) -> Result<Master, VaultError> {
    text.expose().parse().map(Master::Ring).map_err(|why| {
        let hint = match place {
            Place::Variable(_) => format!("; a passphrase goes into {PASSPHRASE_VARIABLE}"),
            _ => String::new(),
        };
        VaultError::new(Trouble::NoKey, format!("{place} {why}{hint}"))
    })
}

fn good_passphrase(text: &Secret) -> Result<(), VaultError> {
    match strength::strength(text.expose()).bits < LEAST_BITS {
        true => Err(VaultError::refused(
            "the passphrase can be guessed: take five or more words that do not belong together",
        )),
        false => Ok(()),
    }
}

/// Writes keys into a file that is not there yet, mode 0600, the first one first.
pub fn write_new(path: &Path, ring: &Ring) -> Result<(), VaultError> {
    write(path, ring, true)
}

/// Writes keys into a file, in place of the one that is there.
pub(super) fn write(path: &Path, ring: &Ring, fresh: bool) -> Result<(), VaultError> {
    let mut text = Zeroizing::new(String::with_capacity(64 * (ring.count() + 1)));
    text.push_str("# The key of a seawall vault. The first key encrypts, all of them decrypt.\n");
    for key in ring.keys() {
        text.push_str(key.text().expose());
        text.push('\n');
    }
    disk::replace(path, text.as_bytes(), fresh).map_err(|why| VaultError::io("written", path, &why))
}

impl Sealing {
    /// For a new passphrase: the second recommendation of RFC 9106, section 4.
    pub(super) fn passphrase() -> Result<Self, VaultError> {
        let salt = hex(&random::bytes::<16>()?);
        Ok(Sealing::Passphrase { memory_kib: 64 << 10, passes: 3, lanes: 4, salt })
    }

    /// How a vault with this key is sealed from now on.
    pub(super) fn of(master: &Master) -> Result<Self, VaultError> {
        match master {
            Master::Ring(_) => Ok(Sealing::Key),
            Master::Passphrase(text) => good_passphrase(text).and_then(|()| Self::passphrase()),
        }
    }

    /// The keys, of what somebody opens a vault with.
    pub(super) fn ring(&self, path: &Path, master: &Master) -> Result<Ring, VaultError> {
        match (self, master) {
            (Sealing::Key, Master::Ring(ring)) => Ok(ring.clone()),
            (Sealing::Passphrase { memory_kib, passes, lanes, salt }, Master::Passphrase(text)) => {
                let key = stretch(text, *memory_kib, *passes, *lanes, salt);
                key.map(|key| Ring::new(key, Vec::new()))
                    .ok_or_else(|| VaultError::damaged(path, "its Argon2id parameters make no sense"))
            }
            (Sealing::Key, Master::Passphrase(_)) | (Sealing::Passphrase { .. }, Master::Ring(_)) => {
                let message = format!("the vault {} opens with the other kind of key", path.display());
                Err(VaultError::new(Trouble::WrongKey, message))
            }
        }
    }
}

fn stretch(text: &Secret, memory_kib: u32, passes: u32, lanes: u32, salt: &str) -> Option<Key> {
    // What a file says is not to fill the memory or last for hours.
    if memory_kib > 1 << 20 || passes > 32 || lanes > 16 {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let salt: Vec<u8> = salt
        .as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?))
        .collect::<Option<_>>()?;
    let parameters = argon2::Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let mut key = Zeroizing::new([0; 32]);
    argon.hash_password_into(text.expose().as_bytes(), &salt, &mut *key).ok()?;
    Some(Key::from_bytes(key))
}
