//! `seawall demo`: the same traffic three ways through the same bad weather, and what came of it.
//!
//! ```text
//! direct    a plain client ───────────────────► providers that misbehave
//! retrying  a client that repeats like an SDK ─► providers of its own, the same faults
//! seawall   the plain client ──► the gateway ──► providers of its own, the same faults
//! ```

mod clients;
mod faults;
mod measure;
mod progress;
mod stage;
mod table;
mod traffic;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use seawall_gateway::Gateway;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::output::{self, Failure, note};
use clients::{Client, Seen, Told};
use faults::Weather;
use measure::{Score, shortcomings};
use progress::Tally;
use stage::Providers;
use traffic::{Kind, Operation, schedule};

/// How long requests are sent.
const LENGTH: Duration = Duration::from_secs(15);

/// How long one of the providers is down meanwhile.
const OUTAGE: Duration = Duration::from_millis(1500);

/// How long the gateway leaves a failing provider alone. The default minute is longer than the demo; somebody whose
/// provider is down for a second or two now and then would write this.
const PAUSE: Duration = Duration::from_millis(500);

/// What a shell says of a process that was interrupted.
const INTERRUPTED: u8 = 130;

/// See what seawall does: the same traffic three ways through misbehaving providers.
///
/// Everything runs on loopback and is measured in this run; it takes about 20 seconds. Fails if seawall let a duplicate
/// or a truncation through, or succeeded less often than the plain client.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Draws the schedule and the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Keep the gateway up, with a little traffic, until Ctrl-C
    #[arg(long)]
    stay: bool,
    /// Answer in one JSON value
    #[arg(long)]
    json: bool,
}

/// The three ways, in the order of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Retrying,
    Seawall,
}

impl Way {
    const ALL: [Self; 3] = [Self::Direct, Self::Retrying, Self::Seawall];

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Retrying => "retrying",
            Self::Seawall => "seawall",
        }
    }

    fn client(self) -> Client {
        match self {
            Self::Retrying => Client::Retrying,
            Self::Direct | Self::Seawall => Client::Plain,
        }
    }
}

/// What is played: everything in it follows from this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Play {
    seed: u64,
    length: Duration,
    /// How long reads are down.
    outage: Duration,
}

impl Play {
    fn new(seed: u64) -> Self {
        Self { seed, length: LENGTH, outage: OUTAGE }
    }

    /// When reads are down: from a third of the time on.
    fn outage(&self) -> (Duration, Duration) {
        let from = self.length / 3;
        (from, from + self.outage)
    }
}

/// Everything that listens.
struct Stage {
    /// Of each way.
    providers: [Providers; 3],
    configuration: String,
    gateway: Gateway,
}

/// What came of a play.
struct Outcome {
    operations: usize,
    scores: [Score; 3],
    /// A call of the gateway's that has a story worth reading.
    story: Option<String>,
}

