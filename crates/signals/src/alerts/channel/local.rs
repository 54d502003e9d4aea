//! Notices that stay on this machine: a line for each alert, for people on the console, for programs in a file.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::webhook::body;
use super::{Channel, Delivering, Failure};
use crate::alerts::Notice;
use crate::place::private;

/// Says a line to whoever sits there.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

pub(super) struct Console {
    pub(super) say: Say,
}

impl Channel for Console {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
        Box::pin(async move {
            for item in &notice.items {
                (self.say)(&format!("{}: {}; {}", item.headline(), item.summary, item.why));
            }
            Ok("shown".to_owned())
        })
    }

    fn kind(&self) -> &'static str {
        "console"
    }
}

/// One JSON object a line, the same as the body of a webhook.
pub(super) struct Log {
    pub(super) path: PathBuf,
}

impl Channel for Log {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
        let mut lines = Vec::new();
        for item in &notice.items {
            lines.extend(body(notice, item));
            lines.push(b'\n');
        }
        let path = self.path.clone();
        Box::pin(async move {
            // Opened anew each time: a file that was moved away is not written to any more.
            let write =
                move || private(OpenOptions::new().append(true).create(true)).open(path)?.write_all(&lines);
            match tokio::task::spawn_blocking(write).await {
                Ok(Ok(())) => Ok("written".to_owned()),
                Ok(Err(error)) => Err(Failure::later(format!("the file cannot be written: {error}"))),
                Err(_) => Err(Failure::later("the write was given up")),
            }
        })
    }

    fn kind(&self) -> &'static str {
        "log"
    }
}
