//! When the source is down, what it last said is better than nothing, as long as it is said how old it is.
//!
//! ```text
//! cargo run -p seawall --example fallback
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io;
use std::time::Duration;

use seawall::classify::Plain;
use seawall::fallback::{Chain, Target};
use seawall::{Effects, Pipeline, breaker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let source = Pipeline::builder("source")
        .attempt_timeout(Duration::from_millis(50))
        .breaker(breaker::Options { consecutive: 2, ..Default::default() })
        .build()?;
    let memory = Pipeline::builder("memory").build()?;
    let chain = Chain::new([
        Target { pipeline: source, confidence: 1.0 },
        Target { pipeline: memory, confidence: 0.5 },
    ])?;
    let (down, last) = (Cell::new(false), RefCell::new(None));

    for n in 1..=5 {
        down.set(n > 2);
        let deadline = chain.targets()[0].pipeline.now() + Duration::from_secs(1);
        let served = chain
            .run(
                Effects::Repeatable,
                deadline,
                None,
                |_| Plain,
                |_, call| call,
                |place, _| {
                    let (down, last) = (&down, &last);
                    async move {
                        match place {
                            0 => ask(down, 1000 + n).await,
                            _ => last.borrow().ok_or_else(|| io::Error::other("nothing was ever said")),
                        }
                    }
                },
            )
            .await;
        let target = &chain.targets()[served.from.place];
        let price = served.answer.result?;
        served.answer.held.settle();
        if served.from.place == 0 {
            *last.borrow_mut() = Some(price);
        }
        println!(
            "price {n}: {price}, by {} with confidence {}, requests made: {}",
            target.pipeline.name(),
            target.confidence,
            served.attempts,
        );
    }
    Ok(())
}

/// While it is down it does not even say no.
async fn ask(down: &Cell<bool>, price: u32) -> io::Result<u32> {
    if down.get() {
        std::future::pending::<()>().await;
    }
    Ok(price)
}

#[test]
fn it_runs_to_its_end() {
    main().expect("it does");
}