impl Demo {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let play = Play::new(self.seed);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
        let (mut interrupt, stage) = runtime.block_on(async {
            let interrupt = signal(SignalKind::interrupt())
                .map_err(|why| Failure::failed(format_args!("cannot listen for signals: {why}")))?;
            Ok::<_, Failure>((interrupt, Stage::set(&play).await?))
        })?;
        let ended = runtime.block_on(self.play(&play, &stage, &mut interrupt));
        stage.gateway.stop();
        ended
    }

    async fn play(&self, play: &Play, stage: &Stage, interrupt: &mut Signal) -> Result<ExitCode, Failure> {
        let seconds = play.length.as_secs();
        note(format_args!("seawall: {seconds} s of traffic three ways at once, seed {}", play.seed));
        let outcome = tokio::select! {
            outcome = act(play, stage) => outcome,
            _ = interrupt.recv() => return Ok(ExitCode::from(INTERRUPTED)),
        };
        let [direct, _, seawall] = &outcome.scores;
        let shortcomings = shortcomings(direct, seawall);
        match self.json {
            true => output::json(&report(play, stage, &outcome, &shortcomings))?,
            false => {
                let (table, notes) =
                    (table::table(&outcome.scores, output::painted), table::notes(play, outcome.operations));
                output::data(&format!("{table}{notes}"))?;
            }
        }
        shortcomings.iter().for_each(|what| note(format_args!("seawall: the demo failed: {what}")));
        if self.stay {
            stay(play, stage, outcome.story.as_deref(), interrupt).await;
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Ok(if shortcomings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Stage {
    async fn set(play: &Play) -> Result<Self, Failure> {
        let deaf = |why| Failure::failed(format_args!("no provider can listen on loopback: {why}"));
        let start = || Providers::start(play);
        let providers =
            [start().await.map_err(deaf)?, start().await.map_err(deaf)?, start().await.map_err(deaf)?];
        let configuration = stage::configuration(&providers[Way::Seawall as usize]);
        let gateway = stage::open(&configuration)?;
        Ok(Self { providers, configuration, gateway })
    }

    /// Where each kind of call goes this way.
    fn urls(&self, way: Way) -> [String; 3] {
        match way {
            Way::Seawall => stage::through(&self.gateway),
            Way::Direct | Way::Retrying => self.providers[way as usize].urls(),
        }
    }
}

/// Plays all three ways at once, so that all have the same machine.
async fn act(play: &Play, stage: &Stage) -> Outcome {
    let operations = schedule(play);
    let tallies: [Tally; 3] = Default::default();
    let began = Instant::now();
    let go = |way: Way| {
        let tally = &tallies[way as usize];
        send(play, &operations, way.client(), stage.urls(way), began, |seen| tally.add(seen))
    };
    let all = async { tokio::join!(go(Way::Direct), go(Way::Retrying), go(Way::Seawall)) };
    let (direct, retrying, seawall) = tokio::select! {
        seen = all => seen,
        never = progress::show(&tallies, operations.len()) => match never {},
    };
    // An answer that was lost, if there was one: its story says most.
    let told = seawall.iter().max_by_key(|seen| (seen.told == Told::Unknown, !seen.succeeded()));
    let story = told.and_then(|seen| seen.call.clone());
    let score = |way: Way, seen: &[Seen]| {
        Score::of(play, &operations, seen, &stage.providers[way as usize].ledgers())
    };
    let scores =
        [score(Way::Direct, &direct), score(Way::Retrying, &retrying), score(Way::Seawall, &seawall)];
    Outcome { operations: operations.len(), scores, story }
}

/// Sends each operation at its time, whatever became of those before, and waits for the last.
async fn send(
    play: &Play,
    operations: &[Operation],
    client: Client,
    urls: [String; 3],
    began: Instant,
    ended: impl Fn(&Seen),
) -> Vec<Seen> {
    let urls = Arc::new(urls);
    let mut under_way = JoinSet::new();
    let mut all = Vec::with_capacity(operations.len());
    for operation in operations.iter().copied() {
        let due = sleep_until(began + operation.at);
        tokio::pin!(due);
        loop {
            tokio::select! {
                biased;
                () = &mut due => break,
                Some(seen) = under_way.join_next() => all.extend(seen.inspect(&ended).ok()),
            }
        }
        let urls = urls.clone();
        let random = fastrand::Rng::with_seed(play.seed ^ u64::from(operation.number) << 8);
        under_way
            .spawn(async move { client.perform(&urls[operation.kind as usize], operation, random).await });
    }
    while let Some(seen) = under_way.join_next().await {
        all.extend(seen.inspect(&ended).ok());
    }
    all
}

/// Keeps the stage up, with a tenth of the traffic, so that the board has something to show.
async fn stay(play: &Play, stage: &Stage, story: Option<&str>, interrupt: &mut Signal) {
    let admin = stage.gateway.admin();
    note(format_args!("\nseawall: admin at http://{admin}/ with a little traffic, until Ctrl-C"));
    if let Some(call) = story {
        note(format_args!("seawall: why? seawall explain {call} --admin http://{admin}"));
    }
    let trickle = async {
        let mut play = *play;
        loop {
            play.seed = play.seed.wrapping_add(1);
            let operations: Vec<Operation> = schedule(&play).into_iter().step_by(10).collect();
            send(&play, &operations, Client::Plain, stage.urls(Way::Seawall), Instant::now(), |_| {}).await;
        }
    };
    tokio::select! {
        never = trickle => match never {},
        _ = interrupt.recv() => {}
    }
}

/// The whole run as one value.
fn report(play: &Play, stage: &Stage, outcome: &Outcome, shortcomings: &[String]) -> Value {
    let [direct, retrying, seawall] = &outcome.scores;
    let per_kind = |of: &dyn Fn(Kind) -> Value| -> Value {
        Kind::ALL.iter().map(|kind| (kind.key(), of(*kind))).collect()
    };
    json!({
        "seed": play.seed,
        "seconds": play.length.as_secs_f64(),
        "operations": outcome.operations,
        "rates_per_second": per_kind(&|kind| kind.rate().into()),
        "faults": per_kind(&|kind| json!(Weather::over(kind, play))),
        "configuration": stage.configuration,
        "ways": { "direct": direct, "retrying": retrying, "seawall": seawall },
        "passed": shortcomings.is_empty(),
        "shortcomings": shortcomings,
    })
}

#[cfg(test)]
mod tests;
