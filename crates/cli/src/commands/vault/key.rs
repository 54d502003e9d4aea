//! The vault itself and its key: made, and changed.

use std::path::Path;
use std::process::ExitCode;

use seawall_core::clock::wall_now;
use seawall_security::fernet::{Key, Ring};
use seawall_security::vault::{KEY_VARIABLE, Master, PASSPHRASE_VARIABLE, Place, Vault, write_key_file};
use serde_json::json;

use super::{Found, failure};
use crate::commands::variable;
use crate::output::{Failure, json, note};

/// The variable with the passphrase that is to open the vault from now on.
const NEW_PASSPHRASE: &str = "SEAWALL_VAULT_NEW_PASSPHRASE";

pub(super) fn init(found: &Found) -> Result<ExitCode, Failure> {
    let (vault, made) = Vault::init(&found.file, &found.sources(), wall_now()).map_err(failure)?;
    let shown = found.file.display();
    match &made {
        Some(file) => note(format_args!(
            "seawall: made the vault {shown}, and its key in {}: keep a copy of the key away from copies of the vault, \
             for without it every value is lost",
            file.display()
        )),
        None => note(format_args!("seawall: made the vault {shown}; {} opens it", vault.key_place())),
    }
    if found.json {
        json(&json!({ "vault": found.file, "key": vault.key_place().to_string(), "key_file": made }))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts the vault under another key: the one that is named, or the first of those in the variable, or a new one in the
/// key file.
pub(super) fn rotate(found: &Found, new_file: Option<&Path>) -> Result<ExitCode, Failure> {
    let mut vault = found.open()?;
    let now = wall_now();
    if let Some(file) = new_file {
        let key = Key::generate().map_err(Failure::failed)?;
        let ring = Ring::new(key, Vec::new());
        write_key_file(file, &ring).map_err(failure)?;
        vault.rekey(&Master::Ring(ring), Place::File(file.to_path_buf()), now).map_err(failure)?;
    } else if let Some(text) = variable(NEW_PASSPHRASE).filter(|text| !text.is_empty()) {
        let master = Master::Passphrase(seawall_core::secret::Secret::new(text));
        vault.rekey(&master, Place::Variable(NEW_PASSPHRASE), now).map_err(failure)?;
    } else {
        match vault.key_place().clone() {
            Place::File(file) => {
                vault = Vault::rotate_key_file(&found.file, &file, now).map_err(failure)?;
            }
            Place::Variable(KEY_VARIABLE) => {
                let ring: Ring = variable(KEY_VARIABLE)
                    .unwrap_or_default()
                    .parse()
                    .map_err(|why| Failure::bad_input(format_args!("{KEY_VARIABLE} {why}")))?;
                if ring.count() == 1 {
                    note(format_args!(
                        "seawall: there is one key, and everything stays under it; for another one set \
                         {KEY_VARIABLE}=NEW,OLD"
                    ));
                }
                vault.rekey(&Master::Ring(ring), Place::Variable(KEY_VARIABLE), now).map_err(failure)?;
            }
            place => {
                return Err(Failure::bad_input(format_args!(
                    "{place} cannot be changed from here: set {NEW_PASSPHRASE}, or name a file with --new-key-file"
                )));
            }
        }
    }
    let place = match vault.key_place() {
        Place::Variable(NEW_PASSPHRASE) => {
            format!("the passphrase; from now on set {PASSPHRASE_VARIABLE} to it")
        }
        place => place.to_string(),
    };
    note(format_args!("seawall: sealed everything in {} anew; it opens with {place}", found.file.display()));
    if found.json {
        json(
            &json!({ "vault": found.file, "key": vault.key_place().to_string(), "generation": vault.generation() }),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
