//! What finished effects take: in the memory of a Redis server, in its file, and in the embedded journal's.
//!
//! `cargo bench -p seawall-bench --bench effect_sizes --profile dev -- [folder] [effects …]`; by default ten thousand, a
//! hundred thousand and a million, some minutes together. Nothing of it depends on the machine but how long it takes.

#![allow(clippy::print_stdout, reason = "a table for people")]

use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use seawall_core::effect::{Answer, Begin, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Truth};
use seawall_core::store::Store;
use seawall_store::redis::{Redis, RedisOptions};
use seawall_store::sqlite::{Options, Sqlite};

/// A short result: what an exchange says of an order it has taken.
const RESULT: &[u8] = b"{\"id\":\"ord_1234567\"}";
const COUNTS: [u64; 3] = [10_000, 100_000, 1_000_000];
const TASKS: usize = 64;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (numbers, folders): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.parse::<u64>().is_ok());
    let folder = folders.first().map_or(env!("CARGO_TARGET_TMPDIR"), |folder| folder.as_str());
    let mut counts: Vec<u64> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
    if counts.is_empty() {
        counts.extend(COUNTS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let label = wish(0).label.len();
    println!("labels of {label} bytes, results of {}; bytes for each finished effect\n", RESULT.len());
    println!("| effects | Redis: memory | the record alone | its file | embedded: file |");
    println!("|---|---|---|---|---|");
    for count in counts {
        let redis = runtime.block_on(redis(Path::new(folder), count));
        let (memory, record, file) = redis.unwrap_or_else(|| {
            println!("redis-server is not here: apt-get install -y redis-server");
            (f64::NAN, 0, f64::NAN)
        });
        let embedded = runtime.block_on(embedded(Path::new(folder), count));
        println!("| {count} | {memory:.0} | {record} | {file:.0} | {embedded:.0} |");
    }
}

/// What the server's memory grew by, what it says of one record, and what its file grew by.
async fn redis(folder: &Path, count: u64) -> Option<(f64, u64, f64)> {
    let directory = tempfile::tempdir_in(folder).expect("a folder on a disk");
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0"]);
    let _server = Server(command.arg("--dir").arg(directory.path()).stdout(Stdio::null()).spawn().ok()?);
    let mut line = line(port).await?;
    let options =
        RedisOptions { timeout: Duration::from_secs(20), memory_budget: u64::MAX, ..RedisOptions::default() };
    let url = format!("redis://127.0.0.1:{port}/0?namespace=bench");
    let store = Redis::open(&url, options).await.expect("a store").store;
    // One alone, while names are few enough to be looked through.
    fill(&store, 0..1).await;
    let names: Vec<String> = redis::cmd("KEYS").arg("*:e:*").query_async(&mut line).await.expect("names");
    let mut usage = redis::cmd("MEMORY");
    usage.arg("USAGE").arg(names.first()).arg("SAMPLES").arg(0);
    let one: u64 = usage.query_async(&mut line).await.expect("a size");
    let (memory, file) = (said(&mut line, "used_memory").await, said(&mut line, "aof_current_size").await);
    fill(&store, 1..count + 1).await;
    // What is being written is counted apart.
    while said(&mut line, "aof_buffer_length").await > 0.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let grown = said(&mut line, "used_memory").await - memory;
    let written = said(&mut line, "aof_current_size").await - file;
    Some((grown / count as f64, one, written / count as f64))
}

async fn line(port: u16) -> Option<MultiplexedConnection> {
    let client = redis::Client::open(("127.0.0.1", port)).ok()?;
    for _ in 0..200 {
        if let Ok(line) = client.get_multiplexed_async_connection().await {
            return Some(line);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

/// A number of INFO.
async fn said(line: &mut MultiplexedConnection, name: &str) -> f64 {
    let text: String = redis::cmd("INFO").query_async(line).await.expect("INFO");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(f64::NAN)
}

/// The size of the file once its log is folded into it.
async fn embedded(folder: &Path, count: u64) -> f64 {
    let directory = tempfile::tempdir_in(folder).expect("a folder on a disk");
    let store = Sqlite::open(directory.path(), &Options::default()).expect("a journal").store;
    fill(&store, 0..count).await;
    drop(store);
    let size = |name: &str| std::fs::metadata(directory.path().join(name)).map_or(0, |file| file.len());
    (size("effects.db") + size("effects.db-wal")) as f64 / count as f64
}

/// Begins and ends these effects, many at once.
async fn fill(store: &dyn Store, effects: Range<u64>) {
    let next = Arc::new(AtomicU64::new(effects.start));
    let task = async |next: Arc<AtomicU64>| {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= effects.end {
                break;
            }
            let begun = store.ask(Operation::Begin(wish(n))).await.expect("answered");
            let Answer::Run(token) = begun.answer else { panic!("{:?}", begun.answer) };
            let outcome = Outcome::Ended(Truth::Applied, Some(RESULT.into()));
            let ended = Operation::Complete { key: wish(n).key, token, outcome };
            assert_eq!(store.ask(ended).await.expect("answered").answer, Answer::Ok);
        }
    };
    join_all((0..TASKS).map(|_| task(next.clone()))).await;
}

fn wish(n: u64) -> Begin {
    Begin {
        key: Key::of("bench", "order", &n.to_be_bytes(), 0),
        label: format!("bench:effect:order:8f0c2b1e-5d1f-4d0a-9f6e-{n:012}").into(),
        print: Fingerprint::of(&[b"buy 1"]),
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
