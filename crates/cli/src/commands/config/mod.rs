//! `seawall config`: what may be written, what is in effect, what was before, and the way back.

mod back;
mod backup;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use seawall_config::versions::{KEEP, Versions};
use seawall_config::{show_hiding, show_json};

use super::{Source, report};
use crate::output::{Failure, data, json, note};
use crate::settings::{Purpose, is_secret, load, schema, versions_of, with_builtin};

/// The configuration: its schema, the values in effect, what was in force before, and the way back.
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the JSON Schema of the configuration
    Schema,
    /// Show every value in effect and where it came from; secrets are not shown
    Show(Show),
    /// List what was in force before, with when, who and why; or write the text of one version
    Versions(versions::List),
    /// Say what changed between two versions; without numbers, what the file says otherwise than the latest
    Diff(versions::Diff),
    /// Go back to an earlier version: through the running seawall, or in the file where none runs
    Rollback(back::Rollback),
    /// Copy the configuration, its versions and the vault into one file, encrypted with the vault's key
    Backup(backup::Backup),
    /// Lay such a copy back where none of it is; or only see whether that could be done
    Restore(backup::Restore),
}

impl Config {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Schema => json(&schema())?,
            Command::Show(Show { source, json: machine }) => match source.tree() {
                Ok(tree) => {
                    let schema = schema();
                    let secret = |key: &[String]| is_secret(&schema, key);
                    let tree = with_builtin(tree);
                    match machine {
                        true => json(&show_json(&tree, &secret))?,
                        false => data(&show_hiding(&tree, &secret))?,
                    }
                }
                Err(findings) => report(findings, Purpose::Check)?,
            },
            Command::Versions(command) => command.run()?,
            Command::Diff(command) => return command.run(),
            Command::Rollback(command) => command.run()?,
            Command::Backup(command) => command.run()?,
            Command::Restore(command) => command.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is in effect.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    source: Source,
    /// Answer in one JSON value: the tree under `config`, and under `sources` where each value came from
    #[arg(long)]
    json: bool,
}

/// Where versions are.
#[derive(Debug, Args)]
struct Where {
    #[command(flatten)]
    source: Source,
    /// The state directory they are in [default: the configuration's]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Where {
    /// The versions of a configuration, also of one that is broken: that is when they are wanted.
    fn versions(&self) -> Versions {
        if let Some(state) = &self.state {
            return versions_of(state, KEEP);
        }
        let tree = self.source.tree();
        let known = tree.as_ref().ok().and_then(|tree| load(tree.clone()).ok());
        if let Some((loaded, _)) = known {
            return loaded.settings.versions();
        }
        let state = tree.ok().and_then(|tree| tree.get("state")?.as_str().map(str::to_owned));
        let state =
            state.filter(|state| !state.contains("://")).unwrap_or_else(|| "./seawall-state".to_owned());
        note(format_args!(
            "seawall: the configuration is not sound: looking in {state}; --state names another"
        ));
        versions_of(&PathBuf::from(state), KEEP)
    }
}
