//! How everything stands: what is written to be looked at, and every upstream by the calls to it.

use std::sync::Arc;

use seawall::Invalid;
use seawall::breaker::{Breaker, State as Breaking};
use seawall::health::{self, Level, Registry, Standing, State, Weight, What};
use seawall_signals::metrics::{self, Observer, names};
use seawall_signals::view;

use super::LiveUpstream;
use crate::plan::{self, Plan};

/// The checks of one configuration, over what is known of them for longer. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    registry: Registry,
    /// A breaker has been patient already, and knows at once.
    breakers: Arc<[Breaker]>,
}

/// What a plan says of an upstream's check, where it says anything.
fn written<'p>(plan: &'p Plan, name: &str) -> Option<&'p plan::health::Check> {
    plan.health.iter().find(|check| *check.name == *name)
}

/// One check for each upstream, fed by its calls, and those that are written.
pub(super) fn checks(plan: &Plan, upstreams: &[LiveUpstream]) -> Result<Vec<health::Check>, Invalid> {
    let mut checks = Vec::with_capacity(upstreams.len() + plan.health.len());
    for up in upstreams {
        let name = &up.plan.name;
        let check = match written(plan, name) {
            Some(check) => check.build()?,
            None => plan::health::Check::calls(name.clone()).build()?,
        };
        checks.push(check.fed_by(&up.feed));
    }
    let own = |check: &&plan::health::Check| upstreams.iter().any(|up| up.plan.name == check.name);
    for check in plan.health.iter().filter(|check| !own(check)) {
        checks.push(check.build()?);
    }
    Ok(checks)
}

impl Health {
    pub(super) fn new(registry: &Registry, upstreams: &[LiveUpstream]) -> Self {
        let breakers = upstreams.iter().map(|up| up.breaker.clone()).collect();
        Self { registry: registry.clone(), breakers }
    }

    /// From now on a plan's checks are those that are looked at; what has not changed since `old` is left alone.
    pub(crate) fn apply(
        &self,
        checks: Vec<health::Check>,
        plan: &Plan,
        old: Option<&Plan>,
    ) -> Result<(), Invalid> {
        let same = |name: &str| old.is_some_and(|old| written(old, name) == written(plan, name));
        self.registry.replace(checks, same)
    }

    /// Every check, by name. One whose breaker is not closed stands where that says.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let mut checks = self.registry.snapshot().checks;
        for breaker in self.breakers.iter() {
            let (level, why) = match breaker.state() {
                Breaking::Closed | Breaking::ForcedClosed | Breaking::MetricsOnly => continue,
                Breaking::HalfOpen => (Level::Degraded, "its breaker is half-open"),
                Breaking::Open => (Level::Unhealthy, "its breaker is open"),
                Breaking::ForcedOpen => (Level::Unhealthy, "its breaker is held open"),
            };
            if let Some(check) = checks.iter_mut().find(|check| *check.name == **breaker.name()) {
                let found = check.last.take();
                check.state = level.into();
                check.for_ = breaker.snapshot().for_;
                check.last = Some(health::Last {
                    level: Some(level),
                    why: Some(why.into()),
                    measured: found.as_ref().and_then(|found| found.measured),
                    took: None,
                    ago: std::time::Duration::ZERO,
                    by: health::By::Calls,
                });
            }
        }
        checks
    }

    /// Is this one led by its breaker now?
    pub(crate) fn is_refused(&self, name: &str) -> bool {
        let closed = |breaker: &Breaker| {
            matches!(breaker.state(), Breaking::Closed | Breaking::ForcedClosed | Breaking::MetricsOnly)
        };
        self.breakers.iter().any(|breaker| **breaker.name() == *name && !closed(breaker))
    }

    /// Every check as people see it, and the whole in one word; with how forecasts did in the past where somebody asks in
    /// detail.
    pub(crate) fn view(&self, in_detail: bool) -> view::Checks {
        let standings = self.standings();
        let whole =
            seawall_policy::health::overall(standings.iter().map(|check| (check.state, check.weight)));
        let status = match whole {
            Level::Healthy => view::Health::Healthy,
            Level::Degraded => view::Health::Degraded,
            Level::Unhealthy => view::Health::Unhealthy,
        };
        let health = standings.iter().map(|check| self.tell(check, in_detail)).collect();
        view::Checks { status, health }
    }

    fn tell(&self, check: &Standing, in_detail: bool) -> view::Check {
        let last = check.last.as_ref();
        let measured = last.and_then(|last| last.measured);
        let millis = |span: std::time::Duration| span.as_secs_f64() * 1e3;
        let ago = last.map_or(0.0, |last| last.ago.as_secs_f64());
        let foretold = check.foretold.iter().map(|foretold| {
            let (line, what) = (&foretold.forecast.line, foretold.what);
            let left = |span: std::time::Duration| (span.as_secs_f64() - ago).max(0.0);
            view::Foretold {
                what: what.as_str().to_owned(),
                limit: foretold.forecast.limit.at,
                fails_in_seconds: left(foretold.forecast.lead),
                earliest_seconds: left(foretold.forecast.earliest),
                latest_seconds: left(foretold.forecast.latest),
                per_hour: line.slope * 3600.0,
                quality: line.quality,
                past: if in_detail { self.past(&check.name, what) } else { None },
            }
        });
        view::Check {
            name: check.name.to_string(),
            state: check.state.as_str().to_owned(),
            kind: check.kind.to_owned(),
            critical: check.weight == Weight::Critical,
            since_seconds: check.for_.as_secs(),
            failures: u64::from(check.failures),
            failing: check.failing,
            looks: check.runs,
            why: last.and_then(|last| last.why.as_deref()).map(str::to_owned),
            value: measured.map(|measured| measured.value).filter(|value| value.is_finite()),
            unit: measured.map(|measured| measured.unit.to_owned()),
            by: last.map(|last| last.by.as_str().to_owned()),
            seconds_ago: last.map(|last| last.ago.as_secs_f64()),
            took_ms: last.and_then(|last| last.took).map(millis),
            typical_ms: check.typical.map(millis),
            foretold: foretold.collect(),
            doubted: (check.doubted.iter())
                .map(|doubted| (doubted.what.as_str().to_owned(), doubted.doubt.as_str().to_owned()))
                .collect(),
        }
    }

    fn past(&self, name: &str, what: What) -> Option<view::Past> {
        let past = self.registry.backtest(name, what)?;
        Some(view::Past {
            failures: past.failures,
            foretold: past.foretold,
            alarms: past.alarms,
            false_alarms: past.false_alarms,
            lead_seconds: past.lead.map(|lead| lead.as_secs_f64()),
        })
    }

    /// Shows how checks stand, and which will fail, for as long as these live.
    pub(super) fn observe(&self, registry: &metrics::Registry) -> [Observer; 2] {
        let (health, trends) = (self.clone(), self.registry.clone());
        let status = names::HEALTH_STATUS.observe(registry, move |out| {
            for check in health.standings() {
                let value = match check.state {
                    State::Healthy => 1.0,
                    State::Degraded => 0.5,
                    State::Unhealthy => 0.0,
                    State::Unknown | State::Absent => continue,
                };
                out.add(&[&check.name], value);
            }
        });
        let left = names::HEALTH_FAILS_IN.observe(registry, move |out| {
            for check in trends.snapshot().checks {
                if let (Some(soonest), Some(last)) = (check.foretold.first(), &check.last) {
                    out.add(&[&check.name], soonest.forecast.lead.saturating_sub(last.ago).as_secs_f64());
                }
            }
        });
        [status, left]
    }
}
