//! `seawall serve`: the gateway, until somebody says stop.

use std::convert::Infallible;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use clap::Args;
use seawall::lifecycle::systemd::Notify;
use seawall_config::versions::Cause;
use seawall_core::Code;
use seawall_core::event::{self, Event, Fact, Sink as _};
use seawall_core::units::format_duration;
use seawall_gateway::Gateway;
use seawall_gateway::plan::Plan;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};

use super::journal::{self, At};
use super::logging::Logging;
use super::reload::{self, Reread, Why};
use super::succession::{Inherited, inherited, linger, part, successors};
use super::{Source, report, variable};
use crate::output::{Failure, note, plain, settle, wait_for_nobody};
use crate::settings::{
    self, Drawn, Finding, Findings, Key, Loaded, Memory, Purpose, Ready, Weight, draw, load,
};

/// Run the gateway, with its admin port.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    source: Source,

    /// Take over from the one that serves this address, if any: its sockets, and then its state, without losing a call
    #[arg(long)]
    take_over: bool,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let read = self.source.text().and_then(|text| {
            let tree = self.source.tree_of(&text, &self.source.file())?;
            Ok((load(tree.clone())?, tree, text))
        });
        let ((loaded, findings), tree, text) = match read {
            Ok(good) => good,
            Err(findings) => return report(findings, Purpose::Serve).map(|()| ExitCode::FAILURE),
        };
        let logging = Logging::default();
        let (plan, memory) = ready(&loaded, findings, &logging)?;
        let reread = Reread::new(self.source, (text, tree), &loaded, logging.clone());
        let inherited = inherited(&plan, self.take_over)?;
        serve(plan, inherited, &At::Settings(&memory), Some(reread), logging, |gateway| {
            let (routes, upstreams) = draw(&loaded.settings);
            // Said at once: of lines one by one, the last might find no room.
            let mut said: Vec<String> = upstreams.iter().chain(&routes).map(line).collect();
            let scheme = |tls| if tls { "https" } else { "http" };
            let (calls, admin) = (loaded.settings.tls.is_some(), loaded.settings.admin_tls.is_some());
            said.push(format!(
                "seawall: calls at {}://{}/<upstream>/<path>",
                scheme(calls),
                gateway.listen()
            ));
            said.push(format!("seawall: admin at {}://{}/", scheme(admin), gateway.admin()));
            note(said.join("\n"));
        })
    }
}

/// The plan of settings, or what stands in its way.
pub(super) fn plan_of(loaded: &Loaded, mut findings: Findings, logging: &Logging) -> Result<Plan, Findings> {
    let Ready { mut plan, findings: more, uses, .. } = settings::ready(loaded, &variable, &logging.secrets);
    more.0.into_iter().for_each(|finding| findings.add(finding));
    if findings.stop(Purpose::Serve) {
        return Err(findings);
    }
    plan.logs = match logging.follow(loaded.settings.logs.as_ref()) {
        Ok(logs) => logs,
        Err(why) => {
            findings.add(unopened(loaded, why));
            return Err(findings);
        }
    };
    if let Err(why) = uses.note() {
        note(format_args!("warning: uses of the vault are not counted: {why}"));
    }
    Ok(plan)
}

/// The plan of settings and where it remembers, with everything said that stands in its way.
pub(super) fn ready(
    loaded: &Loaded,
    mut findings: Findings,
    logging: &Logging,
) -> Result<(Plan, Memory), Failure> {
    let Ready { mut plan, findings: more, uses, memory } =
        settings::ready(loaded, &variable, &logging.secrets);
    more.0.into_iter().for_each(|finding| findings.add(finding));
    report(findings, Purpose::Serve)?;
    plan.logs = logging.follow(loaded.settings.logs.as_ref()).map_err(Failure::failed)?;
    if let Err(why) = uses.note() {
        note(format_args!("warning: uses of the vault are not counted: {why}"));
    }
    Ok((plan, memory))
}

/// A log that cannot be opened, at the place that asks for it.
fn unopened(loaded: &Loaded, why: String) -> Finding {
    let key = Key::top("logs").then("directory");
    Finding {
        weight: Weight::Error,
        code: Code::FileUnreadable,
        origin: key.value_place(&loaded.tree),
        key: key.to_string(),
        message: why,
        advice: Some("write another directory".to_owned()),
    }
}

fn line(drawn: &Drawn) -> String {
    let Drawn { name, method, path, to, effects, .. } = drawn;
    format!("seawall: {name}: {method} {path} → {} ({effects})", to.join(", then "))
}

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often operators' wishes are.
const LISTEN: Duration = Duration::from_millis(100);

