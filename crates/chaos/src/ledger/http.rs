//! The ledger as a provider: the same book, by HTTP.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use seawall::effect::Fingerprint;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};

use super::serve::{Desk, answer};
use super::{Answer, Question};
use crate::words::{Kind, Trouble, What};

/// The header that says which wish a request is of, and what is to go wrong with it.
pub const NOTE: &str = "chaos-note";
/// The header that carries the key.
pub const KEY: &str = "idempotency-key";

/// What that header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The wish.
    pub n: u64,
    /// What goes wrong.
    pub trouble: Trouble,
}

/// The body of an answer that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its number.
    pub entry: u64,
    /// What was done.
    pub print: String,
}

/// Something went wrong with a reply on purpose: its connection ends.
#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reply is lost on purpose")
    }
}

impl std::error::Error for Lost {}

/// Takes connections for ever.
pub(super) async fn serve(desk: Arc<Desk>, listener: TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        let desk = desk.clone();
        tokio::spawn(async move { listen(desk, stream).await });
    }
}

async fn listen(desk: Arc<Desk>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        // On a task of its own: what was asked is done though whoever asked is gone.
        let asked = tokio::spawn(reply(desk.clone(), request));
        async move { asked.await.map_err(|_| Lost)?.ok_or(Lost) }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The answer to `POST /{kind}/{id}` and to `GET /{kind}/{id}`; none is that it is to be lost.
async fn reply(desk: Arc<Desk>, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    // A body that broke off is no request: nothing is done, and nobody is there to be told.
    let body = body.collect().await.ok()?.to_bytes();
    let Ok(what) = head.uri.path().trim_start_matches('/').parse::<What>() else {
        return Some(plain(StatusCode::NOT_FOUND));
    };
    match head.method {
        Method::GET => match answer(&desk, Question::Find { key: what.to_string(), fence: None }).await? {
            Answer::Found(Some((entry, print))) => Some(written(StatusCode::OK, entry, print)),
            _ => Some(plain(StatusCode::NOT_FOUND)),
        },
        Method::POST => match noted(&head.headers) {
            Some((note, key)) => done(&desk, what, note, &key, &body).await,
            None => Some(plain(StatusCode::BAD_REQUEST)),
        },
        _ => Some(plain(StatusCode::METHOD_NOT_ALLOWED)),
    }
}

fn noted(headers: &HeaderMap) -> Option<(Note, String)> {
    let note = serde_json::from_slice(headers.get(NOTE)?.as_bytes()).ok()?;
    Some((note, headers.get(KEY)?.to_str().ok()?.to_owned()))
}

async fn done(desk: &Desk, what: What, note: Note, key: &str, body: &[u8]) -> Option<Response<Full<Bytes>>> {
    let Note { n, trouble } = note;
    // Of replies that are lost every third is an error of the far side's own, after it was done.
    let fails = trouble == Trouble::Unanswered && n % 3 == 0;
    let hold = match trouble {
        Trouble::NotSent(_) => return Some(plain(StatusCode::TOO_EARLY)),
        Trouble::Slow(hold) | Trouble::Held(hold) => hold,
        Trouble::None | Trouble::Unanswered | Trouble::Refused => 0,
    };
    let question = Question::Do {
        what,
        key: format!("{}/{key}", what.kind),
        epoch: 0,
        run: n,
        print: Fingerprint::of(&[body]).to_string(),
        keyed: what.kind == Kind::Charge,
        hold,
        silent: trouble == Trouble::Unanswered && !fails,
        refuse: trouble == Trouble::Refused,
    };
    match answer(desk, question).await? {
        Answer::Entered { .. } if fails => Some(plain(StatusCode::INTERNAL_SERVER_ERROR)),
        Answer::Entered { number, print } => Some(written(StatusCode::CREATED, number, print)),
        Answer::Refused => Some(plain(StatusCode::PAYMENT_REQUIRED)),
        _ => Some(plain(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

fn written(status: StatusCode, entry: u64, print: String) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(&Written { entry, print }).expect("it has string keys only");
    let mut response = plain(status);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    *response.body_mut() = Full::new(body.into());
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
