use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
/// Some midnight.
const NOON: u64 = 20_000 * DAY;

fn id(name: &str) -> Id {
    Id { name: name.to_owned(), labels: vec![(Arc::from("upstream"), Arc::from("up"))] }
}

fn gauge(value: f64) -> [Present; 1] {
    [Present { id: id("pace"), value, counts: false }]
}

fn counter(value: f64) -> [Present; 1] {
    [Present { id: id("calls"), value, counts: true }]
}

fn asked(steps: &Steps, name: &str, step: Step, now: u64) -> Vec<Stretch> {
    steps.of(name, step, now.saturating_sub(step.reach()), now).pop().map(|(_, all)| all).unwrap_or_default()
}

fn restarted(steps: &Steps) -> Steps {
    Steps::restored(&steps.save()).unwrap()
}

#[test]
fn an_hour_and_a_day_are_what_their_minutes_were() {
    let mut steps = Steps::default();
    for minute in 0..26 * 60 {
        steps.see(NOON + minute * MINUTE, &gauge((minute % 60) as f64));
    }
    let now = NOON + DAY + 2 * HOUR - 1;
    let hours = asked(&steps, "pace", Step::Hour, now);
    assert_eq!(hours.len(), 26);
    let hour = hours[25];
    assert_eq!((hour.at, hour.span, hour.count, hour.sum), (NOON + DAY + HOUR, HOUR, 60, 1770.0));
    assert_eq!((hour.min, hour.max, hour.last, hour.over(Over::Avg)), (0.0, 59.0, 59.0, 29.5));
    let ranks = [0.0, 0.5, 0.95, 1.0].map(|share| hour.over(Over::Percentile(share)));
    assert_eq!(ranks, [0.0, 29.0, 56.0, 59.0]);
    let days = asked(&steps, "pace", Step::Day, now);
    assert_eq!(days.len(), 2, "the one that has begun is there");
    assert_eq!((days[0].at, days[0].count, days[0].sum), (NOON, 1440, 24.0 * 1770.0));
    assert!((days[0].over(Over::Percentile(0.5)) - 29.0).abs() < 2.0, "{days:?}");
    assert_eq!((days[1].at, days[1].count), (NOON + DAY, 120));
}

#[test]
fn a_counter_grows_over_hours_and_restarts_and_nothing_is_lost_or_counted_twice() {
    let mut steps = Steps::default();
    let mut value = 0.0;
    for minute in 0..300 {
        // Killed in the middle of an hour, a minute after it was written down.
        if minute == 150 {
            steps = restarted(&steps);
            value = 0.0;
        }
        value += 7.0;
        steps.see(NOON + minute * MINUTE, &counter(value));
    }
    let now = NOON + 299 * MINUTE;
    let hours = asked(&steps, "calls", Step::Hour, now);
    assert_eq!(hours.iter().map(|hour| hour.increase).collect::<Vec<_>>(), [420.0; 5]);
    assert_eq!(hours.iter().map(|hour| hour.count).collect::<Vec<_>>(), [60; 5], "the halves are one again");
    assert!((hours[3].over(Over::Rate) - 7.0 / 60.0).abs() < 1e-9);
    assert_eq!(asked(&steps, "calls", Step::Day, now)[0].increase, 2100.0);
}

#[test]
fn a_day_that_ended_while_nothing_ran_is_there() {
    let mut steps = Steps::default();
    (0..600).for_each(|minute| steps.see(NOON + minute * MINUTE, &gauge(3.0)));
    let mut steps = restarted(&steps);
    let later = NOON + 3 * DAY;
    steps.see(later, &gauge(5.0));
    let days = asked(&steps, "pace", Step::Day, later);
    assert_eq!(days.iter().map(|day| (day.at, day.count)).collect::<Vec<_>>(), [(NOON, 600), (later, 1)]);
}

#[test]
fn a_month_of_hours_and_four_hundred_days_are_kept_and_no_more() {
    let mut steps = Steps::default();
    for hour in 0..450 * 24 {
        steps.see(NOON + hour * HOUR, &gauge((hour % 7) as f64));
    }
    let now = NOON + 450 * DAY - 1;
    assert_eq!(asked(&steps, "pace", Step::Hour, now).len(), HOURS + 1);
    let days = asked(&steps, "pace", Step::Day, now);
    assert!((DAYS..=DAYS + 1).contains(&days.len()), "{}", days.len());
    assert!(days[5].count == 24 && days.is_sorted_by_key(|day| day.at));
}

#[test]
fn what_does_not_change_takes_no_room_and_what_is_gone_makes_some() {
    let mut steps = Steps::default();
    for minute in 0..5 * 1440 {
        steps.see(NOON + minute * MINUTE, &counter(9.0));
    }
    let book = &steps.books[&id("calls")];
    assert_eq!(book.hours.records().len(), 2, "the first hour, in which it grew, and the others");
    for place in 0..2 * TRACKS {
        let id = id(&format!("passing_{place}"));
        let now = NOON + 5 * DAY + place as u64 * HOUR;
        steps.see(now, &[Present { id: id.clone(), value: 1.0, counts: false }]);
        assert!(steps.books.len() <= TRACKS && steps.books.contains_key(&id), "{place}");
    }
}

