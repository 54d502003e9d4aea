//! What signals add: to a guarded call that is counted and told of, to one that is logged, to a scrape, to a machine that is
//! looked after.
//!
//! Off and on take turns in one run, each first as often as second, so that whatever else the machine does slows both; read
//! the difference and its quartiles. Measured is processor time, not the time on the wall. `--json`: a line of JSON each. A
//! word: only that which has it in its name.

use std::convert::Infallible;
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use seawall::health::{self, system};
use seawall::{Cx, Pipeline, breaker, bulkhead, limiter, retry};
use seawall_bench::watched::{self, ClockId, Nowhere, log};
use seawall_core::clock::SystemClock;
use seawall_core::event::{self, Channel, Event, Fact, Sink};
use seawall_core::units::Size;
use seawall_core::{CallId, Class, Clock};
use seawall_signals::logs::{self, Logs, Secrets};
use seawall_signals::metrics::{Counter, CounterBy, Format, Histogram, Registry, names};
use seawall_signals::rate::Rate;
use seawall_signals::series::{Kept, STEP};
use serde_json::json;

/// Calls in a turn.
const CALLS: u32 = 20_000;
/// Turns of each side.
const TURNS: usize = 201;
/// Turns of what takes milliseconds.
const LOOKS: usize = 51;
/// One call in so many does not simply work: it waits, fails or is sent again, and an event tells of it.
const NOTABLE: u64 = 100;
/// What a registry exports at most.
const SERIES: u32 = 10_000;

/// Processor time of this thread, or of all of them, in nanoseconds.
fn spent(clock: ClockId) -> f64 {
    watched::spent(clock).as_nanos() as f64
}

/// What `act` takes of this thread each time, done so often.
fn each(times: u32, mut act: impl FnMut()) -> f64 {
    let began = spent(ClockId::ThreadCPUTime);
    (0..times).for_each(|_| act());
    (spent(ClockId::ThreadCPUTime) - began) / f64::from(times)
}

/// What was asked for, and how much of it there may be.
struct Wanted {
    name: &'static str,
    unit: &'static str,
    /// Nanoseconds in a unit.
    scale: f64,
    bound: Option<f64>,
}

const fn nanos(name: &'static str, bound: Option<f64>) -> Wanted {
    Wanted { name, unit: "ns", scale: 1.0, bound }
}

const fn millis(name: &'static str, bound: Option<f64>) -> Wanted {
    Wanted { name, unit: "ms", scale: 1e6, bound }
}

