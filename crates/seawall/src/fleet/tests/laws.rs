//! What holds over random histories of a fleet and its store.

use fastrand::Rng;

use super::*;

/// Law: whatever is asked when, and whenever the store is away, no span sees more than the limit while the store answers,
/// and none more than twice the limit at all; and no caller waits for a dead store longer than its patience.
#[tokio::test(start_paused = true)]
async fn no_span_sees_more_than_the_limit_and_none_more_than_twice_as_much() {
    for seed in 0..30 {
        let mut rng = Rng::with_seed(seed);
        let (store, per) = (Store::new(), Duration::from_secs(2));
        let (count, n) = (rng.u32(6..40), rng.usize(2..5));
        let mut fleets = Vec::new();
        for _ in 0..n {
            fleets.push(member(&store).await);
        }
        sleep(Duration::from_secs(3)).await;
        let limiters: Vec<_> = fleets
            .iter()
            .map(|fleet| Limiter::shared(fleet, "api", None, options(count, per, None)).unwrap())
            .collect();
        let (mut passed, mut away) = (Vec::new(), Vec::new());
        let mut gone = false;
        for _ in 0..2000 {
            if rng.u32(..400) == 0 {
                gone = !gone;
                store.answers(if gone { Answers::Never } else { Answers::AtOnce });
                away.push(Then::now());
            }
            let limiter = &limiters[rng.usize(..n)];
            let before = Then::now();
            let now = default_clock().now();
            if let Ok(taken) = limiter.acquire_for("", 1, now + Duration::from_millis(1)).await {
                if rng.u8(..) < 10 {
                    taken.give_back();
                } else {
                    passed.push(Then::now());
                }
            }
            assert!(before.elapsed() <= Duration::from_millis(100), "seed {seed}");
            sleep(Duration::from_millis(rng.u64(..40))).await;
        }
        // A share of at least one each.
        let (one, two) = (count as usize, 2 * (count as usize).max(n));
        for (place, first) in passed.iter().enumerate() {
            let seen = passed[place..].iter().take_while(|at| **at - *first < per).count();
            // The store was away, or had not long been back.
            let alone = away.iter().any(|at| *first < *at + per * 3 && *at < *first + per);
            let lost = away.iter().filter(|at| **at <= *first).count() % 2 == 1;
            let bound = if alone || lost { two } else { one };
            assert!(seen <= bound, "seed {seed}: {seen} of {count} by {n}");
        }
    }
}
