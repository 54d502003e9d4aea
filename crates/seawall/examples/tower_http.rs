//! A layer around an HTTP client that is a tower service: reads are sent again, orders are not, and one line does it.
//!
//! ```text
//! cargo run -p seawall --example tower_http --features tower
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use seawall::tower::PipelineLayer;
use seawall::{Pipeline, breaker, bulkhead, retry};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

type Body = &'static str;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let pipeline = Pipeline::builder("shop")
        .deadline(Duration::from_secs(2))
        .retry(retry::Options { base: Duration::from_millis(20), ..retry::Options::default() })
        .breaker(breaker::Options::default())
        .bulkhead(bulkhead::Options::default())
        .build()?;
    println!("{}\n", pipeline.describe());
    // `.http()`: the method says how safe repeating is, the status and its headers what an answer means.
    let mut client = ServiceBuilder::new().layer(PipelineLayer::new(pipeline).http()).service(upstream());

    for (method, path) in
        [(Method::GET, "/price"), (Method::POST, "/orders"), (Method::POST, "/busy"), (Method::GET, "/none")]
    {
        let request = Request::builder().method(method.clone()).uri(path).body("")?;
        let answer = client.ready().await?.call(request).await?;
        println!("{method} {path}: {} at request {}", answer.status(), answer.body());
    }
    Ok(())
}

/// In the place of a hyper or reqwest client: every first request of a path ends badly. Its body says which one it was.
fn upstream()
-> impl Service<Request<Body>, Response = Response<u32>, Error = Infallible, Future: Send> + Clone + Send {
    let seen: Arc<[AtomicU32; 3]> = Arc::default();
    service_fn(move |request: Request<Body>| {
        let seen = seen.clone();
        async move {
            let (place, bad) = match request.uri().path() {
                "/price" => (0, StatusCode::INTERNAL_SERVER_ERROR),
                "/orders" => (1, StatusCode::INTERNAL_SERVER_ERROR),
                "/busy" => (2, StatusCode::TOO_MANY_REQUESTS),
                _ => return Ok(answer(StatusCode::NOT_FOUND, 1)),
            };
            let request = seen[place].fetch_add(1, Ordering::Relaxed) + 1;
            Ok(answer(if request == 1 { bad } else { StatusCode::OK }, request))
        }
    })
}

fn answer(status: StatusCode, request: u32) -> Response<u32> {
    let mut answer = Response::new(request);
    *answer.status_mut() = status;
    answer
}

#[test]
fn it_runs_to_its_end() {
    main().expect("it does");
}
