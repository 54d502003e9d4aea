//! Reads a configuration again while it is served: after a signal, after its file changed, or when an operator says so;
//! and goes back to an earlier one.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seawall::fleet;
use seawall_config::versions::{Cause, Deed, VersionError, Versions};
use seawall_config::{Node, differences};
use seawall_core::audit::Entry;
use seawall_core::{Code, Rejection};
use seawall_gateway::{Asked, Gateway, InForce, Wish};
use seawall_policy::probation::Counts;
use tokio::time::Instant;

use super::logging::Logging;
use super::watch::{GoBack, Settled, Shape, Tally, Watch};
use super::{Source, past, serve};
use crate::output::{note, plain};
use crate::settings::{Effects, Findings, Loaded, Purpose, Settings, State, is_secret, load, schema};

/// Changes told one by one; of more only the number is.
const TOLD: usize = 20;

/// A configuration that can be read again.
pub(super) struct Reread {
    source: Source,
    /// As it is in force.
    text: String,
    tree: Node,
    shape: Shape,
    file: PathBuf,
    /// What was opened at the start.
    opened: (State, fleet::Options, Effects),
    /// What the file was when it was last read.
    seen: Option<u64>,
    /// The same of files that it names, and that are looked at too.
    beside: Vec<(PathBuf, Option<u64>)>,
    logging: Logging,
    versions: Versions,
    /// The version that is in force.
    version: Option<u64>,
    /// What somebody must know about it.
    warning: Option<String>,
    watch: Watch,
    /// For how long a new one is watched.
    span: Option<Duration>,
}

/// What another configuration is put into force for.
#[derive(Debug, Clone)]
pub(super) struct Why {
    cause: Cause,
    by: Arc<str>,
    reason: Arc<str>,
}

impl Why {
    /// Nobody asked for it.
    pub(super) fn of(cause: Cause) -> Self {
        Self { cause, by: "".into(), reason: "".into() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::File => f.write_str("the file changed"),
            Cause::Signal => f.write_str("SIGHUP"),
            _ => write!(f, "{}: {}", self.by, self.reason),
        }
    }
}

/// A text that is about to be in force.
struct Next {
    text: String,
    tree: Node,
    loaded: Loaded,
    changes: Vec<String>,
    generation: u64,
    /// What was counted under the one before.
    before: Tally,
}

impl Reread {
    pub(super) fn new(
        source: Source,
        (text, tree): (String, Node),
        loaded: &Loaded,
        logging: Logging,
    ) -> Self {
        let file = source.file();
        let seen = print(&file);
        let settings = &loaded.settings;
        let beside = beside(settings);
        let opened = (settings.state.clone(), settings.fleet.clone(), settings.effects.clone());
        let versions = settings.versions();
        Self {
            source,
            text,
            tree,
            shape: Shape::of(loaded),
            file,
            opened,
            seen,
            beside,
            logging,
            versions,
            version: None,
            warning: None,
            watch: Watch::default(),
            span: settings.reload.watch,
        }
    }

    /// Keeps what it started with, before anybody is told where to call: the first calls are something to compare with.
    pub(super) fn begin(&mut self, gateway: &Gateway) {
        self.watch.sample(self.span, Instant::now(), &tally(gateway));
        self.kept(gateway, &Why::of(Cause::Start), 1, None);
    }

    /// Has the file changed since it was last read? One that is being replaced is not there for a moment: that is none.
    pub(super) fn has_changed(&self) -> bool {
        let now = print(&self.file);
        let other = |(file, seen): &(PathBuf, Option<u64>)| {
            let now = print(file);
            now.is_some() && now != *seen
        };
        now.is_some() && (now != self.seen || self.beside.iter().any(other))
    }

    /// Reads it and puts it into force, all of it or nothing, and says which.
    pub(super) fn reload(&mut self, gateway: &Gateway, why: &Why) -> Result<InForce, Rejection> {
        self.seen = print(&self.file);
        self.beside.iter_mut().for_each(|(file, seen)| *seen = print(file));
        let read = self.source.text().map_err(refused);
        let done = read.and_then(|text| self.next(gateway, text)).map(|next| {
            self.warning = None;
            self.moved(gateway, why, next, None)
        });
        self.told(why, done)
    }

    /// Puts an earlier version into force, all of it or nothing, and writes it into the file, so that a restart does not
    /// undo it. Where the file cannot be written it is in force all the same, and that is said.
    fn roll_back(
        &mut self,
        gateway: &Gateway,
        why: &Why,
        to: u64,
        sha256: Option<&str>,
    ) -> Result<InForce, Rejection> {
        let done = self.back(gateway, why, to, sha256);
        self.told(why, done)
    }

