//! A breaker's tie to its fleet, and the task that keeps it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use seawall_core::Instant;
use seawall_core::event::Sink;
use seawall_core::fleet::breaker::{Ask, Lever as Pulls, Pull, Rules, Said, Standing};
use seawall_core::verdict::Lesson;
use seawall_policy::Invalid;
use seawall_policy::breaker::{Machine, Mirror, Moved, Options, Refusal, Ticket};
use tokio::sync::Notify;

use super::{Breaker, Inner, Snapshot};
use crate::fleet::{Away, Fleet, Inner as Place};
use crate::lever::Lever;
use crate::lock;
use crate::timeout::within;

/// What makes a breaker one of many processes.
pub(super) struct Tie {
    pub(super) fleet: Fleet,
    mirror: Mirror,
    /// The store should be asked soon.
    woken: Arc<Notify>,
    /// What the store said last, unless it is away.
    standing: Option<Standing>,
}

pub(super) fn made(
    fleet: &Fleet,
    name: Arc<str>,
    options: Options,
    sink: Option<Arc<dyn Sink>>,
) -> Result<Breaker, Invalid> {
    let mirror = Mirror::new(options)?;
    let breaker = Breaker::made(name, mirror.machine_options(), fleet.clock().clone(), sink);
    let woken = Arc::new(Notify::new());
    // The first look is at once.
    woken.notify_one();
    let tie = Tie { fleet: fleet.clone(), mirror, woken: woken.clone(), standing: None };
    lock(&breaker.0.guarded).tie = Some(Box::new(tie));
    let (place, runtime) = fleet.background();
    runtime.spawn(keep(Arc::downgrade(&breaker.0), place, woken));
    Ok(breaker)
}

/// Tells the store what has ended and hears how the breaker stands, for as long as somebody has it.
async fn keep(breaker: Weak<Inner>, place: Arc<Place>, woken: Arc<Notify>) {
    loop {
        let _ = within(woken.notified(), place.poll()).await;
        let Some(breaker) = breaker.upgrade().map(Breaker) else { return };
        if !place.is_up() {
            breaker.alone(place.size());
            continue;
        }
        let mut looked = false;
        while let Some((rules, ask)) = breaker.question(looked) {
            looked = true;
            match place.breaker(&breaker.0.name, &rules, ask).await {
                Ok(said) => breaker.heard(&said),
                Err(Away) => {
                    breaker.unheard();
                    breaker.alone(place.size());
                    break;
                }
            }
        }
    }
}

impl Breaker {
    /// What the store is to be told or asked; a look, if there is nothing and it has not been looked yet.
    fn question(&self, looked: bool) -> Option<(Rules, Ask)> {
        let now = self.now();
        let mut guarded = lock(&self.0.guarded);
        let mirror = &mut guarded.tie.as_mut()?.mirror;
        let ask = mirror.next(now).or_else(|| (!looked).then(|| mirror.look()))?;
        Some((mirror.rules().clone(), ask))
    }

    fn heard(&self, said: &Said) {
        let now = self.now();
        self.step(now, |guarded| {
            let Some(tie) = &mut guarded.tie else { return ((), None) };
            let moved = tie.mirror.hear(&mut guarded.machine, said, now);
            tie.standing = Some(said.standing.clone());
            if let Some(held) = &said.standing.held
                && tie.mirror.follows(said)
            {
                guarded.held_by = Some(Lever {
                    by: held.by.clone(),
                    reason: held.reason.clone(),
                    since: now - said.standing.stands,
                    until: held.left.map(|left| now + left),
                });
            }
            ((), moved)
        });
    }

    fn unheard(&self) {
        if let Some(tie) = &mut lock(&self.0.guarded).tie {
            tie.mirror.unheard();
        }
    }

    fn alone(&self, members: u32) {
        self.step(self.now(), |guarded| {
            let Some(tie) = &mut guarded.tie else { return ((), None) };
            tie.standing = None;
            ((), tie.mirror.alone(&mut guarded.machine, members))
        });
    }
}

impl Tie {
    pub(super) fn admit(
        &mut self,
        machine: &mut Machine,
        now: Instant,
    ) -> (Result<Ticket, Refusal>, Option<Moved>) {
        let admitted = self.mirror.admit(machine, now);
        if self.mirror.is_urgent() {
            self.woken.notify_one();
        }
        admitted
    }

    pub(super) fn record(
        &mut self,
        machine: &mut Machine,
        ticket: Ticket,
        lesson: Lesson,
        now: Instant,
    ) -> Option<Moved> {
        let (moved, urgent) = self.mirror.record(machine, ticket, lesson, now);
        if urgent {
            self.woken.notify_one();
        }
        moved
    }

    pub(super) fn peek(&self, machine: &Machine, now: Instant) -> bool {
        self.mirror.peek(machine, now)
    }

    pub(super) fn update(
        &mut self,
        machine: &mut Machine,
        options: Options,
    ) -> (Result<(), Invalid>, Option<Moved>) {
        match self.mirror.update(machine, options) {
            Ok(moved) => (Ok(()), moved),
            Err(invalid) => (Err(invalid), None),
        }
    }

    pub(super) fn pulled(&mut self, action: &str, held: &Lever, hold: Option<Duration>) {
        let lever = Pulls::ALL.iter().copied().find(|lever| lever.as_str() == action);
        let Some(lever) = lever else { return };
        let (by, reason) = (held.by.clone(), held.reason.clone());
        self.mirror.pulled(Pull { lever, by, reason, hold }, held.since);
        self.woken.notify_one();
    }

    /// What the whole fleet has counted, where that is known.
    pub(super) fn told(&self, own: Snapshot) -> Snapshot {
        match &self.standing {
            Some(fleet) => Snapshot {
                calls: fleet.calls,
                failures: fleet.failures,
                slow: fleet.slow,
                opened: fleet.opened,
                ..own
            },
            None => own,
        }
    }
}
