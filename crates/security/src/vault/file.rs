//! The vault's file: what is in it, the seal over all of it, and how it is read and written.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::error::{Trouble, VaultError};
use super::master::Sealing;
use super::name::Name;
use crate::disk;
use crate::fernet::{BadToken, Ring};
use crate::random::{self, hex};

/// The version of the format.
const FORMAT: u32 = 1;

/// The largest file that is read or written.
const MOST: u64 = 16 << 20;

/// What is in the vault; everything but the tokens is readable by whoever may read the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    /// Random: a value of another vault does not fit here.
    pub(super) id: String,
    /// One more with every change.
    pub(super) generation: u64,
    /// How the key is come by.
    pub(super) key: Sealing,
    pub(super) entries: BTreeMap<Name, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    seawall_vault: u32,
    /// A token over the digest of the body: whoever has no key can change nothing unseen.
    seal: String,
    body: Body,
}

impl Body {
    pub(super) fn new(key: Sealing) -> Result<Self, VaultError> {
        Ok(Self { id: hex(&random::bytes::<16>()?), generation: 0, key, entries: BTreeMap::new() })
    }

    fn sealed_text(&self) -> Result<String, VaultError> {
        // Compact, members in the order of the types, names in the order of their bytes: one text for one body.
        let text = serde_json::to_vec(self)
            .map_err(|_| VaultError::new(Trouble::Failed, "the vault cannot be written as JSON"))?;
        Ok(format!("seawall-vault-{FORMAT}-seal\n{}\n{}", self.id, hex(digest(&SHA256, &text).as_ref())))
    }

    /// The plaintext of a value, which says what it is for: a token put in another place is noticed.
    pub(super) fn bound(&self, name: &Name, version: u32) -> String {
        format!("seawall-vault-{FORMAT}\n{}\n{name}\n{version}\n", self.id)
    }
}

/// A file that was read; nothing in it is believed before [`Unproven::prove`].
pub(super) struct Unproven(Document);

/// Reads a vault's file. Whatever is wrong with it, it is left as it is.
pub(super) fn read(path: &Path) -> Result<Unproven, VaultError> {
    #[derive(Deserialize)]
    struct Head {
        seawall_vault: u32,
    }
    let (bytes, _) = disk::read(path, MOST).map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => VaultError::new(
            Trouble::NoVault,
            format!("there is no vault at {}: make one with `seawall vault init`", path.display()),
        ),
        _ => VaultError::io("read", path, &why),
    })?;
    match serde_json::from_slice::<Head>(&bytes) {
        Ok(Head { seawall_vault }) if seawall_vault > FORMAT => {
            let message = format!(
                "the vault {} has format {seawall_vault}, and this seawall knows {FORMAT}: use a newer one",
                path.display()
            );
            return Err(VaultError::new(Trouble::Newer, message));
        }
        Ok(Head { seawall_vault: FORMAT }) => {}
        Ok(_) | Err(_) if bytes.is_empty() => return Err(VaultError::damaged(path, "it is empty")),
        Ok(_) => return Err(VaultError::damaged(path, "its format is none there ever was")),
        Err(why) => return Err(VaultError::damaged(path, &place(&why))),
    }
    match serde_json::from_slice(&bytes) {
        Ok(document) => Ok(Unproven(document)),
        Err(why) => Err(VaultError::damaged(path, &place(&why))),
    }
}

fn place(why: &serde_json::Error) -> String {
    match why.is_eof() {
        true => "it ends too early".to_owned(),
        false => format!("line {}, column {} is not a vault's", why.line(), why.column()),
    }
}

impl Unproven {
    /// How its key is come by.
    pub(super) fn key(&self) -> &Sealing {
        &self.0.body.key
    }

    /// Holds the file to its seal.
    pub(super) fn prove(self, path: &Path, ring: &Ring, whose: &str) -> Result<Body, VaultError> {
        let Document { seal, body, .. } = self.0;
        match ring.open(&seal) {
            Ok(plain) if plain.as_slice() == body.sealed_text()?.as_bytes() => Ok(body),
            Ok(_) => Err(VaultError::damaged(path, "it was changed since seawall wrote it")),
            Err(BadToken::Foreign) => Err(VaultError::new(
                Trouble::WrongKey,
                format!("{whose} does not open the vault {}: give the key it was made with", path.display()),
            )),
            Err(_) => Err(VaultError::damaged(path, "its seal is not a Fernet token")),
        }
    }
}

/// Writes a body under a ring, in place of what is there.
pub(super) fn write(
    path: &Path,
    body: &Body,
    ring: &Ring,
    fresh: bool,
    now: SystemTime,
) -> Result<(), VaultError> {
    let seal = ring.seal(body.sealed_text()?.as_bytes(), now)?;
    let document = Document { seawall_vault: FORMAT, seal, body: body.clone() };
    let mut text = serde_json::to_vec_pretty(&document)
        .map_err(|_| VaultError::new(Trouble::Failed, "the vault cannot be written as JSON"))?;
    text.push(b'\n');
    if text.len() as u64 > MOST {
        return Err(VaultError::refused("the vault would be larger than 16 MiB: take something out first"));
    }
    disk::replace(path, &text, fresh).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => already(path),
        _ => VaultError::io("written", path, &why),
    })
}

pub(super) fn already(path: &Path) -> VaultError {
    let message =
        format!("there is a vault at {} already: use it, or name another with --vault", path.display());
    VaultError::new(Trouble::Exists, message)
}
