use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The order in which steps of these stages are taken.
fn order(stages: &[Stage]) -> Vec<usize> {
    let mut left: Vec<(usize, Stage)> = stages.iter().copied().enumerate().collect();
    let mut order = Vec::new();
    while let Some(place) = next(&left.iter().map(|(_, stage)| *stage).collect::<Vec<_>>()) {
        order.push(left.remove(place).0);
    }
    order
}

#[test]
fn the_defaults_are_the_published_ones_and_nonsense_is_refused() {
    let options = Options::default();
    options.check().unwrap();
    assert_eq!((options.delay, options.patience), (Duration::ZERO, secs(30)));
    assert_eq!(Options { patience: secs(90_000), ..options }.check().unwrap_err().key, "patience");
    let wrong = Options { delay: secs(30), ..options }.check().unwrap_err();
    assert_eq!(wrong.to_string(), "delay: 30s leaves nothing of patience, 30s: write less");
    assert!(check_deadline(Duration::ZERO).is_err() && check_deadline(secs(3601)).is_err());
}

#[test]
fn stages_go_in_order_and_within_one_the_last_comes_first() {
    use Stage::{Drain, Flush, Persist, Stop, Unready};
    assert_eq!(order(&[Flush, Stop, Persist, Stop, Unready, Drain]), [4, 5, 3, 1, 2, 0]);
    assert_eq!(order(&[]), Vec::<usize>::new());
}

proptest! {
    /// Law: every step is taken once, no stage comes before an earlier one, and within a stage the order is reversed.
    #[test]
    fn every_step_is_taken_once_and_in_order(stages in prop::collection::vec(prop::sample::select(Stage::ALL), 0..30)) {
        let order = order(&stages);
        prop_assert_eq!(order.len(), stages.len());
        for pair in order.windows(2) {
            let (before, after) = (stages[pair[0]], stages[pair[1]]);
            prop_assert!(before < after || (before == after && pair[0] > pair[1]));
        }
    }

    /// Law: a drain that eats all the time takes nothing from what is kept; and up to then nobody has more than is left.
    #[test]
    fn what_is_kept_always_has_its_time(
        stage in prop::sample::select(Stage::ALL),
        deadline in 1u64..100,
        left in 0u64..100,
        hurried in any::<bool>(),
    ) {
        let given = allowance(stage, secs(deadline), secs(left), hurried);
        if stage >= Stage::Cancel {
            prop_assert_eq!(given, Some(secs(deadline)));
        } else {
            prop_assert_eq!(given.is_none(), hurried || left == 0);
            prop_assert!(given.is_none_or(|given| given <= secs(left) && given <= secs(deadline)));
        }
    }
}
