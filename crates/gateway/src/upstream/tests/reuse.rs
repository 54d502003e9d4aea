//! When a connection is used again, and when it must not be.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::server::*;
use crate::upstream::{Options, Pool, Sent};

#[tokio::test]
async fn an_answer_read_to_its_end_gives_its_connection_back() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
    let pool = pool(&server);
    for _ in 0..5 {
        assert_eq!(text(get(&pool, "/").await).await, "hi");
        assert_eq!(pool.idle(), 1);
    }
    assert_eq!((server.seen.connections(), pool.open_connections()), (1, 1));
}

#[test]
fn connections_driven_on_another_thread_are_used_again_too() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (warm, warmed) = std::sync::mpsc::channel();
    let driver = std::thread::spawn(move || {
        runtime().block_on(async {
            let server = always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
            let pool = pool(&server);
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            text(get(&pool, "/").await).await;
            warm.send((pool, server.seen, stop)).unwrap();
            let _ = stopped.await;
        });
    });
    let (pool, seen, stop) = warmed.recv().unwrap();
    runtime().block_on(async {
        for _ in 0..300 {
            assert_eq!(text(get(&pool, "/").await).await, "hi");
        }
    });
    assert!(seen.connections() < 30, "{} connections for 301 requests", seen.connections());
    drop(stop);
    driver.join().unwrap();
}

#[tokio::test]
async fn requests_at_the_same_time_have_connections_of_their_own() {
    let server = serve(|number, mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(ms(20)).await;
            peer.say(ok(&number.to_string())).await;
        }
    })
    .await;
    let pool = pool(&server);
    let (a, b) = tokio::join!(get(&pool, "/a"), get(&pool, "/b"));
    let (a, b) = (text(a).await, text(b).await);
    assert_ne!(a, b);
    assert_eq!(pool.idle(), 2);
    // The one given back last is taken first.
    assert_eq!(text(get(&pool, "/c").await).await, b);
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_usable() {
    let server = serve(|_, mut peer| async move {
        while let Some((head, _)) = peer.request().await {
            let answer = match head.split(' ').nth(1).unwrap() {
                "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n",
                "/204" => "HTTP/1.1 204 No Content\r\ncontent-length: 7\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            };
            peer.say(answer).await;
        }
    })
    .await;
    let pool = pool(&server);
    for (method, path) in [("HEAD", "/head"), ("GET", "/204"), ("GET", "/304"), ("GET", "/empty")] {
        let answer = send(&pool, request(method, path, full(""))).await.unwrap();
        if path == "/204" {
            assert!(!answer.headers().contains_key("content-length"), "a 204 has no length");
        }
        assert_eq!(pool.idle(), 1, "{path} is over with its head");
        assert_eq!(read(answer).await.unwrap().0, "");
    }
    assert_eq!(server.seen.connections(), 1);
}

#[tokio::test]
async fn chunks_and_trailers_arrive_and_the_connection_goes_on() {
    let server = always(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: sum\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nsum: 7\r\n\r\n",
    )
    .await;
    let pool = pool(&server);
    for _ in 0..3 {
        let (body, trailers) = read(get(&pool, "/").await.unwrap()).await.unwrap();
        assert_eq!((body.as_str(), trailers.unwrap()["sum"].to_str().unwrap()), ("abcdefg", "7"));
    }
    assert_eq!(server.seen.connections(), 1);
}

#[tokio::test]
async fn requests_arrive_as_they_were_given() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pool = pool(&server);
    send(&pool, request("POST", "/a/b?c=%20d", full("body"))).await.unwrap();
    let mut old = request("GET", "/old", full(""));
    *old.version_mut() = http::Version::HTTP_10;
    send(&pool, old).await.unwrap();
    let seen = server.seen.requests();
    assert_eq!(seen[0], "POST /a/b?c=%20d HTTP/1.1\r\nhost: upstream\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(seen[1], "GET /old HTTP/1.1\r\nhost: upstream\r\n\r\n");
}

#[tokio::test]
async fn an_idle_connection_the_server_closed_is_replaced_and_the_request_arrives_once() {
    let close = Arc::new(Notify::new());
    let closed = Arc::clone(&close);
    let server = serve(move |number, mut peer| {
        let close = Arc::clone(&closed);
        async move {
            peer.request().await;
            peer.say(ok("first")).await;
            if number < 4 {
                close.notified().await;
                return;
            }
            while peer.request().await.is_some() {
                peer.say(ok("later")).await;
            }
        }
    })
    .await;
    let pool = pool(&server);
    let warm = [get(&pool, "/0"), get(&pool, "/1"), get(&pool, "/2"), get(&pool, "/3")];
    for answer in futures_util::future::join_all(warm).await {
        assert_eq!(text(answer).await, "first");
    }
    assert_eq!(pool.idle(), 4);
    close.notify_waiters();
    tokio::time::sleep(ms(20)).await;
    assert_eq!(pool.idle(), 0, "a hang-up is noticed");
    assert_eq!(text(get(&pool, "/once").await).await, "first");
    assert_eq!((server.seen.count("/once"), server.seen.connections()), (1, 5));
}

#[tokio::test]
async fn max_idle_bounds_what_is_kept_and_zero_keeps_nothing() {
    let server = serve(|_, mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(ms(20)).await;
            peer.say(ok("")).await;
        }
    })
    .await;
    for (max_idle, left) in [(2, 2), (0, 0)] {
        let pool: Pool<AnyBody> = pool_with(&server.url, Options { max_idle, ..Options::default() });
        let all = [get(&pool, "/"), get(&pool, "/"), get(&pool, "/"), get(&pool, "/")];
        for answer in futures_util::future::join_all(all).await {
            text(answer).await;
        }
        assert_eq!(pool.idle(), left);
        eventually("the others are closed", || pool.open_connections() == left).await;
    }
}

