//! The command line, parsed once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::driver::Store;
use crate::effects::{CAMPAIGN, Times};
use crate::worker::{At, Bug, Setup};

/// Shown by `--help` and after a mistake.
pub const USAGE: &str = "\
usage: seawall-chaos <what>

  run [--store redis|sqlite|both] [--seconds N | --minutes N] [--seed S] [--gateway SEAWALL] [--json]
                      kills workers and the store while effects are done, and checks the ledger;
                      --gateway: of the seawall binary at that path, which is called with keys, instead of workers
  self-test [--seed S] [--control] [--json]
                      the same with mistakes made on purpose: each must be found; --control: in the same
                      circumstances without them, nothing must be found
  ledger --book FILE [--window MS]
  worker --ledger ADDR (--redis URL [--known FILE] | --sqlite DIR) [--times JSON] [--reconcile MS] [--bug NAME] [--ahead MS]
                      the processes the other two start

Exit codes: 0 everything holds, 1 something does not, 2 a mistake in the arguments, 3 it could not run.";

/// What was asked for.
#[derive(Debug, Clone)]
pub enum Task {
    /// A campaign.
    Run {
        /// On which stores.
        stores: Vec<Store>,
        /// How long blows fall on each.
        length: Duration,
        /// What the plan is drawn from.
        seed: u64,
        /// The `seawall` binary, where gateways do effects.
        gateway: Option<PathBuf>,
        /// For programs.
        json: bool,
    },
    /// Mistakes on purpose.
    SelfTest {
        /// What the plans are drawn from.
        seed: u64,
        /// Without the mistakes.
        control: bool,
        /// For programs.
        json: bool,
    },
    /// A ledger.
    Ledger {
        /// Its file.
        book: PathBuf,
        /// How long it recognises a key.
        window: Duration,
    },
    /// A worker.
    Worker(Box<Setup>),
    /// The usage.
    Help,
}

/// Turns arguments into a task, or says which word was wrong.
pub fn parse(words: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut words = Words(words);
    let task = words.0.next().ok_or("nothing was asked for")?;
    match task.as_str() {
        "run" => {
            let (mut stores, mut length) = (vec![Store::Redis, Store::Sqlite], Duration::from_secs(30));
            let (mut seed, mut json, mut gateway) = (2026, false, None);
            while let Some(word) = words.0.next() {
                match word.as_str() {
                    "--store" => stores = which(&words.value(&word)?)?,
                    "--seconds" => length = Duration::from_secs(words.span(&word, 86_400)?),
                    "--minutes" => length = Duration::from_secs(words.span(&word, 1440)? * 60),
                    "--seed" => seed = words.number(&word)?,
                    "--gateway" => {
                        let path = PathBuf::from(words.value(&word)?);
                        let found = path
                            .canonicalize()
                            .map_err(|error| format!("--gateway {}: {error}", path.display()));
                        gateway = Some(found?);
                    }
                    "--json" => json = true,
                    other => return Err(format!("run knows no {other:?}")),
                }
            }
            Ok(Task::Run { stores, length, seed, gateway, json })
        }
        "self-test" => {
            let (mut seed, mut json, mut control) = (2026, false, false);
            while let Some(word) = words.0.next() {
                match word.as_str() {
                    "--seed" => seed = words.number(&word)?,
                    "--control" => control = true,
                    "--json" => json = true,
                    other => return Err(format!("self-test knows no {other:?}")),
                }
            }
            Ok(Task::SelfTest { seed, control, json })
        }
        "ledger" => {
            let (mut book, mut window) = (None, Duration::from_secs(86_400));
            while let Some(word) = words.0.next() {
                match word.as_str() {
                    "--book" => book = Some(PathBuf::from(words.value(&word)?)),
                    "--window" => window = Duration::from_millis(words.number(&word)?),
                    other => return Err(format!("ledger knows no {other:?}")),
                }
            }
            Ok(Task::Ledger { book: book.ok_or("a ledger needs --book FILE")?, window })
        }
        "worker" => worker(words),
        "help" | "-h" | "--help" => Ok(Task::Help),
        other => Err(format!("nothing is called {other:?}")),
    }
}

