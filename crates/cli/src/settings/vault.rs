//! Where the vault is, and how it is opened: once, when the first of its values is asked for.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use schemars::JsonSchema;
use seawall_config::{Resolved, SecretError};
use seawall_core::clock::wall_now;
use seawall_core::secret::Secret;
use seawall_security::vault::{Name, Sources, Vault as Opened, VaultError, Worry};
use serde::Deserialize;

use super::Settings;
use super::state::State;
use super::wire::Environment;

/// What the vault's file is called in a state directory.
pub(crate) const FILE: &str = "vault";

/// Where the values of `vault:NAME` are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Vault {
    /// The vault's file. Default `vault` in the state directory.
    pub(crate) file: Option<PathBuf>,
    /// The file with its key, mode 0600. Default: SEAWALL_VAULT_KEY, a systemd credential, or the file `vault.key` beside
    /// the vault.
    pub(crate) key_file: Option<PathBuf>,
}

impl Settings {
    /// The directory for what this instance keeps for itself, also where its state is shared.
    pub(crate) fn state_directory(&self) -> PathBuf {
        match &self.state {
            State::Directory(directory) => directory.clone(),
            State::Redis(_) => PathBuf::from("./seawall-state"),
        }
    }

    /// The vault's file.
    pub(crate) fn vault_file(&self) -> PathBuf {
        self.vault.file.clone().unwrap_or_else(|| self.state_directory().join(FILE))
    }
}

/// Opens the vault when it is first asked, and remembers what was fetched.
pub(super) struct Opener<'w> {
    settings: &'w Settings,
    environment: Environment<'w>,
    vault: OnceCell<Result<Opened, VaultError>>,
    names: RefCell<BTreeSet<Name>>,
}

impl<'w> Opener<'w> {
    pub(super) fn new(settings: &'w Settings, environment: Environment<'w>) -> Self {
        Self { settings, environment, vault: OnceCell::new(), names: RefCell::default() }
    }

    /// A value, with what should be seen to before long.
    pub(super) fn fetch(&self, name: &str) -> Result<Resolved, SecretError> {
        let vault = self.opened()?;
        let name: Name = name.parse().map_err(|why| refused(&why))?;
        let now = wall_now();
        let secret = vault.get(&name, now).map_err(|why| refused(&why))?;
        let soon = |concern: &seawall_security::vault::Concern| concern.worry == Worry::ExpiresSoon;
        let warning = vault.concerns(&name, now).into_iter().find(soon);
        let warning = warning.map(|concern| format!("vault:{name} {}", concern.message));
        self.names.borrow_mut().insert(name);
        Ok(Resolved { secret, warning })
    }

    /// Every value that is good now and until when, the current one first: two while one takes over from the other.
    pub(super) fn accepted(&self, name: &str) -> Result<Vec<(Secret, Option<SystemTime>)>, SecretError> {
        let (vault, name) = (self.opened()?, name.parse::<Name>().map_err(|why| refused(&why))?);
        vault.accepted_until(&name, wall_now()).map_err(|why| refused(&why))
    }

    fn opened(&self) -> Result<&Opened, SecretError> {
        let vault = self.vault.get_or_init(|| {
            let key_file = self.settings.vault.key_file.clone();
            let sources = Sources { key_file, environment: self.environment };
            Opened::open(&self.settings.vault_file(), &sources)
        });
        vault.as_ref().map_err(|why| refused(why))
    }

    pub(super) fn into_uses(self) -> Uses {
        Uses { vault: self.vault.into_inner().and_then(Result::ok), names: self.names.into_inner() }
    }
}

fn refused(why: &dyn std::fmt::Display) -> SecretError {
    SecretError { message: why.to_string() }
}

/// What was fetched from the vault.
pub(crate) struct Uses {
    vault: Option<Opened>,
    names: BTreeSet<Name>,
}

impl Uses {
    /// Counts them.
    pub(crate) fn note(&self) -> Result<(), VaultError> {
        match &self.vault {
            Some(vault) if !self.names.is_empty() => vault.note_uses(&self.names, wall_now()),
            _ => Ok(()),
        }
    }
}
