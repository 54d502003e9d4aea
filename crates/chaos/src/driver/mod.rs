//! Runs a campaign: starts a ledger, a store and workers, lets blows fall on them, heals, and looks at what is left.

mod desk;
pub mod doer;
mod faults;
pub mod gateway;
pub mod plan;
mod proxy;
mod server;
mod slot;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

pub use proxy::{Cut, Proxy};
pub use server::{Server, program as redis_server};
pub use slot::{Blow, Event, Slot};

use crate::effects::{CAMPAIGN, Times};
use crate::history::History;
use crate::ledger::{self, Answer, Client, Entry, Question};
use crate::words::{Order, Said, What};
use crate::worker::Bug;
use desk::Desk;
use doer::{Doer, Workers};
use faults::{Storm, Targets};
use gateway::Gateways;
use plan::{Mix, Pace, Plan};

crate::listed! {
    /// Where effects are remembered in a campaign.
    Store {
        /// One server, many workers.
        Redis = "redis",
        /// One file, one worker at a time.
        Sqlite = "sqlite",
    }
}

crate::listed! {
    /// Who does effects in a campaign.
    Door {
        /// Workers, with the library.
        Library = "library",
        /// The `seawall` binary, for whoever calls it.
        Gateway = "gateway",
    }
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// This program.
    pub program: PathBuf,
    /// The `seawall` binary, where gateways do effects.
    pub seawall: Option<PathBuf>,
    /// Where effects are remembered.
    pub store: Store,
    /// What the plan is drawn from.
    pub seed: u64,
    /// How long blows fall.
    pub length: Duration,
    /// Workers at a time.
    pub workers: usize,
    /// Of these, such that look into doubts.
    pub reconcilers: usize,
    /// Effects a worker is given at once.
    pub width: usize,
    /// What is wanted.
    pub mix: Mix,
    /// What befalls whom.
    pub pace: Pace,
    /// The spans effects go by.
    pub times: Times,
    /// How long the ledger recognises a key.
    pub window: Duration,
    /// A mistake every worker makes.
    pub bug: Option<Bug>,
    /// Gateways keep a journal; that they do not is a mistake.
    pub journal: bool,
    /// How long it may take until all is known that can be.
    pub heal: Duration,
}

impl Campaign {
    /// The usual one: eight kinds of trouble, and as many blows as still let work be done.
    pub fn new(program: PathBuf, store: Store, length: Duration, seed: u64) -> Self {
        let ms = |span| Some(Duration::from_millis(span));
        let (workers, width, pace) = match store {
            Store::Redis => {
                let pace = Pace {
                    kill: ms(20),
                    store: ms(2000),
                    freeze: ms(700),
                    frozen: 1100..=2500,
                    cut: ms(250),
                };
                (6, 8, pace)
            }
            Store::Sqlite => {
                let pace =
                    Pace { kill: ms(250), store: None, freeze: ms(5000), frozen: 1100..=2500, cut: ms(400) };
                (1, 48, pace)
            }
        };
        Self {
            program,
            seawall: None,
            store,
            seed,
            length,
            workers,
            reconcilers: 3,
            width,
            mix: Mix::default(),
            pace,
            times: CAMPAIGN,
            window: Duration::from_secs(24 * 3600),
            bug: None,
            journal: true,
            heal: Duration::from_secs(180),
        }
    }
}

impl Campaign {
    /// The same with gateways instead of workers, with calls that are known by a key; they start more slowly, and so are
    /// killed more seldom.
    pub fn by_gateways(self, seawall: PathBuf) -> Self {
        let ms = |span| Some(Duration::from_millis(span));
        let (workers, width, kill) = match self.store {
            Store::Redis => (3, 12, ms(250)),
            Store::Sqlite => (1, 32, ms(700)),
        };
        let mix = Mix { kinds: gateway::KINDS.to_vec(), ..self.mix };
        let pace = Pace { kill, freeze: ms(3000), ..self.pace };
        let seawall = Some(seawall);
        Self { seawall, workers, width, mix, pace, times: gateway::GATEWAY, ..self }
    }

    /// Who does effects in it.
    pub fn door(&self) -> Door {
        if self.seawall.is_some() { Door::Gateway } else { Door::Library }
    }
}

/// What is left of a campaign.
#[derive(Debug)]
pub struct Ran {
    /// What was heard.
    pub history: History,
    /// What the ledger has.
    pub book: Vec<Entry>,
    /// What was wanted.
    pub effects: Vec<What>,
    /// How long blows fell.
    pub length: Duration,
    /// How long it took until all was known that could be.
    pub healed: Duration,
}

