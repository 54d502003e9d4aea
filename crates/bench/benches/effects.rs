//! Effects per second through the embedded journal: each is begun and completed, both on the disk before the next step.
//!
//! `cargo bench -p seawall-bench --bench effects -- [folder] [effects known before] [part of a run's name]`. The folder
//! must lie on a disk: on a memory file system the numbers mean nothing. Other programs on the machine cost more than it
//! seems: whoever waited for the disk waits for a processor afterwards. For fsyncs per effect, run one run under
//! `strace -f -c -e trace=fsync`.

#![allow(clippy::print_stdout, reason = "a table for people")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use seawall_core::clock::{Clock, SystemClock};
use seawall_core::effect::{Answer, Begin, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Truth};
use seawall_core::store::Store;
use seawall_store::sqlite::{Ack, Options, Sqlite};

/// A run: who asks, how many effects each, and how outcomes are answered.
struct Run {
    name: &'static str,
    submitters: u32,
    each: u32,
    ack: Ack,
}

const RUNS: [Run; 4] = [
    Run { name: "1 submitter", submitters: 1, each: 4000, ack: Ack::Durable },
    Run { name: "1 submitter, outcome answered early", submitters: 1, each: 4000, ack: Ack::Taken },
    Run { name: "64 submitters", submitters: 64, each: 3000, ack: Ack::Durable },
    Run { name: "64 submitters, outcome answered early", submitters: 64, each: 3000, ack: Ack::Taken },
];

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
    let folder = words.next().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let before: u32 = words.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let part = words.next().unwrap_or_default();
    println!("effects known before: {before}; times in ms\n");
    println!("| run | effects/s | p50 | p99 | p99.9 | worst |");
    println!("|---|---|---|---|---|---|");
    let mut opened = Vec::new();
    for run in RUNS.iter().filter(|run| run.name.contains(&part)) {
        let dir = tempfile::tempdir_in(&folder).expect("a folder on a disk");
        measure(run, dir.path(), before);
        if run.submitters > 1 && run.ack == Ack::Durable {
            opened.push(opening(dir.path()));
        }
    }
    opened.iter().for_each(|line| println!("\n{line}"));
}

/// How long it takes to open what a run has left.
fn opening(dir: &Path) -> String {
    let size = std::fs::metadata(dir.join("effects.db")).map_or(0, |file| file.len()) >> 20;
    let time = |full_check| {
        let began = SystemClock::new().now();
        Sqlite::open(dir, &Options { full_check, ..Options::default() }).expect("a journal");
        SystemClock::new().now().since(began).as_millis()
    };
    let (all, none) = (time(u64::MAX), time(0));
    format!("opened and closed, {size} MiB: {all} ms when every byte is checked, {none} ms when not")
}

fn measure(run: &Run, dir: &Path, before: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let opened = Sqlite::open(dir, &Options::default()).expect("a journal");
        let store = Arc::new(opened.store);
        let per = before / 64;
        crowd(&store, 64, per, u32::MAX, Ack::Taken).await;
        let began = SystemClock::new().now();
        let mut times = crowd(&store, run.submitters, run.each, 0, run.ack).await;
        let took = SystemClock::new().now().since(began);
        times.sort_unstable();
        let at = |share: f64| {
            let place = ((times.len() - 1) as f64 * share) as usize;
            times[place].as_secs_f64() * 1e3
        };
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
            run.name,
            times.len() as f64 / took.as_secs_f64(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    });
}

/// How long each effect took, from the wish to the noted outcome.
async fn crowd(store: &Arc<Sqlite>, submitters: u32, each: u32, space: u32, ack: Ack) -> Vec<Duration> {
    let tasks: Vec<_> = (0..submitters)
        .map(|who| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each as usize);
                for number in 0..each {
                    let began = SystemClock::new().now();
                    effect(&store, space, who, number, ack).await;
                    times.push(SystemClock::new().now().since(began));
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a submitter"));
    }
    all
}

async fn effect(store: &Sqlite, space: u32, who: u32, number: u32, ack: Ack) {
    let id = [space.to_be_bytes(), who.to_be_bytes(), number.to_be_bytes()].concat();
    let key = Key::of("bench", "order", &id, 0);
    let wish = Begin {
        key,
        label: format!("bench:effect:order:{key}").into(),
        print: Fingerprint::of(&[&id]),
        nonce: Nonce(u128::from(number) << 32 | u128::from(who)),
        nature: Nature::Opaque,
        age: None,
        lease: Duration::from_secs(30),
        call: Duration::from_secs(20),
        settle: Duration::from_secs(90),
        max_attempts: 3,
        keep: Keep::default(),
    };
    let told = store.ask(Operation::Begin(wish)).await.expect("an answer");
    let Answer::Run(token) = told.answer else { panic!("{:?}", told.answer) };
    let result: Arc<[u8]> =
        Arc::from(&br#"{"orderId": 28457, "status": "FILLED", "executedQty": "0.5"}"#[..]);
    let outcome = Outcome::Ended(Truth::Applied, Some(result));
    let told = store.ask_with(Operation::Complete { key, token, outcome }, ack).await.expect("an answer");
    assert_eq!(told.answer, Answer::Ok);
}