#[tokio::test]
async fn a_connection_idle_for_too_long_is_not_used_again() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pool = pool_with(&server.url, Options { idle_for: ms(30), ..Options::default() });
    text(get(&pool, "/").await).await;
    text(get(&pool, "/").await).await;
    assert_eq!(server.seen.connections(), 1);
    tokio::time::sleep(ms(40)).await;
    text(get(&pool, "/").await).await;
    assert_eq!(server.seen.connections(), 2);
    eventually("the old one is closed", || pool.open_connections() == 1).await;
}

#[tokio::test]
async fn reconnect_retires_idle_connections_at_once_and_busy_ones_after_their_answer() {
    let server = serve(|_, mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(ms(20)).await;
            peer.say(ok("x")).await;
        }
    })
    .await;
    let pool = pool(&server);
    let (idle, busy) = tokio::join!(get(&pool, "/"), get(&pool, "/"));
    text(idle).await;
    assert_eq!(pool.idle(), 1);
    pool.reconnect();
    assert_eq!(pool.idle(), 0);
    assert_eq!(text(busy).await, "x");
    assert_eq!(pool.idle(), 0);
    eventually("both are closed", || pool.open_connections() == 0 && server.seen.hung_up() == 2).await;
}

#[tokio::test]
async fn dropping_the_pool_closes_what_is_idle_and_lets_a_running_answer_end() {
    let server = serve(|_, mut peer| async move {
        while peer.request().await.is_some() {
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab").await;
            tokio::time::sleep(ms(20)).await;
            peer.say("cd").await;
        }
    })
    .await;
    let pool = pool(&server);
    let (first, running) = tokio::join!(get(&pool, "/"), get(&pool, "/"));
    text(first).await;
    drop(pool);
    eventually("the idle one is closed", || server.seen.hung_up() == 1).await;
    assert_eq!(text(running).await, "abcd");
    eventually("and then the other", || server.seen.hung_up() == 2).await;
}