/// Runs a plan until SIGTERM or SIGINT, then lets the calls in flight finish; a second signal does not wait for them. What
/// can be read again is: after a SIGHUP, after its file changed, or when an operator says so.
pub(super) fn serve(
    mut plan: Plan,
    inherited: Inherited,
    journal: &At<'_>,
    mut reread: Option<Reread>,
    logging: Logging,
    greet: impl FnOnce(&Gateway),
) -> Result<ExitCode, Failure> {
    let drain = plan.drain;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
    // Listened for before anything is served: a stop during the start is a stop.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    (plan.journal, plan.fleet) = journal::open(journal, &runtime)?;
    let mut gateway = seawall_gateway::start_on(plan, inherited.sockets).map_err(Failure::failed)?;
    wait_for_nobody().map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
    let mut successors = successors(&mut gateway)?;
    if let Some(reread) = &mut reread {
        reread.begin(&gateway);
    }
    greet(&gateway);
    if let Some(events) = gateway.take_events() {
        let tell = std::thread::Builder::new().name("seawall-events".to_owned());
        let heard = logging.clone();
        tell.spawn(move || narrate(&events, &heard))
            .map_err(|why| Failure::failed(format_args!("cannot start: {why}")))?;
    }
    let asked = gateway.take_asked();
    // Where systemd supervises it, it is told; elsewhere nobody is.
    let supervisor = Notify::from_env();
    if let Some(supervisor) = &supervisor {
        supervisor.ready();
        supervisor.status(format_args!("calls at {}, admin at {}", gateway.listen(), gateway.admin()));
    }
    runtime.block_on(async move {
        let (mut looking, mut listening) = (every(LOOK), every(LISTEN));
        // Hears that we have gone by our end.
        let _successor = {
            let mut living = pin!(keep_alive(supervisor.as_ref(), || gateway.is_serving()));
            loop {
                tokio::select! {
                    signal = signals.next() => match signal {
                        Heard::Stop => {
                            if inherited.outlive {
                                linger(&gateway).await;
                            }
                            break None;
                        }
                        Heard::Reload => match &mut reread {
                            Some(reread) => _ = reread.reload(&gateway, &Why::of(Cause::Signal)),
                            None => note("seawall: there is no file to read again: nothing has changed"),
                        },
                    },
                    _ = looking.tick() => {
                        if let Some(reread) = &mut reread {
                            reread.look(&gateway);
                        }
                        if let Some(reread) = reread.as_mut().filter(|reread| reread.has_changed()) {
                            let _ = reread.reload(&gateway, &Why::of(Cause::File));
                        }
                    }
                    _ = listening.tick() => {
                        while let Some(wish) = asked.as_ref().and_then(|asked| asked.try_recv().ok()) {
                            reload::answer(reread.as_mut(), &gateway, wish);
                        }
                    }
                    Some(successor) = successors.recv() => {
                        if part(&gateway, &successor).await {
                            break Some(successor);
                        }
                    }
                    never = &mut living => match never {},
                }
            }
        };
        let patience = format_duration(drain);
        if let Some(supervisor) = &supervisor {
            supervisor.stopping();
            supervisor.extend(drain + LEAVING);
            supervisor.status(format_args!("draining, calls in flight have {patience}"));
        }
        note(format_args!("seawall: draining, calls in flight have {patience}; stop again to leave at once"));
        let drained = tokio::task::spawn_blocking(move || gateway.stop());
        tokio::select! {
            stopped = drained => {
                logging.end();
                let unfinished = stopped.map_or(0, |stopped| stopped.unfinished);
                if unfinished > 0 {
                    note(format_args!("seawall: stopped, {unfinished} calls were cut short"));
                    return Ok(ExitCode::FAILURE);
                }
                note("seawall: stopped, nothing was cut short");
                Ok(ExitCode::SUCCESS)
            }
            never = keep_alive(supervisor.as_ref(), || true) => match never {},
            () = signals.stop() => {
                note("seawall: left at once");
                logging.end();
                settle();
                // The drain runs in a thread that is not waited for.
                std::process::exit(1)
            }
        }
    })
}

/// Ticks that make up for none that were missed.
fn every(pause: Duration) -> Interval {
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// How long the end takes beyond the drain.
const LEAVING: Duration = Duration::from_secs(10);

/// Answers the watchdog for ever, if there is one.
async fn keep_alive(supervisor: Option<&Notify>, lives: impl Fn() -> bool) -> Infallible {
    if let Some(supervisor) = supervisor {
        supervisor.keep_alive(lives).await;
    }
    std::future::pending().await
}

/// What a signal says.
enum Heard {
    Stop,
    Reload,
}

/// The signals that are listened to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|why| Failure::failed(format_args!("cannot listen for signals: {why}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.hangup.recv() => Heard::Reload,
        }
    }

    /// The next that means stop.
    async fn stop(&mut self) {
        while matches!(self.next().await, Heard::Reload) {}
    }
}

