//! What tower asks of a service: readiness, clones, wakers, and nothing kept by whoever goes away.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_clone_that_is_ready_and_never_called_holds_nothing() {
    let layer = built(
        Pipeline::builder("x")
            .bulkhead(places(1, 0))
            .breaker(breaker::Options::default())
            .limiter(at_once(1, ms(1000))),
    );
    layer.pipeline().breaker().unwrap().half_open("a test", "one probe at most");
    let service = layer.layer(scripted(&[Ok(7)]));
    let mut idle: Vec<_> = (0..100).map(|_| service.clone()).collect();
    for clone in &mut idle {
        ServiceExt::<()>::ready(clone).await.unwrap();
    }
    assert_eq!(service.clone().oneshot(()).await, Ok(7));
    assert_eq!(layer.pipeline().bulkhead().unwrap().load().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_exactly_when_the_inner_service_is() {
    let inner = Strict::new();
    inner.open.store(false, Ordering::Relaxed);
    let layer = built(Pipeline::builder("x").breaker(breaker::Options::default()));
    layer.pipeline().breaker().unwrap().force_open("a test", "readiness does not ask it");
    let mut service = layer.layer(inner.clone());
    let bell = Arc::<Bell>::default();
    assert!(poll(pin!(poll_fn(|cx| service.poll_ready(cx))), &bell).is_pending());
    inner.open();
    assert_eq!(bell.rung(), 1, "the waker went through");
    assert!(poll(pin!(poll_fn(|cx| service.poll_ready(cx))), &bell).is_ready());
    assert_eq!(refusal(service.call(1).await).unwrap().code, Code::BreakerForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_cannot_become_ready_says_so_in_its_own_words() {
    #[derive(Clone)]
    struct Dead;
    impl Service<()> for Dead {
        type Response = ();
        type Error = &'static str;
        type Future = Ready<Result<(), &'static str>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(Err("dead"))
        }
        fn call(&mut self, (): ()) -> Self::Future {
            panic!("it is dead")
        }
    }
    let mut service = built(Pipeline::builder("x")).layer(Dead);
    assert_eq!(service.ready().await.unwrap_err(), Error::Inner("dead"));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_calls_a_service_that_was_ready() {
    let inner = Strict::new();
    let mut service =
        built(Pipeline::builder("x").retry(plain_retry(3))).classify(by_row).layer(inner.clone());
    // Three attempts each; the same service twice, and a clone.
    assert_eq!(service.ready().await.unwrap().call(3).await, Ok(3));
    assert_eq!(service.ready().await.unwrap().call(4).await, Ok(4));
    assert_eq!(service.clone().oneshot(7).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_service_overlap() {
    let inner = service_fn(|takes: u64| async move {
        tokio::time::sleep(ms(takes)).await;
        Ok::<_, Infallible>(takes)
    });
    let mut service = built(Pipeline::builder("x").bulkhead(places(2, 0))).layer(inner);
    let first = service.ready().await.unwrap().call(50);
    let second = service.ready().await.unwrap().call(10);
    let began = tokio::time::Instant::now();
    assert_eq!(tokio::join!(first, second), (Ok(50), Ok(10)));
    assert_eq!(began.elapsed(), ms(50));
}

/// The story: a cap of five a second around a per-connection service admitted 1 500 requests at once, because each
/// connection's clone had a limiter of its own.
#[tokio::test(start_paused = true)]
async fn five_a_second_are_five_a_second_over_1500_clones() {
    let inner = scripted(&[Ok(7)]);
    let layer = PipelineLayer::limiter(at_once(5, Duration::from_secs(1))).unwrap();
    let service = layer.layer(inner.clone());
    let mut calls = Vec::new();
    for n in 0..1500 {
        // Clones of the service, and services of clones of the layer.
        let connection = if n % 2 == 0 { service.clone() } else { layer.clone().layer(inner.clone()) };
        calls.push(tokio::spawn(connection.oneshot(())));
    }
    let mut admitted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => admitted += 1,
            refused => assert_eq!(refusal(refused).unwrap().code, Code::RateLimited),
        }
    }
    assert_eq!((admitted, inner.calls()), (5, 5));
}

#[test]
fn wherever_its_future_is_dropped_everything_is_given_back() {
    let dropped = at_every_poll(async |polls, way| {
        let per = Duration::from_secs(3600);
        let layer = built(
            Pipeline::builder("x")
                .bulkhead(places(1, 9))
                .breaker(breaker::Options::default())
                .limiter(at_once(10, per))
                .retry(plain_retry(3)),
        )
        .classify(by_row);
        let left = Arc::new(AtomicU32::new(0));
        let inner = service_fn({
            let left = left.clone();
            move |()| {
                let attempt = left.fetch_add(1, Ordering::Relaxed) + 1;
                async move {
                    tokio::time::sleep(ms(10)).await;
                    if attempt == 2 { Err(Seen::NotSent) } else { Ok(attempt) }
                }
            }
        });
        // One place inside, here too: readiness that is not given back would be missed.
        let mut service = layer.layer(ConcurrencyLimit::new(inner, 2));
        let other = tokio::spawn(service.clone().oneshot(()));
        tokio::task::yield_now().await;
        let call = service.ready().await.unwrap().call(());
        let ended = cut(call, polls, way).await;
        other.await.unwrap().unwrap();
        let pipeline = layer.pipeline();
        assert_eq!(pipeline.bulkhead().unwrap().load(), Default::default());
        assert_eq!(pipeline.limits()[0].remaining(""), 10 - left.load(Ordering::Relaxed));
        assert_eq!(pipeline.breaker().unwrap().snapshot().state, State::Closed);
        left.store(2, Ordering::Relaxed);
        let mut both = [service.clone(), service];
        for service in &mut both {
            service.ready().await.unwrap();
        }
        let [first, second] = both.each_mut().map(|service| service.call(()));
        assert_eq!(tokio::join!(first, second), (Ok(3), Ok(4)));
        ended.is_some_and(|outcome| outcome == Ok(3))
    });
    assert!(dropped >= 8, "{dropped}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_gives_the_inner_service_its_readiness_back() {
    let layer = built(Pipeline::builder("x").breaker(breaker::Options::default()));
    let service = layer.layer(ConcurrencyLimit::new(scripted(&[Ok(7)]), 1));
    let breaker = layer.pipeline().breaker().unwrap();
    breaker.force_open("a test", "to refuse");
    for _ in 0..3 {
        let refused = refusal(service.clone().oneshot(()).await).unwrap();
        assert_eq!((refused.code, refused.certainty), (Code::BreakerForcedOpen, Certainty::NotDone));
    }
    breaker.reset("a test", "to let pass");
    assert_eq!(service.oneshot(()).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_propagates_and_leaves_no_place_taken() {
    let layer = built(Pipeline::builder("x").bulkhead(places(1, 0)).breaker(breaker::Options::default()));
    layer.pipeline().breaker().unwrap().half_open("a test", "one probe at most");
    let inner = service_fn(|when: &'static str| {
        assert!(when != "called", "boom");
        async move {
            tokio::task::yield_now().await;
            assert!(when != "polled", "boom");
            Ok::<_, Infallible>(7)
        }
    });
    let service = layer.layer(inner);
    for when in ["called", "polled"] {
        assert!(tokio::spawn(service.clone().oneshot(when)).await.unwrap_err().is_panic(), "{when}");
    }
    assert_eq!(layer.pipeline().bulkhead().unwrap().load().in_flight, 0);
    assert_eq!(service.oneshot("never").await, Ok(7), "the probe's place was free");
}

#[tokio::test(start_paused = true)]
async fn whoever_polled_last_is_woken() {
    let layer = built(Pipeline::builder("x").bulkhead(places(1, 9)));
    let place = layer.pipeline().bulkhead().unwrap().try_acquire().unwrap();
    let mut call = pin!(layer.layer(scripted(&[Ok(7)])).oneshot(()));
    let (left, came) = (Arc::<Bell>::default(), Arc::<Bell>::default());
    // It moves from one task to another while it waits.
    assert!(poll(call.as_mut(), &left).is_pending());
    assert!(poll(call.as_mut(), &came).is_pending());
    drop(place);
    assert_eq!((left.rung(), came.rung()), (0, 1));
    assert_eq!(poll(call.as_mut(), &came), Poll::Ready(Ok(7)));
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_readiness_and_is_woken_by_it() {
    let inner = Strict::new();
    let mut service =
        built(Pipeline::builder("x").retry(plain_retry(2))).classify(by_row).layer(inner.clone());
    let call = service.ready().await.unwrap().call(2);
    inner.open.store(false, Ordering::Relaxed);
    tokio::spawn(async move {
        tokio::time::sleep(ms(700)).await;
        inner.open();
    });
    let began = tokio::time::Instant::now();
    assert_eq!(call.await, Ok(2));
    assert_eq!(began.elapsed(), ms(700));
}

#[tokio::test(start_paused = true)]
async fn it_works_under_buffer_builder_and_boxes() {
    let inner = scripted(&[Err(Seen::NotSent), Ok(7)]);
    let refused = |outcome: &Result<u32, io::Error>| {
        Verdict::of(if outcome.is_ok() { Seen::Success } else { Seen::NotSent })
    };
    let layer = built(Pipeline::builder("x").retry(plain_retry(2)).bulkhead(places(1, 9))).classify(refused);
    let service = ServiceBuilder::new()
        .buffer(8)
        .layer(layer.clone())
        .concurrency_limit(1)
        .map_err(|seen: Seen| io::Error::other(seen.as_str()))
        .service(inner.clone());
    let boxed: BoxCloneService<(), u32, tower::BoxError> = BoxCloneService::new(service);
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(boxed.clone().oneshot(()))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 7);
    }
    assert_eq!(inner.calls(), 9);

    // A refusal is still itself behind tower's boxed errors.
    layer.pipeline().pauses().extend(0, Duration::from_secs(600));
    let error = boxed.oneshot(()).await.unwrap_err();
    let rejection = error.downcast_ref::<Error<io::Error>>().unwrap().rejection().unwrap();
    assert_eq!(rejection.code, Code::UpstreamPaused);
}

#[tokio::test(start_paused = true)]
async fn between_layers_that_box_their_errors_an_error_keeps_its_type() {
    let service = |inner: Result<(), &'static str>| {
        let layer = PipelineLayer::bulkhead(places(1, 0)).unwrap();
        let place = inner.is_ok().then(|| layer.pipeline().bulkhead().unwrap().try_acquire().unwrap());
        let inner = service_fn(move |()| ready(inner.map_err(io::Error::other)));
        let stack = ServiceBuilder::new().buffer(8).map_err(boxed).layer(layer).buffer(8).service(inner);
        (stack, place)
    };
    let (refusing, _place) = service(Ok(()));
    let error = refusing.oneshot(()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Rejection>().unwrap().code, Code::BulkheadFull);
    let (failing, _) = service(Err("down"));
    let error = failing.oneshot(()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "down");
}

#[tokio::test(start_paused = true)]
async fn over_a_buffer_that_is_full_it_waits_like_everybody() {
    let slow = service_fn(|()| async {
        tokio::time::sleep(ms(100)).await;
        Ok::<_, tower::BoxError>(())
    });
    let layer = built(Pipeline::builder("x").bulkhead(places(8, 9)));
    let service = ServiceBuilder::new().layer(layer).buffer(1).concurrency_limit(1).service(slow);
    let calls: Vec<_> = (0..5).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    let began = tokio::time::Instant::now();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(began.elapsed(), ms(500));
}

/// What axum and tonic ask of a service, and what tower's own boxes do.
#[test]
fn it_is_send_sync_clone_and_static() {
    fn fits<S, Req>(_: &S)
    where
        S: Service<Req, Future: Send + 'static> + Clone + Send + Sync + 'static,
    {
    }
    let service: Guarded<Scripted> = built(Pipeline::builder("x")).layer(scripted(&[Ok(7)]));
    fits::<_, ()>(&service);
    fits::<_, Request<()>>(
        &built(Pipeline::builder("x"))
            .http()
            .layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) })),
    );
}
