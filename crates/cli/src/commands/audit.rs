//! `seawall audit`: what was done by whom, whether that can be believed, and whether what comes in can be.

mod scan;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use seawall_signals::audit::{self, Record, Report};

use super::{DEFAULT_FILE, Source};
use crate::output::{Failure, data, json, note, plain};

/// Who did what, and whether that can be believed.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold an audit trail to its chain: exit 0 sound, 1 broken
    Verify(Trail),
    /// Write every entry of an audit trail
    Export(Trail),
    /// Read texts for injections, one a line
    Scan(scan::Scan),
    /// How secure this installation is, 0 to 100, and how to get each point that is missing
    Security(super::security::Security),
}

/// Which trail. It is only read, and may be in use.
#[derive(Debug, Args)]
struct Trail {
    /// A directory, or one file of it [default: the one of the configuration]
    #[arg(value_name = "FILE|DIR")]
    path: Option<PathBuf>,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

impl Audit {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Verify(trail) => trail.verify(),
            Command::Export(trail) => trail.export(),
            Command::Scan(scan) => scan.run(),
            Command::Security(security) => security.run(),
        }
    }
}

impl Trail {
    fn verify(&self) -> Result<ExitCode, Failure> {
        let path = self.path()?;
        let report = audit::verify(&path).map_err(|why| unreadable(&path, &why))?;
        if self.json {
            json(&report)?;
        } else {
            data(&summary(&path, &report))?;
        }
        Ok(verdict(&report))
    }

    fn export(&self) -> Result<ExitCode, Failure> {
        let path = self.path()?;
        let (mut failed, mut first) = (None, true);
        // Written as they come: a trail may be longer than the memory.
        let report = audit::read(&path, |record| {
            let text = if self.json { element(&record, first) } else { told(&record) };
            if failed.is_none() {
                failed = data(&text).err();
            }
            first = false;
        });
        let report = report.map_err(|why| unreadable(&path, &why))?;
        match failed {
            Some(failure) => return Err(failure),
            None if self.json => data(if first { "{\"audit\":[]}\n" } else { "]}\n" })?,
            None => {}
        }
        Ok(verdict(&report))
    }

    /// The trail that is meant: a directory that holds one, where somebody names the state directory around it.
    fn path(&self) -> Result<PathBuf, Failure> {
        let path = match &self.path {
            Some(path) => path.clone(),
            None => self.state()?,
        };
        let inner = path.join(seawall_gateway::AUDIT);
        Ok(if inner.is_dir() { inner } else { path })
    }

    fn state(&self) -> Result<PathBuf, Failure> {
        let default = PathBuf::from("./seawall-state");
        if self.source.config.is_none() && !Path::new(DEFAULT_FILE).exists() {
            return Ok(default);
        }
        let tree = self.source.tree().map_err(|_| {
            let file = self.source.file();
            let advice = "name the audit trail's directory, or see `seawall check`";
            Failure::bad_input(format_args!("{} cannot be read: {advice}", file.display()))
        })?;
        match tree.get("state").and_then(|state| state.as_str()) {
            Some(url) if url.contains("://") => Err(Failure::bad_input(
                "the configuration's state is not a directory: name the audit trail's directory",
            )),
            Some(state) => Ok(PathBuf::from(state)),
            None => Ok(default),
        }
    }
}

fn unreadable(path: &Path, why: &std::io::Error) -> Failure {
    let advice = "name an audit trail's directory or file";
    Failure::bad_input(format_args!("{}: {why}: {advice}", path.display()))
}

/// The first problem on stderr, and the exit code.
fn verdict(report: &Report) -> ExitCode {
    let Some(first) = report.problems.first() else { return ExitCode::SUCCESS };
    note(format_args!("seawall: {}", plain(&first.to_string())));
    ExitCode::from(1)
}

/// How many problems people are shown: the first explain the others.
const SHOWN: usize = 20;

fn summary(path: &Path, report: &Report) -> String {
    let count = report.problems.len() as u64 + report.more;
    let verdict = match count {
        0 => "sound".to_owned(),
        1 => "broken: 1 problem".to_owned(),
        count => format!("broken: {count} problems"),
    };
    let mut text = format!("{}: {verdict}\n", path.display());
    if let (Some(first), Some(last)) = (&report.first, &report.last) {
        text.push_str(&format!(
            "{} entries in {} files, {} at {} to {} at {}\nlast hash {}\n",
            report.entries, report.files, first.seq, first.ts, last.seq, last.ts, last.hash
        ));
    }
    for problem in report.problems.iter().take(SHOWN) {
        text.push_str(&format!("{}\n", plain(&problem.to_string())));
    }
    if let Some(more) = count.checked_sub(SHOWN as u64).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more: --json has the first thousand\n"));
    }
    text
}

fn element(record: &Record, first: bool) -> String {
    let before = if first { "{\"audit\":[\n" } else { ",\n" };
    // Texts and numbers: it always can.
    format!("{before}{}", serde_json::to_string(record).unwrap_or_default())
}

fn told(record: &Record) -> String {
    let Record { seq, ts, kind, subject, by, reason, data, .. } = record;
    let data = if data.is_empty() { String::new() } else { format!("  {}", serde_json::json!(data)) };
    format!("{}\n", plain(&format!("{ts}  {seq}  {kind}  {subject}  by {by}: {reason}{data}")))
}
