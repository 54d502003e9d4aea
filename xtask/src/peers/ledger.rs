//! The far side of every contestant: it does what it is asked to as often as it is asked, and is never killed.
//!
//! One line a connection: `ready WISH`, `do WISH`, `find WISH`. What it does is a line of a file, and nothing else.

use crate::process::interrupted;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// What happens to the first call for a wish; every later one is done and answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Play {
    /// It is done and answered.
    Plain,
    /// The question before it is never answered, so that it is not made.
    HoldBefore,
    /// It is done, and its caller waits for ever.
    HoldReply,
    /// It is done, and the connection is closed.
    LoseReply,
    /// The same, and for so long whoever asks is told that it was not done.
    Hidden(Duration),
    /// It is done at once, and answered so much later.
    SlowReply(Duration),
    /// It was on its way for so long: it is done then, though nobody may be there any more.
    Late(Duration),
}

/// The far side, on a port of its own for as long as this process lives.
#[derive(Clone)]
pub(super) struct Ledger {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

struct Book {
    play: Play,
    file: File,
    /// The lines of each wish.
    done: HashMap<String, Vec<u64>>,
    /// Wishes whose first call came to its play.
    met: HashMap<String, Instant>,
    lines: u64,
    /// Calls that are on their way.
    coming: u32,
}

impl Ledger {
    /// Opens the book at `file` and serves.
    pub(super) fn open(file: &Path, play: Play) -> Result<Ledger, String> {
        let told = |error: std::io::Error| format!("the ledger: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(told)?;
        let address = listener.local_addr().map_err(told)?;
        let file = File::create(file).map_err(told)?;
        let (done, met) = (HashMap::new(), HashMap::new());
        let book = Arc::new(Mutex::new(Book { play, file, done, met, lines: 0, coming: 0 }));
        let ledger = Ledger { address, book };
        let serving = ledger.clone();
        thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let serving = serving.clone();
                // A caller that hangs up has its own to tell.
                thread::spawn(move || serving.serve(line).unwrap_or_default());
            }
        });
        Ok(ledger)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often a wish was done.
    pub(super) fn count(&self, wish: &str) -> u32 {
        self.book().done.get(wish).map_or(0, |lines| u32::try_from(lines.len()).unwrap_or(u32::MAX))
    }

    /// Waits until the first calls for so many wishes have come to their play.
    pub(super) fn wait_until_met(&self, wishes: usize, limit: Duration) -> Result<(), String> {
        self.wait(limit, |book| book.met.len() >= wishes)
            .map_err(|book| format!("{} of {wishes} wishes came to the ledger", book.met.len()))
    }

    /// Waits until nothing is on its way any more.
    pub(super) fn wait_until_quiet(&self, limit: Duration) -> Result<(), String> {
        self.wait(limit, |book| book.coming == 0)
            .map_err(|book| format!("{} calls are still on their way", book.coming))
    }

