//! A flaky function behind retry and breaker: a hiccup is mended, an outage is left alone.
//!
//! ```text
//! cargo run -p seawall --example retry_and_breaker
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seawall::{Effects, Pipeline, breaker, retry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pipeline = Pipeline::builder("weather")
        .deadline(Duration::from_secs(2))
        // Asking for the weather twice does no harm; a function that nobody vouches for is sent once.
        .effects(Effects::Repeatable)
        .retry(retry::Options { attempts: 3, base: Duration::from_millis(50), ..Default::default() })
        .breaker(breaker::Options { consecutive: 4, open: Duration::from_millis(200), ..Default::default() })
        .build()?;
    println!("{}\n", pipeline.describe());

    let calls = AtomicU32::new(0);
    for n in 1..=6 {
        let said = match pipeline.run(|_| flaky(&calls)).await {
            Ok(degrees) => format!("{degrees} degrees"),
            Err(error) => error.to_string(),
        };
        println!("call {n}: {said}; requests in all: {}", calls.load(Ordering::Relaxed));
    }
    tokio::time::sleep(Duration::from_millis(250)).await;
    let breaker = pipeline.breaker().ok_or("it was given one")?;
    for _ in 0..2 {
        let degrees = pipeline.run(|_| flaky(&calls)).await?;
        println!("a pause later: {degrees} degrees, the breaker is {}", breaker.state());
    }
    Ok(())
}

/// Fails at first, then works, then is down for its 4th to 7th request.
async fn flaky(calls: &AtomicU32) -> io::Result<i32> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    match calls.fetch_add(1, Ordering::Relaxed) + 1 {
        1 => Err(ErrorKind::ConnectionReset.into()),
        4..=7 => Err(ErrorKind::ConnectionRefused.into()),
        _ => Ok(21),
    }
}

#[test]
fn it_runs_to_its_end() {
    main().expect("it does");
}
