use seawall_core::event::Channel;

use super::*;
use crate::breaker::{self, Breaker, Recover, State, Window};

/// Five failures within half a minute open it for ten seconds.
fn options() -> breaker::Options {
    breaker::Options {
        consecutive: 0,
        failures: 5,
        min_calls: 0,
        window: Window::Time(Duration::from_secs(30)),
        open: Duration::from_secs(10),
        successes: 1,
        ..Default::default()
    }
}

fn shared<const N: usize>(fleets: &[Fleet; N], options: &breaker::Options) -> [Breaker; N] {
    fleets.each_ref().map(|fleet| Breaker::shared(fleet, "api", options.clone(), None).unwrap())
}

fn fail(breaker: &Breaker, times: usize) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().failure();
    }
}

fn work(breaker: &Breaker, times: usize) {
    for _ in 0..times {
        breaker.try_acquire().unwrap().success();
    }
}

async fn millis(millis: u64) {
    sleep(Duration::from_millis(millis)).await;
}

/// A poll, and the trip.
const KNOWN: u64 = 260;

#[tokio::test(start_paused = true)]
async fn failures_anywhere_open_it_everywhere_a_poll_later() {
    let store = Store::new();
    let breakers = shared(&members::<3>(&store).await, &options());
    fail(&breakers[0], 2);
    fail(&breakers[1], 2);
    millis(KNOWN).await;
    assert!(breakers.iter().all(|breaker| breaker.state() == State::Closed));
    fail(&breakers[2], 1);
    millis(2 * KNOWN).await;
    for breaker in &breakers {
        let refused = breaker.try_acquire().unwrap_err();
        assert_eq!(refused.code, Code::BreakerOpen);
        let snapshot = breaker.snapshot();
        assert_eq!((snapshot.failures, snapshot.opened), (5, 1), "what the fleet has counted");
        assert!(refused.retry_after.is_some_and(|wait| wait > Duration::from_secs(9)));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_enough_by_itself_opens_at_once_and_the_others_hear_of_it() {
    let store = Store::new();
    let breakers = shared(&members::<2>(&store).await, &options());
    millis(KNOWN).await;
    fail(&breakers[0], 5);
    assert_eq!(breakers[0].state(), State::Open, "without a trip");
    assert!(breakers[1].try_acquire().is_ok());
    millis(KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Open; 2]);
    // It stays so: the store opened too.
    millis(4 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Open; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_failures_is_the_fleets_to_judge() {
    let store = Store::new();
    let by_share = breaker::Options { failures: 0, min_calls: 20, ..options() };
    let breakers = shared(&members::<2>(&store).await, &by_share);
    millis(KNOWN).await;
    work(&breakers[0], 100);
    millis(KNOWN).await;
    // All of one's own calls fail, and of the fleet's not half.
    fail(&breakers[1], 40);
    millis(2 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Closed; 2]);
    fail(&breakers[0], 60);
    millis(2 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Open; 2]);
}

#[tokio::test(start_paused = true)]
async fn the_check_costs_no_trip_and_outcomes_are_told_in_batches() {
    let store = Store::new();
    let [fleet] = members::<1>(&store).await;
    let breaker = Breaker::shared(&fleet, "api", options(), None).unwrap();
    millis(KNOWN).await;
    let before = store.asked.load(Ordering::Relaxed);
    for _ in 0..10 {
        work(&breaker, 1000);
        millis(100).await;
    }
    let asked = store.asked.load(Ordering::Relaxed) - before;
    assert!((4..=6).contains(&asked), "{asked} questions for ten thousand calls in a second");
    millis(KNOWN).await;
    assert_eq!(breaker.snapshot().calls, 10_000);
}

#[tokio::test(start_paused = true)]
async fn of_all_processes_one_sends_a_probe_and_what_it_finds_counts_for_all() {
    for (works, then) in [(true, State::Closed), (false, State::Open)] {
        let store = Store::new();
        let breakers = shared(&members::<3>(&store).await, &options());
        millis(KNOWN).await;
        fail(&breakers[0], 5);
        sleep(Duration::from_secs(11)).await;
        // Whoever comes makes its process ask; nobody waits for that.
        for breaker in &breakers {
            let refused = breaker.try_acquire().unwrap_err();
            assert!(refused.retry_after.is_some_and(|wait| wait <= Duration::from_secs(1)));
        }
        millis(KNOWN).await;
        let mut probes: Vec<_> = breakers.iter().filter_map(|breaker| breaker.try_acquire().ok()).collect();
        assert_eq!(probes.len(), 1);
        assert!(breakers.iter().all(|breaker| breaker.try_acquire().is_err()));
        let probe = probes.remove(0);
        probe.settle(if works {
            seawall_core::verdict::Lesson::Success
        } else {
            seawall_core::verdict::Lesson::Failure
        });
        millis(2 * KNOWN).await;
        assert_eq!(breakers.each_ref().map(Breaker::state), [then; 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_nobody_sends_goes_to_somebody_else() {
    let store = Store::new();
    let breakers = shared(&members::<2>(&store).await, &options());
    millis(KNOWN).await;
    fail(&breakers[0], 5);
    sleep(Duration::from_secs(11)).await;
    assert!(breakers[0].try_acquire().is_err());
    millis(KNOWN).await;
    // The first has it and is never asked again; the other is.
    let began = Then::now();
    while breakers[1].try_acquire().is_err() {
        millis(100).await;
    }
    assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lever_pulled_in_one_process_holds_in_all_with_who_and_why_until_its_end() {
    let store = Store::new();
    let breakers = shared(&members::<2>(&store).await, &options());
    millis(KNOWN).await;
    breakers[0].force_open_for("ann", "they asked us to stop", Some(Duration::from_secs(60)));
    assert_eq!(breakers[0].state(), State::ForcedOpen, "here at once");
    millis(KNOWN).await;
    let seen = breakers[1].snapshot();
    assert_eq!(seen.state, State::ForcedOpen);
    let held = seen.held_by.unwrap();
    assert_eq!((&*held.by, &*held.reason), ("ann", "they asked us to stop"));
    assert_eq!(breakers[1].try_acquire().unwrap_err().code, Code::BreakerForcedOpen);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::HalfOpen; 2]);
    breakers[1].reset("bob", "it is well");
    millis(KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Closed; 2]);
    assert!(breakers[0].snapshot().held_by.is_none());
    // Who comes later finds it as it stands.
    breakers[0].force_closed("ann", "the check is wrong");
    millis(KNOWN).await;
    fail(&breakers[1], 20);
    let late = Breaker::shared(&member(&store).await, "api", options(), None).unwrap();
    millis(KNOWN).await;
    assert_eq!(late.snapshot().held_by.unwrap().reason.as_ref(), "the check is wrong");
}

#[tokio::test(start_paused = true)]
async fn one_that_only_people_close_stays_open_until_they_do() {
    let store = Store::new();
    let manual = breaker::Options { recover: Recover::Manual, ..options() };
    let breakers = shared(&members::<2>(&store).await, &manual);
    millis(KNOWN).await;
    fail(&breakers[0], 5);
    sleep(Duration::from_secs(100_000)).await;
    assert!(breakers.iter().all(|breaker| breaker.try_acquire().is_err()));
    breakers[1].half_open("ann", "it may work again");
    millis(KNOWN).await;
    assert!(breakers[0].try_acquire().is_err());
    millis(KNOWN).await;
    breakers[0].try_acquire().unwrap().success();
    millis(2 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Closed; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_ended_late_moves_nothing() {
    let store = Store::new();
    let breakers = shared(&members::<2>(&store).await, &options());
    millis(KNOWN).await;
    let late: Vec<_> = (0..10).map(|_| breakers[1].try_acquire().unwrap()).collect();
    fail(&breakers[0], 5);
    millis(KNOWN).await;
    breakers[0].reset("ann", "it is well");
    millis(2 * KNOWN).await;
    late.into_iter().for_each(|permit| permit.failure());
    millis(2 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Closed; 2]);
    assert_eq!(breakers[0].snapshot().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_each_opens_by_its_share_and_tells_its_failures_once() {
    let store = Store::new();
    let fleets = members::<3>(&store).await;
    let breakers = shared(&fleets, &breaker::Options { failures: 9, ..options() });
    millis(KNOWN).await;
    store.answers(Answers::Never);
    millis(2 * KNOWN).await;
    assert!(fleets.iter().all(|fleet| fleet.source() == Source::Local));
    fail(&breakers[0], 2);
    assert_eq!(breakers[0].state(), State::Closed);
    fail(&breakers[0], 1);
    assert_eq!(breakers[0].state(), State::Open, "a third of nine");
    fail(&breakers[1], 2);
    assert_eq!(breakers[1].state(), State::Closed);
    store.answers(Answers::AtOnce);
    millis(4 * KNOWN).await;
    // Five of nine: the fleet's breaker is closed, and nobody's own state is its.
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Closed; 3]);
    assert_eq!(breakers[2].snapshot().failures, 5);
    millis(10 * KNOWN).await;
    assert_eq!(breakers[2].snapshot().failures, 5, "told once");
    fail(&breakers[2], 4);
    millis(2 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Open; 3]);
}

#[tokio::test(start_paused = true)]
async fn alone_it_probes_by_itself_and_a_lever_that_was_held_holds() {
    let store = Store::new();
    let breakers = shared(&members::<2>(&store).await, &options());
    millis(KNOWN).await;
    fail(&breakers[0], 5);
    millis(KNOWN).await;
    store.answers(Answers::Refuses);
    sleep(Duration::from_secs(11)).await;
    for breaker in &breakers {
        breaker.try_acquire().unwrap().success();
        assert_eq!(breaker.state(), State::Closed);
    }
    // A lever pulled meanwhile is told when the store is back; one pulled there is not undone by what is open here.
    breakers[0].force_closed("ann", "the check is wrong");
    fail(&breakers[1], 3);
    assert_eq!(breakers[1].state(), State::Open);
    store.answers(Answers::AtOnce);
    millis(6 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::ForcedClosed; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_lever_whose_time_was_over_before_the_store_heard_of_it_moves_nobody() {
    let store = Store::new();
    let breakers = shared(&members::<2>(&store).await, &options());
    millis(KNOWN).await;
    store.answers(Answers::Never);
    millis(2 * KNOWN).await;
    let minute = Some(Duration::from_secs(60));
    breakers[0].force_closed_for("ann", "the check is wrong", minute);
    sleep(Duration::from_secs(61)).await;
    store.answers(Answers::AtOnce);
    millis(6 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::Closed; 2]);
    // And one that still holds is told with what is left of its time.
    store.answers(Answers::Never);
    millis(2 * KNOWN).await;
    breakers[0].force_open_for("ann", "they asked us to stop", minute);
    sleep(Duration::from_secs(40)).await;
    store.answers(Answers::AtOnce);
    millis(6 * KNOWN).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::ForcedOpen; 2]);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(breakers.each_ref().map(Breaker::state), [State::HalfOpen; 2]);
}

#[tokio::test(start_paused = true)]
async fn failures_from_before_somebody_closed_it_do_not_open_it_again() {
    let store = Store::new();
    let [one, two] = members::<2>(&store).await;
    let [here, there] = [&one, &two].map(|fleet| Breaker::shared(fleet, "api", options(), None).unwrap());
    millis(KNOWN).await;
    // Only one of the two is cut off.
    one.0.0.up.store(false, Ordering::Relaxed);
    one.0.0.woken.notify_one();
    millis(200).await;
    store.answers(Answers::Refuses);
    millis(300).await;
    fail(&here, 2);
    store.answers(Answers::AtOnce);
    two.0.0.up.store(true, Ordering::Relaxed);
    there.force_open("bob", "it is broken");
    millis(20).await;
    there.reset("bob", "mended");
    millis(6 * KNOWN).await;
    assert_eq!([here.state(), there.state()], [State::Closed; 2]);
    assert_eq!(there.snapshot().failures, 0, "they ended before");
}

#[tokio::test(start_paused = true)]
async fn every_process_tells_of_its_own_moves_and_one_that_only_counts_refuses_nothing() {
    let store = Store::new();
    let [one, two] = members::<2>(&store).await;
    let (sink, events) = Channel::bounded(100);
    let told = Breaker::shared(&one, "api", options(), Some(Arc::new(sink))).unwrap();
    let only = breaker::Options { mode: breaker::Mode::MetricsOnly, ..options() };
    let counts = Breaker::shared(&two, "api", only, None).unwrap();
    millis(KNOWN).await;
    fail(&counts, 30);
    millis(2 * KNOWN).await;
    assert_eq!((counts.state(), counts.shadow_state()), (State::MetricsOnly, State::Open));
    assert_eq!(told.state(), State::Open);
    let moved: Vec<_> = events.try_iter().collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    sleep(Duration::from_secs(11)).await;
    work(&counts, 1);
    assert!(told.try_acquire().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_window_of_calls_cannot_be_shared_and_one_in_a_pipeline_can() {
    let store = Store::new();
    let [fleet] = members::<1>(&store).await;
    let calls = breaker::Options { window: Window::Calls(100), ..options() };
    assert_eq!(Breaker::shared(&fleet, "a", calls.clone(), None).unwrap_err().key, "window");
    let breaker = Breaker::shared(&fleet, "api", options(), None).unwrap();
    assert_eq!(breaker.update(calls).unwrap_err().key, "window");
    breaker.update(breaker::Options { failures: 2, ..options() }).unwrap();
    millis(KNOWN).await;
    let pipeline = Pipeline::builder("p")
        .shared_breaker(breaker.clone())
        .retry(crate::retry::Options::off())
        .build()
        .unwrap();
    for _ in 0..2 {
        let failed = pipeline.run(async |_| Err::<(), _>(std::io::Error::other("no"))).await;
        assert!(failed.is_err());
    }
    millis(2 * KNOWN).await;
    assert_eq!(breaker.state(), State::Open);
    assert!(breaker.fleet().is_some());
}