    fn wait(
        &self,
        limit: Duration,
        done: impl Fn(&Book) -> bool,
    ) -> Result<(), std::sync::MutexGuard<'_, Book>> {
        let until = Instant::now() + limit;
        loop {
            let book = self.book();
            if done(&book) {
                return Ok(());
            }
            if interrupted() || Instant::now() > until {
                return Err(book);
            }
            drop(book);
            sleep(Duration::from_millis(5));
        }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, line: TcpStream) -> std::io::Result<()> {
        let mut line = BufReader::new(line);
        let mut question = String::new();
        line.read_line(&mut question)?;
        let Some((verb, wish)) = question.trim_end().split_once(' ') else { return Ok(()) };
        let answer = match verb {
            "ready" => {
                if self.play_of(wish, |play| play == Play::HoldBefore).is_some() {
                    return hang(&mut line);
                }
                "go".to_owned()
            }
            "do" => match self.deed(wish, &mut line)? {
                Some(number) => number.to_string(),
                None => return Ok(()),
            },
            _ => self.book().find(wish).map_or_else(|| "none".to_owned(), |number| number.to_string()),
        };
        writeln!(line.get_mut(), "{answer}")
    }

    /// Does it, by the play of the first call; nothing where it is not to be answered.
    fn deed(&self, wish: &str, line: &mut BufReader<TcpStream>) -> std::io::Result<Option<u64>> {
        let play = self.play_of(wish, |play| play != Play::HoldBefore).unwrap_or(Play::Plain);
        if let Play::Late(late) = play {
            sleep(late);
            self.book().coming -= 1;
        }
        let number = self.book().write(wish)?;
        match play {
            Play::HoldReply => hang(line)?,
            Play::LoseReply | Play::Hidden(_) => {}
            Play::SlowReply(slow) => {
                sleep(slow);
                return Ok(Some(number));
            }
            Play::Plain | Play::HoldBefore | Play::Late(_) => return Ok(Some(number)),
        }
        Ok(None)
    }

    /// The play, where it fits and this is the first call for the wish that comes to it.
    fn play_of(&self, wish: &str, fits: impl Fn(Play) -> bool) -> Option<Play> {
        let mut book = self.book();
        let play = book.play;
        let first = fits(play) && !book.met.contains_key(wish);
        if first {
            book.met.insert(wish.to_owned(), Instant::now());
            book.coming += u32::from(matches!(play, Play::Late(_)));
        }
        first.then_some(play)
    }
}

impl Book {
    fn write(&mut self, wish: &str) -> std::io::Result<u64> {
        self.lines += 1;
        writeln!(self.file, "{} {wish}", self.lines)?;
        self.done.entry(wish.to_owned()).or_default().push(self.lines);
        Ok(self.lines)
    }

    /// What whoever asks is told: the first line of the wish.
    fn find(&self, wish: &str) -> Option<u64> {
        match (self.play, self.met.get(wish)) {
            (Play::Hidden(long), Some(since)) if since.elapsed() < long => None,
            _ => self.done.get(wish)?.first().copied(),
        }
    }
}

/// Says nothing until the caller is gone.
fn hang(line: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    line.read_to_end(&mut Vec::new()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(ledger: &Ledger, line: &str) -> String {
        let mut stream = TcpStream::connect(ledger.address()).unwrap();
        writeln!(stream, "{line}").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }

    fn book() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("ledger-{}-{:?}", std::process::id(), thread::current().id()))
    }

    #[test]
    fn it_does_what_it_is_asked_as_often_as_it_is_asked() {
        let file = book();
        let ledger = Ledger::open(&file, Play::Plain).unwrap();
        assert_eq!(says(&ledger, "find a"), "none");
        assert_eq!((says(&ledger, "do a"), says(&ledger, "do a")), ("1".into(), "2".into()));
        assert_eq!((ledger.count("a"), says(&ledger, "find a")), (2, "1".into()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "1 a\n2 a\n");
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn what_is_hidden_shows_later() {
        let file = book();
        let ledger = Ledger::open(&file, Play::Hidden(Duration::from_millis(50))).unwrap();
        assert_eq!((says(&ledger, "do a"), says(&ledger, "find a")), (String::new(), "none".into()));
        sleep(Duration::from_millis(60));
        assert_eq!(says(&ledger, "find a"), "1");
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn only_the_first_call_for_a_wish_is_played_with() {
        let file = book();
        let ledger = Ledger::open(&file, Play::LoseReply).unwrap();
        assert_eq!((says(&ledger, "do a"), ledger.count("a")), (String::new(), 1));
        assert_eq!((says(&ledger, "do a"), ledger.count("a")), ("2".into(), 2));
        ledger.wait_until_met(1, Duration::ZERO).unwrap();
        assert!(ledger.wait_until_met(2, Duration::ZERO).unwrap_err().contains("1 of 2"));
        std::fs::remove_file(file).unwrap();
    }
}