    fn back(
        &mut self,
        gateway: &Gateway,
        why: &Why,
        to: u64,
        sha256: Option<&str>,
    ) -> Result<InForce, Rejection> {
        let kept = past::fitting(&self.versions, to, sha256, &self.file).map_err(|error| {
            let code = match error {
                VersionError::None { .. } => Code::NoSuchThing,
                VersionError::Damaged(_) => Code::ConfigurationInvalid,
                VersionError::Io(_) => Code::FileUnreadable,
            };
            Rejection::new(code).because(error.to_string())
        })?;
        if kept.text == self.text {
            let same = format!("version {to} says what is in force already: nothing to go back to");
            return Err(Rejection::new(Code::ConfigurationInvalid).because(same));
        }
        let next = self.next(gateway, kept.text)?;
        Ok(self.gone_back(gateway, why, next, Some(to)))
    }

    /// An earlier one is in force: the file is to say so too.
    fn gone_back(&mut self, gateway: &Gateway, why: &Why, next: Next, again: Option<u64>) -> InForce {
        let sound = |text: &str| {
            self.source.tree_of(text, &self.file).and_then(|tree| load(tree).map(|_| ())).is_ok()
        };
        self.warning = match past::put(&self.versions, &self.file, &next.text, Some(&self.text), sound) {
            Ok(()) => None,
            Err(error) => Some(format!(
                "in force in memory only: {} cannot be written ({error}), and says otherwise: change it where it comes from, \
                 or the next start or reload takes it up again",
                self.file.display()
            )),
        };
        // What we wrote is no change to take up.
        self.seen = print(&self.file);
        self.moved(gateway, why, next, again)
    }

    /// Looks how what is in force does; goes back where it made something worse.
    pub(super) fn look(&mut self, gateway: &Gateway) {
        if self.span.is_none() {
            return;
        }
        let (now, tally) = (Instant::now(), tally(gateway));
        let found = self.watch.look(now, &tally);
        self.watch.sample(self.span, now, &tally);
        let Some(GoBack { settled, why }) = found else { return };
        let why = Why { cause: Cause::Watch, by: "seawall".into(), reason: why.into() };
        let done =
            self.next(gateway, settled.text).map(|next| self.gone_back(gateway, &why, next, settled.version));
        if self.told(&why, done).is_ok() {
            gateway.went_back(why.by, why.reason);
        }
    }

    /// Begins to watch what came into force, unless a person went back to it.
    fn watched(&mut self, gateway: &Gateway, why: &Why, before: &Tally, settled: Settled) {
        if matches!(why.cause, Cause::Rollback | Cause::Watch) || settled.text == self.text {
            if why.cause == Cause::Rollback {
                self.watch.end();
            }
            return;
        }
        let begun = (before, tally(gateway));
        if !self.watch.begin(self.span, Instant::now(), begun, settled, (&self.text, &self.shape)) {
            note("seawall: this configuration went back by itself before: it is not watched again");
        }
    }

    /// Puts a text into force: nothing has changed before all of it is known to be sound.
    fn next(&self, gateway: &Gateway, text: String) -> Result<Next, Rejection> {
        let tree = self.source.tree_of(&text, &self.file).map_err(refused)?;
        let schema = schema();
        let changes = differences(&self.tree, &tree, &|key| is_secret(&schema, key));
        let (loaded, findings) = load(tree.clone()).map_err(refused)?;
        let (state, fleet, effects) = &self.opened;
        let now = &loaded.settings;
        for (key, same) in [
            ("state", now.state == *state),
            ("fleet", now.fleet == *fleet),
            ("effects", now.effects == *effects),
        ] {
            if !same {
                let why = format!("{key} cannot change while it runs: restart it for that");
                return Err(Rejection::new(Code::ConfigurationInvalid).because(why));
            }
        }
        let plan = serve::plan_of(&loaded, findings, &self.logging).map_err(refused)?;
        let before = tally(gateway);
        let generation =
            gateway.reload(plan).map_err(|error| Rejection::new(error.code).because(error.message))?;
        Ok(Next { text, tree, loaded, changes, generation, before })
    }

