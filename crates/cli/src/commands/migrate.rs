//! `seawall state migrate`: what is remembered of effects, moved to another directory or server, and proven to be there.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use seawall_core::Code;
use seawall_core::fleet::{Fleet as _, Member, presence};
use seawall_core::store::{Store, StoreError};
use seawall_gateway::GATEWAYS;
use seawall_signals::logs::Secrets;
use seawall_store::moving::{Moved, Progress, Survey, survey};
use seawall_store::redis::Rearm;
use seawall_store::sqlite::Options;
use seawall_store::{Redis, RedisOptions, Sqlite, redis};
use tokio::runtime::Runtime;

use super::{Source, journal, report, variable};
use crate::output::{Failure, json, note, plain};
use crate::settings::{Place, Purpose, Ready, ready};

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
        let opened = Opened::from(&from, self.dry_run, &runtime)?;
        let found = opened.survey(&runtime)?;
        fits(&found, &to)?;
        let shown = |moved: Option<Moved>| {
            serde_json::json!({
                "from": here,
                "to": there,
                "effects": found.states,
                "total": found.total(),
                "dry_run": moved.is_none(),
                "verified": moved.map(|moved| moved.verified),
                "moved_before": moved.map(|moved| moved.before),
                "ended_meanwhile": moved.map(|moved| moved.ended),
                "may_have_forgotten": opened.forgot(),
            })
        };
        let told = found.states.iter().map(|(state, count)| format!("{count} {state}"));
        let told = told.collect::<Vec<_>>().join(", ");
        if self.dry_run {
            match self.json {
                true => json(&shown(None))?,
                false => note(format_args!(
                    "seawall: {here} has {} effects ({told}): they would be moved to {there}; nothing was changed",
                    found.total()
                )),
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut line = Line { shown: !self.json && std::io::stderr().is_terminal(), total: found.total() };
        let moved = opened.moved(&to, &runtime, &mut |progress| line.show(progress));
        line.clear();
        let moved = moved?;
        match self.json {
            true => json(&shown(Some(moved)))?,
            false => note(format_args!(
                "seawall: {} effects ({told}) are in {there}, each read back; {here} knows that it is not the journal any more: \
                 write state = \"{there}\" before the next start",
                moved.verified
            )),
        }
        if opened.forgot() {
            note(format_args!(
                "seawall: {here} may have forgotten, and so may {there}: see seawall state settle"
            ));
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

/// Where it comes from.
enum Opened {
    /// A file that is only looked at.
    Counted(Survey),
    File(Sqlite),
    Server(Arc<Redis>),
}

impl Opened {
    fn from(place: &Place, dry_run: bool, runtime: &Runtime) -> Result<Self, Failure> {
        match place {
            Place::Directory(path) => {
                let counts = if path.is_dir() { Sqlite::counted(path).map_err(failed)? } else { None };
                let Some(counts) = counts else {
                    return Err(Failure::failed(format_args!("there is no journal in {}", path.display())));
                };
                if dry_run {
                    let states = counts.into_iter().filter(|(_, count)| *count > 0).collect();
                    return Ok(Opened::Counted(Survey { states, namespace: None }));
                }
                // Whatever was executing is in doubt from now on: its process is no more.
                Sqlite::open(path, &Options::default())
                    .map(|opened| Opened::File(opened.store))
                    .map_err(failed)
            }
            Place::Redis(url, options, _) => {
                let store = server(url, options, runtime)?;
                nobody_uses(&store, url, runtime)?;
                Ok(Opened::Server(Arc::new(store)))
            }
        }
    }

    fn store(&self) -> Option<&dyn Store> {
        match self {
            Opened::Counted(_) => None,
            Opened::File(store) => Some(store),
            Opened::Server(store) => Some(&**store),
        }
    }

    fn survey(&self, runtime: &Runtime) -> Result<Survey, Failure> {
        match (self, self.store()) {
            (Opened::Counted(survey), _) => Ok(survey.clone()),
            (_, Some(store)) => runtime.block_on(survey(store)).map_err(failed),
            (_, None) => Ok(Survey::default()),
        }
    }

    fn forgot(&self) -> bool {
        match self {
            Opened::Counted(_) => false,
            Opened::File(store) => store.forgot().is_some(),
            Opened::Server(store) => store.may_have_forgotten(),
        }
    }

    /// Fills the other place, and then tells this one that it is not the journal any more.
    fn moved(
        &self,
        to: &Place,
        runtime: &Runtime,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Moved, Failure> {
        let Some(store) = self.store() else { return Ok(Moved::default()) };
        let forgot = self.forgot();
        let moved = match to {
            Place::Directory(path) => {
                runtime.block_on(Sqlite::fill(path, store, forgot, progress)).map_err(failed)?
            }
            Place::Redis(url, options, _) => {
                let target = server(url, options, runtime)?;
                nobody_uses(&target, url, runtime)?;
                runtime.block_on(target.fill(store, forgot, progress)).map_err(failed)?
            }
        };
        let noted = match self {
            Opened::Counted(_) => Ok(()),
            Opened::File(store) => runtime.block_on(store.moved_away()),
            Opened::Server(store) => runtime.block_on(store.moved_away()),
        };
        noted.map_err(failed)?;
        Ok(moved)
    }
}

/// A server that is trusted again by our word alone, not by the time that passes.
fn server(url: &str, options: &RedisOptions, runtime: &Runtime) -> Result<Redis, Failure> {
    let namespace = redis::namespace(url).map_err(Failure::bad_input)?;
    let known = journal::known(&namespace);
    let options = RedisOptions { known, rearm: Rearm::ByHand, ..options.clone() };
    runtime.block_on(Redis::open(url, options)).map(|opened| opened.store).map_err(failed)
}

/// Refuses a server that gateways use.
fn nobody_uses(store: &Redis, url: &str, runtime: &Runtime) -> Result<(), Failure> {
    let us = Member(u128::from(seawall_core::CallId::new().low()));
    let group: Arc<str> = GATEWAYS.into();
    let here = presence::Ask::Here(us, Duration::from_millis(100));
    let there = runtime.block_on(store.presence(&group, here)).map_err(failed)?;
    // It is over in a moment by itself.
    let _ = runtime.block_on(store.presence(&group, presence::Ask::Gone(us)));
    match there {
        0 | 1 => Ok(()),
        others => Err(Failure::failed(format_args!(
            "{} {} is in use by {} gateways: stop them, and wait a quarter of a minute",
            Code::StateInUse,
            plain(url),
            others - 1
        ))),
    }
}

fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::InUse(why) => Failure::failed(format_args!("{} {why}", Code::StateInUse)),
        error => Failure::failed(format_args!("{error}")),
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
