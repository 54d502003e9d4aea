//! What policies tell, as lines.

use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;

use super::options::{Level, Stream};
use super::{Line, Logs};

/// Every event becomes a line of its own: levers and what befalls the trail in the stream of the audit, waits and pace in
/// that of performance, the rest in the common one. What happens with every call in trouble is logged at the level debug.
impl Sink for Logs {
    fn offer(&self, event: Event) {
        let (stream, level, what) = place(&event.fact);
        let line = self.line(stream, level, what).text("name", &event.name);
        told(line, &event.fact).write();
    }
}

/// Where a fact belongs, how much it matters, and what it is called.
fn place(fact: &Fact) -> (Stream, Level, &'static str) {
    use Level::{Debug, Error, Info, Warn};
    use Stream::{App, Audit, Performance};
    match fact {
        Fact::Attempted { .. } => (App, Debug, "an attempt ended"),
        Fact::Retrying { .. } => (App, Debug, "a retry was scheduled"),
        Fact::BudgetExhausted => (App, Debug, "a retry was due and the budget is spent"),
        Fact::Rejected { .. } => (App, Debug, "a policy refused"),
        Fact::Waited { .. } => (Performance, Debug, "a call waited for a slot"),
        Fact::Paused { .. } => (App, Warn, "a provider asked to be left alone"),
        Fact::KeyMoved { why: Some(_), .. } => (App, Warn, "a key was refused, and rests"),
        Fact::KeyMoved { .. } => (App, Info, "a key works again"),
        Fact::BreakerMoved { .. } => (App, Warn, "a breaker moved"),
        Fact::FellBack { .. } => (App, Info, "a call fell back"),
        Fact::WouldReject { .. } => (App, Debug, "a policy would have refused"),
        Fact::WouldRetry { .. } => (App, Debug, "a retry would have been scheduled"),
        Fact::WouldHedge { .. } => (App, Debug, "a hedge would have been sent"),
        Fact::Hedged { .. } => (Performance, Debug, "a hedge was sent"),
        Fact::HedgeDenied { .. } => (Performance, Debug, "a hedge was due and refused"),
        Fact::ServedStale { .. } => (App, Debug, "an old answer was given"),
        Fact::FailedOver { .. } => (App, Warn, "calls go to another target"),
        Fact::Degraded { .. } => (App, Warn, "the level of degradation changed"),
        Fact::HealthMoved { to: "healthy", .. } => (App, Info, "a health check moved"),
        Fact::HealthMoved { .. } => (App, Warn, "a health check moved"),
        Fact::PaceChanged { .. } => (Performance, Info, "a limit changed its pace"),
        Fact::SizeChanged { .. } => (Performance, Info, "a bulkhead changed its size"),
        Fact::AuditTrouble { .. } => (Audit, Error, "the audit trail was touched, or cannot be written"),
        Fact::Unusual { .. } => (App, Warn, "a caller is unusual"),
        Fact::Alert { to: "resolved", .. } => (App, Info, "an alert moved"),
        Fact::Alert { .. } => (App, Warn, "an alert moved"),
        Fact::AlertTrouble { .. } => (App, Error, "somebody may not hear of an alert"),
        Fact::SignalTrouble { .. } => (App, Warn, "signals are not kept, or not sent on"),
        Fact::Effect { note, .. } if note.is_grave() => (App, Error, "an effect is in doubt"),
        Fact::Effect { .. } => (App, Info, "an effect was noted"),
        Fact::Lever { .. } => (Audit, Info, "a lever was pulled"),
    }
}

fn told<'l>(line: Line<'l>, fact: &Fact) -> Line<'l> {
    match fact {
        Fact::Attempted { attempt, verdict } => {
            line.count("attempt", (*attempt).into()).text("class", verdict.class().as_str())
        }
        Fact::Retrying { attempt, delay, class } => line
            .count("attempt", (*attempt).into())
            .text("class", class.as_str())
            .number("delay_seconds", delay.as_secs_f64()),
        Fact::Rejected { code, policy } | Fact::WouldReject { code, policy } => {
            line.shown("code", code).text("policy", policy.as_str())
        }
        Fact::Waited { policy, wait } => {
            line.text("policy", policy.as_str()).number("wait_seconds", wait.as_secs_f64())
        }
        Fact::Paused { wait } => line.text("for", &format_duration(*wait)),
        Fact::KeyMoved { key, why: Some(why), wait } => {
            line.text("key", key).text("why", why).text("for", &format_duration(*wait))
        }
        Fact::KeyMoved { key, .. } => line.text("key", key),
        Fact::BreakerMoved { to, why } => line.text("to", to).text("why", why),
        Fact::FellBack { from, to } => line.text("from", from).text("to", to),
        Fact::WouldRetry { attempt, delay } => {
            line.count("attempt", (*attempt).into()).number("delay_seconds", delay.as_secs_f64())
        }
        Fact::WouldHedge { after } | Fact::Hedged { after } => {
            line.number("after_seconds", after.as_secs_f64())
        }
        Fact::HedgeDenied { code } => line.shown("code", code),
        Fact::ServedStale { age, why } => line.number("age_seconds", age.as_secs_f64()).text("why", why),
        Fact::FailedOver { from, to, why } => line.text("from", from).text("to", to).text("why", why),
        Fact::Degraded { level, why } => line.text("to", level).text("why", why),
        Fact::HealthMoved { to, why } => line.text("to", to).text("why", why),
        Fact::PaceChanged { share, why } => line.number("share", *share).text("why", why),
        Fact::SizeChanged { size } => line.count("size", (*size).into()),
        Fact::AuditTrouble { what } | Fact::AlertTrouble { what } | Fact::SignalTrouble { what } => {
            line.text("what", what)
        }
        Fact::Unusual { what, why } => line.text("what", what).text("why", why),
        Fact::Alert { to, severity, why } => line.text("to", to).text("severity", severity).text("why", why),
        Fact::Effect { label, note } => line.text("effect", label).shown("note", note),
        Fact::Lever { action, by, reason } => {
            line.text("action", action).text("by", by).text("reason", reason)
        }
        Fact::BudgetExhausted => line,
    }
}
