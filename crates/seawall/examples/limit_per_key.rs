//! One limiter with keys: each user has a rate of its own, and memory stays bounded however many there are.
//!
//! ```text
//! cargo run -p seawall --example limit_per_key
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use seawall::limiter::{Limiter, Options, Queue};
use seawall::{Pipeline, Rejection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue { max: 10, wait: Duration::from_secs(1) };
    let options = Options { rate: "3/500ms".parse()?, queue, max_keys: 1000, ..Options::default() };
    let limit = Limiter::per_key("user", options)?;

    // By itself: yes, or no and when to come back.
    for user in ["ann", "ann", "ann", "ann", "bob"] {
        match limit.try_acquire_for(user, 1) {
            Ok(_) => println!("{user} passes, {} left", limit.remaining(user)),
            Err(Rejection { code, retry_after, .. }) => {
                println!("{user} is told {code}, come back in {retry_after:.0?}");
            }
        }
    }

    // In a pipeline: whoever comes too early waits a turn, as long as the queue and the deadline allow.
    let pipeline = Pipeline::builder("reports").shared_limits(vec![limit.clone()]).build()?;
    let began = pipeline.now();
    for user in ["ann", "bob", "ann"] {
        let report = pipeline.call().key(user).run(|_| write_for(user)).await?;
        println!("{report} after {:.0?}", pipeline.now().since(began));
    }
    println!("{} keys are remembered", limit.keys().unwrap_or_default());
    Ok(())
}

async fn write_for(user: &str) -> Result<String, Infallible> {
    Ok(format!("{user}'s report"))
}

#[test]
fn it_runs_to_its_end() {
    main().expect("it does");
}
