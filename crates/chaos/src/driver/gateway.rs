//! The `seawall` binary as a worker: wishes are POSTs with a key, its journal is the store, the ledger its upstream.

mod answers;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use seawall_core::effect::Key;
use seawall_testkit::client::{self, Answer, Ended, Request};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::doer::{Doer, Hand};
use crate::effects::Times;
use crate::ledger::http::{KEY, NOTE, Note};
use crate::words::{How, Job, Kind, Order, Said, What, now};

/// The spans a gateway goes by: its leases are its own, and a call has the deadline below and five seconds more.
pub const GATEWAY: Times =
    Times { lease: 30_000, call: 8000, reply: 2500, visibility: 5000, drift: 5000, patience: 2000 };

/// What a gateway is asked for: the types of effects its routes can tell of.
pub const KINDS: [Kind; 3] = [Kind::Letter, Kind::Order, Kind::Charge];

/// How long a caller waits: longer than any call takes, and any pause it is frozen for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long after a connection broke its gateway may be seen to have died.
const DYING: Duration = Duration::from_secs(5);
/// How long callers of a gateway that died may take to notice.
const ECHO: Duration = Duration::from_secs(10);

/// The words of its journal's states that are not the end.
const OPEN: [&str; 4] = ["executing", "reconciling", "in-doubt", "quarantined"];

/// A route whose doubts are asked about.
const ASKED: &str = r#"effects = "once"
once = { require = true }
unknown = { probe = "GET /order/{key}", found = "replay", absent = "release", visibility = "5s" }
"#;

/// Gateways, each slot's in a directory of its own.
#[derive(Debug, Clone)]
pub struct Gateways {
    /// The `seawall` binary.
    pub program: PathBuf,
    /// The directory of each slot: its configuration is there.
    pub homes: Vec<PathBuf>,
    /// The namespace of its journal.
    pub namespace: &'static str,
}

/// Writes the configuration of a gateway into its directory. `state` is a directory or the URL of a server; without a
/// `journal`, which is a mistake, its routes are said to be harmless.
pub fn configure(home: &Path, ledger: SocketAddr, state: &str, journal: bool) -> io::Result<()> {
    std::fs::create_dir_all(home)?;
    let mut text = format!(
        r#"version = 1
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
state = "{state}"

[upstream.ledger]
url = "http://{ledger}"
deadline = "3s"
attempt = {{ connect = "1s", first_byte = "2500ms", idle = "2500ms" }}
retry = {{ attempts = 3, base = "20ms", cap = "100ms" }}
breaker = "off"
"#
    );
    for kind in KINDS {
        text += &format!("\n[route.{kind}]\nmatch = {{ method = \"POST\", path = \"/ledger/{kind}/*\" }}\n");
        text += match (journal, kind) {
            (false, _) => "effects = \"repeatable\"\n",
            (true, Kind::Order) => ASKED,
            (true, Kind::Charge) => "effects = \"once\"\nonce = { require = true, keyed = \"24h\" }\n",
            (true, _) => "effects = \"once\"\nonce = { require = true }\n",
        };
    }
    std::fs::write(home.join("seawall.toml"), text)
}

impl Doer for Gateways {
    fn start(&self, slot: usize) -> io::Result<Hand> {
        let mut command = Command::new(&self.program);
        command.args(["serve", "-c", "seawall.toml"]).current_dir(&self.homes[slot]).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (orders, told) = mpsc::unbounded_channel();
        let (say, said) = mpsc::unbounded_channel();
        let words = child.stderr.take().ok_or_else(|| io::Error::other("a gateway has no output"))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        tokio::spawn(live(words, told, say, pid, self.namespace));
        Ok(Hand { child, orders, said, supervised: true })
    }
}

/// Where a gateway listens.
#[derive(Debug, Clone)]
struct Door {
    calls: String,
    admin: String,
    namespace: &'static str,
    say: mpsc::UnboundedSender<Said>,
    dead: watch::Receiver<bool>,
}

/// From its first word to its last, and until everybody who had asked it something has heard of its end.
async fn live(
    words: ChildStderr,
    mut told: mpsc::UnboundedReceiver<Order>,
    say: mpsc::UnboundedSender<Said>,
    pid: Option<Pid>,
    namespace: &'static str,
) {
    let mut words = BufReader::new(words).lines();
    let (mut calls, mut admin) = (None, None);
    while admin.is_none() {
        let Ok(Some(line)) = words.next_line().await else { return };
        match (answers::calls(&line), answers::admin(&line)) {
            (Some(found), _) => calls = Some(found),
            (None, found) => admin = found.filter(|_| calls.is_some()),
        }
    }
    let (die, dead) = watch::channel(false);
    let (calls, admin) = (calls.unwrap_or_default(), admin.unwrap_or_default());
    let door = Arc::new(Door { calls, admin, namespace, say, dead });
    let _ = door.say.send(Said::Up);
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            line = words.next_line() => match line {
                Ok(Some(line)) => {
                    if let Some((what, note)) = answers::alarm(&line) {
                        let _ = door.say.send(Said::Noted { what, note });
                    }
                }
                _ => break,
            },
            order = told.recv() => match order {
                Some(Order::End) | None => {
                    if let Some(pid) = pid {
                        let _ = kill_process(pid, Signal::TERM);
                    }
                    // The end of its words is the end of it.
                    while let Ok(Some(_)) = words.next_line().await {}
                    let _ = door.say.send(Said::Bye { unsaid: 0 });
                    break;
                }
                Some(order) => drop(callers.spawn(obey(door.clone(), order))),
            },
            Some(_) = callers.join_next(), if !callers.is_empty() => {}
        }
    }
    die.send_replace(true);
    let _ = timeout(ECHO, async { while callers.join_next().await.is_some() {} }).await;
}

