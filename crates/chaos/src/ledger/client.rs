//! Speaks to the ledger: many questions at once on a few connections, and for each that fails whether it may have been
//! heard.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Answer, Numbered, Question};
use crate::words::line;

/// Connections of one client: what is cut takes a part of what is under way with it.
const LINES: usize = 4;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// No byte of the question has left.
    NotSent,
    /// It may have been heard.
    Unknown,
}

/// A client of the ledger.
#[derive(Debug)]
pub struct Client {
    ledger: SocketAddr,
    lines: [tokio::sync::Mutex<Option<Line>>; LINES],
    asked: AtomicU64,
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>;

#[derive(Debug)]
struct Line {
    to: OwnedWriteHalf,
    waiting: Waiting,
    ended: Arc<AtomicBool>,
}

impl Client {
    /// A client of the ledger that listens there. Connects when something is asked.
    pub fn new(ledger: SocketAddr) -> Self {
        Self { ledger, lines: Default::default(), asked: AtomicU64::new(0) }
    }

    /// Asks, and waits for at most so long. `sent` is called when the last byte has left.
    pub async fn ask(
        &self,
        question: Question,
        within: Duration,
        sent: impl FnOnce(),
    ) -> Result<Answer, Lost> {
        let id = self.asked.fetch_add(1, Ordering::Relaxed);
        // From the first byte on, nobody knows.
        let began = AtomicBool::new(false);
        let asked = timeout(within, self.put(id, question, &began)).await;
        let answer = match asked {
            Ok(Ok(answer)) => {
                sent();
                timeout(within, answer).await
            }
            Ok(Err(lost)) => return Err(lost),
            Err(_) if began.load(Ordering::Relaxed) => return Err(Lost::Unknown),
            Err(_) => return Err(Lost::NotSent),
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(Lost::Unknown),
        }
    }

    async fn put(
        &self,
        id: u64,
        question: Question,
        began: &AtomicBool,
    ) -> Result<oneshot::Receiver<Answer>, Lost> {
        let place = usize::try_from(id).unwrap_or(0) % LINES;
        let mut place = self.lines[place].lock().await;
        // Taken out while it is written to: whoever is dropped in the middle leaves no half line behind.
        let mut there = match place.take().filter(|line| !line.ended.load(Ordering::Acquire)) {
            Some(there) => there,
            None => Line::to(self.ledger).await.ok_or(Lost::NotSent)?,
        };
        let (answer, answered) = oneshot::channel();
        waiting(&there.waiting).insert(id, answer);
        began.store(true, Ordering::Relaxed);
        let text = line(&Numbered { id, said: question });
        if there.to.write_all(text.as_bytes()).await.is_err() {
            return Err(Lost::Unknown);
        }
        if there.ended.load(Ordering::Acquire) {
            // Its reader may have gone before it could have heard of us.
            waiting(&there.waiting).remove(&id);
        }
        *place = Some(there);
        Ok(answered)
    }
}

impl Line {
    async fn to(ledger: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(ledger).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (from, to) = stream.into_split();
        let (all, ended) = (Waiting::default(), Arc::new(AtomicBool::new(false)));
        tokio::spawn(hear(from, all.clone(), ended.clone()));
        Some(Self { to, waiting: all, ended })
    }
}

/// Hands out answers until the connection ends; whoever still waits then is told by the end of its channel.
async fn hear(from: OwnedReadHalf, all: Waiting, ended: Arc<AtomicBool>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(Numbered { id, said }) = serde_json::from_str::<Numbered<Answer>>(&line) else { break };
        if let Some(answer) = waiting(&all).remove(&id) {
            let _ = answer.send(said);
        }
    }
    ended.store(true, Ordering::Release);
    waiting(&all).clear();
}

fn waiting(all: &Waiting) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
