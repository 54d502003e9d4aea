//! Windows against the plainest thing that could be right: a list of everything that happened.

use std::collections::VecDeque;

use proptest::prelude::{any, prop, prop_assert_eq, proptest};

use super::*;
use crate::breaker::counts::Counts;

fn sums<'e>(seen: impl Iterator<Item = &'e (bool, bool)>) -> Totals {
    seen.fold(Totals::default(), |sum, (failed, slow)| Totals {
        calls: sum.calls + 1,
        failures: sum.failures + u64::from(*failed),
        slow: sum.slow + u64::from(*slow),
    })
}

proptest! {
    #[test]
    fn the_totals_of_a_window_of_calls_are_those_of_a_list_of_the_last_calls(
        size in prop::sample::select(vec![1u32, 2, 63, 64, 65, 100, 1023, 1024]),
        calls in prop::collection::vec(any::<(bool, bool)>(), 1..3000),
    ) {
        let mut counts = Counts::new(Window::Calls(size));
        let mut list = VecDeque::new();
        for (n, call) in calls.into_iter().enumerate() {
            counts.record(call.0, call.1, START);
            list.push_back(call);
            if list.len() > size as usize {
                list.pop_front();
            }
            // The plainest thing is slow: a look at every 29th call meets every place of the ring.
            if n < 130 || n % 29 == 0 {
                prop_assert_eq!(counts.totals(START), sums(list.iter()));
            }
        }
        counts.clear();
        prop_assert_eq!(counts.totals(START), Totals::default());
    }

    #[test]
    fn the_totals_of_a_window_of_time_are_those_of_a_list_of_what_happened_in_its_ten_slots(
        span in 1u64..100,
        calls in prop::collection::vec((0u64..30_000, any::<(bool, bool)>()), 1..300),
    ) {
        let slot = secs(span).as_nanos() as u64 / 10;
        let mut counts = Counts::new(Window::Time(secs(span)));
        let mut list: Vec<(Instant, (bool, bool))> = Vec::new();
        let mut now = START;
        for (wait, call) in calls {
            now = now + Duration::from_millis(wait);
            counts.record(call.0, call.1, now);
            list.push((now, call));
            let slots = |at: Instant| now.as_nanos() / slot - at.as_nanos() / slot;
            let seen = counts.totals(now);
            prop_assert_eq!(seen, sums(list.iter().filter(|(at, _)| slots(*at) < 10).map(|(_, call)| call)));
            let younger = |age: Duration| list.iter().filter(|(at, _)| now.since(*at) < age).count() as u64;
            let nine = secs(span) * 9 / 10;
            proptest::prop_assert!(younger(nine) <= seen.calls && seen.calls <= younger(secs(span)));
        }
    }
}
