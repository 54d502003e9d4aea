//! A route and the chain of its targets.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use seawall::fallback::{Chain, Target};
use seawall::{Effects, Invalid, hedge, timeout};
use seawall_signals::metrics::Registry;

use super::{Ground, House, LiveUpstream, Update};
use crate::compress::{Live, Traffic};
use crate::inspect::Inspect;
use crate::meters::CallMeters;
use crate::once::{self, Once};
use crate::plan::{Allow, Cache, Calling};
use crate::route::Pattern;
/// A route and the chain of its targets.
#[derive(Debug)]
pub(crate) struct LiveRoute {
    /// Empty for an upstream's defaults.
    pub(crate) name: Arc<str>,
    pub(super) method: Option<Method>,
    pub(super) path: Option<Pattern>,
    pub(crate) chain: Chain,
    pub(crate) to: Vec<usize>,
    pub(crate) effects: Option<Effects>,
    pub(crate) deadline: Duration,
    pub(crate) attempt: timeout::Options,
    /// None where bodies pass as they are.
    pub(crate) compress: Option<Live>,
    pub(crate) terminal: Option<Arc<str>>,
    pub(crate) allow: Allow,
    pub(crate) cache: Option<Cache>,
    /// None where requests are not looked at.
    pub(crate) inspect: Option<Inspect>,
    /// Calls that are slow may get a second copy.
    pub(crate) hedges: bool,
    pub(crate) once: Once,
    pub(crate) meters: Vec<Arc<CallMeters>>,
}

/// What routes are built from.
pub(super) struct Building<'b> {
    pub(super) upstreams: &'b [LiveUpstream],
    pub(super) ground: &'b Ground,
    pub(super) old: Option<&'b House>,
    pub(super) updates: &'b mut Vec<Update>,
}

impl Building<'_> {
    /// The route a call would have taken before, where it has the same name.
    fn before(&self, name: &str, first: usize) -> Option<(&House, &LiveRoute)> {
        let old = self.old?;
        let route = match name {
            "" => old.routes.get(old.plain_route(old.place(&self.upstreams[first].plan.name)?)),
            name => old.written(name),
        };
        Some((old, route?))
    }

    /// The chain of a route's targets. A pipeline whose parts are the same goes on.
    fn chain(
        &mut self,
        name: &str,
        to: &[usize],
        calling: &Calling,
        hedge: Option<&hedge::Options>,
    ) -> Result<Chain, Invalid> {
        let mut targets = Vec::with_capacity(to.len());
        for place in to {
            let upstream = &self.upstreams[*place];
            let options = upstream.options(calling, hedge);
            let mut pipeline = upstream.pipeline(options.clone())?;
            let before = self.before(name, to[0]).and_then(|(old, route)| {
                let targets = route.chain.targets().iter().zip(&route.to);
                let same = |(_, to): &(&Target, &usize)| old.upstreams[**to].plan.name == upstream.plan.name;
                Some(targets.into_iter().find(same)?.0.pipeline.clone())
            });
            if let Some(before) = before.filter(|_| upstream.same_parts) {
                pipeline = before.clone();
                self.updates.push(Box::new(move || _ = before.update(options)));
            }
            targets.push(Target { pipeline, confidence: 1.0 });
        }
        Chain::new(targets)
    }

    fn meters(&self, name: &str, to: &[usize]) -> Vec<Arc<CallMeters>> {
        let meters = |place: &usize| {
            let upstream = &self.upstreams[*place].plan.name;
            let before = self.before(name, to[0]).and_then(|(old, route)| {
                let place = route.to.iter().position(|to| old.upstreams[*to].plan.name == *upstream)?;
                Some(route.meters[place].clone())
            });
            before.unwrap_or_else(|| Arc::new(CallMeters::new(&self.ground.registry, upstream, name)))
        };
        to.iter().map(meters).collect()
    }
}

impl LiveRoute {
    pub(super) fn of(plan: &crate::plan::Route, building: &mut Building<'_>) -> Result<Self, Invalid> {
        let (upstreams, ground) = (building.upstreams, building.ground);
        let first = &upstreams[plan.to[0]];
        if plan.cache.is_some() {
            first.meters.show_cache();
        }
        let inspect = match &plan.inspect {
            Some(options) => {
                options.check()?;
                let old = building.old.and_then(|old| old.written(&plan.name)?.inspect.as_ref());
                Some(Inspect::new(options, old, &ground.registry, &plan.name, building.updates))
            }
            None => None,
        };
        Ok(Self {
            inspect,
            name: plan.name.clone(),
            method: plan.method.clone(),
            path: Some(plan.path.clone()),
            chain: building.chain(&plan.name, &plan.to, &plan.calling, plan.hedge.as_ref())?,
            meters: building.meters(&plan.name, &plan.to),
            to: plan.to.clone(),
            effects: plan.effects,
            deadline: plan.calling.deadline,
            attempt: plan.calling.attempt.clone(),
            compress: compress(&plan.to, &plan.calling, upstreams, &ground.registry)?,
            terminal: plan.terminal.clone(),
            allow: plan.allow,
            cache: plan.cache,
            hedges: plan.hedge.is_some(),
            once: Once::new(
                &ground.journal.guard,
                &plan.name,
                &plan.once,
                &first.plan,
                plan.calling.deadline,
            )?,
        })
    }

    /// The one method it is for, if it is for one.
    pub(crate) fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    pub(super) fn plain(place: usize, building: &mut Building<'_>) -> Result<Self, Invalid> {
        let (upstreams, ground) = (building.upstreams, building.ground);
        let upstream = &upstreams[place].plan;
        let defaults = &upstream.defaults;
        let (kind, once) = (once::plain_type(&upstream.name), crate::plan::Once::default());
        Ok(Self {
            name: "".into(),
            method: None,
            path: None,
            chain: building.chain("", &[place], defaults, None)?,
            meters: building.meters("", &[place]),
            to: vec![place],
            effects: None,
            deadline: defaults.deadline,
            attempt: defaults.attempt.clone(),
            compress: compress(&[place], defaults, upstreams, &ground.registry)?,
            terminal: None,
            allow: Allow::default(),
            cache: None,
            inspect: None,
            hedges: false,
            once: Once::new(&ground.journal.guard, &kind, &once, upstream, defaults.deadline)?,
        })
    }
}

fn compress(
    to: &[usize],
    calling: &Calling,
    upstreams: &[LiveUpstream],
    registry: &Registry,
) -> Result<Option<Live>, Invalid> {
    let options = calling.compress.clone();
    options.check()?;
    if options.is_off() {
        return Ok(None);
    }
    let traffic = to.iter().map(|place| Traffic::of(registry, &upstreams[*place].plan.name)).collect();
    Ok(Some(Live { options, traffic }))
}
