//! The upstream itself: a listener on loopback and the script it plays.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use crate::connection::serve;
use crate::ledger::Ledger;
use crate::script::Script;

/// A listening upstream. Lives on the runtime that started it; dropping it ends every connection.
pub struct Upstream {
    addr: SocketAddr,
    stage: Arc<Stage>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

/// What all connections share.
pub(crate) struct Stage {
    pub(crate) ledger: Ledger,
    playing: RwLock<Arc<Playing>>,
}

/// A script and what had happened before it began.
pub(crate) struct Playing {
    pub(crate) script: Script,
    pub(crate) requests_before: u64,
    pub(crate) connections_before: u64,
}

impl Stage {
    pub(crate) fn playing(&self) -> Arc<Playing> {
        Arc::clone(&self.playing.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(script: impl Into<Script>) -> io::Result<Self> {
        Self::start_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), script).await
    }

    /// Listens on this address: to come back where an earlier upstream stopped.
    pub async fn start_on(addr: SocketAddr, script: impl Into<Script>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let playing = Playing { script: script.into(), requests_before: 0, connections_before: 0 };
        let stage = Arc::new(Stage { ledger: Ledger::begin(), playing: RwLock::new(Arc::new(playing)) });
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(listen(listener, Arc::clone(&stage), stopped));
        Ok(Self { addr, stage, stop: Some(stop), task: Some(task) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What happened so far; stays readable after the upstream is gone.
    pub fn ledger(&self) -> Ledger {
        self.stage.ledger.clone()
    }

    /// Plays another script from the next request on; its counts begin at 1. Replies under way are finished.
    pub fn play(&self, script: impl Into<Script>) {
        let ledger = &self.stage.ledger;
        let (requests_before, connections_before) =
            (ledger.request_count() as u64, ledger.connections() as u64);
        let playing = Playing { script: script.into(), requests_before, connections_before };
        *self.stage.playing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(playing);
    }

    /// Stops listening and ends every connection, finished or not. When this returns the port is free.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // The task may have ended already; then there is nothing to stop.
            let _ = stop.send(());
        }
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn listen(listener: TcpListener, stage: Arc<Stage>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(Arc::clone(&stage), stream));
                }
                // Out of file descriptors, or the peer left early: neither is cured by asking again at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// An address of loopback where nobody listens: connecting to it is refused.
pub async fn closed_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()
}

#[cfg(test)]
mod tests;
