//! Sockets and threads: a runtime for each core, all listening on one port, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::body::Outgoing;
use crate::door::Door;
use crate::proxy::{Worker, call};

/// How long a client may take over the head of a request.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
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

/// Serves one worker's connections until the phase is over. Returns how many were cut.
pub(crate) async fn serve(
    listener: TcpListener,
    worker: Arc<Worker>,
    mut phase: watch::Receiver<Phase>,
) -> usize {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return 0 };
    let open = Arc::new(());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, worker.clone(), phase.clone(), open.clone()));
                }
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            _ = phase.changed() => break,
        }
    }
    drop(listener);
    // Connections end by themselves once they drain; whoever counts decides when it has been long enough.
    while Arc::strong_count(&open) > 1 && *phase.borrow() != Phase::Over {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            _ = phase.changed() => {}
        }
    }
    Arc::strong_count(&open) - 1
}

async fn connection(
    stream: TcpStream,
    worker: Arc<Worker>,
    mut phase: watch::Receiver<Phase>,
    _open: Arc<()>,
) {
    // Without this a small answer waits for the caller's delayed acknowledgement: 40 ms.
    let _ = stream.set_nodelay(true);
    let door = Door::new(stream, worker.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let worker = worker.clone();
        async move { Ok::<Response<Outgoing>, Infallible>(call(worker, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(LARGEST_HEAD as u32)
        .max_concurrent_streams(256)
        .keep_alive_interval(Some(Duration::from_secs(60)));
    let connection = builder.serve_connection_with_upgrades(door, service);
    tokio::pin!(connection);
    if *phase.borrow() == Phase::Open {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = phase.changed() => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            changed = phase.changed() => if changed.is_err() || *phase.borrow() == Phase::Over { return },
        }
    }
}
