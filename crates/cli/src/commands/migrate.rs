//! `seawall state migrate`: what is remembered of effects, moved to another directory or server, and proven to be there.

mod ends;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use seawall_signals::logs::Secrets;
use seawall_store::moving::{Moved, Progress, Survey};
use seawall_store::redis;

use super::{Source, report, variable};
use crate::output::{Failure, json, note, plain};
use crate::settings::{Place, Purpose, Ready, ready};
use ends::{Left, looked};

/// Where to, and how.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Where to: a directory, or redis://host:6379/0?namespace=NAME
    #[arg(long, value_name = "DIR|URL", required_unless_present = "to_config")]
    to: Option<String>,
    /// A configuration whose `state` is where to, such as a Redis with a password
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    to_config: Option<PathBuf>,
    /// Count what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

impl Migrate {
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let from = place(&self.source)?;
        let to = match (&self.to, &self.to_config) {
            (Some(to), _) if to.contains("://") => {
                Place::Redis(to.clone(), Box::default(), seawall::fleet::Options::default())
            }
            (Some(to), _) => Place::Directory(PathBuf::from(to)),
            (None, config) => {
                place(&Source { config: config.clone(), profile: self.source.profile.clone() })?
            }
        };
        let (here, there) = (name(&from), name(&to));
        if here == there || same_directory(&from, &to) {
            return Err(Failure::bad_input(format_args!(
                "{here} is where it is already: name another place"
            )));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
        let source = match self.dry_run {
            true => None,
            false => Some(Left::open(&from, &runtime)?),
        };
        let found = match &source {
            None => looked(&from, &runtime)?,
            Some(source) => source.survey(&runtime)?,
        };
        fits(&found, &to)?;
        let told = found.states.iter().map(|(state, count)| format!("{count} {state}"));
        let told = told.collect::<Vec<_>>().join(", ");
        let mut line = Line { shown: !self.json && std::io::stderr().is_terminal(), total: found.total() };
        let moved = source.map(|source| source.moved(&to, &runtime, &mut |progress| line.show(progress)));
        line.clear();
        let moved = moved.transpose()?;
        let forgot = moved.map_or(found.forgot, |(_, forgot)| forgot);
        let before = moved.map_or(found.moved, |(moved, _)| moved.finished);
        if self.json {
            let of = |count: fn(Moved) -> u64| moved.map(|(moved, _)| count(moved));
            json(&serde_json::json!({
                "from": here,
                "to": there,
                "effects": found.states,
                "total": found.total(),
                "dry_run": self.dry_run,
                "verified": of(|moved| moved.verified),
                "moved_before": of(|moved| moved.before),
                "ended_meanwhile": of(|moved| moved.ended),
                "moved_away_before": before,
                "may_have_forgotten": forgot,
            }))?;
        } else {
            match moved {
                None => note(format_args!(
                    "seawall: {here} has {} effects ({told}): they would be moved to {there}; nothing was moved",
                    found.total()
                )),
                Some((moved, _)) => note(format_args!(
                    "seawall: {} effects ({told}) are in {there}, each read back; {here} knows that it is not the journal any \
                     more: write state = \"{there}\" before the next start",
                    moved.verified
                )),
            }
            if before {
                let other = if self.dry_run {
                    "it would be taken only by the place it went to"
                } else {
                    "nothing was done"
                };
                note(format_args!("seawall: {here} was moved away before: {other}"));
            }
        }
        if forgot {
            let place = if self.dry_run { &here } else { &there };
            note(format_args!("seawall: {place} may have forgotten: see seawall state settle"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The state of a configuration, with all that opens it.
fn place(source: &Source) -> Result<Place, Failure> {
    let (loaded, mut findings) = match source.load() {
        Ok(good) => good,
        Err(findings) => {
            return report(findings, Purpose::Check).and(Err(Failure::failed("no configuration")));
        }
    };
    let Ready { findings: more, memory, .. } = ready(&loaded, &variable, &Secrets::default());
    // Only what opens the state is needed here.
    more.0
        .into_iter()
        .filter(|finding| finding.key.starts_with("state"))
        .for_each(|finding| findings.add(finding));
    report(findings, Purpose::Serve)?;
    Ok(memory.place)
}

/// What people call it: an address has neither user nor password in it.
fn name(place: &Place) -> String {
    match place {
        Place::Directory(path) => path.display().to_string(),
        Place::Redis(url, ..) => plain(url),
    }
}

fn same_directory(from: &Place, to: &Place) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    match (from, to) {
        (Place::Directory(from), Place::Directory(to)) => {
            real(from).is_some_and(|from| real(to) == Some(from))
        }
        _ => false,
    }
}

/// A memory of effects is asked by names that begin with its namespace: under another it would know none of them.
fn fits(found: &Survey, to: &Place) -> Result<(), Failure> {
    let (Some(own), Place::Redis(url, ..)) = (&found.namespace, to) else { return Ok(()) };
    let wanted = redis::namespace(url).map_err(Failure::bad_input)?;
    match *own == wanted {
        true => Ok(()),
        false => Err(Failure::bad_input(format_args!(
            "the effects are those of {own:?}, and {wanted:?} would know none of them: write ?namespace={own}"
        ))),
    }
}

/// How far it is, where people watch.
struct Line {
    shown: bool,
    total: u64,
}

impl Line {
    fn show(&self, progress: Progress) {
        if !self.shown {
            return;
        }
        let (count, what) = match progress {
            Progress::Written(count) => (count, "written"),
            Progress::Verified(count) => (count, "read back"),
        };
        let _ = write!(std::io::stderr(), "\r{count} of {} {what}    ", self.total);
    }

    fn clear(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
