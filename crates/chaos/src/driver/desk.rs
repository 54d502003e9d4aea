//! Hands out wishes, hears how they were answered, and wants again what nobody knows: until all is known that can be.

mod answers;

use answers::MOST_TRIES;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::plan::{Plan, Planned};
use super::slot::Event;
use crate::effects::Times;
use crate::history::{Grant, History, Wish};
use crate::ledger::{Answer, Client, Question};
use crate::words::{Job, Kind, Order, Said, Trouble, What, now};

/// What is done next about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Again,
    Echo,
    Mistake,
    /// A person looks into the doubt of that moment.
    Person(u64),
}

/// An effect that is wanted.
#[derive(Debug)]
struct Wanted {
    planned: Planned,
    born: Instant,
    tries: u32,
    /// Wishes that are not answered yet.
    out: u32,
    /// It has been in doubt.
    doubted: bool,
    /// The doubt a person is to look into, by its moment.
    doubt: Option<u64>,
    /// How often somebody else was at it.
    busy: u32,
    /// A person's word is on its way.
    forcing: bool,
    /// It is asked again already.
    waits: bool,
    /// All is known that can be.
    over: bool,
}

/// Who is there to do something.
#[derive(Debug)]
struct Place {
    process: u32,
    up: bool,
    orders: mpsc::UnboundedSender<Order>,
    out: usize,
}

/// See the module.
pub(super) struct Desk {
    plan: Plan,
    /// Dice for what depends on real time anyway.
    dice: Rng,
    ledger: Client,
    times: Times,
    /// Wishes a process is given at once.
    width: usize,
    pub(super) history: History,
    wanted: Vec<Wanted>,
    /// The effect, and whether it was a mistake, by the number of the wish.
    out: HashMap<u64, (usize, bool)>,
    places: Vec<Option<Place>>,
    due: BinaryHeap<Reverse<(Instant, usize, Due)>>,
    /// Effects about which somebody carries a person's word.
    forcing: Vec<(u32, usize)>,
    /// Effects whose end nobody waits for yet, without those in doubt.
    fresh: usize,
    open: usize,
    pub(super) failed: Option<String>,
}

impl Desk {
    pub(super) fn new(
        plan: Plan,
        seed: u64,
        slots: usize,
        width: usize,
        ledger: Client,
        times: Times,
    ) -> Self {
        Self {
            plan,
            dice: Rng::with_seed(seed ^ 0xd15c),
            ledger,
            times,
            width,
            history: History::default(),
            wanted: Vec::new(),
            out: HashMap::new(),
            places: (0..slots).map(|_| None).collect(),
            due: BinaryHeap::new(),
            forcing: Vec::new(),
            fresh: 0,
            open: 0,
            failed: None,
        }
    }

    /// Wants new effects until `until`.
    pub(super) async fn storm(&mut self, events: &mut mpsc::UnboundedReceiver<Event>, until: Instant) {
        while Instant::now() < until && self.failed.is_none() {
            self.fill();
            self.turn(events, until).await;
        }
    }

    /// Wants nothing new, and asks until all is known that can be; gives up at `until`.
    pub(super) async fn heal(&mut self, events: &mut mpsc::UnboundedReceiver<Event>, until: Instant) {
        while self.open > 0 && Instant::now() < until && self.failed.is_none() {
            self.turn(events, until).await;
        }
        let open = self.wanted.iter().filter(|wanted| !wanted.over);
        self.history.open = open.map(|wanted| wanted.planned.what).collect();
    }

    /// Asks once more for what is keyed and stands in doubt: whoever has its answer asks no more, and that is what ends it.
    pub(super) async fn ask_again(&mut self, events: &mut mpsc::UnboundedReceiver<Event>) {
        let keyed = |(what, state): &(What, String)| what.kind == Kind::Charge && state == "in-doubt";
        let doubts = self.history.standing.iter().filter(|doubt| keyed(doubt));
        let doubts: Vec<usize> = doubts.filter_map(|(what, _)| usize::try_from(what.id).ok()).collect();
        for index in doubts.iter().copied() {
            if let Some(slot) = self.free() {
                self.wanted[index].tries = MOST_TRIES;
                self.give(index, slot, 0);
            }
        }
        let until = Instant::now() + Duration::from_secs(5);
        while doubts.iter().any(|index| self.wanted[*index].out > 0) && Instant::now() < until {
            self.turn(events, until).await;
        }
    }

