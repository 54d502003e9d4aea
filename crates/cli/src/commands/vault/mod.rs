//! `seawall vault`: keys are put in, changed, looked after and taken out; values come in on stdin and never go out.

mod change;
mod key;
mod tell;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use seawall_security::vault::{Name, Sources, Trouble, Vault as Opened, VaultError};

use super::{DEFAULT_FILE, Source, variable};
use crate::output::Failure;
use crate::settings::VAULT_FILE;

/// Keys, encrypted at rest: `vault:NAME` in a configuration.
#[derive(Debug, Args)]
#[command(
    after_help = "The key to the vault is looked for in --key-file, SEAWALL_VAULT_KEY (a Fernet key; several with \
                        commas between), SEAWALL_VAULT_PASSPHRASE, systemd's credentials and the file VAULT.key.\n\
                        Exit codes: 0 done, 1 failed or something is wrong with a value, 2 bad input."
)]
pub(super) struct Vault {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a vault; without a key, make one too and put it into a file
    Init,
    /// Put a value in, from stdin; the one that was there is gone
    Set(change::Put),
    /// Names, versions, dates and uses; never values
    List,
    /// With NAME: put the next value in, from stdin, and accept both for a while. Without: change the vault's own key
    Rotate(change::Rotate),
    /// Take a value back
    Revoke(change::Revoke),
    /// Say when a value stops being valid
    Expire(change::Expire),
    /// Print a value as a Fernet token, encrypted under the vault's key
    Export(tell::Export),
    /// Put values of environment variables in
    ImportEnv(change::ImportEnv),
    /// Read every value, and say what has expired, is about to, is weak or damaged
    Check,
}

/// Which vault, and in which form it is spoken of.
#[derive(Debug, Args)]
struct Where {
    /// The vault's file [default: the one of the configuration]
    #[arg(long, value_name = "FILE", global = true)]
    vault: Option<PathBuf>,
    /// A file with the key, mode 0600
    #[arg(long, value_name = "FILE", global = true)]
    key_file: Option<PathBuf>,
    /// Answer in one JSON value
    #[arg(long, global = true)]
    json: bool,
    /// The configuration that says where the vault is [default: seawall.toml]
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The profile laid over it [default: what SEAWALL_PROFILE names]
    #[arg(long, value_name = "NAME", global = true)]
    profile: Option<String>,
}

impl Vault {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { place, command } = self;
        let place = place.found()?;
        match command {
            Command::Init => key::init(&place),
            Command::Set(put) => put.run(&place),
            Command::List => tell::list(&place),
            Command::Rotate(rotate) => rotate.run(&place),
            Command::Revoke(revoke) => revoke.run(&place),
            Command::Expire(expire) => expire.run(&place),
            Command::Export(export) => export.run(&place),
            Command::ImportEnv(import) => import.run(&place),
            Command::Check => tell::check(&place),
        }
    }
}

/// A vault that was found, opened or not.
#[derive(Debug)]
struct Found {
    file: PathBuf,
    key_file: Option<PathBuf>,
    json: bool,
}

impl Where {
    /// The vault that is named, or the configuration's. A named one is found without any configuration.
    fn found(self) -> Result<Found, Failure> {
        let Self { vault, key_file, json, config, profile } = self;
        if let Some(file) = vault {
            return Ok(Found { file, key_file, json });
        }
        let source = Source { config, profile };
        let mut found = Found { file: Path::new("./seawall-state").join(VAULT_FILE), key_file, json };
        if source.config.is_none() && !Path::new(DEFAULT_FILE).exists() {
            return Ok(found);
        }
        let tree = source.tree().map_err(|_| {
            let file = source.file();
            let advice = "name the vault with --vault, or see `seawall check`";
            Failure::bad_input(format_args!("{} cannot be read: {advice}", file.display()))
        })?;
        let text = |table: Option<&str>, key: &str| {
            let node = table.map_or(Some(&tree), |table| tree.get(table));
            node.and_then(|node| node.get(key)).and_then(|value| value.as_str()).map(PathBuf::from)
        };
        match (text(Some("vault"), "file"), text(None, "state")) {
            (Some(file), _) => found.file = file,
            (None, Some(state)) if !state.to_string_lossy().contains("://") => {
                found.file = state.join(VAULT_FILE);
            }
            _ => {}
        }
        found.key_file = found.key_file.or_else(|| text(Some("vault"), "key_file"));
        Ok(found)
    }
}

impl Found {
    fn sources(&self) -> Sources<'static> {
        Sources { key_file: self.key_file.clone(), environment: &variable }
    }

    fn open(&self) -> Result<Opened, Failure> {
        Opened::open(&self.file, &self.sources()).map_err(failure)
    }
}

/// The exit code a script wants to see: 2 for what it can put right, 1 for the rest.
fn failure(why: VaultError) -> Failure {
    match why.trouble {
        Trouble::Damaged | Trouble::Newer | Trouble::Failed => Failure::failed(why),
        _ => Failure::bad_input(why),
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    text.parse().map_err(Failure::bad_input)
}