/// Says what an operator would want to have heard of.
fn narrate(events: &Receiver<Event>, logging: &Logging) {
    let mut spent = Quiet::default();
    event::listen(events, |event| {
        let log = logging.now();
        if let Some((logs, _)) = &log {
            logs.offer(event.clone());
        }
        if log.is_some_and(|(_, on_stderr)| on_stderr) {
            // Said already, where people read too.
            return;
        }
        if let Some(text) = told(&event, &mut spent) {
            note(format_args!("seawall: {}: {}", plain(&event.name), plain(&text)));
        }
    });
}

/// A breaker's moves, pauses and levers each; a spent budget once in ten seconds, for it repeats with every call.
fn told(event: &Event, spent: &mut Quiet) -> Option<String> {
    match &event.fact {
        Fact::BreakerMoved { to, why } => Some(format!("breaker {to} ({why})")),
        Fact::Paused { wait } => Some(format!("asked to be left alone for {}", format_duration(*wait))),
        Fact::KeyMoved { key, why: Some(why), wait } => {
            Some(format!("the key {key} rests for {} ({why})", format_duration(*wait)))
        }
        Fact::KeyMoved { key, .. } => Some(format!("the key {key} works again")),
        Fact::PaceChanged { share, why } => Some(format!("pace {:.0} % of the limit ({why})", share * 100.0)),
        Fact::FailedOver { from, to, why } => Some(format!("failed over from {from} to {to} ({why})")),
        Fact::Degraded { level, why } => Some(format!("degraded to {level} ({why})")),
        Fact::HealthMoved { to, why } => Some(format!("health {to} ({why})")),
        Fact::AuditTrouble { what } | Fact::AlertTrouble { what } | Fact::SignalTrouble { what } => {
            Some(what.to_string())
        }
        Fact::Unusual { what, why } => Some(format!("unusual {what}: {why}")),
        Fact::Alert { to, severity, why } if ["active", "resolved", "lost"].contains(to) => {
            Some(format!("alert ({severity}) {why}"))
        }
        Fact::Lever { action, by, reason } => Some(format!("{action} by {by}: {reason}")),
        Fact::Effect { label, note } if note.is_grave() => Some(format!("effect {label}: {note}")),
        Fact::BudgetExhausted => {
            spent.first(event).then(|| "the retry budget is spent, failures are passed on".to_owned())
        }
        _ => None,
    }
}

/// Remembers who spoke lately.
#[derive(Default)]
struct Quiet(std::collections::HashMap<Arc<str>, seawall_core::Instant>);

impl Quiet {
    fn first(&mut self, event: &Event) -> bool {
        let lately = |at: &seawall_core::Instant| event.at.since(*at) < Duration::from_secs(10);
        if self.0.get(&event.name).is_some_and(lately) {
            return false;
        }
        self.0.insert(event.name.clone(), event.at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_core::Instant;
    use seawall_core::effect::{How, Note, Reason};

    fn event(seconds: u64, fact: Fact) -> Event {
        Event { at: Instant::ORIGIN + Duration::from_secs(seconds), name: "openai".into(), fact }
    }

    #[test]
    fn a_spent_budget_is_told_once_in_ten_seconds() {
        let mut spent = Quiet::default();
        let told: Vec<bool> = [0, 1, 9, 10, 11, 25]
            .map(|seconds| told(&event(seconds, Fact::BudgetExhausted), &mut spent).is_some())
            .into();
        assert_eq!(told, [true, false, false, true, false, true]);
    }

    #[test]
    fn moves_are_told_and_single_calls_are_not() {
        let mut spent = Quiet::default();
        let moved = Fact::BreakerMoved { to: "open", why: "5 failures in a row" };
        assert_eq!(told(&event(0, moved), &mut spent).unwrap(), "breaker open (5 failures in a row)");
        let paused = Fact::Paused { wait: Duration::from_secs(3) };
        assert_eq!(told(&event(0, paused), &mut spent).unwrap(), "asked to be left alone for 3s");
        let wait = Duration::from_secs(600);
        let rests = Fact::KeyMoved { key: "team".into(), why: Some("denied"), wait };
        assert_eq!(told(&event(0, rests), &mut spent).unwrap(), "the key team rests for 10m (denied)");
        let lever = Fact::Lever { action: "force-open", by: "ana".into(), reason: "maintenance".into() };
        assert_eq!(told(&event(0, lever), &mut spent).unwrap(), "force-open by ana: maintenance");
        let note = Note::InDoubt(Reason::Lease);
        let doubt = Fact::Effect { label: "shop:effect:order:7".into(), note };
        let said = "effect shop:effect:order:7: in doubt (lease): it may have taken place";
        assert_eq!(told(&event(0, doubt), &mut spent).unwrap(), said);
        let cleared = Fact::Effect { label: "shop:effect:order:7".into(), note: Note::Cleared(How::Late) };
        assert_eq!(told(&event(0, cleared), &mut spent), None);
        let waited = Fact::Waited { policy: seawall_core::Policy::Limiter, wait: Duration::from_secs(1) };
        assert_eq!(told(&event(0, waited), &mut spent), None);
    }
}