    /// It is in force: from here on nothing fails.
    fn moved(&mut self, gateway: &Gateway, why: &Why, next: Next, again: Option<u64>) -> InForce {
        let Next { text, tree, loaded, changes, generation, before } = next;
        let settings = &loaded.settings;
        let (version, shape) = (self.version, Shape::of(&loaded));
        let former = std::mem::replace(&mut self.text, text);
        let settled = Settled { version, text: former, shape: std::mem::replace(&mut self.shape, shape) };
        self.beside = beside(settings);
        self.tree = tree;
        self.versions = settings.versions();
        self.span = settings.reload.watch;
        self.kept(gateway, why, generation, again);
        self.watched(gateway, why, &before, settled);
        let said = if why.by.is_empty() {
            ("seawall".into(), why.to_string().into())
        } else {
            (why.by.clone(), why.reason.clone())
        };
        let entry = Entry::open("config.in-force", "config").by(said.0).because(said.1);
        let told: Vec<&str> = changes.iter().take(TOLD).map(String::as_str).collect();
        let entry = entry
            .with("generation", generation)
            .with("version", self.version.unwrap_or_default())
            .with("changes", changes.len() as u64)
            .with("told", told.join("; "));
        gateway.note(entry);
        InForce { generation, version: self.version, changes, warning: self.warning.clone() }
    }

    /// Keeps what is in force. That it cannot be kept stops nothing, and is said.
    fn kept(&mut self, gateway: &Gateway, why: &Why, generation: u64, again: Option<u64>) {
        let deed = Deed { cause: why.cause, by: &why.by, reason: &why.reason, generation, again };
        match past::keep(&self.versions, &self.text, &self.file, &deed) {
            Ok(number) => self.version = Some(number),
            Err(error) => {
                self.version = None;
                let error = format!("this configuration is not kept as a version: {error}");
                note(format_args!("seawall: warning: {}", plain(&error)));
                self.warning.get_or_insert(error);
            }
        }
        gateway.know(past::known(&self.versions, self.version, self.warning.clone()));
    }

    fn told(&self, why: &Why, done: Result<InForce, Rejection>) -> Result<InForce, Rejection> {
        match &done {
            Ok(InForce { generation, changes, warning, .. }) => {
                note(format_args!(
                    "seawall: generation {generation} is in force ({})",
                    plain(&why.to_string())
                ));
                changes
                    .iter()
                    .take(TOLD)
                    .for_each(|change| note(format_args!("seawall:   {}", plain(change))));
                if changes.len() > TOLD {
                    note(format_args!("seawall:   and {} more", changes.len() - TOLD));
                }
                if let Some(warning) = warning {
                    note(format_args!("seawall: warning: {}", plain(warning)));
                }
            }
            Err(rejection) => {
                for line in rejection.reason.lines() {
                    note(format_args!("seawall: {}", plain(line)));
                }
                note(format_args!(
                    "seawall: nothing has changed ({}): the configuration before stays in force",
                    plain(&why.to_string())
                ));
            }
        }
        done
    }
}

/// An operator's wish, fulfilled or refused.
pub(super) fn answer(reread: Option<&mut Reread>, gateway: &Gateway, asked: Asked) {
    let Asked { wish, by, reason, answer } = asked;
    let said = match (reread, wish) {
        (Some(reread), Wish::Reload) => reread.reload(gateway, &Why { cause: Cause::Lever, by, reason }),
        (Some(reread), Wish::RollBack { to, sha256 }) => {
            reread.roll_back(gateway, &Why { cause: Cause::Rollback, by, reason }, to, sha256.as_deref())
        }
        (None, _) => Err(Rejection::new(Code::NotAvailableYet)
            .because("this instance was started without a file to read again")),
    };
    // Whoever asked may have gone.
    let _ = answer.send(said);
}

/// What is counted of everybody so far.
fn tally(gateway: &Gateway) -> Tally {
    let counts = gateway.counts().into_iter();
    counts.map(|(name, one)| (name, Counts { calls: one.calls, failed: one.failures })).collect()
}

/// Every problem, a line each.
fn refused(findings: Findings) -> Rejection {
    let (errors, _) = findings.split(Purpose::Serve);
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Rejection::new(Code::ConfigurationInvalid).because(lines.join("\n"))
}

/// Files whose change is a change of the configuration.
fn beside(settings: &Settings) -> Vec<(PathBuf, Option<u64>)> {
    let files = settings.tls_of_ports().flat_map(|(_, tls)| tls.files());
    files.map(|file| (file.clone(), print(&file))).collect()
}

/// Tells one content of a file from another.
fn print(file: &std::path::Path) -> Option<u64> {
    let bytes = std::fs::read(file).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}
