//! A process of the fleet: it passes a shared limit as often as it can, and says when.

use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use seawall::fleet::{Fleet, Options};
use seawall::limiter::{self, Limiter, Queue};
use seawall_core::Clock;
use seawall_core::clock::wall_now;
use seawall_core::units::Rate;
use seawall_store::redis::{Check, Redis, RedisOptions};

use super::{COUNT, SPAN, Server, pause};

/// The wall clock of this machine, which all processes of a test go by.
pub(crate) fn now() -> Duration {
    wall_now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// Something a worker said.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) at: Duration,
    pub(crate) what: String,
}

impl Line {
    /// How long a question took whose answer was there at once.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.what.strip_prefix("took ")?.parse().ok().map(Duration::from_micros)
    }
}

/// A running worker, and what it has said so far.
pub(crate) struct Worker {
    child: Child,
    /// Closed, it ends.
    input: Option<ChildStdin>,
    said: Arc<Mutex<Vec<Line>>>,
    reader: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn start(server: &Server) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["worker", "--exact", "--ignored", "--nocapture"])
            .env("SEAWALL_TEST_STORE", server.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let said = said.clone();
            move || {
                for line in output.lines().map_while(Result::ok) {
                    let Some((at, what)) = line.strip_prefix("@").and_then(|line| line.split_once(' '))
                    else {
                        continue;
                    };
                    let Ok(at) = at.parse().map(Duration::from_micros) else { continue };
                    said.lock().expect("whole").push(Line { at, what: what.to_owned() });
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, said, reader: Some(reader) }
    }

    /// When it first passed.
    pub(crate) fn ready(&self) -> Duration {
        self.waits_for("passed", Duration::ZERO)
    }

    /// When it first said so after that.
    pub(crate) fn waits_for(&self, what: &str, after: Duration) -> Duration {
        for _ in 0..1000 {
            let said = self.said.lock().expect("whole").clone();
            if let Some(line) = said.iter().find(|line| line.at >= after && line.what == what) {
                return line.at;
            }
            pause(Duration::from_millis(10));
        }
        panic!("a worker never said {what:?}");
    }

    /// Ends it, and gives all it has said.
    pub(crate) fn end(mut self) -> Vec<Line> {
        drop(self.input.take());
        self.child.wait().expect("it ends");
        if let Some(reader) = self.reader.take() {
            reader.join().expect("it was read");
        }
        self.said.lock().expect("whole").clone()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn say(what: impl std::fmt::Display) {
    // In one piece: both tasks speak.
    let line = format!("@{} {what}\n", now().as_micros());
    let _ = std::io::stdout().lock().write_all(line.as_bytes());
}

/// What a worker does until its input is closed.
pub(crate) fn run() {
    let Ok(url) = std::env::var("SEAWALL_TEST_STORE") else { return };
    let (over, mut ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = over.send(());
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = RedisOptions { acknowledged: [Check::Persistence].into(), ..Default::default() };
        let store = Redis::open(&url, options).await.expect("the server answers").store;
        let options = Options { beat: Duration::from_millis(200), ..Options::default() };
        let fleet = Fleet::join(Arc::new(store), "test", options).await.expect("good options");
        let rate = Rate { count: NonZeroU32::new(COUNT as u32).expect("above zero"), per: SPAN };
        let queue = Queue { max: 10, wait: Duration::from_secs(10) };
        let options = limiter::Options { rate, queue, ..Default::default() };
        let limiter = Limiter::shared(&fleet, "api", None, options).expect("good options");
        let clock = seawall::time::default_clock();
        let mut told = (None, 0);
        while ended.try_recv().is_err() {
            if told != (Some(fleet.source()), fleet.size()) {
                told = (Some(fleet.source()), fleet.size());
                say(fleet.source().as_str());
                say(format_args!("size {}", fleet.size()));
            }
            let began = clock.now();
            let passed = limiter.acquire_for("", 1, began + Duration::from_millis(1)).await.is_ok();
            say(format_args!("took {}", clock.now().since(began).as_micros()));
            if passed {
                say("passed");
            } else {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    });
}