/// Takes turns, and says what came of them.
fn compare(wanted: &Wanted, turns: usize, mut off: impl FnMut() -> f64, mut on: impl FnMut() -> f64) {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--")).peekable();
    if words.peek().is_some() && !words.any(|word| wanted.name.contains(&word)) {
        return;
    }
    // Caches, tables and thread locals fill.
    let _ = (off(), on());
    let [mut without, mut with, mut added] = [(); 3].map(|()| Vec::with_capacity(turns));
    for turn in 0..turns {
        let (without_it, with_it) = if turn % 2 == 0 {
            let first = off();
            (first, on())
        } else {
            let first = on();
            (off(), first)
        };
        without.push(without_it / wanted.scale);
        with.push(with_it / wanted.scale);
        added.push((with_it - without_it) / wanted.scale);
    }
    let ([_, off, _], [_, on, _], added) = (quartiles(without), quartiles(with), quartiles(added));
    let Wanted { name, unit, bound, .. } = wanted;
    let line = if std::env::args().any(|word| word == "--json") {
        json!({ "name": name, "unit": unit, "off": off, "on": on, "added": added, "bound": bound, "turns": turns })
            .to_string()
    } else {
        let [low, middle, high] = added;
        format!("{name:<52} {off:>9.3} → {on:>9.3} {unit}, added {middle:.3} ({low:.3} to {high:.3})")
    };
    // Nobody is left to read: the figures are lost, and nothing else is.
    drop(writeln!(io::stdout(), "{line}"));
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

fn guarded(sink: Option<Arc<dyn Sink>>) -> Pipeline {
    let limit = limiter::Options {
        rate: "1000000000/s".parse().expect("a rate"),
        burst: 1_000_000_000.try_into().ok(),
        ..limiter::Options::default()
    };
    let builder = Pipeline::builder("up")
        .deadline(Duration::from_secs(30))
        .retry(retry::Options::default())
        .breaker(breaker::Options::default())
        .bulkhead(bulkhead::Options::default())
        .attempt_timeout(Duration::from_secs(10))
        .limiter(limit);
    let builder = if let Some(sink) = sink { builder.sink(sink) } else { builder };
    builder.build().expect("these options are sound")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

/// A turn of calls on this thread, and of what is done after each.
fn turn(pipeline: &Pipeline, mut after: impl FnMut(u64)) -> f64 {
    let ready = |_: Cx| std::future::ready(Ok::<u32, Infallible>(black_box(1)));
    runtime().block_on(async {
        let began = spent(ClockId::ThreadCPUTime);
        for call in 0..CALLS {
            black_box(pipeline.run(ready).await.expect("nothing fails"));
            after(u64::from(call));
        }
        (spent(ClockId::ThreadCPUTime) - began) / f64::from(CALLS)
    })
}

/// The mean of a turn on each of two threads at once.
fn by_two(turn: impl Fn() -> f64 + Sync) -> f64 {
    let both: f64 = std::thread::scope(|scope| {
        let crowd = [scope.spawn(&turn), scope.spawn(&turn)];
        crowd.into_iter().map(|thread| thread.join().expect("a caller panicked")).sum()
    });
    both / 2.0
}

/// What the gateway counts of every call.
struct Meters {
    clock: SystemClock,
    events: Arc<Channel>,
    name: Arc<str>,
    calls: CounterBy<Class>,
    attempts: CounterBy<Class>,
    durations: [Histogram; 2],
    rate: Rate,
    waits: Counter,
}

impl Meters {
    /// A call has ended: counted, and told of where it did not simply work.
    fn ended(&self, call: u64) {
        let now = self.clock.now();
        // As calls differ: neighbours fall into different buckets.
        let took = Duration::from_micros(900 + call * 37 % 4000);
        self.attempts.of(Class::Ok).inc();
        self.durations.iter().for_each(|all| all.record(took));
        self.calls.of(Class::Ok).inc();
        self.rate.record(now, true);
        if call.is_multiple_of(NOTABLE) {
            self.waits.inc();
            let fact = Fact::Paused { wait: Duration::from_secs(1) };
            self.events.offer(Event { at: now, name: self.name.clone(), fact });
        }
    }
}

fn counted() {
    let registry = Registry::new();
    let (events, heard) = Channel::bounded(4096);
    let listening = std::thread::spawn(move || event::listen(&heard, |event| drop(black_box(event))));
    let events = Arc::new(events);
    let meters = Meters {
        clock: SystemClock::new(),
        events: events.clone(),
        name: "up".into(),
        calls: names::calls(&registry, "up", "chat"),
        attempts: names::attempts(&registry, "up"),
        durations: [(); 2].map(|()| names::CALL_DURATION.with(&registry, ["up", "chat"])),
        rate: Rate::default(),
        waits: names::RETRY_BUDGET_EXHAUSTED.with(&registry, ["up"]),
    };
    let (off, on) = (guarded(None), guarded(Some(events)));
    let alone = nanos("a call is counted and told of, one thread", Some(60.0));
    compare(&alone, TURNS, || turn(&off, |_| ()), || turn(&on, |call| meters.ended(call)));
    let together = nanos("the same, two threads and one set of counters", Some(60.0));
    compare(
        &together,
        TURNS,
        || by_two(|| turn(&off, |_| ())),
        || by_two(|| turn(&on, |call| meters.ended(call))),
    );
    drop((on, meters));
    listening.join().expect("it only counts");
}

fn logged() {
    let options = logs::Options { queue: Size(256 << 20), ..logs::Options::default() };
    let logs = Logs::into_writer(options, &Secrets::default(), Nowhere).expect("the options are good");
    let (pipeline, id) = (guarded(None), CallId::new());
    let write = |call: u64| log(&logs, id, 0.9 + call as f64 / 1e3);
    let on = || {
        let took = turn(&pipeline, write);
        assert!(logs.flush(Duration::from_secs(60)), "the writer keeps up");
        took
    };
    compare(&nanos("a call is logged", Some(2000.0)), LOOKS, || turn(&pipeline, |_| ()), on);
    assert_eq!(logs.lost(), (0, 0), "what is lost costs nothing, and would not count");
}

/// Ten thousand series: gauges, and of `histograms` upstreams how long calls took.
fn crowded(histograms: u32) -> Registry {
    let registry = Registry::new();
    for place in 0..histograms {
        let durations = names::CALL_DURATION.with(&registry, [&format!("upstream-{place}"), "chat"]);
        (0..200).for_each(|call| durations.record(Duration::from_micros(100 << (call % 12))));
    }
    let left = [
        names::JOB_FAILURE_RATIO,
        names::JOB_SUCCESS_RATIO,
        names::JOB_BLOCKED_RATIO,
        names::HEALTH_STATUS,
        names::JOB_ATTEMPTS_AVERAGE,
    ];
    for series in histograms..SERIES {
        let (family, place) = (&left[series as usize % left.len()], series as usize / left.len());
        family.with(&registry, [&format!("upstream-{place}")]).set(f64::from(series) / 7.0);
    }
    let shown: usize = registry.gather().iter().map(|family| family.samples.len()).sum();
    assert_eq!((shown, registry.dropped()), (SERIES as usize, Vec::new()), "all of them, and no more");
    registry
}

fn looked_at() {
    let empty = Registry::new();
    let scrape = |registry: &Registry| each(1, || drop(black_box(registry.render(Format::Prometheus))));
    for (name, histograms) in [("a scrape of 10 000 series", 0), ("the same, 2 000 of them histograms", 2000)]
    {
        let full = crowded(histograms);
        compare(&millis(name, Some(10.0)), LOOKS, || scrape(&empty), || scrape(&full));
    }
    let (full, now) = (crowded(0), 20_000 * 86_400);
    let minute = |registry: &Registry, kept: &mut Kept, now: &mut u64| {
        *now += STEP;
        each(1, || kept.tick(*now, || registry.gather()))
    };
    let [mut off, mut on] = [(); 2].map(|()| (Kept::default(), now));
    // Of 60 s, one in a hundred.
    let wanted = millis("the history takes its minute of 10 000 series", Some(600.0));
    let without = || minute(&empty, &mut off.0, &mut off.1);
    compare(&wanted, LOOKS, without, || minute(&full, &mut on.0, &mut on.1));
}

fn looked_after() {
    let runtime = runtime();
    let registry = || health::Registry::new(health::Options::default()).expect("the options are good");
    let (empty, machine) = (registry(), registry());
    for check in system::checks("/") {
        machine.register(check).expect("their names differ");
    }
    // Their memories fill: a trend is computed over what there is.
    (0..200).for_each(|_| drop(runtime.block_on(machine.run_all())));
    let round = |registry: &health::Registry| {
        let began = spent(ClockId::ProcessCPUTime);
        (0..20).for_each(|_| drop(black_box(runtime.block_on(registry.run_all()))));
        (spent(ClockId::ProcessCPUTime) - began) / 20.0
    };
    // Of 10 s, one in a hundred.
    let wanted = millis("the checks of a machine, all at once", Some(100.0));
    compare(&wanted, LOOKS, || round(&empty), || round(&machine));
}

fn main() {
    counted();
    logged();
    looked_at();
    looked_after();
}
