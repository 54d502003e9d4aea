//! The admin port: the present state to read, and levers to pull.

mod alerts;
mod config;
mod effects;
mod guard;
mod guesses;
mod health;
mod levers;
mod login;
mod openapi;
mod page;
mod port;
mod routes;
mod series;
mod sessions;
mod state;
mod stories;
mod views;
mod who;

pub(crate) use stories::timestamp;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderValue};
use axum::middleware;
use axum::response::Response;
use seawall::{Code, Rejection};
use seawall_core::CallId;
use seawall_core::audit::{Audit, Entry};
use tokio::sync::watch;

use crate::body::Outgoing;
use crate::house::House;
use crate::listen::Phase;
use crate::refusal;
use crate::scene::{Asks, Scene};
use crate::standing::Standing;

/// What the admin port can see and move, as somebody sees it.
#[derive(Clone)]
pub(crate) struct Board {
    scene: Arc<Scene>,
    recent: Arc<views::Recently>,
    asks: Asks,
    desk: Arc<page::Desk>,
    sessions: Arc<sessions::Sessions>,
    guesses: Arc<guesses::Guesses>,
    /// Who.
    who: who::Who,
    /// How they came, where somebody did.
    came: Option<Arc<Standing>>,
}

impl Board {
    pub(crate) fn new(scene: Arc<Scene>, asks: Asks) -> Self {
        Self {
            scene,
            recent: Arc::default(),
            asks,
            desk: Arc::new(page::Desk::new()),
            sessions: Arc::default(),
            guesses: Arc::default(),
            who: who::Who::Anybody,
            came: None,
        }
    }

    /// The house that is in force.
    pub(crate) fn house(&self) -> Arc<House> {
        self.scene.house.load_full()
    }
}

/// How often the last minute's durations are looked at.
const TICK: Duration = Duration::from_secs(5);
/// How soon it is written down that somebody came without a key.
const LOOK: Duration = Duration::from_secs(1);
/// And how seldom, while they keep coming.
const STRANGERS: Duration = Duration::from_secs(60);
/// A lever's body is a name and a reason.
const LARGEST_BODY: usize = 64 * 1024;

/// How long answers may take that were begun before the shutdown was over.
const LEAVING: Duration = Duration::from_secs(2);

/// Serves the admin port until the shutdown is over: it tells how the drain goes. Then whoever was accepted is still
/// answered, unless that takes long.
pub(crate) async fn serve(listener: std::net::TcpListener, board: Board, phase: watch::Receiver<Phase>) {
    let Ok((listener, settled)) = port::Port::new(listener, board.scene.clone(), phase.clone()) else {
        return;
    };
    let ticked = board.clone();
    let ticking = async {
        loop {
            series::tick(&ticked);
            tokio::time::sleep(TICK).await;
            let house = ticked.house();
            ticked.recent.tick(&house);
            // What cannot be brought to the disk is told by the next entry.
            let _ = house.ground.audit.flush();
        }
    };
    let counted = board.clone();
    let counting = strangers(&counted);
    let pages = page::keep_up(board.clone(), phase.clone());
    let checks = board.house().ground.health.clone();
    let parting = phase.clone();
    let router = router(board).layer(middleware::map_response(move |mut response: Response| {
        // Whoever comes again meets whoever takes over.
        if *parting.borrow() != Phase::Open {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        std::future::ready(response)
    }));
    let ending = over(phase.clone());
    let settled = async move {
        ending.await;
        let _ = tokio::time::timeout(port::SETTLING, settled).await;
    };
    let serving = axum::serve(listener, router.into_make_service_with_connect_info::<port::From>())
        .with_graceful_shutdown(settled)
        .into_future();
    let cut = async {
        over(phase).await;
        tokio::time::sleep(LEAVING).await;
    };
    tokio::select! {
        () = ticking => {}
        () = counting => {}
        () = pages => {}
        () = checks.watch() => {}
        _ = serving => {}
        () = cut => {}
    }
}

async fn over(mut phase: watch::Receiver<Phase>) {
    while *phase.borrow_and_update() != Phase::Over && phase.changed().await.is_ok() {}
}

/// Writes down how many came without a key that is known, and how many requests read as attacks, seldom enough that
/// they cannot fill the trail.
async fn strangers(board: &Board) {
    loop {
        tokio::time::sleep(LOOK).await;
        let house = board.house();
        let ground = &house.ground;
        let mut told = false;
        for (count, kind, why) in [
            (&ground.strangers, "caller.unknown", "no key that is known here came with them"),
            (&ground.attacks, "injection.found", "they read as attacks"),
        ] {
            let count = count.swap(0, Ordering::Relaxed);
            if count > 0 {
                told = true;
                let entry = Entry::open(kind, "data port").because(why);
                let _ = ground.audit.note(entry.with("requests", count));
            }
        }
        if told {
            tokio::time::sleep(STRANGERS).await;
        }
    }
}

fn router(board: Board) -> Router {
    routes::routes()
        .served()
        .fallback(async || refused(&Rejection::new(Code::NoSuchThing)))
        .method_not_allowed_fallback(async || {
            let mut response = refused(&Rejection::new(Code::NoSuchThing).because("not with this method"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response
        })
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(board.clone(), guard::guard))
        .with_state(board)
}

/// A refusal in problem+json.
fn refused(rejection: &Rejection) -> Response {
    let (parts, body) = refusal::answer(rejection, CallId::new(), None).into_parts();
    let body = match body {
        Outgoing::Whole(bytes) => Body::from(bytes),
        Outgoing::Empty | Outgoing::Passing(_) | Outgoing::Packed(_) | Outgoing::Captured(_) => Body::empty(),
    };
    Response::from_parts(parts, body)
}
