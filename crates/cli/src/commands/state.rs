//! `seawall state`: a copy of the journal, and what to do with one.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use seawall_store::Sqlite;
use seawall_store::sqlite::Options;

use super::migrate::Migrate;
use super::{Running, Source, report};
use crate::output::{Failure, data, json, note};
use crate::settings::{Purpose, State as Kept};

/// What an instance keeps: back it up, lay a copy back, move it, trust it again.
#[derive(Debug, Args)]
pub(super) struct State {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copy the journal while it is in use; writes the path of the copy to stdout
    Backup {
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        running: Running,
    },
    /// Lay a copy back where there is no journal
    ///
    /// What was begun after the copy was made is not in it: until `seawall state settle`, keys it does not know are
    /// refused where a second run could do harm.
    Restore {
        /// The copy
        copy: PathBuf,
        #[command(flatten)]
        source: Source,
    },
    /// Move what is remembered of effects to another directory or server; nobody may use either meanwhile
    ///
    /// Every effect is read back and compared. Cut off, it may be begun again: a directory has no journal before all of it
    /// is there, and a Redis says until then that it may have forgotten.
    Migrate(Migrate),
    /// Say that whatever a restored journal, or a Redis that lost its data, forgot has been looked after
    Settle {
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        running: Running,
    },
}

/// Who does it, and why: both are written down.
#[derive(Debug, Args)]
struct Signed {
    /// Who you are
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    reason: String,
}

impl State {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.what {
            What::Backup { signed, running } => {
                let answer = running.port()?.post("/api/v1/state/backup", &signed.body())?;
                match running.json {
                    true => json(&answer)?,
                    false => data(&format!("{}\n", answer["path"].as_str().unwrap_or_default()))?,
                }
            }
            What::Settle { signed, running } => {
                let answer = running.port()?.post("/api/v1/state/settle", &signed.body())?;
                match running.json {
                    true => json(&answer)?,
                    false => note(format_args!(
                        "seawall: the journal is trusted, by {}: {}",
                        signed.by, signed.reason
                    )),
                }
            }
            What::Restore { copy, source } => restore(&copy, &source)?,
            What::Migrate(migrate) => return migrate.run(),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Signed {
    fn body(&self) -> serde_json::Value {
        serde_json::json!({ "by": self.by, "reason": self.reason })
    }
}

fn restore(copy: &std::path::Path, source: &Source) -> Result<(), Failure> {
    let loaded = match source.load() {
        Ok((loaded, _)) => loaded,
        Err(findings) => return report(findings, Purpose::Check),
    };
    let Kept::Directory(directory) = &loaded.settings.state else {
        return Err(Failure::bad_input(
            "state is a Redis: restore the server, and then run seawall state settle",
        ));
    };
    let failed = |error| Failure::failed(format_args!("{error}"));
    Sqlite::restore(copy, directory).map_err(failed)?;
    // Opened once, so that a copy that cannot be is known now and not at three in the morning.
    let opened = Sqlite::open(directory, &Options::default()).map_err(failed)?;
    let doubts = opened.notes.len();
    note(format_args!(
        "seawall: {} has the copy; {doubts} effects in it were under way and are in doubt; look after what came later, then \
         run seawall state settle",
        directory.display()
    ));
    Ok(())
}
