//! `seawall config`: what may be written, and what is in effect.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Source, report};
use crate::output::{Failure, data, json};
use crate::settings::{Purpose, is_secret, schema, with_builtin};

/// The configuration's schema, or the values in effect.
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
    Show(Source),
}

impl Config {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Schema => json(&schema())?,
            Command::Show(source) => match source.tree() {
                Ok(tree) => {
                    let schema = schema();
                    let secret = |key: &[String]| is_secret(&schema, key);
                    data(&seawall_config::show_hiding(&with_builtin(tree), &secret))?;
                }
                Err(findings) => report(findings, Purpose::Check)?,
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}