    /// Tells one process something, and hears everything until `done` says that this was it.
    pub(super) async fn tell(
        &mut self,
        events: &mut mpsc::UnboundedReceiver<Event>,
        slot: usize,
        order: Order,
        within: Duration,
        mut done: impl FnMut(&Said) -> bool,
    ) -> bool {
        let until = Instant::now() + within;
        let Some(place) = &self.places[slot] else { return false };
        let process = place.process;
        let _ = place.orders.send(order);
        while Instant::now() < until && self.failed.is_none() {
            let heard = tokio::time::timeout_at(until, events.recv()).await;
            let Ok(Some(event)) = heard else { return false };
            let was_it =
                matches!(&event, Event::Said { process: by, said, .. } if *by == process && done(said));
            self.hear(event);
            if was_it {
                return true;
            }
        }
        false
    }

    /// Hears everybody out, until nobody is left.
    pub(super) async fn hush(&mut self, events: &mut mpsc::UnboundedReceiver<Event>, until: Instant) {
        while self.places.iter().any(Option::is_some)
            && let Ok(Some(event)) = tokio::time::timeout_at(until, events.recv()).await
        {
            self.hear(event);
        }
    }

    /// Hears what there is, and does what is due.
    async fn turn(&mut self, events: &mut mpsc::UnboundedReceiver<Event>, until: Instant) {
        let next = self.due.peek().map_or(until, |Reverse((at, ..))| (*at).min(until));
        let mut heard = Vec::new();
        tokio::select! {
            count = events.recv_many(&mut heard, 256) => if count == 0 {
                self.failed = Some("nobody is left to hear of".into());
            },
            () = sleep_until(next) => {}
        }
        for event in heard {
            self.hear(event);
        }
        let at = Instant::now();
        while let Some(Reverse((when, index, due))) = self.due.peek().copied()
            && when <= at
        {
            self.due.pop();
            if !self.act(index, due).await {
                self.later(index, due, Duration::from_millis(20));
                break;
            }
        }
    }

    /// Wants more, as long as there is room.
    fn fill(&mut self) {
        let room: usize = self.places.iter().flatten().filter(|place| place.up).count() * self.width;
        while self.fresh < room
            && let Some(slot) = self.free()
        {
            let planned = self.plan.draw();
            let index = self.wanted.len();
            let racers = planned.racers;
            self.wanted.push(Wanted {
                planned,
                born: Instant::now(),
                tries: 0,
                out: 0,
                doubted: false,
                doubt: None,
                busy: 0,
                forcing: false,
                waits: false,
                over: false,
            });
            self.fresh += 1;
            self.open += 1;
            self.give(index, slot, 0);
            for _ in 1..racers {
                if let Some(slot) = self.free() {
                    self.give(index, slot, 0);
                }
            }
        }
    }

    /// Somebody who is there and has room.
    fn free(&mut self) -> Option<usize> {
        let begin = self.dice.usize(..self.places.len());
        let places = (0..self.places.len()).map(|step| (begin + step) % self.places.len());
        let room = |slot: &usize| {
            self.places[*slot].as_ref().is_some_and(|place| place.up && place.out < self.width * 2)
        };
        places.into_iter().find(room)
    }

    fn give(&mut self, index: usize, slot: usize, args: u64) {
        let Some(place) = self.places[slot].as_mut() else { return };
        let wanted = &mut self.wanted[index];
        let tries = &wanted.planned.tries;
        let try_of = usize::try_from(wanted.tries).unwrap_or(usize::MAX).min(tries.len().saturating_sub(1));
        let trouble = tries.get(try_of).copied().unwrap_or(Trouble::None);
        let n = self.history.wishes.len() as u64;
        let (what, age) = (wanted.planned.what, wanted.born.elapsed());
        let job = Job {
            n,
            what,
            args,
            age: Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            wait: if self.dice.u8(..4) == 0 { 400 } else { 0 },
            ticket: self.dice.u8(..3) == 0,
            trouble,
        };
        wanted.tries += 1;
        wanted.out += 1;
        place.out += 1;
        self.out.insert(n, (index, args != 0));
        let process = place.process;
        self.history.wishes.push(Wish {
            what,
            args,
            process,
            sent: now(),
            trouble,
            ran: false,
            answered: None,
        });
        let _ = place.orders.send(Order::Do(job));
        if args == 0 && self.wanted[index].planned.racers > 1 {
            // Where several want it, somebody always comes once more before it is done.
            let pause = Duration::from_millis(self.dice.u64(400..800));
            self.meanwhile(index, pause);
        }
    }

