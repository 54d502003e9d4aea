//! Sockets and threads: a runtime for each core, all listening on one port, and an orderly end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::body::{BodyError, Inbound, Outgoing, Rest};
use crate::door::Door;
use crate::peer::Peer;
use crate::plan::tls::Speaks;
use crate::presence::{Busy, Callers, Entered, Presence};
use crate::proxy::{Place, call, turned_away};
use crate::scene::Slot;
use crate::socket::Link;
use crate::standing::Standing;

/// The largest head of a request, in bytes and in lines.
const LARGEST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
/// After a failed accept (out of files, say), a breath before the next.
const BREATH: Duration = Duration::from_millis(50);

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Serving.
    Open,
    /// No new connections, though their sockets stay; those there are end after their next answer.
    Parting,
    /// No new connections; calls in flight end.
    Draining,
    /// Whatever is left is cut.
    Over,
}

/// Several sockets on one port; the kernel spreads connections over them.
pub(crate) fn bind(address: SocketAddr, sockets: usize) -> io::Result<Vec<TcpListener>> {
    let mut bound = Vec::with_capacity(sockets);
    let mut address = address;
    for _ in 0..sockets {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(sockets > 1)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let listener = TcpListener::from(socket);
        // Port 0 becomes a real one with the first.
        address = listener.local_addr()?;
        bound.push(listener);
    }
    Ok(bound)
}

/// Serves one worker's connections until the phase is over.
pub(crate) async fn serve(listener: TcpListener, slot: Slot, mut phase: watch::Receiver<Phase>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let callers = Arc::new(Callers::default());
    let mut sweep = tokio::time::interval(Callers::SWEEP);
    loop {
        let open = match *phase.borrow_and_update() {
            Phase::Open => true,
            Phase::Parting => false,
            Phase::Draining | Phase::Over => break,
        };
        callers.part(!open);
        tokio::select! {
            accepted = listener.accept(), if open => match accepted {
                Ok((stream, from)) => {
                    let worker = slot.load();
                    let entered = callers.enter(worker.house.now());
                    let peer = Peer::new(from.ip(), &worker.house.ground.hasher);
                    tokio::spawn(connection(stream, peer, slot.clone(), entered));
                }
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            _ = sweep.tick() => callers.sweep(slot.load().house.now()),
            changed = phase.changed() => if changed.is_err() { break },
        }
    }
    drop(listener);
    callers.drain();
    // Connections end by themselves once they are told; whoever counts decides when it has been long enough.
    // A call that must be known to its end goes on without its caller.
    let busy = || !callers.is_empty() || slot.load().in_flight.load(std::sync::atomic::Ordering::Relaxed) > 0;
    while busy() && *phase.borrow() != Phase::Over {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            _ = phase.changed() => {}
        }
    }
    callers.cut();
}

async fn connection(stream: TcpStream, peer: Peer, slot: Slot, entered: Entered) {
    // Without this a small answer waits for the caller's delayed acknowledgement: 40 ms.
    let _ = stream.set_nodelay(true);
    let (presence, callers) = (entered.presence.clone(), entered.callers.clone());
    let house = slot.load().house.clone();
    let tls = house.plan.tls.as_ref().map(|tls| (tls, Speaks::Http2Too));
    let linked = Link::of(stream, tls, |code| house.ground.rejections.of(code).inc());
    let socket = attend(&presence, linked, |_| false).await.flatten();
    let Some(stream) = socket else { return };
    let standing = Arc::new(Standing::new(&stream, house.plan.tls.as_ref(), house.now()));
    // A connection outlives configurations.
    drop(house);
    let http2 = match stream.agreed_on_http2() {
        Some(http2) => http2,
        None => match attend(&presence, speaks_http2(stream.tcp()), |_| false).await {
            Some(http2) => http2,
            None => return,
        },
    };
    let names = stream.names();
    let door = Door::new(stream, slot.clone(), presence.clone());
    let busy = presence.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        // Whichever configuration is in force now is the call's to its end.
        let (request, rest) = Inbound::take(request, &busy);
        let (worker, busy, names) = (slot.load_full(), busy.serve(), names.clone());
        let (version, callers, standing) = (request.version(), callers.clone(), standing.clone());
        let ends_with_it = version == Version::HTTP_10;
        async move {
            let refused = standing.refused(worker.house.plan.tls.as_ref(), worker.house.now());
            let ends = callers.are_parting() || refused.is_some();
            let mut answer = match refused {
                Some(rejection) => turned_away(&worker, &request, peer, &rejection),
                None => call(worker, request, &names, Some(peer)).await,
            };
            let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            let ends = ends || callers.are_parting() || rest.is_large().await;
            if ends && version < Version::HTTP_2 && !switches {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            let place = answer.extensions_mut().remove::<Place>();
            Ok::<_, Infallible>(answer.map(|body| Attended {
                body,
                busy,
                ends_with_it,
                _rest: rest,
                _place: place,
            }))
        }
    });
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(LARGEST_HEAD as u32)
            .max_concurrent_streams(256)
            .keep_alive_interval(Some(Duration::from_secs(60)));
        attend(&presence, builder.serve_connection(door, service), |connection| {
            connection.graceful_shutdown();
            true
        })
        .await;
    } else {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(LARGEST_HEAD).max_headers(MOST_HEADERS).half_close(false);
        let connection = builder.serve_connection(door, service).with_upgrades();
        attend(&presence, connection, |connection| {
            connection.graceful_shutdown();
            true
        })
        .await;
    }
}

/// Runs until it is over, or until the connection has been told to end: `end` asks it politely and says whether it can
/// be asked at all; what cannot, or does not hear in time, is dropped.
async fn attend<F: Future>(
    presence: &Presence,
    work: F,
    end: impl Fn(Pin<&mut F>) -> bool,
) -> Option<F::Output> {
    let mut work = pin!(work);
    let (mut heard, mut listening) = (0, false);
    poll_fn(|cx| {
        // The waker is put down once; after that a look at a number is enough.
        if !listening || presence.has_news(heard) {
            listening = true;
            while let Poll::Ready(politely) = presence.poll_told(&mut heard, cx.waker()) {
                if !politely || !end(work.as_mut()) {
                    return Poll::Ready(None);
                }
            }
        }
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Does the caller begin with HTTP/2's preface? No method of HTTP/1 begins with its first three letters.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut first = [0; 3];
    let mut pause = Duration::from_millis(1);
    loop {
        match stream.peek(&mut first).await {
            Ok(3) => return &first == b"PRI",
            Ok(some @ 1..) if b"PRI".starts_with(&first[..some]) => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(250));
            }
            // Anything else, an end or an error too, is for HTTP/1 to find out.
            _ => return false,
        }
    }
}

/// An answer's body, for as long as its connection is busy with it.
struct Attended {
    body: Outgoing,
    busy: Busy,
    /// What nobody has read of the request's body.
    _rest: Rest,
    /// Its caller has one call less to make while it lasts.
    _place: Option<Place>,
    /// Its end is the connection's end, as in HTTP/1.0: then only a broken connection looks different from a whole body.
    ends_with_it: bool,
}

impl Body for Attended {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.ends_with_it && matches!(frame, Poll::Ready(Some(Err(_)))) {
            self.busy.break_off();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
