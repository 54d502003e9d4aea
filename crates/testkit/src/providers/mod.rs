//! Whole services that fail the way services do: some of the time, in every known way, the same way for the same seed.
//!
//! Each gives a [`Script`]: `Upstream::start(providers::order_server(Faults { lost_reply_rate: 0.1, ..Default::default() }, 7))`.

mod chat;
mod data;
mod faults;
mod orders;

use serde_json::{Value, json};

use crate::ledger::Ledger;
use crate::reply::Reply;
use crate::request::Request;
use crate::script::{Script, rng};

pub use chat::chat_server;
pub use data::data_server;
pub use faults::{Draw, Fault, Faults, Outage};
pub use orders::order_server;

use faults::Window;

/// How one kind of service answers when nothing goes wrong, and how it says that something did.
struct Service {
    /// Decides about a whole request.
    serve: fn(&Request, &Ledger, &mut fastrand::Rng) -> Served,
    /// Words an error in this service's way.
    error: fn(status: u16, message: &str) -> Value,
}

/// A good answer, and the side effect that comes before it.
struct Served {
    reply: Reply,
    executes: Option<&'static str>,
}

impl Service {
    /// The service with faults laid over it.
    fn with(self, faults: Faults, seed: u64) -> Script {
        let Self { serve, error } = self;
        let window = faults.rate_limit.map(|(count, per)| Window::new(count, per));
        let late = faults.clone();
        Script::with_ledger(move |request, n, ledger| {
            let draw = late.draw(seed, n);
            let served = match draw.fault {
                Some(Fault::Error(status)) => {
                    let reply = Reply::json(
                        status,
                        error(status, "the server had an error while processing your request"),
                    );
                    Served { reply, executes: None }
                }
                _ => serve(request, ledger, &mut rng(seed, n)),
            };
            spoil(served, draw, &late)
        })
        .before_body(move |request, n, _| {
            if faults.outage.is_some_and(|outage| outage.covers(request.at)) {
                return Some(Reply::json(503, error(503, "the service is down")));
            }
            if let Some(wait) = window.as_ref().and_then(|window| window.admit(request.at).err()) {
                // Ceilings, not floors: who comes back a moment early is refused again.
                let seconds = wait.as_nanos().div_ceil(1_000_000_000);
                let reply = Reply::json(429, error(429, "rate limit reached for requests"))
                    .header("retry-after", seconds.to_string())
                    .header("retry-after-ms", wait.as_nanos().div_ceil(1_000_000).to_string());
                return Some(reply);
            }
            let refused = faults.draw(seed, n).fault == Some(Fault::Refuse);
            refused.then(Reply::drop_before_reading_body)
        })
    }
}

/// Lays what was drawn over a good answer. The effect always comes first: the caller who gives up during a slow answer
/// has had it all the same.
fn spoil(served: Served, draw: Draw, faults: &Faults) -> Reply {
    let Served { mut reply, executes } = served;
    let half = reply.body_len() / 2;
    reply = match draw.fault {
        Some(Fault::LostReply) => Reply::close(),
        Some(Fault::Cut { quiet: true }) if reply.chunks() > 1 => {
            let kept = reply.chunks() / 2;
            reply.end_after_chunks(kept)
        }
        Some(Fault::Cut { .. }) => reply.cut_after_bytes(half),
        _ => reply,
    };
    if draw.slow {
        reply = reply.after(faults.slow_for);
    }
    match executes {
        Some(label) => reply.executing(label),
        None => reply,
    }
}

fn plain_error(status: u16, message: &str) -> Value {
    json!({ "error": { "status": status, "message": message } })
}

/// `length` letters and digits.
fn token(random: &mut fastrand::Rng, length: usize) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(length).collect()
}

#[cfg(test)]
mod tests;
