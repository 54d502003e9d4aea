use seawall_core::clock::ManualClock;

use super::*;

fn breaker(clock: &ManualClock) -> Breaker {
    Breaker::with("x", Options::default(), Arc::new(clock.clone()), None).unwrap()
}

#[test]
fn it_stands_alone_on_a_clock_of_ones_own() {
    let clock = ManualClock::new();
    let b = breaker(&clock);
    for _ in 0..5 {
        b.try_acquire().unwrap().failure();
    }
    let refused = b.try_acquire().unwrap_err();
    assert_eq!((refused.code, refused.retry_after), (Code::BreakerOpen, Some(Duration::from_secs(60))));
    clock.advance(Duration::from_secs(60));
    drop(b.try_acquire().unwrap());
    b.try_acquire().unwrap().success();
    b.try_acquire().unwrap().success();
    assert_eq!(b.state(), State::Closed);
}

#[test]
fn racing_clones_share_one_probe() {
    let clock = ManualClock::new();
    let b = breaker(&clock);
    for _ in 0..5 {
        b.try_acquire().unwrap().failure();
    }
    clock.advance(Duration::from_secs(60));
    let admitted = std::thread::scope(|scope| {
        let racers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| b.clone().try_acquire().map(std::mem::forget).is_ok())).collect();
        racers.into_iter().filter(|_| true).map(|racer| racer.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(admitted, 1);
}

#[test]
fn levers_say_who_and_why_and_are_told() {
    let clock = ManualClock::new();
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    let b = Breaker::with("x", Options::default(), Arc::new(clock), Some(sink)).unwrap();
    b.force_open("ann", "maintenance");
    assert_eq!(b.try_acquire().unwrap_err().code, Code::BreakerForcedOpen);
    assert_eq!(b.snapshot().held_by.unwrap().by.as_ref(), "ann");
    b.reset("ann", "done");
    assert_eq!(b.snapshot().held_by, None);
    let heard = heard.lock().unwrap();
    assert!(matches!(&heard[0], Fact::Lever { action: "force-open", by, .. } if by.as_ref() == "ann"));
    assert!(matches!(heard[1], Fact::BreakerMoved { to: "forced-open", .. }));
    assert!(matches!(heard[3], Fact::BreakerMoved { to: "closed", .. }));
}
