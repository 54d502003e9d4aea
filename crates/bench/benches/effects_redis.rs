//! Effects per second through a Redis server, beside the bare `SET NX PX` that locks are often made of, in the same run:
//! over one shared connection, as effects are, and over a connection for each task, as it is usually done.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use seawall_core::clock::{Clock, SystemClock};
use seawall_core::effect::{Answer, Begin, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Truth};
use seawall_core::store::Store;
use seawall_store::redis::{Check, Redis, RedisOptions};

/// How long each figure is taken, and how often; the best counts, because everything else on the machine only slows.
const SPAN: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 3;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (kept, settings) in [
            ("nothing kept", ["--appendonly", "no", "--appendfsync", "no"]),
            ("synced every second", ["--appendonly", "yes", "--appendfsync", "everysec"]),
            ("synced always", ["--appendonly", "yes", "--appendfsync", "always"]),
        ] {
            match measure(&settings).await {
                Some(lines) => lines.into_iter().for_each(|line| say(&format!("{kept:<20} {line}"))),
                None => say("skipped: redis-server is not here: apt-get install -y redis-server"),
            }
        }
    });
}

fn say(line: &str) {
    // Nobody is left to read: the figures are lost, and nothing else is.
    drop(writeln!(std::io::stdout(), "{line}"));
}

async fn measure(settings: &[&str]) -> Option<Vec<String>> {
    let directory = tempfile::tempdir().ok()?;
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
    command.arg(directory.path()).args(settings).stdout(Stdio::null());
    let _server = Server(command.spawn().ok()?);
    let bare = bare(port).await?;
    let url = format!("redis://127.0.0.1:{port}/0?namespace=bench");
    let options = RedisOptions {
        acknowledged: [Check::Persistence].into(),
        timeout: Duration::from_secs(20),
        memory_budget: u64::MAX,
        ..RedisOptions::default()
    };
    let store = Arc::new(Redis::open(&url, options).await.ok()?.store);
    let mut lines = Vec::new();
    for tasks in [1, 8, 64] {
        let shared = vec![bare.clone(); tasks];
        let set = best(tasks, &|task, n| set(shared[task].clone(), n)).await;
        let mut own = Vec::new();
        for _ in 0..tasks {
            own.push(self::bare(port).await?);
        }
        let each = best(tasks, &|task, n| self::set(own[task].clone(), n)).await;
        let store = &store;
        let begin = best(tasks, &|_, n| async move {
            store.ask(Operation::Begin(wish(n))).await.expect("answered");
        })
        .await;
        let effect = best(tasks, &|_, n| async move {
            let begun = store.ask(Operation::Begin(wish(n))).await.expect("answered");
            let Answer::Run(token) = begun.answer else { unreachable!("a new effect") };
            let outcome = Outcome::Ended(Truth::Applied, Some(b"{\"id\":\"ord_1234567\"}"[..].into()));
            store.ask(Operation::Complete { key: wish(n).key, token, outcome }).await.expect("answered");
        })
        .await;
        let share = |of: f64| begin / of * 100.0;
        lines.push(format!(
            "{tasks:>3} tasks  BEGIN {begin:>7.0}/s = {:>3.0} % of SET NX PX on connections of their own ({each:.0}/s), {:>3.0} % of \
             it on one ({set:.0}/s); whole effects {effect:>7.0}/s",
            share(each),
            share(set),
        ));
    }
    Some(lines)
}

async fn bare(port: u16) -> Option<MultiplexedConnection> {
    let client = redis::Client::open(("127.0.0.1", port)).ok()?;
    for _ in 0..200 {
        if let Ok(line) = client.get_multiplexed_async_connection().await {
            return Some(line);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

async fn set(mut line: MultiplexedConnection, n: u32) {
    let mut command = redis::cmd("SET");
    command.arg(format!("sw:{{bench:{:02x}}}:e:{n:032x}", n % 256)).arg("1").arg("NX").arg("PX").arg(30_000);
    command.query_async::<()>(&mut line).await.expect("set");
}

static NEXT: AtomicU32 = AtomicU32::new(0);

fn wish(n: u32) -> Begin {
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

/// Operations per second of so many tasks that each do one after the other.
async fn best<F: Future<Output = ()>>(tasks: usize, operation: &dyn Fn(usize, u32) -> F) -> f64 {
    let clock = SystemClock;
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (began, first) = (clock.now(), NEXT.load(Ordering::Relaxed));
        let task = async |task| {
            while clock.now().since(began) < SPAN {
                operation(task, NEXT.fetch_add(1, Ordering::Relaxed)).await;
            }
        };
        join_all((0..tasks).map(task)).await;
        let took = clock.now().since(began).as_secs_f64();
        best = best.max(f64::from(NEXT.load(Ordering::Relaxed) - first) / took);
    }
    best
}