async fn obey(door: Arc<Door>, order: Order) {
    match order {
        Order::Do(job) => door.once(job).await,
        Order::Force { what, entry } => {
            let refused = door.force(what, entry.is_some()).await.err();
            let _ = door.say.send(Said::Forced { what, refused });
        }
        Order::Audit => {
            let failed = door.audit().await.err();
            let _ = door.say.send(Said::Audited { unsaid: 0, failed });
        }
        // It does that by itself.
        Order::Reconcile => {
            let _ = door.say.send(Said::Reconciled { seen: None, settled: 0 });
        }
        Order::Stats | Order::Attempt { .. } | Order::HalfOpen | Order::Hour | Order::End => {}
    }
}

impl Door {
    /// One wish: one POST. Whoever dies while it is asked has not answered.
    async fn once(&self, job: Job) {
        let note = serde_json::to_string(&Note { n: job.n, trouble: job.trouble }).unwrap_or_default();
        let request = Request::post("")
            .header(KEY, job.what.id.to_string())
            .header(NOTE, note)
            .body(job.what.payload(job.args))
            .timeout(PATIENCE);
        let url = format!("http://{}/ledger/{}", self.calls, job.what);
        let answer = client::request(&url, request).await;
        let at = now();
        let how = match answer {
            Ok(answer) if answer.ended == Ended::Complete => match answers::heard(job.n, &answer) {
                Ok(How::InDoubt { reason, quarantined, .. }) => match self.since(job.what).await {
                    Some(since) => How::InDoubt { since, reason, quarantined },
                    // It is over, or nobody can say: asking again shows which.
                    None => How::InFlight,
                },
                Ok(how) => how,
                Err(odd) => return self.odd(job, at, &odd),
            },
            other => {
                let mut dead = self.dead.clone();
                if timeout(DYING, dead.wait_for(|dead| *dead)).await.is_ok() {
                    return;
                }
                return self.odd(job, at, &format!("it is there, and gave no answer: {}", broken(other)));
            }
        };
        let _ = self.say.send(Said::Ended { n: job.n, how, at });
    }

    /// What nobody should ever be answered.
    fn odd(&self, job: Job, at: u64, why: &str) {
        let _ = self.say.send(Said::Noted { what: Some(job.what), note: format!("ODD: {why}") });
        let _ = self.say.send(Said::Ended { n: job.n, how: How::Unknown, at });
    }

    /// Since when it is in doubt.
    async fn since(&self, what: What) -> Option<u64> {
        let shown = self.ask(Request::get(format!("/api/v1/effects/{}", self.key(what)))).await.ok()?;
        OPEN[1..].contains(&shown["state"].as_str()?).then_some(())?;
        answers::millis(shown["since"].as_str()?)
    }

    /// A person has looked, and says what there is.
    async fn force(&self, what: What, took_place: bool) -> Result<(), String> {
        let outcome = if took_place { "applied" } else { "not-applied" };
        let signed = json!({ "by": "operator", "reason": "looked into the ledger", "outcome": outcome });
        let path = format!("/api/v1/effects/{}/resolve", self.key(what));
        self.ask(Request::post(path).json(&signed)).await.map(drop)
    }

    /// Everything that is not finished.
    async fn audit(&self) -> Result<(), String> {
        for state in OPEN {
            let mut after = String::new();
            loop {
                let page = self.ask(Request::get(format!("/api/v1/effects?state={state}{after}"))).await?;
                for effect in page["effects"].as_array().ok_or("a page without effects")? {
                    let what = effect["name"].as_str().and_then(What::labelled);
                    let what = what.ok_or_else(|| format!("a stranger in the journal: {effect}"))?;
                    let _ = self.say.send(Said::Stands { what, state: state.to_owned() });
                }
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn key(&self, what: What) -> Key {
        Key::of(self.namespace, what.kind.as_str(), what.id.to_string().as_bytes(), 0)
    }

    async fn ask(&self, request: Request) -> Result<Value, String> {
        let url = format!("http://{}", self.admin);
        let answer = client::request(&url, request.timeout(PATIENCE)).await;
        let answer = answer.map_err(|error| format!("its admin port: {error}"))?;
        match (answer.status, answer.json()) {
            (200, Some(told)) => Ok(told),
            (status, _) => Err(format!("its admin port answered {status}: {}", answer.text())),
        }
    }
}

fn broken(answer: io::Result<Answer>) -> String {
    match answer {
        Ok(answer) => format!("{} and a body that ended {:?}", answer.status, answer.ended),
        Err(error) => error.to_string(),
    }
}
