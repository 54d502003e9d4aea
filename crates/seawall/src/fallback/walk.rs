//! The walk from target to target, in whatever order: the one loop of a chain and of a failover group.

use std::future::Future;

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::{Effects, Error, Instant};
use seawall_policy::fallback::{Ended, On, next};

use super::served::{Trail, failed};
use super::{Served, Target};
use crate::classify::Classify;
use crate::pipeline::{Answer, Call, Cx};
use crate::retry::Stop;

/// One call over several targets.
pub(crate) struct Walk<'t, 'a> {
    pub(crate) targets: &'t [Target],
    pub(crate) on: On,
    pub(crate) effects: Effects,
    pub(crate) deadline: Instant,
    /// Takes the events of the targets' calls, instead of their own sinks.
    pub(crate) sink: Option<&'a dyn Sink>,
    /// Is told of each step from one target to the next.
    pub(crate) tell: Option<&'a dyn Sink>,
}

impl<'t: 'a, 'a> Walk<'t, 'a> {
    /// Runs the operation at `place`, and at the others in turn where that is allowed. `seen` hears how each ended.
    pub(crate) async fn run<T, E, C, F, Fut>(
        self,
        mut place: usize,
        mut others: impl Iterator<Item = usize>,
        classify: impl Fn(usize) -> C,
        each: impl Fn(usize, Call<'a>) -> Call<'a>,
        mut operation: F,
        mut seen: impl FnMut(usize, &Answer<T, E>),
    ) -> Served<'t, T, E>
    where
        C: Classify<T, E>,
        F: FnMut(usize, Cx) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Self { targets, on, effects, deadline, .. } = self;
        let (mut attempts, mut trail) = (0, Trail::new());
        loop {
            let Target { pipeline, confidence } = &targets[place];
            let mut call = pipeline.call().effects(effects).deadline(deadline);
            if let Some(sink) = self.sink {
                call = call.sink(sink);
            }
            let classify = classify(place);
            let mut answer = each(place, call).answer(&classify, |cx| operation(place, cx)).await;
            attempts += answer.attempts;
            seen(place, &answer);
            let refusal = answer.result.as_ref().err().and_then(Error::rejection);
            let ended = refusal.map_or(Ended::Outcome(answer.verdict), Ended::Refused);
            let may = on.covers(&ended) && classify.can_repeat() && answer.stop != Some(Stop::Declined);
            let then =
                if may && next(&ended, effects, 1, pipeline.now() < deadline) { others.next() } else { None };
            let Some(then) = then else {
                let who = (&**pipeline.name(), place, *confidence);
                let (certainty, from) = trail.end(who, answer.certainty, &mut answer.result);
                return Served { answer, attempts, certainty, from, effects };
            };
            trail.leave(failed(pipeline.name(), place, answer.verdict, &answer.result), answer.certainty);
            answer.held.settle();
            if let Some(sink) = self.tell {
                let to = targets[then].pipeline.name().clone();
                let fact = Fact::FellBack { from: pipeline.name().clone(), to };
                sink.offer(Event { at: pipeline.now(), name: pipeline.name().clone(), fact });
            }
            place = then;
        }
    }
}
