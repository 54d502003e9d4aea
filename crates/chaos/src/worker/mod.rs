//! A process that does effects: it is told which, runs them through the guard, and says how each was answered.

mod between;
mod bugs;
mod jobs;
mod run;
mod step;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seawall::effect::{Found, Guard, Kind as Effects, Resolution, Truth};
use seawall::time::default_clock;
use seawall_core::effect::Stamp;
use seawall_core::event::{Event, Fact};
use seawall_core::job::JobState;
use seawall_core::store::{Cursor, Store, Wanted};
use seawall_store::redis::{Redis, RedisOptions};
use seawall_store::sqlite::{self, Sqlite};
use seawall_store::time::Time;
use tokio::sync::mpsc;

use crate::effects::Times;
use crate::ledger::{Answer, Client, Question};
use crate::words::{Kind, Order, Said, What, line, now};

pub use bugs::Bug;
pub use step::{STEP, Step};

use between::Between;
use jobs::Jobs;

/// Where effects are remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// A server, and the file in which this machine notes which memory it trusts.
    Redis(String, Option<PathBuf>),
    /// A directory.
    Sqlite(PathBuf),
}

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where effects are remembered.
    pub store: At,
    /// Where the ledger listens.
    pub ledger: SocketAddr,
    /// The spans it goes by.
    pub times: Times,
    /// How often it looks into the doubts by itself.
    pub reconcile: Option<Duration>,
    /// A mistake it makes on purpose.
    pub bug: Option<Bug>,
    /// How far ahead of the others its store's clock is: it stands still there.
    pub ahead: Option<Duration>,
}

/// What all of a worker shares.
struct Me {
    voice: Voice,
    guard: Guard,
    kinds: HashMap<Kind, Effects>,
    between: Arc<Between>,
    ledger: Client,
    times: Times,
    bug: Option<Bug>,
    step: Option<Step>,
    jobs: Jobs,
}

/// What a store remembers: effects, and jobs, where these are not in a file of their own.
struct Opened {
    effects: Arc<dyn Store>,
    jobs: Option<Arc<dyn JobState>>,
}

/// Says what happened, a line at a time, before anything else happens.
#[derive(Debug, Clone, Copy)]
struct Voice;

impl Voice {
    fn say(self, said: &Said) {
        // Nobody listens any more: then there is nothing left to do either.
        if io::stdout().lock().write_all(line(said).as_bytes()).is_err() {
            std::process::exit(0);
        }
    }
}

/// Works until it is told to end, or nobody is there to tell it anything.
pub async fn work(setup: Setup) -> Result<(), String> {
    // Should the driver be killed, nobody lets a frozen one go on.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let step = step::planned()?;
    let mut orders = listen();
    let store = open(&setup).await?;
    let between = Arc::new(Between::new(store.effects, Voice, setup.bug, step));
    let sink = |event: Event| noted(&event);
    let guard = Guard::with("chaos", between.clone(), default_clock(), Some(Arc::new(sink)));
    let guard = guard.map_err(|error| error.to_string())?;
    let mut kinds = HashMap::new();
    for kind in Kind::ALL {
        let effects = guard.kind(kind.as_str(), setup.times.options(*kind));
        kinds.insert(*kind, effects.map_err(|error| error.to_string())?);
    }
    let ledger = Client::new(setup.ledger);
    let (times, bug) = (setup.times, setup.bug);
    let me = Me {
        voice: Voice,
        guard,
        kinds,
        between,
        ledger,
        times,
        bug,
        step,
        jobs: store.jobs.map_or_else(Jobs::default, Jobs::new),
    };
    let me = Arc::new(me);
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Letter) {
        let asking = me.clone();
        me.kinds[kind].reconcile_with(move |doubt| {
            let asking = asking.clone();
            async move { asking.find(*kind, doubt.key, &doubt.downstream_key).await }
        });
    }
    let passes = setup.reconcile.map(|pause| me.guard.reconcile_every(pause));
    me.voice.say(&Said::Up);
    while let Some(order) = orders.recv().await {
        let me = me.clone();
        match order {
            Order::End => break,
            other => drop(tokio::spawn(async move { me.obey(other).await })),
        }
    }
    drop(passes);
    let unsaid = me.guard.shutdown(Duration::from_secs(3)).await;
    me.voice.say(&Said::Bye { unsaid });
    Ok(())
}

