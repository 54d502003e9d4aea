//! The configuration in force, and the lever that has it read again.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_signals::view::{Config, Configured, Reloaded};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Board, levers};
use crate::scene::Asked;

/// How long reading a configuration may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn config(State(board): State<Board>) -> Json<Config> {
    let house = board.house();
    let plan = &house.plan;
    let routes = plan.routes.iter().map(|route| {
        let to = route.to.iter().map(|place| plan.upstreams[*place].name.to_string()).collect();
        Configured { name: route.name.to_string(), state: "route".into(), url: None, to: Some(to) }
    });
    let upstreams = plan.upstreams.iter().map(|upstream| {
        let (name, url) = (upstream.name.to_string(), Some(upstream.url.to_string()));
        Configured { name, state: "upstream".into(), url, to: None }
    });
    Json(Config { generation: plan.generation, config: upstreams.chain(routes).collect() })
}

pub(super) async fn reload(State(board): State<Board>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = ask(&board, &headers, &body).await;
    let unsound = matches!(&asked, Err(rejection) if rejection.code == Code::ConfigurationInvalid);
    let mut response = levers::answer(asked);
    if unsound {
        // It is not our fault that nothing has changed.
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

async fn ask(board: &Board, headers: &HeaderMap, body: &[u8]) -> Result<Reloaded, Rejection> {
    let signed = levers::signed(headers, body)?;
    levers::note(board, "config", "reload", &signed)?;
    let (answer, answered) = oneshot::channel();
    let nobody = || {
        Rejection::new(Code::NotAvailableYet)
            .because("this instance was started without a file to read again")
    };
    let asked = Asked { by: signed.by.clone(), reason: signed.reason.clone(), answer };
    board.asks.send(asked).map_err(|_| nobody())?;
    let late = |_| Rejection::new(Code::DeadlineExceeded).because("the configuration was not read in time");
    let (generation, changes) = timeout(PATIENCE, answered).await.map_err(late)?.map_err(|_| nobody())??;
    board.scene.tell("reload", signed.by, signed.reason);
    Ok(Reloaded { name: "config".into(), state: "active".into(), generation, changes })
}
