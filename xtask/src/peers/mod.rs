//! The effect guard beside what others offer for the same purpose, on the same faults, before a ledger that never dedupes.
//!
//! Minutes, not seconds: no part of `test`. Every round has a store, a ledger and workers of its own.

mod ledger;
mod report;
mod rounds;
mod store;
mod verdict;
mod worker;

use crate::process::{interrupted, run};
use crate::report::{Report, Stop};
use crate::{args, python, tools};
use rounds::{Fault, Round};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use verdict::Tally;

const BUILDING: Duration = Duration::from_secs(1800);
/// What Lambda gives an invocation, and seawall a call; its lease is as long.
const DEADLINE: Duration = Duration::from_secs(3);
/// Wishes of one round: they share a kill, or a crash of the store.
const BATCH: u32 = 25;
/// Rounds at once. They wait more than they work.
const LANES: usize = 3;

/// Whose worker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Powertools,
    Dbos,
    Seawall,
}

/// A contestant.
#[derive(Clone, Copy, Debug)]
struct Peer {
    name: &'static str,
    kind: Kind,
    /// Records in Redis; otherwise in a file.
    redis: bool,
    /// The ledger may be asked what it has done.
    asks: bool,
    /// A store that only one process can have open.
    one_process: bool,
    /// Has a way of its own to lay back a copy.
    restores: bool,
    variant: &'static str,
    /// The only fault it is there for; none is all of them.
    only: Option<Fault>,
}

const PEER: Peer = Peer {
    name: "",
    kind: Kind::Seawall,
    redis: true,
    asks: false,
    one_process: false,
    restores: false,
    variant: "",
    only: None,
};
const FILED: Peer = Peer { redis: false, one_process: true, restores: true, ..PEER };

const PEERS: [Peer; 10] = [
    Peer { name: "Powertools, Redis", kind: Kind::Powertools, ..PEER },
    Peer { name: "DBOS, SQLite", kind: Kind::Dbos, redis: false, ..PEER },
    Peer { name: "seawall, Redis", ..PEER },
    Peer { name: "seawall, SQLite", ..FILED },
    Peer { name: "Powertools, Redis, asks first", kind: Kind::Powertools, asks: true, ..PEER },
    Peer { name: "DBOS, SQLite, asks first", kind: Kind::Dbos, redis: false, asks: true, ..PEER },
    Peer { name: "seawall, Redis, queryable", asks: true, ..PEER },
    Peer { name: "seawall, SQLite, queryable", asks: true, ..FILED },
    Peer {
        name: "Powertools, Redis, no deadline registered",
        kind: Kind::Powertools,
        variant: "no-deadline",
        only: Some(Fault::KilledAfter),
        ..PEER
    },
    Peer {
        name: "DBOS, SQLite, steps retried",
        kind: Kind::Dbos,
        redis: false,
        variant: "retries",
        only: Some(Fault::ReplyLost),
        ..PEER
    },
];

impl Peer {
    fn meets(&self, fault: Fault) -> bool {
        self.only.is_none_or(|only| only == fault) && (self.asks || !Fault::ASKED.contains(&fault))
    }
}

/// How workers are started.
struct Tools {
    python: PathBuf,
    guard: PathBuf,
}

impl Tools {
    fn command(&self, kind: Kind) -> Command {
        let script = match kind {
            Kind::Powertools => "powertools_worker.py",
            Kind::Dbos => "dbos_worker.py",
            Kind::Seawall => return Command::new(&self.guard),
        };
        let mut command = Command::new(&self.python);
        command.arg(crate::root().join("benches/peers").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// One line of the table.
struct Cell {
    peer: Peer,
    fault: Fault,
    tally: Tally,
}

/// Runs the contest, prints it, and keeps it when all of it ran.
pub(crate) fn run_all(report: &mut Report, wanted: &args::Peers) {
    report.step("tools", || tools::ensure(tools::FOR_PEERS));
    let mut ready = None;
    report.step("workers", || {
        ready = Some(prepared()?);
        Ok(())
    });
    let Some(tools) = ready else { return report.skip("peers", "there are no workers") };
    report.step("peers", || contest(&tools, wanted));
}

fn prepared() -> Result<Tools, String> {
    run(
        Command::new("cargo").args(["build", "--package", "seawall-bench", "--bin", "seawall-peer"]),
        BUILDING,
    )?;
    let list = crate::root().join("benches/peers/requirements.txt");
    let requirements =
        std::fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    Ok(Tools {
        python: python::venv("venv-peers", &requirements)?,
        guard: crate::target().join("debug/seawall-peer"),
    })
}

fn contest(tools: &Tools, wanted: &args::Peers) -> Result<(), Stop> {
    let all = PEERS.iter().flat_map(|peer| {
        let faults = Fault::ALL.into_iter().chain(Fault::ASKED);
        faults.filter(|fault| peer.meets(*fault)).map(|fault| (*peer, fault))
    });
    let only = |(peer, fault): &(Peer, Fault)| {
        wanted.only.as_deref().is_none_or(|part| format!("{}: {}", peer.name, fault.name()).contains(part))
    };
    let cells: Vec<(Peer, Fault)> = all.filter(only).collect();
    let folder = crate::bench::workshop("peers")?;
    let mut dice = fastrand::Rng::with_seed(wanted.seed.into());
    let mut rounds = Vec::new();
    for (place, (peer, fault)) in cells.iter().enumerate() {
        for number in 0..wanted.trials.div_ceil(BATCH) {
            rounds.push((
                place,
                Round {
                    peer: *peer,
                    fault: *fault,
                    tools,
                    folder: folder.join(format!("{place}-{number}")),
                    wishes: BATCH.min(wanted.trials - number * BATCH),
                    patience: Duration::from_secs(u64::from(wanted.patience)),
                    breath: Duration::from_millis(dice.u64(0..50)),
                },
            ));
        }
    }
    // Long and short ones in any order, so that the lanes end together.
    dice.shuffle(&mut rounds);
    let tallies = played(&rounds, cells.len())?;
    let cells: Vec<Cell> =
        cells.into_iter().zip(tallies).map(|((peer, fault), tally)| Cell { peer, fault, tally }).collect();
    Ok(report::keep(&cells, wanted)?)
}

/// Plays all rounds, a few at once; the tallies by cell.
fn played(rounds: &[(usize, Round<'_>)], cells: usize) -> Result<Vec<Tally>, String> {
    let next = Mutex::new(rounds.iter());
    let tallies = Mutex::new(vec![Tally::default(); cells]);
    let lane = || {
        while !interrupted() {
            let Some((place, round)) = lock(&next).next() else { break };
            let name = format!("{}: {}", round.peer.name, round.fault.name());
            let tally = round.run().map_err(|error| format!("{name}: {error}"))?;
            eprintln!("   {name}: {}", report::line(&tally));
            lock(&tallies)[*place].join(tally);
        }
        Ok::<(), String>(())
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|lane| lane.join().unwrap_or_else(|_| Err("a lane fell over".into())))
    })?;
    if interrupted() {
        return Err("interrupted".into());
    }
    Ok(tallies.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
