//! The Redis store against real servers, each private to its test.

mod cable;
mod checks;
mod conformance;
mod faults;
mod fleet;
mod jobs;
mod loss;
mod moving;
mod records;
mod replicas;
mod secrets;
mod server;

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{
    Answer, Begin, Fingerprint, Keep, Key, Nature, Nonce, Note, Operation, Outcome, Record, Token, Truth,
};
use seawall_core::store::{Store, StoreError};
use seawall_store::redis::{Check, Redis, RedisOptions};

/// A wish to run effect `n`, the first time it is wished.
fn wish(n: u32) -> Begin {
    Begin {
        key: Key::of("test", "order", &n.to_be_bytes(), 0),
        label: format!("test:effect:order:8f0c2b1e-5d1f-4d0a-9f6e-{n:012}").into(),
        print: Fingerprint::of(&[&n.to_be_bytes()]),
        nonce: Nonce(u128::from(n) + 1),
        nature: Nature::Opaque,
        age: None,
        lease: Duration::from_secs(30),
        call: Duration::from_secs(20),
        settle: Duration::from_secs(90),
        max_attempts: 3,
        keep: Keep::default(),
    }
}

/// Options that are quick to notice, and with which a test may forget.
fn options() -> RedisOptions {
    RedisOptions { check_every: Duration::from_millis(100), ..RedisOptions::default() }
}

/// The same, for a server that keeps nothing.
fn careless() -> RedisOptions {
    RedisOptions { acknowledged: [Check::Persistence].into(), ..options() }
}

async fn open(url: &str, options: RedisOptions) -> Redis {
    Redis::open(url, options).await.expect("it opens").store
}

async fn begin(store: &Redis, begin: Begin) -> Result<Answer, StoreError> {
    store.ask(Operation::Begin(begin)).await.map(|told| told.answer)
}

/// Begins, and must be allowed to.
async fn run(store: &Redis, wish: Begin) -> Token {
    match begin(store, wish).await {
        Ok(Answer::Run(token)) => token,
        other => panic!("not granted: {other:?}"),
    }
}

async fn end(store: &Redis, key: Key, token: Token, result: &[u8]) -> Answer {
    let outcome = Outcome::Ended(Truth::Applied, Some(result.into()));
    store.ask(Operation::Complete { key, token, outcome }).await.expect("the store answers").answer
}

async fn peek(store: &Redis, key: Key) -> Option<Record> {
    match store.ask(Operation::Peek { key }).await.expect("the store answers").answer {
        Answer::Found(record) => record.map(|record| *record),
        other => panic!("{other:?}"),
    }
}

async fn notes(store: &Redis, operation: Operation) -> Vec<Note> {
    store.ask(operation).await.expect("the store answers").notes
}

/// Until the server is there again, asks whether it is.
async fn back(store: &Redis) {
    for _ in 0..500 {
        if store.ask(Operation::Peek { key: wish(0).key }).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came back");
}

fn bytes(result: &Answer) -> Option<Arc<[u8]>> {
    match result {
        Answer::Replay(_, result) => result.clone(),
        other => panic!("no replay: {other:?}"),
    }
}
