//! `seawall init`: a configuration to begin with.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::DEFAULT_FILE;
use crate::output::{Failure, note};

/// What is written: it passes `check` and serves as it is.
pub(super) const TEMPLATE: &str = include_str!("init.toml");

/// Write a commented seawall.toml.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let shown = self.config.display();
        let mut options = std::fs::OpenOptions::new();
        options.write(true);
        // `create_new` decides and creates in one step: nobody's file is lost to a race.
        let opened = match self.force {
            true => options.create(true).truncate(true).open(&self.config),
            false => options.create_new(true).open(&self.config),
        };
        let mut file = opened.map_err(|why| match why.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::bad_input(format_args!(
                "{shown} is there already: --force replaces it, -c FILE writes another"
            )),
            _ => Failure::failed(format_args!("{shown} cannot be written: {why}")),
        })?;
        file.write_all(TEMPLATE.as_bytes())
            .map_err(|why| Failure::failed(format_args!("{shown} cannot be written: {why}")))?;
        note(format_args!(
            "seawall: wrote {shown}; look at it, then run `seawall check` and `seawall serve`"
        ));
        Ok(ExitCode::SUCCESS)
    }
}
