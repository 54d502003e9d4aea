use std::thread;

use proptest::prelude::*;

use super::*;

fn at(seconds: f64) -> Instant {
    Instant::ORIGIN + Duration::from_secs_f64(3600.0 + seconds)
}

#[test]
fn a_call_is_remembered_for_a_minute_and_then_forgotten() {
    let mut window = Window::default();
    window.record(at(0.0), true);
    window.record(at(30.0), false);
    assert_eq!(window.tally(at(30.0)), Tally { calls: 2, successes: 1 });
    assert_eq!(window.tally(at(59.9)), Tally { calls: 2, successes: 1 });
    assert_eq!(window.tally(at(60.0)), Tally { calls: 1, successes: 0 });
    assert_eq!(window.tally(at(90.0)), Tally::default());
}

#[test]
fn a_million_successes_do_not_hide_the_present_minute() {
    let mut window = Window::default();
    (0..1_000_000).for_each(|n| window.record(at(f64::from(n) / 1_000_000.0), true));
    window.record(at(75.0), false);
    assert_eq!(window.tally(at(75.0)).success_rate(), Some(0.0));
}

#[test]
fn a_call_that_comes_a_minute_late_does_not_wipe_the_present() {
    let mut window = Window::default();
    window.record(at(60.0), true);
    window.record(at(0.0), true);
    assert_eq!(window.tally(at(60.0)).calls, 1);
}

#[test]
fn without_calls_there_is_no_rate() {
    assert_eq!(Window::default().tally(at(0.0)).success_rate(), None);
}

proptest! {
    #[test]
    fn a_window_equals_counting_by_hand(steps in prop::collection::vec((0_u64..20_000, any::<bool>()), 1..200)) {
        let mut window = Window::default();
        let mut seen = Vec::new();
        let mut now = at(0.0);
        for (millis, success) in steps {
            now = now + Duration::from_millis(millis);
            window.record(now, success);
            seen.push((seconds(now), success));
            let last = seen.iter().filter(|(second, _)| second + 60 > seconds(now));
            let by_hand = last.fold(Tally::default(), |sum, (_, success)| {
                sum + Tally { calls: 1, successes: u64::from(*success) }
            });
            prop_assert_eq!(window.tally(now), by_hand);
        }
    }
}

#[test]
fn threads_counting_together_lose_nothing() {
    let rate = Rate::default();
    thread::scope(|scope| {
        for n in 0..2 * SLOTS {
            let rate = rate.clone();
            scope.spawn(move || (0..1_000).for_each(|_| rate.record(at(1.0), n % 4 == 0)));
        }
    });
    assert_eq!(rate.tally(at(2.0)), Tally { calls: 16_000, successes: 4_000 });
}

#[test]
fn recent_durations_are_not_hidden_by_old_ones() {
    let histogram = Histogram::default();
    (0..1_000).for_each(|_| histogram.record(Duration::from_millis(1)));
    let mut recent = Recent::new(histogram.clone(), at(0.0));
    assert_eq!(recent.snapshot().count(), 0);
    for second in 1..=200 {
        histogram.record(Duration::from_secs(if second <= 100 { 1 } else { 10 }));
        recent.tick(at(f64::from(second)));
    }
    let snapshot = recent.snapshot();
    assert!((60..=65).contains(&snapshot.count()), "{}", snapshot.count());
    assert!(snapshot.quantile(0.01).unwrap() > Duration::from_secs(9));
    assert!(recent.marks.len() <= 14);
}