fn worker(mut words: Words<impl Iterator<Item = String>>) -> Result<Task, String> {
    let (mut ledger, mut store, mut known, mut times) = (None, None, None, CAMPAIGN);
    let (mut reconcile, mut bug, mut ahead) = (None, None, None);
    while let Some(word) = words.0.next() {
        match word.as_str() {
            "--ledger" => ledger = Some(words.read::<SocketAddr>(&word)?),
            "--redis" => store = Some(At::Redis(words.value(&word)?, None)),
            "--known" => known = Some(PathBuf::from(words.value(&word)?)),
            "--sqlite" => store = Some(At::Sqlite(PathBuf::from(words.value(&word)?))),
            "--times" => {
                let text = words.value(&word)?;
                times = serde_json::from_str::<Times>(&text)
                    .map_err(|error| format!("--times {text}: {error}"))?;
            }
            "--reconcile" => reconcile = Some(Duration::from_millis(words.number(&word)?)),
            "--bug" => {
                let name = words.value(&word)?;
                let found = Bug::ALL.iter().find(|bug| bug.as_str() == name);
                bug = Some(*found.ok_or_else(|| format!("--bug: no mistake is called {name:?}"))?);
            }
            "--ahead" => ahead = Some(Duration::from_millis(words.number(&word)?)),
            other => return Err(format!("worker knows no {other:?}")),
        }
    }
    let ledger = ledger.ok_or("a worker needs --ledger ADDR")?;
    let store = match store.ok_or("a worker needs --redis URL or --sqlite DIR")? {
        At::Redis(url, _) => At::Redis(url, known),
        file => file,
    };
    Ok(Task::Worker(Box::new(Setup { store, ledger, times, reconcile, bug, ahead })))
}

fn which(word: &str) -> Result<Vec<Store>, String> {
    match word {
        "both" => Ok(vec![Store::Redis, Store::Sqlite]),
        "redis" => Ok(vec![Store::Redis]),
        "sqlite" => Ok(vec![Store::Sqlite]),
        other => Err(format!("--store {other}: write redis, sqlite or both")),
    }
}

struct Words<I>(I);

impl<I: Iterator<Item = String>> Words<I> {
    fn value(&mut self, flag: &str) -> Result<String, String> {
        self.0.next().ok_or_else(|| format!("{flag} wants a value"))
    }

    fn read<T: FromStr>(&mut self, flag: &str) -> Result<T, String> {
        let value = self.value(flag)?;
        value.parse().map_err(|_| format!("{flag} {value}: it cannot be read"))
    }

    fn number(&mut self, flag: &str) -> Result<u64, String> {
        self.read(flag)
    }

    fn span(&mut self, flag: &str, most: u64) -> Result<u64, String> {
        match self.number(flag)? {
            span if (1..=most).contains(&span) => Ok(span),
            other => Err(format!("{flag} {other}: write a number from 1 to {most}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn a_run_has_defaults_and_takes_others() {
        let Ok(Task::Run { stores, length, seed, json, .. }) = parsed("run") else { panic!() };
        assert_eq!((stores.len(), length.as_secs(), seed, json), (2, 30, 2026, false));
        let line = "run --minutes 10 --seed 7 --store sqlite --json";
        let Ok(Task::Run { stores, length, seed, json, gateway: None }) = parsed(line) else { panic!() };
        assert_eq!((stores, length.as_secs(), seed, json), (vec![Store::Sqlite], 600, 7, true));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (line, word) in [
            ("", "nothing"),
            ("rnu", "rnu"),
            ("run --seconds 0", "--seconds 0"),
            ("run --minutes 99999999999999999999", "--minutes"),
            ("run --store mongo", "mongo"),
            ("run --seed", "--seed"),
            ("run --gateway /not/here", "/not/here"),
            ("self-test --now", "--now"),
            ("ledger", "--book"),
            ("worker --ledger here", "here"),
            ("worker --ledger 127.0.0.1:1", "--redis"),
            ("worker --bug none", "none"),
            ("worker --times {}", "--times"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(word), "{line:?} answered {error:?}");
        }
    }
}