#[tokio::test]
async fn an_answer_dropped_early_closes_its_connection_though_the_server_is_silent() {
    let server = serve(|_, mut peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
        peer.end().await;
    })
    .await;
    let pool = pool(&server);
    for (round, read_first) in [(1, false), (2, true)] {
        let mut answer = get(&pool, "/").await.unwrap();
        if read_first {
            http_body_util::BodyExt::frame(answer.body_mut()).await.unwrap().unwrap();
        }
        drop(answer);
        eventually("the server sees the end", || server.seen.hung_up() == round).await;
        eventually("nothing is left open", || pool.open_connections() == 0).await;
        assert_eq!(pool.idle(), 0);
    }
}

#[tokio::test]
async fn answers_that_end_with_the_connection_or_ask_to_close_it_are_not_followed_by_another() {
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\nwhole",
        "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nwhole",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nwhole",
    ] {
        let server = once(answer).await;
        let pool = pool(&server);
        for round in 1..=3 {
            assert_eq!(text(get(&pool, "/").await).await, "whole");
            assert_eq!((pool.idle(), server.seen.connections()), (0, round), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_early_answer_is_whole_but_ends_the_connection_our_body_still_uses() {
    let server = serve(|_, mut peer| async move {
        peer.head().await;
        peer.say("HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\nlong").await;
        peer.end().await;
    })
    .await;
    let pool = pool(&server);
    let body = http_body_util::BodyExt::boxed_unsync(Endless { first: Some("part".into()), fails: false });
    let answer = send(&pool, request("POST", "/upload", body)).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(read(answer).await.unwrap().0, "long");
    assert_eq!(pool.idle(), 0);
    eventually("closed, body and all", || pool.open_connections() == 0 && server.seen.hung_up() == 1).await;
}

#[tokio::test]
async fn an_upload_that_an_early_answer_overtook_goes_on_though_nobody_reads_the_answer() {
    let (told, heard) = tokio::sync::oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    let server = serve(move |_, mut peer| {
        let told = told.clone();
        async move {
            let head = peer.head().await.unwrap();
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n").await;
            let body = peer.body(&head).await.unwrap();
            told.lock().unwrap().take().unwrap().send(body.len()).unwrap();
            peer.say("done").await;
            peer.end().await;
        }
    })
    .await;
    let pool = pool(&server);
    let answer = send(&pool, request("POST", "/upload", full(vec![b'x'; 8 << 20]))).await.unwrap();
    assert_eq!(tokio::time::timeout(SOON, heard).await.unwrap(), Ok(8 << 20));
    assert_eq!(read(answer).await.unwrap().0, "done");
    // The server may have taken any of it for another request, so there is none.
    assert_eq!(pool.idle(), 0);
    eventually("closed", || pool.open_connections() == 0 && server.seen.hung_up() == 1).await;
}

#[tokio::test]
async fn a_body_whose_end_is_not_announced_still_lets_the_connection_go_on() {
    let server = always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let pool = pool(&server);
    for method in ["POST", "GET"] {
        let frames = [Ok(http_body::Frame::data("one".into())), Ok(http_body::Frame::data("two".into()))];
        let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        let answer = send(&pool, request(method, "/", http_body_util::BodyExt::boxed_unsync(body))).await;
        assert_eq!(text(answer).await, "");
        assert_eq!(pool.idle(), 1);
    }
    assert_eq!(server.seen.count("transfer-encoding: chunked"), 2, "a body of a GET too");
}

#[tokio::test]
async fn a_server_that_hangs_up_on_every_first_request_is_not_asked_for_ever() {
    let server = serve(|_, mut peer| async move {
        peer.request().await;
    })
    .await;
    let pool = pool(&server);
    let error = tokio::time::timeout(Duration::from_secs(2), get(&pool, "/")).await.unwrap().unwrap_err();
    assert_eq!((error.sent, server.seen.connections()), (Sent::Maybe, 1));
}
