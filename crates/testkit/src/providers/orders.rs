//! An exchange-like service: an order sent twice is an order filled twice.

use serde_json::json;

use super::{Faults, Served, Service, plain_error, token};
use crate::ledger::Ledger;
use crate::reply::Reply;
use crate::request::Request;
use crate::script::Script;

/// `POST /orders` executes `order` and answers 201, every time, whatever the key: the service itself never spots a
/// repeat. `GET /orders/{key}` answers 200 with how many times that key was filled, or 404. The key is the
/// `Idempotency-Key` header, or `client_id` or `id` in the body.
pub fn order_server(faults: Faults, seed: u64) -> Script {
    Service { serve, error: plain_error }.with(faults, seed)
}

fn serve(request: &Request, ledger: &Ledger, random: &mut fastrand::Rng) -> Served {
    let key = request.path().strip_prefix("/orders/").filter(|_| request.method == "GET");
    let reply = match key.map(|key| (key, ledger.times("order", key))) {
        None if request.method == "POST" && request.path() == "/orders" => return place(request, random),
        None => {
            Reply::json(404, plain_error(404, "no such path: this service has /orders and /orders/{key}"))
        }
        Some((_, 0)) => Reply::json(404, plain_error(404, "no order of that key")),
        Some((key, fills)) => {
            Reply::json(200, json!({ "client_id": key, "status": "filled", "fills": fills }))
        }
    };
    Served { reply, executes: None }
}

fn place(request: &Request, random: &mut fastrand::Rng) -> Served {
    let order = request.json();
    let Some(order) = order.as_ref().and_then(|order| order.as_object()) else {
        return Served {
            reply: Reply::json(400, plain_error(400, "an order is a json object")),
            executes: None,
        };
    };
    let mut placed = order.clone();
    placed.insert("order_id".into(), format!("ord_{}", token(random, 16)).into());
    placed.insert("client_id".into(), request.key().into());
    placed.insert("status".into(), "filled".into());
    Served { reply: Reply::json(201, placed), executes: Some("order") }
}
