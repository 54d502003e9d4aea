//! Answers nobody asked for must not become answers to the next request.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::Notify;

use super::server::*;
use crate::upstream::Options;

const BAIT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbait";

#[tokio::test]
async fn a_second_answer_in_the_same_breath_is_never_anyones() {
    for first in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nright",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n",
    ] {
        let server = serve(move |_, mut peer| async move {
            while peer.request().await.is_some() {
                peer.say(format!("{first}{BAIT}")).await;
            }
        })
        .await;
        let pool = pool(&server);
        for round in 1..=20 {
            assert_eq!(text(get(&pool, "/").await).await, "right");
            assert_eq!(server.seen.connections(), round, "a connection that said too much is closed");
        }
    }
}

#[tokio::test]
async fn bodies_where_none_may_be_are_never_the_next_answer() {
    for (method, head) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 40"),
        ("GET", "HTTP/1.1 204 No Content"),
        ("GET", "HTTP/1.1 304 Not Modified"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0"),
    ] {
        let server = serve(move |_, mut peer| async move {
            while peer.request().await.is_some() {
                peer.say(format!("{head}\r\n\r\n{BAIT}")).await;
            }
        })
        .await;
        let pool = pool(&server);
        for _ in 0..10 {
            assert_eq!(text(send(&pool, request(method, "/", full(""))).await).await, "");
        }
        assert_eq!(server.seen.connections(), 10);
    }
}

#[tokio::test]
async fn a_second_answer_that_comes_while_idle_closes_the_connection() {
    let bait = Arc::new(Notify::new());
    let sent = Arc::clone(&bait);
    let server = serve(move |_, mut peer| {
        let bait = Arc::clone(&sent);
        async move {
            while peer.request().await.is_some() {
                peer.say(ok("right")).await;
                bait.notified().await;
                peer.say(BAIT).await;
            }
        }
    })
    .await;
    let pool = pool(&server);
    for round in 1..=5 {
        assert_eq!(text(get(&pool, "/").await).await, "right");
        assert_eq!(server.seen.connections(), round);
        bait.notify_one();
        eventually("closed", || pool.idle() == 0 && pool.open_connections() == 0).await;
    }
}

/// A server on a thread of its own: after each answer it waits for an order, and reports when it is carried out. The
/// client's runtime is blocked meanwhile, so nothing but the socket itself can tell it what happened.
fn unheard(order: fn(&mut std::net::TcpStream) -> bool) -> (String, Sender<()>, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ((go, ordered), (did, done)) = (channel(), channel());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut chunk = [0; 4096];
            while matches!(stream.read(&mut chunk), Ok(n) if n > 0) {
                stream.write_all(ok("right").as_bytes()).unwrap();
                if ordered.recv().is_err() {
                    return;
                }
                let goes_on = order(&mut stream);
                if !goes_on {
                    drop(stream);
                    did.send(()).unwrap();
                    break;
                }
                did.send(()).unwrap();
            }
        }
    });
    (url, go, done)
}

#[tokio::test]
async fn a_second_answer_the_runtime_has_not_heard_of_is_not_the_next_one() {
    let (url, go, done) = unheard(|stream| stream.write_all(BAIT.as_bytes()).is_ok());
    let pool = pool_with(&url, Options::default());
    for _ in 0..10 {
        assert_eq!(text(get(&pool, "/").await).await, "right");
        go.send(()).unwrap();
        done.recv().unwrap();
    }
}

#[tokio::test]
async fn a_hang_up_the_runtime_has_not_heard_of_costs_no_request() {
    let (url, go, done) = unheard(|_| false);
    let pool = pool_with(&url, Options::default());
    for _ in 0..10 {
        assert_eq!(text(get(&pool, "/").await).await, "right");
        assert_eq!(pool.idle(), 1);
        go.send(()).unwrap();
        done.recv().unwrap();
    }
}
