//! A worker that dies at every step of the protocol, for every nature and every store; then another comes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use seawall_chaos::effects::STORY;
use seawall_chaos::words::{How, Job, Kind, Order, Trouble, What};
use seawall_chaos::worker::{STEP, Step};
use tokio::time::{Instant, sleep};

use crate::world::World;

/// One of each nature; of what can be asked about two, of which the second is told to refuse what is late.
const KINDS: [Kind; 5] = [Kind::Letter, Kind::Order, Kind::Booking, Kind::Charge, Kind::Setting];

/// What is known of an effect in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everybody is told that it is done.
    Done,
    /// It is in doubt until a person decides.
    InDoubt,
}

fn what(step: Step, kind: Kind) -> What {
    let place = Step::ALL.iter().position(|known| *known == step).expect("a step");
    What { kind, id: place as u64 }
}

/// Whoever looks into doubts looks into all there are, and must find its own.
fn place(step: Step, kind: Kind) -> String {
    match step {
        Step::FoundOut | Step::VerdictUnheard => format!("{step}-{kind}"),
        _ => "together".to_owned(),
    }
}

/// Does it until that step, and is never heard of again.
async fn dies_at(step: Step, job: Job, world: &World) {
    let apart = world.apart(&place(step, job.what.kind));
    let mut worker = world.worker_with(&apart, &[(STEP, step.as_str())]).await;
    let trouble = match step {
        Step::Sent => Trouble::Slow(150),
        Step::Delivered | Step::FoundOut | Step::VerdictUnheard => Trouble::Unanswered,
        // Longer than a third of a lease.
        Step::Renewed => Trouble::Slow(1500),
        _ => Trouble::None,
    };
    worker.tell(Order::Do(Job { trouble, ..job }));
    if matches!(step, Step::FoundOut | Step::VerdictUnheard) {
        assert_eq!(worker.answer(job.n).await, How::Unknown);
        worker.tell(match job.what.kind {
            // Nobody can ask: a person looks, and says what there is.
            Kind::Letter => Order::Force { what: job.what, entry: Some(world.numbered(job.what)) },
            _ => Order::Reconcile,
        });
    }
    let ended = worker.dies().await;
    assert!(ended.signal().is_some(), "{step}, {}: it ended by itself: {ended:?}", job.what);
}

/// What is known at last, and how often it took place.
async fn story(mut world: World) -> BTreeMap<(Step, Kind), (End, usize)> {
    let apart = world.server.is_some();
    for step in Step::ALL {
        let jobs = KINDS.map(|kind| world.wish(what(*step, kind)));
        let [a, b, c, d, e] = jobs.map(|job| dies_at(*step, job, &world));
        if apart {
            tokio::join!(a, b, c, d, e);
        } else {
            // Of a file there is one owner at a time.
            a.await;
            b.await;
            c.await;
            d.await;
            e.await;
        }
    }
    world.ledger.drained().await.expect("the ledger answers");
    let settled = Instant::now() + Duration::from_millis(STORY.lease) + STORY.settle();
    let mut open: Vec<(Step, Kind)> =
        Step::ALL.iter().flat_map(|step| KINDS.map(|kind| (*step, kind))).collect();
    let mut workers = BTreeMap::new();
    for (step, kind) in &open {
        if let Entry::Vacant(vacant) = workers.entry(place(*step, *kind)) {
            let apart = world.apart(vacant.key());
            vacant.insert(world.worker_with(&apart, &[]).await);
        }
    }
    let mut ends = BTreeMap::new();
    while !open.is_empty() {
        let late = Instant::now() > settled;
        let mut left = Vec::new();
        for (step, kind) in open {
            let what = what(step, kind);
            let worker = workers.get_mut(&place(step, kind)).expect("it was started");
            let end = match worker.does(world.wish(what)).await {
                How::Ok { .. } => End::Done,
                How::InDoubt { .. } if late && kind == Kind::Letter => End::InDoubt,
                How::InDoubt { .. } | How::InFlight | How::Unavailable => {
                    left.push((step, kind));
                    continue;
                }
                other => panic!("{step}, {kind}: {other:?}"),
            };
            ends.insert((step, kind), (end, world.times(what)));
        }
        for worker in workers.values_mut() {
            worker.reconciles().await;
        }
        sleep(Duration::from_millis(100)).await;
        assert!(Instant::now() < settled + Duration::from_secs(30), "never ends: {left:?}");
        open = left;
    }
    ends
}

/// What must be known in the end, and how often it took place.
fn expected(step: Step, kind: Kind) -> (End, std::ops::RangeInclusive<usize>) {
    let arrived = !matches!(step, Step::BeforeBegin | Step::BeginUnheard | Step::Granted);
    // Nobody was told to run it, or the store knows how it ended.
    let certain = matches!(step, Step::BeforeBegin | Step::CompleteUnheard | Step::VerdictUnheard);
    match kind {
        Kind::Letter if certain => (End::Done, 1..=1),
        Kind::Letter => (End::InDoubt, usize::from(arrived)..=usize::from(arrived)),
        // Two are as good as one.
        Kind::Setting if !certain && arrived => (End::Done, 1..=2),
        _ => (End::Done, 1..=1),
    }
}

/// The table as people read it.
fn table() -> String {
    let mut lines = vec![
        "| dies | opaque | queryable | queryable, fenced | keyed | idempotent |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for step in Step::ALL {
        let cells = KINDS.map(|kind| match expected(*step, kind) {
            (End::Done, times) if *times.end() == 2 => "done, once or twice".to_owned(),
            (End::Done, _) => "done once".to_owned(),
            (End::InDoubt, times) if *times.end() == 0 => "in doubt, never done".to_owned(),
            (End::InDoubt, _) => "in doubt, done once".to_owned(),
        });
        lines.push(format!("| {step} | {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

fn check(ends: &BTreeMap<(Step, Kind), (End, usize)>) {
    let mut wrong = Vec::new();
    for ((step, kind), (end, times)) in ends {
        let (right, often) = expected(*step, *kind);
        if *end != right || !often.contains(times) {
            wrong.push(format!("{step}, {kind}: {end:?}, {times} times; expected {right:?}, {often:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(ends.len(), Step::ALL.len() * KINDS.len());
}

#[tokio::test]
async fn wherever_a_worker_dies_nothing_takes_place_twice_on_redis() {
    let Some(world) = World::redis().await else { return };
    check(&story(world).await);
}

#[tokio::test]
async fn wherever_a_worker_dies_nothing_takes_place_twice_on_sqlite() {
    check(&story(World::sqlite().await).await);
}

#[test]
fn the_page_shows_the_table_of_crashes() {
    let page = include_str!("../../../../docs/chaos.md");
    assert!(page.contains(&table()), "docs/chaos.md lacks this table:\n{}", table());
}
