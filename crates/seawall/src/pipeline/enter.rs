//! The gates in front of one attempt, in their order, and what a call holds once it is past them.

use std::borrow::Cow;
use std::time::Duration;

use seawall_core::event::Fact;
use seawall_core::{Code, Instant, Policy, Rejection, Verdict};
use smallvec::SmallVec;

use super::{Call, Held, Parts, Shadow};
use crate::breaker::Admitted;
use crate::bulkhead::Place;
use crate::limiter::{Limiter, Taken};

/// Past every gate. Dropped without a word it tells the breaker nothing.
#[derive(Default)]
pub(super) struct Entered<'p> {
    breaker: Option<Admitted<'p>>,
    place: Option<Place<'p>>,
}

impl Entered<'_> {
    /// The attempt is over, as its verdict says; its place goes to the next.
    pub(super) fn leave(self, verdict: Verdict, now: Instant) {
        if let Some(admitted) = self.breaker {
            admitted.settle_at(verdict.lesson(), now);
        }
        if let Some(place) = self.place {
            place.settle_at(verdict, now);
        }
    }

    /// The answer has begun, and its body is still to be read.
    pub(super) fn hold(self, verdict: Verdict) -> Held {
        let breaker = self.breaker.map(Admitted::into_owned);
        Held { verdict: Some(verdict), breaker, place: self.place.map(Place::into_owned) }
    }
}

