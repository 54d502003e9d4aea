//! The engine with its threads and its file, in real time and little of it.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use seawall_core::clock::SystemClock;
use seawall_core::event::{Channel as Events, Fact};

use super::*;
use crate::alerts::{Engine, FILE, Setup};

fn setup(outlets: Vec<Outlet>, registry: &Registry, state: Option<&Path>) -> Setup {
    Setup {
        rules: vec![rule("any_down", "breaker_open > 0", 0)],
        outlets,
        registry: registry.clone(),
        state: state.map(Path::to_owned),
        clock: Arc::new(SystemClock::new()),
        sink: None,
    }
}

fn eventually(mut what: impl FnMut() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        let (_hold, wait) = std::sync::mpsc::channel::<()>();
        let _ = wait.recv_timeout(Duration::from_millis(20));
    }
    panic!("it did not come to that in ten seconds");
}

fn given(name: &str) -> (Given, Outlet) {
    let given = Given::default();
    (given.clone(), Outlet { channel: Arc::new(given), ..outlet(name) })
}

fn headlines(given: &Given) -> Vec<String> {
    given.0.lock().unwrap().iter().map(Notice::headline).collect()
}

fn gauge(registry: &Registry) -> Gauge {
    registry.gauge("seawall_breaker_open", "Open.", &[("upstream", "a")])
}

#[test]
fn it_tells_remembers_over_a_restart_and_tells_the_end() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new();
    gauge(&registry).set(1.0);
    let (first, ops) = given("ops");
    let engine = Engine::start(setup(vec![ops], &registry, Some(home.path()))).unwrap();
    eventually(|| headlines(&first) == ["[warning] any_down:a is active"]);
    engine.stop();
    assert!(home.path().join(FILE).is_file());

    let (second, ops) = given("ops");
    let engine = Engine::start(setup(vec![ops], &registry, Some(home.path()))).unwrap();
    eventually(|| {
        registry.render(Default::default()).contains("seawall_alerts_active{severity=\"warning\"} 1")
    });
    assert_eq!(headlines(&second), [] as [&str; 0], "it was told before");
    let alert = &engine.view().alerts[0];
    assert_eq!((alert.state.as_str(), alert.why.len()), ("active", 3), "{:?}", alert.why);
    gauge(&registry).set(0.0);
    eventually(|| headlines(&second) == ["[resolved] any_down:a is over"]);
    eventually(|| {
        let text = registry.render(Default::default());
        text.contains("seawall_alert_notices_total{channel=\"ops\",result=\"delivered\"} 2")
            && text.contains("seawall_alerts_active{severity=\"warning\"} 0")
    });
    engine.stop();
}

/// Hangs, blocks its thread, or panics.
struct Broken(u8, AtomicU32);

impl Channel for Broken {
    fn deliver<'a>(&'a self, _: &'a Notice) -> Delivering<'a> {
        self.1.fetch_add(1, Ordering::Relaxed);
        match self.0 {
            0 => Box::pin(std::future::pending()),
            _ => Box::pin(async { panic!("a channel's own bug") }),
        }
    }
}

#[test]
fn a_channel_that_hangs_or_panics_holds_up_nobody() {
    let registry = Registry::new();
    gauge(&registry).set(1.0);
    let broken = |kind, name| Outlet { channel: Arc::new(Broken(kind, AtomicU32::new(0))), ..outlet(name) };
    let (good, ops) = given("good");
    let mut outlets = vec![broken(0, "hangs"), broken(1, "panics"), ops];
    outlets.iter_mut().for_each(|outlet| outlet.all = Some(seawall_policy::alert::Severity::Info));
    let engine = Engine::start(setup(outlets, &registry, None)).unwrap();
    eventually(|| headlines(&good).len() == 1);
    gauge(&registry).set(0.0);
    eventually(|| headlines(&good).len() == 2);
    eventually(|| {
        let view = engine.view();
        view.channels.iter().any(|channel| channel.failing.as_deref() == Some("the channel panicked"))
    });
    engine.stop();
}

#[test]
fn a_state_that_cannot_be_kept_is_told_and_alerts_go_out_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    // Even root cannot make a directory below a file.
    std::fs::write(home.path().join("state"), "in the way").unwrap();
    let registry = Registry::new();
    gauge(&registry).set(1.0);
    let (good, ops) = given("ops");
    let (events, heard) = Events::bounded(100);
    let mut setup = setup(vec![ops], &registry, Some(&home.path().join("state")));
    setup.sink = Some(Arc::new(events));
    let engine = Engine::start(setup).unwrap();
    eventually(|| headlines(&good).len() == 1);
    assert!(engine.view().failing.unwrap().starts_with("what is known of alerts cannot be written down"));
    engine.stop();
    let troubles = heard.try_iter().filter(|event| matches!(event.fact, Fact::AlertTrouble { .. })).count();
    assert!(troubles >= 1);
}

#[test]
fn a_broken_state_is_set_aside_and_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(FILE), "garbage").unwrap();
    let registry = Registry::new();
    gauge(&registry).set(1.0);
    let (good, ops) = given("ops");
    let (events, heard) = Events::bounded(100);
    let mut setup = setup(vec![ops], &registry, Some(home.path()));
    setup.sink = Some(Arc::new(events));
    let engine = Engine::start(setup).unwrap();
    eventually(|| headlines(&good).len() == 1);
    engine.stop();
    let first = heard.try_iter().next().unwrap().fact;
    assert!(
        matches!(&first, Fact::AlertTrouble { what } if what.contains("is not as it was written")),
        "{first:?}"
    );
    assert!(home.path().join("alerts.broken").is_file());
}

#[test]
fn other_rules_and_channels_take_over_without_a_restart() {
    let registry = Registry::new();
    gauge(&registry).set(1.0);
    let (before, ops) = given("ops");
    let engine = Engine::start(setup(vec![ops], &registry, None)).unwrap();
    eventually(|| headlines(&before).len() == 1);
    let (after, ops) = given("ops");
    let (more, pager) = given("pager");
    let mut any = rule("any_down", "breaker_open > 0", 600);
    any.send.push("pager".to_owned());
    engine.update(vec![any], vec![ops, pager]);
    eventually(|| headlines(&more) == ["[warning] any_down:a is active"]);
    gauge(&registry).set(0.0);
    eventually(|| headlines(&after) == ["[resolved] any_down:a is over"]);
    eventually(|| headlines(&more).len() == 2);
    assert_eq!(headlines(&before).len(), 1);
    engine.stop();
}
