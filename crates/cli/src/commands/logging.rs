//! The log of a program that serves: opened when its configuration asks for it, and followed from one to the next.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use seawall_signals::logs::{Logs, Options, Secrets};

/// How long the end waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is written down, and what must not be.
#[derive(Clone, Default)]
pub(super) struct Logging {
    /// Every value that was ever resolved.
    pub(super) secrets: Secrets,
    open: Arc<Mutex<Option<Open>>>,
}

struct Open {
    options: Options,
    logs: Logs,
}

impl Logging {
    /// The log that options ask for: the one that is open where nothing about it has changed, its files opened anew.
    /// What could not be opened is said, and what was open stays so.
    pub(super) fn follow(&self, options: Option<&Options>) -> Result<Option<Logs>, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(options) = options else {
            *open = None;
            return Ok(None);
        };
        if let Some(open) = open.as_ref().filter(|open| open.options == *options) {
            open.logs.reopen();
            return Ok(Some(open.logs.clone()));
        }
        let opened = match &options.directory {
            Some(_) => Logs::in_files(options.clone(), &self.secrets),
            None => Logs::into_writer(options.clone(), &self.secrets, std::io::stderr()),
        };
        let logs = opened.map_err(|why| match &options.directory {
            Some(directory) => format!("no log can be written in {}: {why}", directory.display()),
            None => format!("no log can be written: {why}"),
        })?;
        *open = Some(Open { options: options.clone(), logs: logs.clone() });
        Ok(Some(logs))
    }

    /// The log as it is now, and whether it goes where people read too.
    pub(super) fn now(&self) -> Option<(Logs, bool)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| (open.logs.clone(), open.options.directory.is_none()))
    }

    /// Brings the last lines to the disk.
    pub(super) fn end(&self) {
        if let Some((logs, _)) = self.now() {
            logs.flush(PATIENCE);
        }
    }
}
