use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn joined(turns: &mut Turns<u64>, priority: Priority, value: u64) -> Ticket {
    turns.join(priority, usize::MAX, value).unwrap().ticket
}

#[test]
fn the_important_come_first_and_equals_in_the_order_of_arrival() {
    let mut turns = Turns::default();
    for (value, priority) in
        [Priority::Low, Priority::Normal, Priority::High, Priority::Normal, Priority::High]
            .into_iter()
            .enumerate()
    {
        joined(&mut turns, priority, value as u64);
    }
    let served: Vec<_> = std::iter::from_fn(|| turns.serve(turns.first()?)).collect();
    assert_eq!(served, [2, 4, 1, 3, 0]);
}

#[test]
fn every_eighth_turn_goes_to_the_longest_waiting() {
    let mut turns = Turns::default();
    joined(&mut turns, Priority::Low, 99);
    let served: Vec<_> = (0..9)
        .map(|value| {
            joined(&mut turns, Priority::High, value);
            turns.serve(turns.first().unwrap()).unwrap()
        })
        .collect();
    assert_eq!(served, [0, 1, 2, 3, 4, 5, 6, 99, 7]);
}

#[test]
fn in_a_full_line_the_high_take_the_place_of_the_youngest_low() {
    let mut turns = Turns::default();
    for value in 0..2 {
        joined(&mut turns, Priority::Low, value);
    }
    assert_eq!(turns.join(Priority::Normal, 2, 7), None);
    assert_eq!(turns.join(Priority::High, 2, 8).unwrap().pushed_out, Some(1));
    assert_eq!(turns.join(Priority::High, 2, 9).unwrap().pushed_out, Some(0));
    assert_eq!(turns.join(Priority::High, 2, 10), None, "the high do not push out each other");
    assert_eq!(turns.len(), 2);
    assert_eq!(Turns::default().join(Priority::High, 0, ()), None);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Join(Priority),
    Serve,
    Leave(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let join = select(Priority::ALL).prop_map(Step::Join);
    let step = prop_oneof![4 => join, 3 => Just(Step::Serve), 1 => (0usize..64).prop_map(Step::Leave)];
    prop::collection::vec(step, 1..400)
}

proptest! {
    /// Whoever is first has the highest priority of all, or the turn is one of ageing and it is the oldest of all;
    /// it is always the oldest of its own priority; and a line that is not empty has somebody first.
    #[test]
    fn the_first_is_the_most_important_or_the_oldest(steps in steps(), max in 0usize..12) {
        let mut turns = Turns::default();
        let mut model: Vec<(Ticket, u64)> = Vec::new();
        let mut given = 0u32;
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Join(priority) => {
                    let full = model.len() >= max;
                    match turns.join(priority, max, at as u64) {
                        Some(Joined { ticket, pushed_out }) => {
                            prop_assert_eq!(full, pushed_out.is_some());
                            if let Some(gone) = pushed_out {
                                let youngest = model.iter().rposition(|(t, _)| t.priority == Priority::Low).unwrap();
                                prop_assert_eq!(model.remove(youngest).1, gone);
                                prop_assert_eq!(priority, Priority::High);
                            }
                            model.push((ticket, at as u64));
                        }
                        None => prop_assert!(full),
                    }
                }
                Step::Serve => {
                    let Some(first) = turns.first() else { prop_assert!(model.is_empty()); continue };
                    let expected = if given % AGEING == AGEING - 1 {
                        0
                    } else {
                        let best = model.iter().map(|(t, _)| t.priority).min().unwrap();
                        model.iter().position(|(t, _)| t.priority == best).unwrap()
                    };
                    given += 1;
                    prop_assert_eq!(turns.serve(first), Some(model.remove(expected).1));
                    prop_assert_eq!(turns.serve(first), None, "nobody is served twice");
                }
                Step::Leave(nth) if !model.is_empty() => {
                    let (ticket, value) = model.remove(nth % model.len());
                    prop_assert_eq!(turns.get_mut(ticket).copied(), Some(value));
                    prop_assert_eq!(turns.leave(ticket), Some(value));
                    prop_assert_eq!(turns.leave(ticket), None);
                }
                Step::Leave(_) => {}
            }
            prop_assert!(turns.len() == model.len() && model.len() <= max);
            prop_assert_eq!(turns.first().is_some(), !turns.is_empty());
        }
    }

    /// Nobody starves: a waiter that finds `k` others is served by the `8 × (k + 1)`th turn, whoever arrives meanwhile.
    #[test]
    fn nobody_waits_for_more_than_eight_turns_for_each_who_came_before(
        before in prop::collection::vec(select(Priority::ALL), 0..20),
        offset in 0u32..AGEING,
        priority in select(Priority::ALL),
    ) {
        let mut turns = Turns::default();
        for _ in 0..offset {
            joined(&mut turns, Priority::Normal, 0);
            turns.serve(turns.first().unwrap());
        }
        for &other in &before {
            joined(&mut turns, other, 0);
        }
        let mine = joined(&mut turns, priority, 1);
        let bound = AGEING as usize * (before.len() + 1);
        let served = (1..=bound).find(|_| {
            joined(&mut turns, Priority::High, 0);
            let first = turns.first().unwrap();
            turns.serve(first);
            first == mine
        });
        prop_assert!(served.is_some(), "still waiting after {} turns", bound);
    }
}
