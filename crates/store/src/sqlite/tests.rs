//! The embedded journal: that it conforms, what it survives, what it refuses, and how it fails.

mod damage;
mod failure;
mod life;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{
    Answer, Begin, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Record, State, Token, Truth,
};
use seawall_core::store::{Store, StoreError};
use tempfile::TempDir;

use super::{Opened, Options, Sqlite};
use crate::conformance::{self, BEGAN};
use crate::time::Time;

/// How many of `all` cases are tried: a tenth, or all of them under `SEAWALL_LONG=1`.
fn steps(all: usize) -> usize {
    if std::env::var_os("SEAWALL_LONG").is_some() { all } else { all / 10 }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn at(dir: &Path, time: &Time) -> Opened {
    Sqlite::open_with(dir, &Options::default(), time.clone()).unwrap()
}

fn open(dir: &Path) -> Sqlite {
    at(dir, &Time::manual(BEGAN)).store
}

fn key(n: u32) -> Key {
    Key::of("test", "order", &n.to_be_bytes(), 0)
}

fn wish(n: u32) -> Begin {
    Begin {
        key: key(n),
        label: format!("test:effect:order:{n:04}").into(),
        print: Fingerprint::of(&[b"args"]),
        nonce: Nonce(u128::from(n)),
        nature: Nature::Opaque,
        age: None,
        lease: Duration::from_secs(30),
        call: Duration::from_secs(20),
        settle: Duration::from_secs(90),
        max_attempts: 3,
        keep: Keep::default(),
    }
}

async fn begin(store: &Sqlite, wish: Begin) -> Result<Token, StoreError> {
    let told = store.ask(Operation::Begin(wish)).await?;
    let Answer::Run(token) = told.answer else { panic!("{:?}", told.answer) };
    Ok(token)
}

async fn complete(
    store: &Sqlite,
    key: Key,
    token: Token,
    result: Option<Arc<[u8]>>,
) -> Result<Answer, StoreError> {
    let outcome = Outcome::Ended(Truth::Applied, result);
    Ok(store.ask(Operation::Complete { key, token, outcome }).await?.answer)
}

async fn peek(store: &Sqlite, key: Key) -> Option<Record> {
    let told = store.ask(Operation::Peek { key }).await.unwrap();
    let Answer::Found(record) = told.answer else { panic!("{:?}", told.answer) };
    record.map(|record| *record)
}

fn word(record: Option<&Record>) -> &'static str {
    record.map_or("absent", |record| record.state.as_str())
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .filter(|(name, _)| name == "effects.db" || name == "effects.db-wal")
        .collect();
    files.sort();
    files
}
