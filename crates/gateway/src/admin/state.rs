//! The state an instance keeps: copied while it is in use, and trusted again after it was restored.

use std::time::UNIX_EPOCH;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_core::clock::wall_now;
use seawall_signals::view::{Copied, Pulled};

use super::{Board, levers};

/// Where in a state directory copies of the journal are.
const BACKUPS: &str = "backups";

pub(super) async fn backup(board: Board, headers: HeaderMap, body: Bytes) -> Response {
    levers::answer(copy(&board, &headers, &body).await)
}

async fn copy(board: &Board, headers: &HeaderMap, body: &[u8]) -> Result<Copied, Rejection> {
    let signed = levers::signed(board, headers, body)?;
    let house = board.house();
    let Some(state) = &house.plan.state else {
        return Err(
            Rejection::new(Code::NoSuchThing).because("this instance has no directory to write a copy into")
        );
    };
    levers::note(board, "journal", "backup", &signed)?;
    let folder = state.join(BACKUPS);
    let unwritable = |error| {
        Rejection::new(Code::StoreUnavailable)
            .because(format!("{} cannot be made: {error}", folder.display()))
    };
    std::fs::create_dir_all(&folder).map_err(unwritable)?;
    let now = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let path = folder.join(format!("effects-{now}.db"));
    house.ground.journal.backup(&path).await?;
    let path = std::fs::canonicalize(&path).unwrap_or(path);
    board.scene.tell("backup", signed.by, signed.reason);
    Ok(Copied { name: "journal".into(), state: "copied".into(), path: path.display().to_string() })
}

pub(super) async fn settle(board: Board, headers: HeaderMap, body: Bytes) -> Response {
    levers::answer(trust(&board, &headers, &body).await)
}

async fn trust(board: &Board, headers: &HeaderMap, body: &[u8]) -> Result<Pulled, Rejection> {
    let signed = levers::signed(board, headers, body)?;
    levers::note(board, "journal", "settle", &signed)?;
    board.house().ground.journal.settle().await?;
    board.scene.tell("settle", signed.by, signed.reason);
    Ok(Pulled::new("journal", "trusted"))
}
