//! What the pipeline promises, kept through the layer: safety of repeats, terms, keys, verdicts.

use super::*;

/// Nobody but the adapter knows that a request was never handed over: neither the error's name nor the clock says so.
#[tokio::test(start_paused = true)]
async fn what_was_never_handed_over_is_not_in_doubt() {
    let inner = Strict::new();
    let layer = built(Pipeline::builder("x").retry(plain_retry(3)).attempt_timeout(ms(300)));
    let mut service = layer.classify(by_row).layer(inner.clone());
    let call = service.ready().await.unwrap().call(9);
    inner.open.store(false, Ordering::Relaxed);
    let began = tokio::time::Instant::now();
    let refused = refusal(call.await).unwrap();
    assert_eq!((refused.code, refused.certainty), (Code::AttemptTimeout, Certainty::NotDone));
    assert_eq!(inner.calls.load(Ordering::Relaxed), 1);
    assert_eq!(began.elapsed(), ms(100 + 300 + 200 + 300), "guarded, and yet tried again");

    let stuck = service_fn(|_: u32| pending::<Result<u32, Seen>>());
    let layer = built(Pipeline::builder("x").retry(plain_retry(3)).attempt_timeout(ms(300)));
    let refused = refusal(layer.layer(stuck).oneshot(1).await).unwrap();
    assert_eq!((refused.code, refused.certainty), (Code::AttemptTimeout, Certainty::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_had_again_goes_once() {
    struct Body;
    let build = || built(Pipeline::builder("x").retry(plain_retry(3))).classify(by_row);
    let inner = scripted(&[Err(Seen::NotSent)]);
    assert_eq!(build().once().layer(inner.clone()).oneshot(Body).await, Err(Error::Inner(Seen::NotSent)));
    assert_eq!(inner.calls(), 1);

    // Twice by a hook of the user's, which knows how many are left.
    let inner = scripted(&[Err(Seen::NotSent)]);
    let layer = build().repeat(|left: &u32| left.checked_sub(1));
    assert!(layer.layer(inner.clone()).oneshot(1).await.is_err());
    assert_eq!(inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_once_is_not_hedged_and_one_that_can_be_had_again_is() {
    let hedge = || {
        let delay = seawall::hedge::Delay::Fixed(ms(10));
        let options = seawall::hedge::Options { delay, ..seawall::hedge::Options::default() };
        built(Pipeline::builder("x").hedge(options).effects(Effects::Repeatable))
    };
    let slow = |calls: Arc<AtomicU32>| {
        service_fn(move |()| {
            calls.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(ms(50)).await;
                Ok::<_, Seen>(())
            }
        })
    };
    for (layer_once, sent) in [(true, 1), (false, 2)] {
        let calls = Arc::<AtomicU32>::default();
        let outcome = match layer_once {
            true => hedge().once().layer(slow(calls.clone())).oneshot(()).await,
            false => hedge().layer(slow(calls.clone())).oneshot(()).await,
        };
        assert_eq!(outcome, Ok(()));
        assert_eq!(calls.load(Ordering::Relaxed), sent);
    }
}

#[tokio::test(start_paused = true)]
async fn guarded_is_the_default_and_the_request_may_say_more() {
    let build = || built(Pipeline::builder("x").retry(plain_retry(3)));
    let inner = scripted(&[Err(Seen::ReplyLost)]);
    assert!(build().layer(inner.clone()).oneshot("GET").await.is_err());
    assert_eq!(inner.calls(), 1, "an error nobody classifies is unknown");

    let by_word = |word: &&str| match *word {
        "GET" => Effects::Repeatable.into(),
        _ => Terms::default(),
    };
    let service = build().terms(by_word).layer(inner.clone());
    assert!(service.clone().oneshot("POST").await.is_err());
    assert_eq!(inner.calls(), 2);
    assert!(service.oneshot("GET").await.is_err());
    assert_eq!(inner.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_has_its_own_key_deadline_credential_and_attempts() {
    let limit = Limiter::per_key("user", at_once(1, ms(1000))).unwrap();
    let pipeline = Pipeline::builder("x").shared_limits(vec![limit]).build().unwrap();
    let service = PipelineLayer::new(pipeline)
        .terms(|user: &&str| Terms::keyed(*user))
        .layer(service_fn(|user: &'static str| ready(Ok::<_, Infallible>(user))));
    assert_eq!(service.clone().oneshot("ann").await, Ok("ann"));
    assert_eq!(service.clone().oneshot("bob").await, Ok("bob"));
    assert_eq!(refusal(service.oneshot("ann").await).unwrap().code, Code::RateLimited);

    let layer = built(Pipeline::builder("x"))
        .terms(|patience: &u64| Terms { deadline: Some(ms(*patience)), ..Terms::default() });
    let began = tokio::time::Instant::now();
    let late = layer.layer(service_fn(|_| pending::<Result<(), Infallible>>())).oneshot(30).await;
    assert_eq!((refusal(late).unwrap().code, began.elapsed()), (Code::DeadlineExceeded, ms(30)));

    let layer = built(Pipeline::builder("x")).classify(|outcome: &Result<u32, Seen>| match outcome {
        Err(seen) => Verdict::of(*seen).after(Some(Duration::from_secs(700))),
        Ok(_) => Verdict::of(Seen::Success),
    });
    let service = layer
        .terms(|credential: &u64| Terms { credential: *credential, ..Terms::default() })
        .layer(scripted(&[Err(Seen::RateLimited), Ok(7)]));
    assert!(service.clone().oneshot(1).await.is_err());
    assert_eq!(refusal(service.clone().oneshot(1).await).unwrap().code, Code::UpstreamPaused);
    assert_eq!(service.oneshot(2).await, Ok(7));

    let inner = scripted(&[Err(Seen::NotSent)]);
    let layer = built(Pipeline::builder("x").retry(plain_retry(3))).classify(by_row);
    let layer = layer.terms(|made: &u32| Terms { fewer_attempts: *made, ..Terms::default() });
    assert!(layer.layer(inner.clone()).oneshot(2).await.is_err());
    assert_eq!(inner.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_stamped_and_all_of_one_call_bear_the_same_key() {
    #[derive(Clone)]
    struct Stamps;
    impl Read<Vec<String>> for Stamps {
        fn terms(&self, request: &Vec<String>) -> Terms {
            Terms { idempotency_key: request.first().map(|key| key.as_str().into()), ..Terms::default() }
        }
        fn stamp(&self, request: &mut Vec<String>, cx: &Cx) {
            request.extend([cx.attempt().to_string(), cx.downstream_key()]);
        }
    }
    let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let ear = seen.clone();
    let inner = service_fn(move |request: Vec<String>| {
        ear.lock().unwrap().push(request);
        ready(Err::<u32, _>(Seen::NotSent))
    });
    let service =
        built(Pipeline::builder("x").retry(plain_retry(2))).classify(by_row).read(Stamps).layer(inner);
    assert!(service.clone().oneshot(vec!["order-7".into()]).await.is_err());
    assert_eq!(*seen.lock().unwrap(), [["order-7", "1", "order-7"], ["order-7", "2", "order-7"]]);
    assert!(service.oneshot(Vec::new()).await.is_err());
    let seen = seen.lock().unwrap();
    assert_eq!((&seen[2][0], &seen[3][0], &seen[2][1]), (&"1".into(), &"2".into(), &seen[3][1]));
}

#[tokio::test(start_paused = true)]
async fn http_is_judged_by_method_status_and_headers() {
    let seen = Arc::new(AtomicU32::new(0));
    let inner = service_fn({
        let seen = seen.clone();
        move |request: Request<&'static str>| {
            let mut answer = Response::new(());
            *answer.status_mut() = request.body().parse().unwrap();
            if *request.body() == "429" {
                answer.headers_mut().insert("retry-after", "2".parse().unwrap());
            }
            seen.fetch_add(1, Ordering::Relaxed);
            ready(Ok::<_, Infallible>(answer))
        }
    });
    for (method, status, calls, takes) in [
        (Method::GET, "200", 1, 0),
        (Method::GET, "404", 1, 0),
        (Method::GET, "500", 3, 300),
        (Method::POST, "500", 1, 0),
        // What a 429 asks for is a floor under each of the two pauses, and nobody processed it.
        (Method::POST, "429", 3, 4000),
    ] {
        let layer = built(Pipeline::builder("x").retry(plain_retry(3)));
        let request = Request::builder().method(method.clone()).body(status).unwrap();
        let began = tokio::time::Instant::now();
        let answer = layer.http().layer(inner.clone()).oneshot(request).await.unwrap();
        assert_eq!(answer.status().as_str(), status, "the last answer is given, whatever it says");
        assert_eq!(seen.swap(0, Ordering::Relaxed), calls, "{method} {status}");
        // A pause everybody obeys ends a little later for each.
        let took = began.elapsed();
        assert!(took >= ms(takes) && took < ms(takes + takes / 5 + 1), "{method} {status}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_say_no_open_the_breaker() {
    let inner = service_fn(|_: Request<()>| {
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        ready(Ok::<_, Infallible>(answer))
    });
    let layer = PipelineLayer::breaker(breaker::Options::default()).unwrap().http();
    let service = layer.layer(inner);
    for _ in 0..5 {
        assert_eq!(service.clone().oneshot(Request::new(())).await.unwrap().status(), 502);
    }
    assert_eq!(refusal(service.oneshot(Request::new(())).await).unwrap().code, Code::BreakerOpen);
}

#[tokio::test(start_paused = true)]
async fn each_policy_alone_is_a_layer_and_does_nothing_else() {
    struct NotClone;
    let bad = scripted(&[Err(Seen::NotSent)]);

    let retry = PipelineLayer::retry(plain_retry(2), Effects::Repeatable).unwrap();
    assert_eq!(retry.layer(bad.clone()).oneshot(1).await, Err(Error::Inner(Seen::NotSent)));
    assert_eq!(bad.calls(), 2);

    let breaker = PipelineLayer::breaker(breaker::Options { consecutive: 1, ..Default::default() }).unwrap();
    assert!(breaker.layer(bad.clone()).oneshot(NotClone).await.is_err());
    let refused = breaker.layer(bad.clone()).oneshot(NotClone).await;
    assert_eq!(refusal(refused).unwrap().code, Code::BreakerOpen);

    let bulkhead = PipelineLayer::bulkhead(places(1, 0)).unwrap();
    let stuck = service_fn(|_: NotClone| pending::<Result<(), Infallible>>());
    let held = tokio::spawn(bulkhead.layer(stuck).oneshot(NotClone));
    tokio::task::yield_now().await;
    assert_eq!(refusal(bulkhead.layer(stuck).oneshot(NotClone).await).unwrap().code, Code::BulkheadFull);
    // No deadline came along unasked.
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(!held.is_finished());

    let timeout = PipelineLayer::timeout(ms(20)).unwrap();
    let late = refusal(timeout.layer(stuck).oneshot(NotClone).await).unwrap();
    assert_eq!((late.code, late.certainty), (Code::DeadlineExceeded, Certainty::Unknown));

    assert!(PipelineLayer::timeout(Duration::ZERO).is_err());
    assert!(PipelineLayer::bulkhead(places(0, 0)).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_update_reaches_services_that_are_already_made() {
    let options = Options { limiter: Some(at_once(1, ms(1000))), ..Options::default() };
    let layer = built(Pipeline::builder("x").options(options.clone()));
    let service = layer.layer(scripted(&[Ok(7)]));
    assert_eq!(service.clone().oneshot(()).await, Ok(7));
    assert!(service.clone().oneshot(()).await.is_err());
    layer.pipeline().update(Options { limiter: Some(at_once(2, ms(1000))), ..options }).unwrap();
    assert_eq!(service.clone().oneshot(()).await, Ok(7));
    assert_eq!(refusal(service.oneshot(()).await).unwrap().code, Code::RateLimited, "two were counted");
}
