//! Takes requests by socket, writes them down, answers.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Answer, Book, Entry, Numbered, Question, Verdict};
use crate::words::{At, What, line, nanos, now};

/// What is known, and the book.
pub(super) struct Desk {
    window: Duration,
    written: Mutex<Written>,
    held: AtomicUsize,
}

struct Written {
    book: Book,
    /// The first of each key: its number, what was done, when.
    first: HashMap<String, (u64, String, At)>,
    fences: HashMap<String, u64>,
    named: HashMap<What, (u64, String)>,
}

/// Serves for ever. `window` is how long a key is recognised; `told` hears where it listens, and where by HTTP.
pub async fn serve(
    book: &Path,
    window: Duration,
    told: impl FnOnce(SocketAddr, SocketAddr),
) -> io::Result<()> {
    let book = Book::open(book)?;
    let written = Written { book, first: HashMap::new(), fences: HashMap::new(), named: HashMap::new() };
    let desk = Arc::new(Desk { window, written: Mutex::new(written), held: AtomicUsize::new(0) });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let by_http = TcpListener::bind("127.0.0.1:0").await?;
    told(listener.local_addr()?, by_http.local_addr()?);
    tokio::spawn(super::http::serve(desk.clone(), by_http));
    loop {
        let (stream, _) = listener.accept().await?;
        let desk = desk.clone();
        tokio::spawn(async move { listen(&desk, stream).await });
    }
}

/// One connection. What was asked on it is done though it ends.
async fn listen(desk: &Arc<Desk>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (from, to) = stream.into_split();
    let (say, said) = mpsc::unbounded_channel();
    let mut writer = tokio::spawn(write(to, said));
    let mut lines = BufReader::new(from).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            // A reply was to be lost, and with it everything behind.
            _ = &mut writer => return,
        };
        let Ok(Some(line)) = line else { return };
        let Ok(asked) = serde_json::from_str::<Numbered<Question>>(&line) else { return };
        let (desk, say) = (desk.clone(), say.clone());
        tokio::spawn(async move {
            let answer = answer(&desk, asked.said).await;
            let _ = say.send(answer.map(|said| Numbered { id: asked.id, said }));
        });
    }
}

/// Writes replies, until one is to be lost.
async fn write(mut to: OwnedWriteHalf, mut said: mpsc::UnboundedReceiver<Option<Numbered<Answer>>>) {
    while let Some(Some(reply)) = said.recv().await {
        if to.write_all(line(&reply).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The reply; none is that it is to be lost.
pub(super) async fn answer(desk: &Desk, question: Question) -> Option<Answer> {
    match question {
        Question::Do { what, key, epoch, run, print, keyed, hold, silent, refuse } => {
            if hold > 0 {
                desk.held.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(hold)).await;
            }
            let answer = {
                let at = now();
                let entry = |verdict| {
                    let print = print.clone();
                    move |number| Entry { number, verdict, what, epoch, run, print, at }
                };
                let mut written = desk.written();
                let Written { book, first, fences, named } = &mut *written;
                let before = first
                    .get(&key)
                    .filter(|(.., when)| keyed && at.saturating_sub(*when) < nanos(desk.window));
                let verdict = match &before {
                    _ if refuse => Verdict::Refused,
                    _ if fences.get(&key).is_some_and(|fence| epoch < *fence) => Verdict::Fenced,
                    Some(_) => Verdict::Again,
                    None => Verdict::Done,
                };
                // A ledger that cannot write is no ledger: whoever runs it sees it end.
                let number = book.enter(entry(verdict)).expect("the ledger's file takes a line");
                match (verdict, before) {
                    (Verdict::Refused, _) => Answer::Refused,
                    (Verdict::Fenced, _) => Answer::Fenced,
                    (_, Some((number, print, _))) => {
                        Answer::Entered { number: *number, print: print.clone() }
                    }
                    (_, None) => {
                        first.insert(key, (number, print.clone(), at));
                        named.insert(what, (number, print.clone()));
                        Answer::Entered { number, print }
                    }
                }
            };
            if hold > 0 {
                desk.held.fetch_sub(1, Ordering::Relaxed);
            }
            (!silent).then_some(answer)
        }
        Question::Find { key, fence } => {
            let mut written = desk.written();
            if let Some(fence) = fence {
                let known = written.fences.entry(key.clone()).or_default();
                *known = fence.max(*known);
            }
            let found = written.first.get(&key).map(|(number, print, _)| (*number, print.clone()));
            Some(Answer::Found(found))
        }
        Question::Look { what } => Some(Answer::Found(desk.written().named.get(&what).cloned())),
        Question::Held => Some(Answer::Held(desk.held.load(Ordering::Relaxed))),
    }
}

impl Desk {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