/// A ledger's process.
#[derive(Debug)]
pub struct Ledger {
    _process: tokio::process::Child,
    book: PathBuf,
    address: SocketAddr,
    http: SocketAddr,
}

/// The first word of a ledger.
#[derive(Debug, Serialize, serde::Deserialize)]
pub struct Listens {
    /// Where it listens.
    pub ledger: SocketAddr,
    /// And where by HTTP.
    pub http: SocketAddr,
}

impl Ledger {
    /// Starts one that writes its book in that directory.
    pub async fn start(program: &Path, directory: &Path, window: Duration) -> io::Result<Self> {
        use tokio::io::AsyncBufReadExt;
        let book = directory.join("ledger");
        let mut command = tokio::process::Command::new(program);
        command.arg("ledger").arg("--book").arg(&book);
        command.arg("--window").arg(window.as_millis().to_string());
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or_else(|| io::Error::other("the ledger has no output"))?;
        let mut lines = tokio::io::BufReader::new(output).lines();
        let first = lines.next_line().await?.unwrap_or_default();
        let Listens { ledger, http } = serde_json::from_str(&first).map_err(io::Error::other)?;
        Ok(Self { _process: process, book, address: ledger, http })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens by HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// What it has written down so far.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        ledger::read(&self.book)
    }

    /// Waits until nothing is held any more.
    pub async fn drained(&self) -> io::Result<()> {
        let client = Client::new(self.address);
        loop {
            match client.ask(Question::Held, Duration::from_secs(5), || {}).await {
                Ok(Answer::Held(0)) => return Ok(()),
                Ok(_) => sleep(Duration::from_millis(20)).await,
                Err(lost) => return Err(io::Error::other(format!("the ledger does not answer: {lost:?}"))),
            }
        }
    }
}

/// What belongs to a run in a server.
const NAMESPACE: &str = "chaos";

/// The store of a campaign, and who is told of it.
struct Kept {
    server: Option<Arc<Mutex<Server>>>,
    cables: Vec<(Option<Proxy>, Proxy)>,
    doer: Arc<dyn Doer>,
}

/// A directory of a run's own, in memory where there is such a place. What is killed here are processes, never the
/// machine: what they had written is as safe there as on a disk, and nobody else's work makes a flush take seconds.
pub fn directory(prefix: &str) -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => TempDir::with_prefix_in(prefix, memory).or_else(|_| TempDir::with_prefix(prefix)),
        false => TempDir::with_prefix(prefix),
    }
}

/// Runs it, in a directory of its own.
pub async fn run(campaign: &Campaign) -> io::Result<Ran> {
    let directory = directory("seawall-chaos-")?;
    let ledger = Ledger::start(&campaign.program, directory.path(), campaign.window).await?;
    let kept = kept(campaign, directory.path(), &ledger).await?;
    let doer = kept.doer;
    let (events, mut heard) = mpsc::unbounded_channel();
    let mut watch = tokio::task::JoinSet::new();
    watch.spawn(faults::standstills(events.clone()));
    let numbers = Arc::new(AtomicU32::new(1));
    let slots = (0..campaign.workers)
        .map(|slot| Slot::keep(slot, doer.clone(), events.clone(), numbers.clone()))
        .collect();
    let targets = Arc::new(Targets { slots, cables: kept.cables, server: kept.server, events });
    let plan = Plan::new(campaign.seed, campaign.mix.clone());
    let client = Client::new(ledger.address());
    let (seed, workers, width) = (campaign.seed, campaign.workers, campaign.width);
    let mut desk = Desk::new(plan, seed, workers, width, client, campaign.times);
    desk.history.terse = campaign.door() == Door::Gateway;
    let began = Instant::now();
    let storm = Storm::begin(campaign.seed, &campaign.pace, &targets);
    desk.storm(&mut heard, began + campaign.length).await;
    let stormed = began.elapsed();
    storm.end().await?;
    let healing = Instant::now();
    if !campaign.heal.is_zero() {
        desk.heal(&mut heard, healing + campaign.heal).await;
    }
    ledger.drained().await?;
    match campaign.heal.is_zero() {
        true => targets.slots.iter().for_each(|slot| {
            slot.blow(Blow::Last);
            slot.blow(Blow::Kill);
        }),
        false => close(&mut desk, &mut heard, &targets, campaign.times).await,
    }
    desk.hush(&mut heard, Instant::now() + Duration::from_secs(10)).await;
    let healed = healing.elapsed();
    if let Some(why) = desk.failed {
        return Err(io::Error::other(why));
    }
    let effects = desk.effects().collect();
    let (mut history, book) = (desk.history, ledger.read()?);
    if history.terse {
        // What arrived had begun.
        let arrived = book.iter().filter_map(|entry| usize::try_from(entry.run).ok());
        for wish in arrived {
            if let Some(wish) = history.wishes.get_mut(wish) {
                wish.ran = true;
            }
        }
    }
    Ok(Ran { history, book, effects, length: stormed, healed })
}

