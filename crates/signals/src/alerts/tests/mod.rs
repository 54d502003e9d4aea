mod board;
mod builtin;
mod engine;
mod laws;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::event::Event;
use seawall_policy::alert::{Delivery, Options, Rule};

use super::board::Board;
use super::channel::Delivering;
use super::{Channel, Failure, Grouping, Notice, Outlet};
use crate::metrics::{Gauge, Registry};
use crate::view;

const START: Instant = Instant::from_nanos(1_800_000_000_000_000_000);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What a channel was given, for a test to look at.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<Vec<Notice>>>);

impl Channel for Given {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
        self.0.lock().unwrap().push(notice.clone());
        Box::pin(async { Ok("taken".to_owned()) })
    }
}

fn outlet(name: &str) -> Outlet {
    let delivery = Delivery { batch: Duration::ZERO, cooldown: Duration::ZERO, ..Delivery::default() };
    Outlet { delivery, grouping: Grouping::Alert, ..Outlet::new(name, Given::default()) }
}

fn rule(name: &str, when: &str, held: u64) -> Rule {
    let options = Options {
        when: Some(when.to_owned()),
        held: Some(secs(held)),
        summary: Some("the exchange is down".to_owned()),
        send: vec!["ops".to_owned()],
        ..Options::default()
    };
    options.rule(name).unwrap().unwrap()
}

/// A board, its metrics and its time, moved by hand.
struct World {
    board: Board,
    registry: Registry,
    now: u64,
    told: Vec<Event>,
}

impl World {
    fn new(rules: Vec<Rule>, outlets: &[Outlet]) -> Self {
        let board = Board::new(rules, outlets, START);
        Self { board, registry: Registry::new(), now: 0, told: Vec::new() }
    }

    fn at(&self) -> Instant {
        START + secs(self.now)
    }

    fn gauge(&self, upstream: &str) -> Gauge {
        self.registry.gauge("seawall_breaker_open", "Open.", &[("upstream", upstream)])
    }

    /// One look at the metrics, written down at once.
    fn step(&mut self) {
        let families = self.board.watch().families();
        let gathered = self.registry.gather_some(&|name| families.contains(name));
        let now = self.at();
        self.told.extend(self.board.step(&gathered, now));
        self.board.written = self.board.changed;
    }

    /// So many seconds, each with a look.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1;
            self.step();
        }
    }

    /// What is due, once that it is tried has been written down.
    fn next(&mut self) -> Option<Notice> {
        let now = self.at();
        self.board.next(0, now).or_else(|| {
            self.board.written = self.board.changed;
            self.board.next(0, now)
        })
    }

    /// Everything that is due is delivered.
    fn deliver(&mut self) -> Vec<Notice> {
        let mut all = Vec::new();
        while let Some(notice) = self.next() {
            let now = self.at();
            self.board.ended(0, &notice.id, &Ok("200".to_owned()), (0.5, secs(0)), now);
            all.push(notice);
        }
        self.board.written = self.board.changed;
        all
    }

    /// What is due is tried once, in vain.
    fn fail(&mut self, why: &str) -> bool {
        let now = self.at();
        let Some(notice) = self.next() else { return false };
        self.board.ended(0, &notice.id, &Err(Failure::later(why)), (0.5, secs(0)), now);
        self.board.written = self.board.changed;
        true
    }

    fn said(&mut self) -> Vec<String> {
        self.deliver().iter().map(Notice::headline).collect()
    }

    fn alert(&self, id: &str) -> view::Alert {
        self.board.view().alerts.into_iter().find(|alert| alert.id == id).unwrap()
    }

    fn why(&self, id: &str) -> Vec<String> {
        self.alert(id).why.into_iter().map(|line| line.what).collect()
    }
}
