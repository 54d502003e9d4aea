//! Signals that end a program, or ask it for something.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::{Lifecycle, Report};

/// What somebody asked for by a signal, beside ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open the logs again.
    Reopen,
}

impl Lifecycle {
    /// Waits for SIGTERM or SIGINT and then ends the program in order; a second of them is in a hurry. What else is heard
    /// meanwhile is passed on. Fails if signals cannot be listened for; call it before anything is served, so that a stop
    /// during the start is one.
    pub async fn until_stopped(&self, mut heard: impl FnMut(Heard)) -> io::Result<Report> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (mut reload, mut reopen) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
        let why = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                _ = reload.recv() => heard(Heard::Reload),
                _ = reopen.recv() => heard(Heard::Reopen),
            }
        };
        let mut ending = std::pin::pin!(self.shutdown(why));
        loop {
            tokio::select! {
                report = &mut ending => return Ok(report),
                _ = terminate.recv() => self.hurry(),
                _ = interrupt.recv() => self.hurry(),
            }
        }
    }
}