#[test]
fn a_clock_that_steps_a_year_ahead_and_back_costs_nothing_that_was_there() {
    let mut steps = Steps::default();
    let year = 365 * DAY;
    let mut value = 0.0;
    for minute in 0..3 * 1440 {
        let wrong = if (1500..1510).contains(&minute) { year } else { 0 };
        value += 1.0;
        steps.see(NOON + wrong + minute * MINUTE, &counter(value));
    }
    let now = NOON + 3 * DAY - MINUTE;
    let hours = asked(&steps, "calls", Step::Hour, now);
    let sum: f64 = hours.iter().map(|hour| hour.increase).sum();
    assert_eq!((hours.len(), sum), (72, 3.0 * 1440.0 - 10.0), "ten minutes are elsewhere");
    let days = asked(&steps, "calls", Step::Day, now);
    assert_eq!(days.iter().map(|day| day.increase).collect::<Vec<_>>(), [1440.0, 1430.0, 1440.0]);
}

#[test]
fn a_clock_that_steps_back_tells_the_hour_again_and_keeps_what_was_before() {
    for back in [30 * MINUTE, 5 * HOUR, 30 * HOUR, 365 * DAY] {
        let mut steps = Steps::default();
        (0..2 * 1440).for_each(|minute| steps.see(NOON + minute * MINUTE, &gauge(1.0)));
        let again = NOON + 2 * DAY - back;
        (0..10).for_each(|minute| steps.see(again + minute * MINUTE, &gauge(1.0)));
        let there = asked(&steps, "pace", Step::Hour, again + 9 * MINUTE);
        assert!(there.last().is_some_and(|hour| hour.at <= again && hour.count >= 10), "{back}");
        // And right again.
        let later = NOON + 2 * DAY + HOUR;
        steps.see(later, &gauge(1.0));
        let hours = asked(&steps, "pace", Step::Hour, later);
        let inside = |hour: &&Stretch| hour.at >= NOON;
        assert_eq!(hours.iter().filter(inside).count(), 49, "{back}");
        let days: u64 = asked(&steps, "pace", Step::Day, later)
            .iter()
            .filter(|day| day.at >= NOON)
            .map(|day| day.count)
            .sum();
        let told_again = if back == 365 * DAY { 0 } else { 10 };
        assert_eq!(days, 2 * 1440 + 1 + told_again, "{back}");
    }
}

#[test]
fn numbers_that_are_none_and_clocks_beyond_reason_are_nothing_special() {
    let mut steps = Steps::default();
    for (now, value) in
        [(0, f64::NAN), (u64::MAX, 1.0), (0, f64::INFINITY), (1, 1e300), (u64::MAX - 1, -1e300), (3, 0.5)]
    {
        steps.see(now, &gauge(value));
        steps.see(now, &counter(value));
        assert!(restarted(&steps).books.len() <= 2);
    }
    let hours = asked(&steps, "pace", Step::Hour, 5);
    assert_eq!(hours[0].count, 2);
    assert!(hours[0].max.is_finite());
}

#[test]
fn bytes_that_nobody_wrote_are_refused_with_a_reason() {
    let mut steps = Steps::default();
    (0..300).for_each(|minute| steps.see(NOON + minute * MINUTE, &gauge(minute as f64)));
    let good = steps.save();
    assert!(Steps::restored(b"").unwrap_err().contains("another version"));
    for cut in 18..good.len() {
        assert_eq!(Steps::restored(&good[..cut]).unwrap_err(), "makes no sense", "{cut}");
    }
    let mut long = good;
    long.push(0);
    assert!(Steps::restored(&long).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law: whatever was written over the bytes, they are refused or make a book that goes on.
    #[test]
    fn changed_bytes_never_end_it(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut steps = Steps::default();
        (0..200).for_each(|minute| steps.see(NOON + minute * MINUTE, &counter(minute as f64)));
        let mut bytes = steps.save();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(mut steps) = Steps::restored(&bytes) {
            for now in [NOON, NOON + DAY, 0, u64::MAX] {
                steps.see(now, &counter(1.0));
                for step in [Step::Hour, Step::Day] {
                    steps.of("calls", step, 0, now);
                }
            }
        }
    }

    /// Law: whatever the clock and the numbers do, steps are in order, hold what was seen, and are the same after a restart.
    #[test]
    fn steps_are_in_order_and_outlive_a_restart(
        story in prop::collection::vec((-40_000i64..90_000, -1e9f64..1e9), 1..60),
    ) {
        let (mut steps, mut now) = (Steps::default(), NOON);
        for (pause, value) in &story {
            now = now.saturating_add_signed(*pause);
            steps.see(now, &gauge(*value));
        }
        for step in [Step::Hour, Step::Day] {
            for one in asked(&steps, "pace", step, now) {
                prop_assert!(one.min <= one.max && one.at <= now && one.count > 0);
                let ranks: Vec<f64> = (0..=20).map(|rank| one.over(Over::Percentile(f64::from(rank) / 20.0))).collect();
                prop_assert!(ranks.is_sorted() && ranks[0] == one.min && ranks[20] == one.max);
            }
            let all = asked(&steps, "pace", step, now);
            prop_assert!(all.windows(2).all(|pair| pair[0].at + pair[0].span <= pair[1].at));
        }
        let again = restarted(&steps);
        prop_assert_eq!(asked(&again, "pace", Step::Hour, now), asked(&steps, "pace", Step::Hour, now));
        prop_assert_eq!(again.save(), steps.save());
    }
}
