//! Laws over random callers, on virtual time.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::sample::select;
use tokio::task::JoinHandle;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Arrive {
        priority: Priority,
        patience: u64,
        hold: u64,
        ended: Ended,
    },
    /// Gives up on somebody, wherever it is.
    Abort(usize),
    Update {
        concurrent: u32,
        adaptive: Option<Algorithm>,
    },
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ended = select(vec![Ended::Worked, Ended::Overloaded, Ended::Nothing]);
    let arrive = (select(Priority::ALL), 0u64..800, 0u64..200, ended)
        .prop_map(|(priority, patience, hold, ended)| Step::Arrive { priority, patience, hold, ended });
    let algorithm = select(vec![None, Some(Algorithm::Aimd), Some(Algorithm::Gradient)]);
    let step = prop_oneof![
        8 => arrive,
        2 => (0usize..64).prop_map(Step::Abort),
        1 => (1u32..6, algorithm).prop_map(|(concurrent, adaptive)| Step::Update { concurrent, adaptive }),
        6 => (0u64..100).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..150)
}

async fn story(steps: Vec<Step>, first: Options) -> Result<(), String> {
    let max = first.queue.max;
    let b = Bulkhead::new(first.clone()).unwrap();
    let (entered, numbers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU32::new(0)));
    let mut callers: Vec<JoinHandle<Result<(), String>>> = Vec::new();
    for step in steps {
        match step {
            Step::Arrive { priority, patience, hold, ended } => {
                let (b, entered, numbers) = (b.clone(), entered.clone(), numbers.clone());
                callers.push(tokio::spawn(async move {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let deadline = DefaultClock.now() + Duration::from_millis(patience);
                    let Ok(permit) = b.acquire_as(priority, deadline).await else { return Ok(()) };
                    let (load, size) = (b.load(), b.size());
                    if load.in_flight > size as usize {
                        return Err(format!("{} in flight of {size} when one entered", load.in_flight));
                    }
                    lock(&entered).push((priority, number));
                    tokio::time::sleep(Duration::from_millis(hold)).await;
                    permit.settle(ended);
                    Ok(())
                }));
            }
            Step::Abort(nth) if !callers.is_empty() => callers[nth % callers.len()].abort(),
            Step::Abort(_) => {}
            Step::Update { concurrent, adaptive } => {
                let adaptive = adaptive.map(Adaptive::by);
                b.update(Options { concurrent, adaptive, ..first.clone() }).unwrap();
            }
            Step::Pass(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
        let load = b.load();
        if load.waiting > max {
            return Err(format!("{} wait of {max}", load.waiting));
        }
    }
    for caller in callers {
        match caller.await {
            Ok(outcome) => outcome?,
            Err(aborted) => drop(aborted),
        }
    }
    for priority in Priority::ALL {
        let equals: Vec<_> = lock(&entered).iter().filter(|(other, _)| other == priority).copied().collect();
        if !equals.is_sorted() {
            return Err(format!("equals entered out of order: {equals:?}"));
        }
    }
    if b.load() != Load::default() { Err(format!("left behind: {:?}", b.load())) } else { Ok(()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Over random callers that wait, hold, give up and are dropped, and sizes that change meanwhile: whoever enters
    /// finds no more in flight than the size of that moment, so after a cut nobody enters until there is room; equals
    /// enter in the order they came; the line is never longer than its bound; and in the end every place is back.
    #[test]
    fn never_more_than_the_size_in_order_and_everything_is_given_back(
        steps in steps(),
        concurrent in 1u32..4,
        max in 0usize..6,
        adaptive in select(vec![None, Some(Algorithm::Gradient)]),
    ) {
        let queue = Queue { max, wait: Duration::from_millis(500) };
        let options = Options { concurrent, queue, adaptive: adaptive.map(Adaptive::by) };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let outcome = runtime.block_on(story(steps, options));
        prop_assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}
