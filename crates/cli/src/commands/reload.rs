//! Reads a configuration again while it is served: after a signal, after its file changed, or when an operator says so.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use seawall::fleet;
use seawall_config::{Node, differences};
use seawall_core::{Code, Rejection};
use seawall_gateway::{Asked, Gateway};

use super::logging::Logging;
use super::{Source, serve};
use crate::output::{note, plain};
use crate::settings::{Effects, Findings, Purpose, Settings, State, is_secret, load, schema};

/// Changes told one by one; of more only the number is.
const TOLD: usize = 20;

/// A configuration that can be read again.
pub(super) struct Reread {
    source: Source,
    /// As it is in force.
    tree: Node,
    file: PathBuf,
    /// What was opened at the start.
    opened: (State, fleet::Options, Effects),
    /// What the file was when it was last read.
    seen: Option<u64>,
    logging: Logging,
}

impl Reread {
    pub(super) fn new(source: Source, tree: Node, settings: &Settings, logging: Logging) -> Self {
        let file = source.file();
        let seen = print(&file);
        let opened = (settings.state.clone(), settings.fleet.clone(), settings.effects.clone());
        Self { source, tree, file, opened, seen, logging }
    }

    /// Has the file changed since it was last read? One that is being replaced is not there for a moment: that is none.
    pub(super) fn has_changed(&self) -> bool {
        let now = print(&self.file);
        now.is_some() && now != self.seen
    }

    /// Reads it and puts it into force, all of it or nothing, and says which. Gives the number it has then, and what
    /// changed.
    pub(super) fn reload(&mut self, gateway: &Gateway, why: &str) -> Result<(u64, Vec<String>), Rejection> {
        self.seen = print(&self.file);
        let done = self.read(gateway);
        match &done {
            Ok((generation, changes)) => {
                note(format_args!("seawall: configuration {generation} is in force ({why})"));
                changes
                    .iter()
                    .take(TOLD)
                    .for_each(|change| note(format_args!("seawall:   {}", plain(change))));
                if changes.len() > TOLD {
                    note(format_args!("seawall:   and {} more", changes.len() - TOLD));
                }
            }
            Err(rejection) => {
                for line in rejection.reason.lines() {
                    note(format_args!("seawall: {}", plain(line)));
                }
                note(format_args!(
                    "seawall: nothing has changed ({why}): the configuration before stays in force"
                ));
            }
        }
        done
    }

    fn read(&mut self, gateway: &Gateway) -> Result<(u64, Vec<String>), Rejection> {
        let tree = self.source.tree().map_err(refused)?;
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
        let generation =
            gateway.reload(plan).map_err(|error| Rejection::new(error.code).because(error.message))?;
        self.tree = tree;
        Ok((generation, changes))
    }
}

/// An operator's wish, fulfilled or refused.
pub(super) fn answer(reread: Option<&mut Reread>, gateway: &Gateway, asked: Asked) {
    let said = match reread {
        Some(reread) => reread.reload(gateway, &format!("{}: {}", asked.by, asked.reason)),
        None => Err(Rejection::new(Code::NotAvailableYet)
            .because("this instance was started without a file to read again")),
    };
    // Whoever asked may have gone.
    let _ = asked.answer.send(said);
}

/// Every problem, a line each.
fn refused(findings: Findings) -> Rejection {
    let (errors, _) = findings.split(Purpose::Serve);
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Rejection::new(Code::ConfigurationInvalid).because(lines.join("\n"))
}

/// Tells one content of a file from another.
fn print(file: &std::path::Path) -> Option<u64> {
    let bytes = std::fs::read(file).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}