/// Looks at what is not finished, until nothing runs any more, and lets everybody end in order.
async fn close(desk: &mut Desk, heard: &mut mpsc::UnboundedReceiver<Event>, targets: &Targets, times: Times) {
    let lease = Duration::from_millis(times.lease);
    let until = Instant::now() + lease * 4 + times.settle();
    loop {
        desk.history.standing.clear();
        let mut failed = None;
        let reconciled = |said: &Said| matches!(said, Said::Reconciled { .. });
        desk.tell(heard, 0, Order::Reconcile, times.settle(), reconciled).await;
        let audited = |said: &Said| match said {
            Said::Audited { failed: why, .. } => {
                failed.clone_from(why);
                true
            }
            _ => false,
        };
        let seen = desk.tell(heard, 0, Order::Audit, Duration::from_secs(20), audited).await;
        desk.history.blind = if seen { failed } else { Some("nobody answered the audit".into()) };
        let open = |(what, state): &(What, String)| {
            state == "executing" || state == "reconciling" || what.kind != crate::words::Kind::Letter
        };
        let open = desk.history.blind.is_some() || desk.history.standing.iter().any(open);
        if !open || Instant::now() > until {
            break;
        }
        if desk.history.terse {
            desk.ask_again(heard).await;
        }
        sleep(Duration::from_millis(200)).await;
    }
    for (slot, place) in targets.slots.iter().enumerate() {
        place.blow(Blow::Last);
        let bye = |said: &Said| matches!(said, Said::Bye { .. });
        desk.tell(heard, slot, Order::End, Duration::from_secs(10), bye).await;
    }
}

async fn kept(campaign: &Campaign, directory: &Path, ledger: &Ledger) -> io::Result<Kept> {
    let server = match campaign.store {
        Store::Redis => Some(Server::start(directory).await?),
        Store::Sqlite => None,
    };
    let known = directory.join("known");
    let (mut cables, mut args, mut homes) = (Vec::new(), Vec::new(), Vec::new());
    for slot in 0..campaign.workers {
        let far = if campaign.seawall.is_some() { ledger.http() } else { ledger.address() };
        let cable = Proxy::to(far).await?;
        let store = match &server {
            Some(server) => Some(Proxy::to(server.address()).await?),
            None => None,
        };
        let url = store.as_ref().map(|store| format!("redis://{}/0?namespace={NAMESPACE}", store.address()));
        if campaign.seawall.is_some() {
            let home = directory.join(format!("gateway-{slot}"));
            gateway::configure(
                &home,
                cable.address(),
                url.as_deref().unwrap_or("./state"),
                campaign.journal,
            )?;
            homes.push(home);
            cables.push((store, cable));
            continue;
        }
        let mut words = vec!["--ledger".to_owned(), cable.address().to_string()];
        words.extend(["--times".to_owned(), crate::words::line(&campaign.times).trim().to_owned()]);
        match url {
            Some(url) => {
                words.extend(["--redis".to_owned(), url, "--known".to_owned()]);
                words.push(known.display().to_string());
            }
            None => words.extend(["--sqlite".to_owned(), directory.join("store").display().to_string()]),
        }
        if slot < campaign.reconcilers {
            words.extend(["--reconcile".to_owned(), "300".to_owned()]);
        }
        if let Some(bug) = campaign.bug {
            words.extend(["--bug".to_owned(), bug.to_string()]);
        }
        cables.push((store, cable));
        args.push(words);
    }
    let doer: Arc<dyn Doer> = match &campaign.seawall {
        // A journal in a file has a namespace of its own.
        Some(program) => {
            let namespace = if server.is_some() { NAMESPACE } else { "seawall" };
            Arc::new(Gateways { program: program.clone(), homes, namespace })
        }
        None => Arc::new(Workers { program: campaign.program.clone(), args, env: Vec::new() }),
    };
    Ok(Kept { server: server.map(|server| Arc::new(Mutex::new(server))), cables, doer })
}
