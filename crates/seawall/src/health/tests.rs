mod standing;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::clock::ManualClock;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::random::Random;
use seawall_core::verdict::Lesson;
use tokio::time::{Instant, sleep};

use super::*;
use crate::breaker::{self, Breaker};
use crate::failover::{self, Group, Health};
use crate::fallback::Target;
use crate::pipeline::Pipeline;
use crate::time::DefaultClock;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

type Told = Arc<Mutex<Vec<(String, &'static str, String)>>>;

fn registry(options: Options) -> (Registry, Told) {
    let told: Told = Arc::default();
    let all = told.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| {
        if let Fact::HealthMoved { to, why } = event.fact {
            all.lock().unwrap().push((event.name.to_string(), to, why.to_string()));
        }
    });
    (Registry::with(options, Arc::new(DefaultClock), Some(sink), Random::seeded(7)).unwrap(), told)
}

/// No spread, so that a test knows the second.
fn punctual() -> Options {
    Options { spread: Duration::ZERO, ..Options::default() }
}

/// A check that finds what it is told, the last of it for ever, and counts how often it was asked.
fn scripted(name: &str, findings: impl IntoIterator<Item = Finding>) -> (Check, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let (script, count) = (Mutex::new(findings.into_iter().collect::<VecDeque<_>>()), asked.clone());
    let check = Check::find(name, move || {
        count.fetch_add(1, Ordering::Relaxed);
        let mut script = script.lock().unwrap();
        let next = if script.len() > 1 { script.pop_front() } else { script.front().cloned() };
        async move { next.unwrap_or(Finding::healthy()) }
    });
    (check, asked)
}