impl Call<'_> {
    /// Passes every gate in order. Dropped or refused half-way, it gives back what it took.
    pub(super) async fn enter<'p>(
        &self,
        parts: &'p Parts,
        deadline: Instant,
        now: &mut Instant,
        waited: &mut Duration,
    ) -> Result<Entered<'p>, Rejection> {
        if *now >= deadline {
            return Err(Rejection::new(Code::DeadlineExceeded));
        }
        // Nothing to wait for is what usually happens; it is tried first, and the clock is not asked again.
        let breaker = self.admit(parts, *now)?;
        if let Some(taken) = self.pass_limits_now(parts, *now)
            && let Ok(place) = self.find_place(parts)
        {
            taken.keep();
            return Ok(Entered { breaker, place });
        }
        // Whoever waits holds no probe: it goes to somebody who can use it at once.
        drop(breaker);
        // Boxed: waiting is rare and its state large.
        Box::pin(self.wait_to_enter(parts, deadline, now, waited)).await
    }

    /// Passes every gate without waiting at any; refused, it has taken nothing.
    pub(super) fn enter_now<'p>(&self, parts: &'p Parts, now: Instant) -> Result<Entered<'p>, Rejection> {
        let breaker = self.admit(parts, now)?;
        let taken = self.pass_limits_now(parts, now).ok_or(const { Rejection::new(Code::RateLimited) })?;
        let full = |NoPlace| const { Rejection::new(Code::BulkheadFull) };
        let place = self.find_place(parts).map_err(full)?;
        taken.keep();
        Ok(Entered { breaker, place })
    }

    async fn wait_to_enter<'p>(
        &self,
        parts: &'p Parts,
        deadline: Instant,
        now: &mut Instant,
        waited: &mut Duration,
    ) -> Result<Entered<'p>, Rejection> {
        let mut place: Option<Place<'p>> = None;
        let taken = loop {
            let mut taken = TakenAll(SmallVec::new());
            let began = *now;
            let outcome = self.pass_limits(parts, deadline, &mut taken).await;
            *now = self.note_wait(Policy::Limiter, began, waited);
            outcome?;
            if place.is_some() {
                break taken;
            }
            if let Ok(free) = self.find_place(parts) {
                place = free;
                break taken;
            }
            // Tokens are counted when a call leaves, so they are not carried through a wait: the upstream would see
            // those of two windows at once.
            drop(taken);
            let Some(bulkhead) = &parts.bulkhead else { continue };
            let began = *now;
            let outcome = bulkhead.enter_as(self.priority, deadline).await;
            *now = self.note_wait(Policy::Bulkhead, began, waited);
            place = Some(outcome?);
        };
        if *now >= deadline {
            return Err(Rejection::new(Code::DeadlineExceeded));
        }
        let breaker = self.admit(parts, *now)?;
        taken.keep();
        Ok(Entered { breaker, place })
    }

    fn admit<'p>(&self, parts: &'p Parts, now: Instant) -> Result<Option<Admitted<'p>>, Rejection> {
        let Some(breaker) = &parts.breaker else { return Ok(None) };
        match breaker.admitted(now) {
            Ok(admitted) => Ok(Some(admitted)),
            Err(rejection) if parts.shadow.holds(Shadow::BREAKER) => {
                self.would_reject(&rejection);
                Ok(None)
            }
            Err(rejection) => Err(rejection),
        }
    }

    /// A place now, where one is needed; none where there is no bulkhead, or only its shadow.
    fn find_place<'p>(&self, parts: &'p Parts) -> Result<Option<Place<'p>>, NoPlace> {
        let Some(bulkhead) = &parts.bulkhead else { return Ok(None) };
        match bulkhead.try_enter() {
            Some(place) => Ok(Some(place)),
            None if parts.shadow.holds(Shadow::BULKHEAD) => {
                self.would_reject(&bulkhead.refusal());
                Ok(None)
            }
            None => Err(NoPlace),
        }
    }

    /// Waits, where there is something to wait for, and counts the call under every limit.
    async fn pass_limits<'p>(
        &self,
        parts: &'p Parts,
        deadline: Instant,
        taken: &mut TakenAll<'p>,
    ) -> Result<(), Rejection> {
        if parts.shadow.holds(Shadow::LIMITER) {
            return Ok(());
        }
        loop {
            parts.pauses.wait_out(self.credential, parts.patience, deadline).await?;
            for limit in &parts.limits {
                let key = self.key_under(limit);
                let key = key.as_deref().unwrap_or("");
                taken.0.push(limit.acquire_as(key, 1, self.priority, deadline).await?);
            }
            if parts.pauses.left(self.credential).is_zero() {
                return Ok(());
            }
            // A pause began while this call stood in line. Tokens are not carried through it either.
            taken.give_back();
        }
    }

    /// Counts the call under every limit if none of them makes it wait; else takes nothing.
    fn pass_limits_now<'p>(&self, parts: &'p Parts, now: Instant) -> Option<TakenAll<'p>> {
        let shadow = parts.shadow.holds(Shadow::LIMITER);
        if !shadow && !parts.pauses.left_at(self.credential, now).is_zero() {
            return None;
        }
        let mut taken = TakenAll(SmallVec::new());
        for limit in &parts.limits {
            let key = self.key_under(limit);
            match limit.try_acquire_at(key.as_deref().unwrap_or(""), 1, now) {
                Ok(token) => taken.0.push(token),
                // Nobody has time to ask for what only reports.
                Err(_) if shadow && limit.fleet().is_some() => {}
                Err(rejection) if shadow => self.would_reject(&rejection),
                Err(_) => return None,
            }
        }
        Some(taken)
    }

    fn key_under<'c>(&'c self, limit: &Limiter) -> Option<Cow<'c, str>> {
        let per = limit.per()?;
        match self.keys {
            Some(keys) => keys.key(per),
            None => self.key.as_deref().map(Cow::Borrowed),
        }
    }

    fn note_wait(&self, policy: Policy, began: Instant, waited: &mut Duration) -> Instant {
        let now = self.pipeline.0.clock.now();
        let wait = now.since(began);
        // Below this it was a lock, not a queue.
        if wait >= Duration::from_micros(500) {
            *waited += wait;
            self.pipeline.tell(self.sink, Fact::Waited { policy, wait });
        }
        now
    }

    pub(super) fn would_reject(&self, rejection: &Rejection) {
        let (code, policy) = (rejection.code, rejection.policy);
        self.pipeline.tell(self.sink, Fact::WouldReject { code, policy });
    }
}

/// There is no place in the bulkhead now.
struct NoPlace;

/// Tokens of a call that has not left yet: given back unless it leaves.
struct TakenAll<'a>(SmallVec<[Taken<'a>; 3]>);

impl TakenAll<'_> {
    fn keep(mut self) {
        self.0.clear();
    }

    fn give_back(&mut self) {
        for taken in self.0.drain(..) {
            taken.give_back();
        }
    }
}

impl Drop for TakenAll<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}
