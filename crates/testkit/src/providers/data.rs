//! A data service: reads that cost nothing to repeat.

use serde_json::{Value, json};

use super::{Faults, Served, Service, plain_error};
use crate::ledger::Ledger;
use crate::reply::Reply;
use crate::request::{Request, digest};
use crate::script::Script;

/// `GET /data/{anything}` answers about 2 KiB of JSON that depend on the path alone, with `complete: true` as the last
/// key, and executes `read`.
pub fn data_server(faults: Faults, seed: u64) -> Script {
    Service { serve, error: plain_error }.with(faults, seed)
}

fn serve(request: &Request, _: &Ledger, _: &mut fastrand::Rng) -> Served {
    if !matches!(request.method.as_str(), "GET" | "HEAD") || !request.path().starts_with("/data/") {
        let reply = Reply::json(404, plain_error(404, "no such path: this service has GET /data/{name}"));
        return Served { reply, executes: None };
    }
    let mut random = fastrand::Rng::with_seed(digest(request.path().as_bytes()));
    let points: Vec<Value> =
        (0..64).map(|hour| json!({ "hour": hour, "value": random.u32(100..900) })).collect();
    // Written by hand around the values: the order of the keys is part of the promise.
    let body = format!(
        r#"{{"path":{},"unit":"gCO2eq/kWh","points":{},"complete":true}}"#,
        Value::from(request.path()),
        Value::from(points)
    );
    let reply = Reply::status(200).header("content-type", "application/json").body(body);
    Served { reply, executes: Some("read") }
}