/// Orders as they come in; the end of the pipe is the end of this process.
fn listen() -> mpsc::UnboundedReceiver<Order> {
    let (send, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let Some(order) = order else { break };
            if send.send(order).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    orders
}

/// Opens the store, as often as it takes: a server may just be starting, a file still be held by who was here before.
async fn open(setup: &Setup) -> Result<Opened, String> {
    let mut refused = String::new();
    for _ in 0..500 {
        let time = setup.ahead.map(|ahead| {
            let ahead = u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX);
            Time::manual(Stamp((now() / 1_000_000).saturating_add(ahead)))
        });
        let opened = match &setup.store {
            At::Redis(url, known) => {
                let timeout = Duration::from_millis(setup.times.patience);
                let options = RedisOptions { known: known.clone(), timeout, ..RedisOptions::default() };
                let opened = match time {
                    Some(time) => Redis::open_at(url, options, time).await,
                    None => Redis::open(url, options).await,
                };
                opened.map(|opened| {
                    let store = Arc::new(opened.store);
                    Opened { effects: store.clone(), jobs: Some(store) }
                })
            }
            At::Sqlite(dir) => {
                let time = time.unwrap_or_else(|| Time::wall(Stamp(0)));
                let opened = Sqlite::open_with(dir, &sqlite::Options::default(), time);
                opened.map(|opened| {
                    for (label, note) in opened.notes {
                        Voice.say(&Said::Noted { what: What::labelled(&label), note: note.to_string() });
                    }
                    Opened { effects: Arc::new(opened.store), jobs: None }
                })
            }
        };
        match opened {
            Ok(store) => return Ok(store),
            Err(error) => refused = error.to_string(),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(refused)
}

fn noted(event: &Event) {
    if let Fact::Effect { label, note } = &event.fact
        && note.is_grave()
    {
        Voice.say(&Said::Noted { what: What::labelled(label), note: note.to_string() });
    }
}

impl Me {
    async fn obey(self: Arc<Self>, order: Order) {
        match order {
            Order::Do(job) => {
                let how = self.clone().once(job).await;
                self.voice.say(&Said::Ended { n: job.n, how, at: now() });
            }
            Order::Reconcile => {
                let pass = self.guard.reconcile_once().await;
                let settled = pass.as_ref().map_or(0, |pass| pass.settled);
                self.voice.say(&Said::Reconciled { seen: pass.ok().map(|pass| pass.seen), settled });
            }
            Order::Force { what, entry } => {
                let refused = self.force(what, entry).await.err();
                self.voice.say(&Said::Forced { what, refused });
            }
            Order::Audit => {
                let failed = self.audit().await.err();
                let unsaid = self.guard.flush(Duration::from_millis(500)).await;
                self.voice.say(&Said::Audited { unsaid, failed });
            }
            Order::Stats => self.voice.say(&self.counted()),
            Order::Attempt { id, works } => {
                let how = self.clone().attempt(id, works).await;
                self.voice.say(&Said::Attempted { id, how });
            }
            Order::HalfOpen => self.jobs.half_open().await,
            Order::Hour => {
                let hour = self.jobs.hour().await;
                self.voice.say(&hour);
            }
            Order::End => {}
        }
    }

    /// Asks the ledger what became of an effect.
    async fn find(
        &self,
        kind: Kind,
        key: seawall::effect::Key,
        downstream: &str,
    ) -> Found<run::Wrote, run::Cause> {
        let fence = (kind == Kind::Booking).then(|| self.between.epoch(key));
        let question = Question::Find { key: downstream.to_owned(), fence };
        let reply = Duration::from_millis(self.times.reply);
        let found = match self.ledger.ask(question, reply, || {}).await {
            Ok(Answer::Found(Some((entry, print)))) => Found::Applied(run::Wrote::by(kind, entry, print)),
            Ok(Answer::Found(None)) => Found::NotThere { fenced: fence.is_some() },
            Ok(other) => Found::Unknown(format!("{other:?}")),
            Err(lost) => Found::Unknown(format!("{lost:?}")),
        };
        step::reached(self.step, Step::FoundOut);
        found
    }

    async fn force(&self, what: What, entry: Option<u64>) -> Result<(), String> {
        let effects = &self.kinds[&what.kind];
        let resolution = match entry {
            Some(entry) => {
                let wrote = run::Wrote::by(what.kind, entry, what.print(0));
                let bytes = serde_json::to_vec(&wrote).map_err(|error| error.to_string())?;
                Resolution::Ended(Truth::Applied, Some(bytes.into()))
            }
            None => Resolution::NotApplied,
        };
        let key = effects.key(&what.id.to_string(), 0);
        let why = "looked into the ledger";
        self.guard.force(key, "operator", why, resolution).await.map_err(|refused| refused.to_string())
    }

    /// Everything that is not finished.
    async fn audit(&self) -> Result<(), String> {
        for state in ["executing", "reconciling", "in-doubt", "quarantined"] {
            let mut after: Option<Cursor> = None;
            loop {
                let wanted = Wanted { state: Some(state.to_owned()), after, limit: 500 };
                let page = self.guard.list(wanted).await.map_err(|refused| refused.to_string())?;
                for (_, record) in page.records {
                    if let Some(what) = What::labelled(&record.label) {
                        self.voice.say(&Said::Stands { what, state: state.to_owned() });
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn counted(&self) -> Said {
        let stats = self.guard.stats();
        let sum =
            |count: fn(&seawall::effect::Stats) -> u64| stats.iter().map(|(_, stats)| count(stats)).sum();
        Said::Counted {
            runs: sum(|stats| stats.runs),
            applied: sum(|stats| stats.applied),
            replays: sum(|stats| stats.replays),
            busy: sum(|stats| stats.busy),
            joined: sum(|stats| stats.joined),
            doubtful: sum(|stats| stats.doubtful),
            unanswered: sum(|stats| stats.unanswered),
        }
    }
}