fn ill(times: usize) -> Vec<Finding> {
    vec![Finding::unhealthy("connection refused"); times]
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_are_told_once_and_so_is_the_recovery() {
    let (registry, told) = registry(punctual());
    let findings = [vec![Finding::healthy()], ill(4), vec![Finding::healthy()]].concat();
    registry.register(scripted("database", findings).0.critical()).unwrap();
    let watching = registry.clone();
    let watch = tokio::spawn(async move { watching.watch().await });
    let state = |registry: &Registry| registry.standing("database").unwrap().state;
    sleep(secs(1)).await;
    assert_eq!(state(&registry), State::Healthy);
    sleep(secs(60)).await;
    let standing = registry.standing("database").unwrap();
    assert_eq!((standing.state, standing.failures, standing.runs), (State::Healthy, 2, 3));
    sleep(secs(30)).await;
    assert_eq!((registry.status(), state(&registry)), (Level::Unhealthy, State::Unhealthy));
    assert_eq!(registry.failed()[0].last.as_ref().unwrap().why.as_deref(), Some("connection refused"));
    sleep(secs(60)).await;
    assert_eq!(state(&registry), State::Unhealthy, "one good finding may be luck");
    sleep(secs(30)).await;
    assert_eq!((registry.status(), registry.failed()), (Level::Healthy, Vec::new()));
    let told = told.lock().unwrap();
    let expected = [
        ("database".to_owned(), "unhealthy", "connection refused".to_owned()),
        ("database".to_owned(), "healthy", "its findings are good again".to_owned()),
    ];
    assert_eq!(*told, expected);
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn everything_is_looked_at_at_once_and_no_longer_than_its_deadline() {
    let (registry, _) = registry(Options { down_after: 1, ..punctual() });
    for n in 0..200 {
        let check = Check::call(format!("hangs {n}"), || async {
            std::future::pending::<()>().await;
            Ok::<_, &str>(())
        });
        registry.register(check).unwrap();
    }
    let slow = Check::call("slow", || async {
        sleep(secs(7)).await;
        Ok::<_, &str>(())
    });
    registry.register(slow.deadline(secs(8))).unwrap();
    let began = Instant::now();
    let snapshot = registry.run_all().await;
    assert_eq!(began.elapsed(), secs(7));
    assert_eq!((snapshot.status, snapshot.checks.len()), (Level::Degraded, 201));
    let hung = registry.standing("hangs 3").unwrap().last.unwrap();
    assert_eq!((hung.why.as_deref(), hung.took), (Some("no answer in 5s"), Some(secs(5))));
    let slow = registry.standing("slow").unwrap();
    assert_eq!((slow.state, slow.typical), (State::Healthy, Some(secs(7))));
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_unhealthy_and_takes_nobody_with_it() {
    let (registry, _) = registry(Options { down_after: 1, ..punctual() });
    let broken = Check::call("broken", || async {
        if std::hint::black_box(true) {
            panic!("this is what a test looks like");
        }
        Ok::<_, &str>(())
    });
    registry.register(broken).unwrap();
    registry.register(scripted("well", []).0).unwrap();
    let snapshot = registry.run_all().await;
    let why = snapshot.checks[0].last.as_ref().unwrap().why.as_deref();
    assert_eq!((snapshot.checks[0].state, why), (State::Unhealthy, Some("the check itself panicked")));
    assert_eq!(snapshot.checks[1].state, State::Healthy);
}

#[tokio::test(start_paused = true)]
async fn who_asks_during_a_look_is_told_what_that_one_finds() {
    let (registry, _) = registry(punctual());
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let check = Check::call("slow", move || {
        count.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(secs(1)).await;
            Ok::<_, &str>(())
        }
    });
    registry.register(check).unwrap();
    let (one, two, three) = tokio::join!(registry.run("slow"), registry.run("slow"), registry.run("slow"));
    assert_eq!((one.unwrap().runs, two.unwrap().runs, three.unwrap().runs), (1, 1, 1));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    registry.run("slow").await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert!(registry.run("nobody").await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_look_that_is_dropped_leaves_nothing_behind() {
    let (registry, _) = registry(punctual());
    let alive = Arc::new(());
    let held = alive.clone();
    let check = Check::call("slow", move || {
        let held = held.clone();
        async move {
            sleep(secs(4)).await;
            drop(held);
            Ok::<_, &str>(())
        }
    });
    registry.register(check).unwrap();
    let gave_up = tokio::time::timeout(secs(1), registry.run("slow")).await;
    assert!(gave_up.is_err());
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&alive), 2, "the probe has gone, the check is still there");
    assert_eq!(registry.standing("slow").unwrap().runs, 0);
    assert_eq!(registry.run("slow").await.unwrap().runs, 1);
}

#[tokio::test(start_paused = true)]
async fn real_calls_are_the_finding_and_hold_the_probe_back() {
    let (registry, _) = registry(punctual());
    let (check, asked) = scripted("provider", []);
    registry.register(check).unwrap();
    let watching = registry.clone();
    let watch = tokio::spawn(async move { watching.watch().await });
    sleep(secs(1)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "nobody has called yet");
    let feed = registry.feed("provider").unwrap();
    for _ in 0..3 {
        for n in 0..10 {
            feed.heard(if n < 6 { Lesson::Failure } else { Lesson::Success });
        }
        sleep(secs(30)).await;
    }
    let standing = registry.standing("provider").unwrap();
    assert_eq!((standing.state, asked.load(Ordering::Relaxed)), (State::Unhealthy, 1));
    let last = standing.last.unwrap();
    assert_eq!((last.by, last.took), (By::Calls, None));
    assert_eq!(last.why.as_deref(), Some("6 of the last 10 calls failed"));
    feed.heard(Lesson::Nothing);
    sleep(secs(30)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "it asked for a slower pace, so it is left alone");
    sleep(secs(30)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2, "the calls have stopped, so the probe asks");
    watch.abort();
    assert!(registry.feed("nobody").is_none());
}

#[tokio::test(start_paused = true)]
async fn checks_come_and_go_while_they_are_watched() {
    let (registry, _) = registry(punctual());
    let watching = registry.clone();
    let watch = tokio::spawn(async move { watching.watch().await });
    sleep(secs(1)).await;
    let (first, asked) = scripted("late", []);
    registry.register(first).unwrap();
    sleep(secs(31)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert!(registry.remove("late") && !registry.remove("late"));
    let (second, again) = scripted("late", []);
    registry.register(second).unwrap();
    sleep(secs(31)).await;
    assert_eq!((asked.load(Ordering::Relaxed), again.load(Ordering::Relaxed)), (2, 2));
    watch.abort();
    sleep(secs(90)).await;
    assert_eq!(again.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn looks_are_spread_over_thirty_to_sixty_seconds() {
    let (registry, _) = registry(Options::default());
    let moments: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let seen = moments.clone();
    let check = Check::call("spread", move || {
        seen.lock().unwrap().push(Instant::now());
        async { Ok::<_, &str>(()) }
    });
    registry.register(check).unwrap();
    let watch = async { registry.watch().await };
    let _ = tokio::time::timeout(secs(3600), watch).await;
    let moments = moments.lock().unwrap();
    let pauses: Vec<Duration> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| (29_999..=60_001).contains(&pause.as_millis())), "{pauses:?}");
    let mean = pauses.iter().sum::<Duration>() / u32::try_from(pauses.len()).unwrap();
    assert!((40..50).contains(&mean.as_secs()), "{mean:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trend_foretells_the_failure_and_the_time_that_is_left() {
    let (registry, _) = registry(punctual());
    let used = AtomicU32::new(50);
    let check = Check::find("disk", move || {
        let percent = used.fetch_add(1, Ordering::Relaxed);
        let value = f64::from(percent) / 100.0;
        let measured = Measured { value, unit: "share", limit: Some(Limit::above(0.95)) };
        async move { Finding::healthy().measured(measured) }
    });
    registry.register(check).unwrap();
    let watch = async { registry.watch().await };
    let _ = tokio::time::timeout(secs(30 * 24 + 1), watch).await;
    let standing = registry.standing("disk").unwrap();
    assert_eq!((standing.state, standing.runs), (State::Healthy, 25));
    let [foretold] = standing.foretold[..] else { panic!("{:?}", standing.foretold) };
    // At 74 % and growing by 1 % in half a minute: 95 % in ten minutes and a half.
    assert_eq!(foretold.what, What::Measured);
    assert!(foretold.forecast.lead.abs_diff(secs(630)) < secs(2), "{foretold:?}");
    assert_eq!(registry.backtest("disk", What::Measured).unwrap().failures, 0);
    assert_eq!(registry.backtest("nobody", What::Duration), None);
}

#[tokio::test(start_paused = true)]
async fn answers_that_grow_slower_foretell_the_deadline() {
    let (registry, _) = registry(punctual());
    let asked = AtomicU32::new(0);
    let check = Check::call("index", move || {
        let took = Duration::from_millis(u64::from(500 + 100 * asked.fetch_add(1, Ordering::Relaxed)));
        async move {
            sleep(took).await;
            Ok::<_, &str>(())
        }
    });
    registry.register(check).unwrap();
    let watch = async { registry.watch().await };
    let _ = tokio::time::timeout(secs(900), watch).await;
    let foretold = registry.standing("index").unwrap().foretold;
    assert_eq!(foretold.len(), 1, "{foretold:?}");
    assert_eq!((foretold[0].what, foretold[0].forecast.limit), (What::Duration, Limit::above(5.0)));
}

#[tokio::test(start_paused = true)]
async fn a_failover_group_leaves_a_target_that_its_check_finds_ill() {
    let target = |name: &str| Target { pipeline: Pipeline::builder(name).build().unwrap(), confidence: 1.0 };
    let options = failover::Options::default();
    let group = Group::new("replicas", [target("north"), target("south")], options).unwrap();
    let (registry, _) = registry(punctual());
    let findings = [ill(3), vec![Finding::healthy()]].concat();
    let (check, _) = scripted("north", findings);
    registry.register(check.reports_to(&group, "north")).unwrap();
    for _ in 0..3 {
        registry.run("north").await.unwrap();
    }
    assert_eq!(group.snapshot().targets[0].health, Health::Down);
    assert_eq!(&*group.snapshot().active, "south");
    registry.run("north").await.unwrap();
    assert_eq!(group.snapshot().targets[0].health, Health::Recovering);
    let wrong = registry.register(scripted("east", []).0.reports_to(&group, "east")).unwrap_err();
    assert_eq!(wrong.to_string(), "target: \"east\" is no target of \"replicas\": write one of north, south");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_a_check_that_costs_nothing() {
    let breaker = Breaker::new("openai", breaker::Options::default()).unwrap();
    let (registry, told) = registry(punctual());
    registry.register(Check::breaker("openai", &breaker).critical()).unwrap();
    assert_eq!(registry.run_all().await.status, Level::Healthy);
    breaker.force_open("ann", "maintenance");
    let standing = registry.run("openai").await.unwrap();
    assert_eq!((standing.state, standing.kind), (State::Unhealthy, "breaker"));
    breaker.reset("ann", "done");
    registry.run("openai").await.unwrap();
    assert_eq!(registry.status(), Level::Healthy);
    assert_eq!(told.lock().unwrap()[0].2, "its breaker is forced-open");
}

#[tokio::test]
async fn what_is_absent_counts_for_nothing() {
    let (registry, told) = registry(Options::default());
    registry.register(scripted("gpu", [Finding::absent("there is none")]).0.critical()).unwrap();
    let snapshot = registry.run_all().await;
    assert_eq!((snapshot.status, snapshot.checks[0].state), (Level::Healthy, State::Absent));
    assert!(told.lock().unwrap().is_empty());
}

#[test]
fn checks_that_contradict_themselves_are_refused_by_name() {
    let (registry, _) = registry(Options::default());
    let key = |check: Check| registry.register(check).unwrap_err().key;
    let check = |name: &str| scripted(name, []).0;
    assert_eq!(key(check("")), "name");
    assert_eq!(key(check("line\nbreak")), "name");
    assert_eq!(key(check("x").deadline(Duration::ZERO)), "deadline");
    assert_eq!(key(check("x").interval(secs(0))), "interval");
    registry.register(check("x")).unwrap();
    assert_eq!(
        registry.register(check("x")).unwrap_err().message,
        "\"x\" is there already: write another name"
    );
    for n in 1..1024 {
        registry.register(check(&n.to_string())).unwrap();
    }
    assert_eq!(key(check("one too many")), "name");
    assert_eq!(Registry::new(Options { down_after: 0, ..Options::default() }).unwrap_err().key, "down_after");
}

#[tokio::test]
async fn a_reason_is_one_short_line() {
    let (registry, _) = registry(Options::default());
    let long = format!("first\nsecond \u{1b}[31m {}", "x".repeat(1000));
    registry.register(scripted("long", [Finding::unhealthy(long)]).0).unwrap();
    let why = registry.run("long").await.unwrap().last.unwrap().why.unwrap();
    assert!(why.starts_with("first second  [31m") && why.chars().count() == 200, "{why}");
}

proptest! {
    /// Law: whatever checks find and calls see, in whatever order, the whole is what the states say, a critical check that
    /// is unhealthy makes it so, and no probe runs while calls with an outcome flow.
    #[test]
    fn the_whole_is_what_its_checks_say(
        story in prop::collection::vec((0usize..4, 0usize..5, 0u64..100), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let clock = ManualClock::new();
        let options = Options { down_after: 2, up_after: 1, ..punctual() };
        let registry = Registry::with(options, Arc::new(clock.clone()), None, Random::seeded(1)).unwrap();
        let found: Arc<Mutex<[Level; 4]>> = Arc::new(Mutex::new([Level::Healthy; 4]));
        for n in 0..4 {
            let found = found.clone();
            let check = Check::find(n.to_string(), move || {
                let level = found.lock().unwrap()[n];
                async move { Finding::of(level, "so it was found") }
            });
            registry.register(if n < 2 { check.critical() } else { check }).unwrap();
        }
        for (check, what, wait) in story {
            clock.advance(secs(wait));
            let name = check.to_string();
            match what {
                3 => registry.feed(&name).unwrap().heard(Lesson::Failure),
                4 => {
                    let entry = registry.entry(&name).unwrap();
                    let before = registry.standing(&name).unwrap().runs;
                    let heard = entry.listen(clock.now(), None);
                    prop_assert_eq!(registry.standing(&name).unwrap().runs, before + u64::from(heard));
                }
                level => {
                    found.lock().unwrap()[check] = Level::ALL[level];
                    runtime.block_on(registry.run(&name)).unwrap();
                }
            }
            let snapshot = registry.snapshot();
            prop_assert_eq!(snapshot.status, registry.status());
            let ill = |standing: &Standing| standing.state == State::Unhealthy && standing.weight == Weight::Critical;
            prop_assert_eq!(snapshot.status == Level::Unhealthy, snapshot.checks.iter().any(ill));
            prop_assert!(snapshot.checks.iter().all(|check| check.last.is_some() == (check.runs > 0)));
        }
    }
}