    /// Does what is due; false if nobody is there to do it.
    async fn act(&mut self, index: usize, due: Due) -> bool {
        match due {
            Due::Again => {
                let wanted = &self.wanted[index];
                if wanted.over || wanted.forcing {
                    self.wanted[index].waits = false;
                    return true;
                }
                let Some(slot) = self.free() else { return false };
                self.wanted[index].waits = false;
                self.give(index, slot, 0);
                true
            }
            Due::Echo | Due::Mistake => {
                let Some(slot) = self.free() else { return false };
                self.give(index, slot, u64::from(due == Due::Mistake));
                true
            }
            Due::Person(doubt) => {
                if self.wanted[index].forcing || self.wanted[index].doubt != Some(doubt) {
                    return true;
                }
                let what = self.wanted[index].planned.what;
                // The first slot is the one whose connections are never cut: no word of a person arrives late.
                let Some(place) = self.places[0].as_ref().filter(|place| place.up) else { return false };
                let (process, orders) = (place.process, place.orders.clone());
                let look = self.ledger.ask(Question::Look { what }, Duration::from_secs(5), || {}).await;
                let Ok(Answer::Found(found)) = look else { return false };
                let order = Order::Force { what, entry: found.map(|(entry, _)| entry) };
                self.wanted[index].forcing = true;
                self.history.looked.insert(what);
                self.forcing.push((process, index));
                let _ = orders.send(order);
                true
            }
        }
    }

    fn later(&mut self, index: usize, due: Due, after: Duration) {
        if due == Due::Again {
            self.wanted[index].waits = true;
        }
        self.due.push(Reverse((Instant::now() + after, index, due)));
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started { slot, process, orders } => {
                self.places[slot] = Some(Place { process, up: false, orders, out: 0 });
            }
            Event::Said { process, said, .. } => self.heard(process, said),
            Event::Gone { slot, process } => self.gone(slot, process),
            Event::Fault(fault) => self.history.faults.push(fault),
            Event::Failed(why) => self.failed = Some(why),
        }
    }

    fn heard(&mut self, process: u32, said: Said) {
        match said {
            Said::Up => {
                if let Some(place) = self.places.iter_mut().flatten().find(|place| place.process == process) {
                    place.up = true;
                }
            }
            Said::Granted { what, epoch, nonce, asked, answered } => {
                let nonce = u128::from_str_radix(&nonce, 16).unwrap_or(0);
                self.history.grants.push(Grant { what, epoch, nonce, asked, answered });
            }
            Said::Ran { n, .. } => {
                if let Some(wish) = usize::try_from(n).ok().and_then(|n| self.history.wishes.get_mut(n)) {
                    wish.ran = true;
                }
            }
            Said::Ended { n, how, at } => self.ended(process, n, at, &how),
            Said::Forced { what, refused } => {
                let index = usize::try_from(what.id).unwrap_or(usize::MAX);
                if self.wanted.get(index).is_some() {
                    if refused.is_none() {
                        self.history.forced.push(what);
                    }
                    self.forcing.retain(|(_, other)| *other != index);
                    self.unforced(index);
                }
            }
            Said::Noted { what, note } => self.history.notes.push((what, note)),
            Said::Stands { what, state } => self.history.standing.push((what, state)),
            Said::Bye { unsaid } => self.history.unsaid += unsaid,
            Said::Reconciled { .. }
            | Said::Audited { .. }
            | Said::Counted { .. }
            | Said::Attempted { .. }
            | Said::Hour { .. } => {}
        }
    }

    /// Whatever it was given is wanted of others.
    fn gone(&mut self, slot: usize, process: u32) {
        if self.places[slot].as_ref().is_some_and(|place| place.process == process) {
            self.places[slot] = None;
        }
        let lost: Vec<u64> = self
            .out
            .keys()
            .copied()
            .filter(|n| {
                usize::try_from(*n)
                    .ok()
                    .and_then(|n| self.history.wishes.get(n))
                    .is_some_and(|wish| wish.process == process)
            })
            .collect();
        for n in lost {
            if let Some((index, mistake)) = self.out.remove(&n) {
                self.wanted[index].out -= 1;
                if !mistake {
                    self.again(index, Duration::from_millis(1));
                }
            }
        }
        let lost: Vec<usize> =
            self.forcing.extract_if(.., |(by, _)| *by == process).map(|(_, index)| index).collect();
        for index in lost {
            self.unforced(index);
        }
    }

    /// Effects that were wanted.
    pub(super) fn effects(&self) -> impl Iterator<Item = What> {
        self.wanted.iter().map(|wanted| wanted.planned.what)
    }
}
