//! A worker guarded by seawall, driven by `cargo xtask peers` beside workers guarded by others: questions from stdin, one
//! answer a line on stdout.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seawall::effect::{Cx, Failed, Found, Guard, Kind, Means, Options, Undone};
use seawall_core::store::Store;
use seawall_store::redis::{Redis, RedisOptions};
use seawall_store::sqlite::{self, Sqlite};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What was asked for on the command line.
#[derive(Default)]
struct Given {
    ledger: String,
    store: String,
    deadline: Duration,
    asks: bool,
    backup: Option<PathBuf>,
    restore: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let given = given()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(given))
}

fn given() -> Result<Given, Box<dyn Error>> {
    let mut given = Given { deadline: Duration::from_secs(2), ..Given::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--ledger" => given.ledger = value()?,
            "--store" => given.store = value()?,
            "--deadline" => given.deadline = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--asks" => given.asks = true,
            "--backup" => given.backup = Some(value()?.into()),
            "--restore" => given.restore = Some(value()?.into()),
            // The others know executors and variants.
            "--executor" | "--variant" => drop(value()?),
            other => return Err(format!("no argument is called {other}").into()),
        }
    }
    Ok(given)
}

async fn serve(given: Given) -> Result<(), Box<dyn Error>> {
    let guard = Guard::new("peers", open(&given).await?)?;
    let nature = if given.asks { Options::queryable() } else { Options::default() };
    let options = Options {
        lease: given.deadline,
        call: given.deadline,
        visibility: Duration::from_secs(2),
        drift: Duration::from_millis(500),
        patience: given.deadline / 2,
        ..nature
    };
    let placing = guard.kind("placing", options)?;
    let ledger: Arc<str> = given.ledger.into();
    let asking = ledger.clone();
    let passes = given.asks.then(|| {
        placing.reconcile_with(move |doubt| find(asking.clone(), doubt.label));
        guard.reconcile_every(Duration::from_millis(500))
    });
    let (questions, mut asked) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        lines
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .try_for_each(|it| questions.send(it))
    });
    say(&json!({ "ready": true }));
    while let Some(question) = asked.recv().await {
        let wish = question["wish"].as_str().unwrap_or_default().to_owned();
        tokio::spawn(answer(question["n"].clone(), wish, placing.clone(), ledger.clone()));
    }
    drop(passes);
    guard.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

async fn open(given: &Given) -> Result<Arc<dyn Store>, Box<dyn Error>> {
    if let Some(port) = given.store.strip_prefix("redis:") {
        let url = format!("redis://127.0.0.1:{port}/0?namespace=peers");
        let known = std::env::current_dir()?.join("known");
        let opened =
            Redis::open(&url, RedisOptions { known: Some(known), ..RedisOptions::default() }).await?;
        return Ok(Arc::new(opened.store));
    }
    let Some(folder) = given.store.strip_prefix("file:") else {
        return Err(format!("no store is called {:?}", given.store).into());
    };
    if let Some(copy) = &given.restore {
        Sqlite::restore(copy, Path::new(folder))?;
    }
    let store = Sqlite::open(Path::new(folder), &sqlite::Options::default())?.store;
    if let Some(copy) = &given.backup {
        store.backup(copy).await?;
    }
    Ok(Arc::new(store))
}

fn say(answer: &Value) {
    // Nobody is left to hear it: then nobody misses it.
    drop(writeln!(std::io::stdout().lock(), "{answer}"));
}

async fn answer(n: Value, wish: String, placing: Kind, ledger: Arc<str>) {
    let effect = wish.clone();
    let told = placing.once(&*wish).run(move |cx| place(cx, ledger, effect)).await;
    let (said, why) = match told {
        Ok(done) => ("done", format!("{:?}", done.value)),
        Err(undone) => {
            let said = match &undone {
                Undone::Unknown(_) | Undone::InDoubt { .. } => "in doubt",
                Undone::InFlight { .. } | Undone::Cooldown { .. } => "in flight",
                Undone::StoreUnavailable(_) | Undone::Expired => "refused",
                _ => "failed",
            };
            (said, undone.to_string())
        }
    };
    say(&json!({ "n": n, "said": said, "why": why }));
}

/// The effect: until it is asked for, nothing was sent.
async fn place(cx: Cx, ledger: Arc<str>, wish: String) -> Result<u64, Failed<String>> {
    ask(&ledger, "ready", &wish).await.not_sent::<String>()?;
    if !cx.may_send() {
        return Err(Failed::NotApplied("too late to begin".into()));
    }
    ask(&ledger, "do", &wish).await?.parse().map_err(|error| Failed::Unknown(format!("{error}")))
}

/// What became of a doubt, by the ledger's word. Labels end in the wish.
async fn find(ledger: Arc<str>, label: Arc<str>) -> Found<u64, String> {
    let wish = label.rsplit(':').next().unwrap_or_default();
    match ask(&ledger, "find", wish).await.as_deref() {
        Ok("none") => Found::NotThere { fenced: false },
        Ok(number) => number.parse().map_or_else(|_| Found::Unknown(number.into()), Found::Applied),
        Err(error) => Found::Unknown(error.clone()),
    }
}

async fn ask(ledger: &str, verb: &str, wish: &str) -> Result<String, String> {
    let talk = async {
        let mut line = BufReader::new(TcpStream::connect(ledger).await?);
        line.write_all(format!("{verb} {wish}\n").as_bytes()).await?;
        let mut answer = String::new();
        line.read_line(&mut answer).await?;
        Ok(answer.trim().to_owned())
    };
    let answer = talk.await.map_err(|error: std::io::Error| error.to_string())?;
    if answer.is_empty() { Err("the reply was lost".into()) } else { Ok(answer) }
}
