//! A second copy beside a slow attempt: it passes the same gates, waits at none of them, and never harms the first.

use std::future::Future;

use seawall_core::event::Fact;
use seawall_core::{Certainty, Code, Instant, Rejection};

use super::call::{Tried, Trying};
use super::enter::Entered;
use super::{Cx, Shadow};
use crate::classify::Classify;
use crate::hedge::{Hedge, Raced};

impl<'p, C> Trying<'_, 'p, C> {
    /// One attempt and its hedges: the first outcome that is not worth repeating, or the first attempt's own.
    pub(super) async fn race<T, E, F, Fut>(
        &self,
        hedge: &Hedge,
        entered: Entered<'p>,
        began: Instant,
        operation: &mut F,
    ) -> Tried<'p, T, E>
    where
        C: Classify<T, E>,
        F: FnMut(Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let cx = self.cx(began, false);
        let first = self.once(entered, began, cx.remaining, operation(cx));
        let mut copies = 0;
        let admit = || {
            let now = self.call.pipeline.now();
            if !self.classify.can_repeat() {
                return None;
            }
            match self.admit_hedge(now, began) {
                Ok(entered) => {
                    self.tell(Fact::Hedged { after: now.since(began) });
                    copies += 1;
                    let cx = self.cx(now, true);
                    Some(self.once(entered, now, cx.remaining, operation(cx)))
                }
                Err(Some(rejection)) => {
                    self.tell(Fact::HedgeDenied { code: rejection.code });
                    None
                }
                Err(None) => None,
            }
        };
        let settled = |tried: &Tried<'p, T, E>| !tried.verdict.may_repeat(self.effects);
        let Raced { mut output, others, .. } = hedge.race(began, first, admit, settled).await;
        output.copies = copies;
        if others.len() < copies as usize {
            // Given up while it was under way.
            output.doubt.note(Certainty::Unknown);
        }
        for Tried { verdict, entered, now, .. } in others {
            // What a loser has seen of the upstream counts like everything else.
            output.doubt.note(verdict.certainty(self.effects));
            entered.leave(verdict, now);
            self.tell(Fact::Attempted { attempt: self.attempt, verdict });
        }
        output
    }

    /// May a copy be sent now? Nothing is waited for: there is an attempt under way.
    fn admit_hedge(&self, now: Instant, began: Instant) -> Result<Entered<'p>, Option<Rejection>> {
        if self.parts.shadow.holds(Shadow::HEDGE) {
            self.tell(Fact::WouldHedge { after: now.since(began) });
            return Err(None);
        }
        let entered = self.call.enter_now(self.parts, now)?;
        if !self.parts.budget.withdraw(now) {
            return Err(Some(Rejection::new(Code::RetryBudgetExhausted)));
        }
        Ok(entered)
    }

    fn tell(&self, fact: Fact) {
        self.call.pipeline.tell(self.call.sink, fact);
    }
}
