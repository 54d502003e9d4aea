//! The configuration in force, those before it, and the levers that move from one to another.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_signals::view::{Config, Configured, Reloaded, Section};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::levers::Signed;
use super::{Board, levers};
use crate::scene::{Asked, InForce, Wish};

/// What levers of a configuration may be refused with.
pub(super) const REFUSED: [Code; 3] = [Code::NotAvailableYet, Code::DeadlineExceeded, Code::NoSuchThing];
/// How long reading a configuration may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn config(board: Board) -> Json<Config> {
    let house = board.house();
    let plan = &house.plan;
    let routes = plan.routes.iter().map(|route| {
        let to = route.to.iter().map(|place| plan.upstreams[*place].name.to_string()).collect();
        Section { name: route.name.to_string(), state: "route".into(), url: None, to: Some(to) }
    });
    let upstreams = plan.upstreams.iter().map(|upstream| {
        let (name, url) = (upstream.name.to_string(), Some(upstream.url.to_string()));
        Section { name, state: "upstream".into(), url, to: None }
    });
    let past = board.scene.past.load();
    Json(Config {
        generation: plan.generation,
        config: upstreams.chain(routes).collect(),
        versions: past.versions.clone(),
        warning: past.warning.clone(),
    })
}

/// What is in force, in short; nothing where no versions are kept.
pub(super) fn configured(board: &Board) -> Option<Configured> {
    let past = board.scene.past.load();
    let version = past.versions.iter().find(|version| version.state == "in-force").cloned();
    let earlier = past.versions.len() - usize::from(version.is_some());
    let shown = version.is_some() || past.warning.is_some();
    shown.then(|| Configured {
        generation: board.house().plan.generation,
        version,
        earlier: earlier as u64,
        warning: past.warning.clone(),
    })
}

pub(super) async fn reload(board: Board, headers: HeaderMap, body: Bytes) -> Response {
    let asked = match levers::signed(&board, &headers, &body) {
        Ok(signed) => ask(&board, Wish::Reload, signed).await,
        Err(rejection) => Err(rejection),
    };
    answer(asked)
}

pub(super) async fn rollback(board: Board, headers: HeaderMap, body: Bytes) -> Response {
    let wish = levers::signed(&board, &headers, &body).and_then(|signed| Ok((signed, wish(&body)?)));
    let asked = match wish {
        Ok((signed, wish)) => ask(&board, wish, signed).await,
        Err(rejection) => Err(rejection),
    };
    answer(asked)
}

/// Where to go back to.
#[derive(Deserialize, schemars::JsonSchema)]
pub(super) struct To {
    /// The version's number.
    to: u64,
    /// What its digest must be, where whoever asks has seen it.
    sha256: Option<String>,
}

/// Which version somebody wants to go back to.
fn wish(body: &[u8]) -> Result<Wish, Rejection> {
    let To { to, sha256 } = levers::object(body).map_err(|_| {
        Rejection::new(Code::Malformed).because(
            "\"to\" is no version's number: write {\"by\": \"who\", \"reason\": \"why\", \"to\": 12}",
        )
    })?;
    Ok(Wish::RollBack { to, sha256 })
}

fn answer(asked: Result<InForce, Rejection>) -> Response {
    let unsound = matches!(&asked, Err(rejection) if rejection.code == Code::ConfigurationInvalid);
    let told = asked.map(|InForce { generation, version, changes, warning }| Reloaded {
        name: "config".into(),
        state: "active".into(),
        generation,
        changes,
        version,
        warning,
    });
    let mut response = levers::answer(told);
    if unsound {
        // It is not our fault that nothing has changed.
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    response
}

/// Has a wish fulfilled by whoever reads configurations; it is written down before.
pub(super) async fn ask(board: &Board, wish: Wish, signed: Signed) -> Result<InForce, Rejection> {
    let (lever, subject) = match &wish {
        Wish::Reload => ("reload", "config".to_owned()),
        Wish::RollBack { to, .. } => ("rollback", format!("config to {to}")),
    };
    levers::note(board, &subject, lever, &signed)?;
    let (answer, answered) = oneshot::channel();
    let nobody = || {
        Rejection::new(Code::NotAvailableYet)
            .because("this instance was started without a file to read again")
    };
    let asked = Asked { wish, by: signed.by.clone(), reason: signed.reason.clone(), answer };
    board.asks.send(asked).map_err(|_| nobody())?;
    let late = |_| Rejection::new(Code::DeadlineExceeded).because("the configuration was not read in time");
    let in_force = timeout(PATIENCE, answered).await.map_err(late)?.map_err(|_| nobody())??;
    if lever == "rollback" {
        board.scene.went_back("person");
    }
    board.scene.tell(lever, signed.by, signed.reason);
    Ok(in_force)
}
