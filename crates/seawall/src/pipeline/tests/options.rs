//! Options as they are written, what is odd about them, and what an operation is told.

use super::*;

#[test]
fn options_read_back_as_they_were_written() {
    let text = r#"
        deadline = "2s"
        attempt  = "500ms"
        effects  = "repeatable"
        retry    = "quick"
        breaker  = { consecutive = 5, open = "30s" }
        limiter  = { rate = "500/min" }
        bulkhead = { concurrent = 3 }
        shadow   = ["limiter"]
    "#;
    let options: Options = toml_edit::de::from_str(text).unwrap();
    assert_eq!((options.deadline, options.attempt), (ms(2000), Some(ms(500))));
    assert_eq!((options.effects, &options.retry), (Effects::Repeatable, &retry::Options::quick()));
    assert_eq!(options.bulkhead.as_ref().unwrap().concurrent, 3);
    let again: Options = toml_edit::de::from_str(&toml_edit::ser::to_string(&options).unwrap()).unwrap();
    assert_eq!(again, options);
    let p = Pipeline::builder("x").options(options).build().unwrap();
    assert!(p.describe().starts_with("deadline 2s → retry ×2"));
}

#[test]
fn an_unknown_key_is_named() {
    let refused = toml_edit::de::from_str::<Options>("dedline = '2s'").unwrap_err().to_string();
    assert!(refused.contains("dedline") && refused.contains("deadline"), "{refused}");
}

#[test]
fn every_option_out_of_range_is_an_error_of_build() {
    let bad = [
        "deadline = '0s'",
        "retry = { attempts = 0 }",
        "retry = { attempts = 11 }",
        "retry = { base = '0s' }",
        "retry = { base = '9s', cap = '1s' }",
        "retry = { multiplier = 0.5 }",
        "retry = { multiplier = nan }",
        "retry = { multiplier = inf }",
        "breaker = { window = '1ms' }",
        "breaker = { failure_rate = '0%' }",
        "breaker = { open = '0s' }",
        "breaker = { probes = 0 }",
        "limiter = { rate = '5/s', max_keys = 0 }",
        "bulkhead = { concurrent = 0 }",
    ];
    for text in bad {
        let options: Options = toml_edit::de::from_str(text).unwrap();
        let refused = Pipeline::builder("x").options(options).build().unwrap_err();
        assert!(!refused.message.is_empty(), "{text}");
    }
}

fn advised(options: &Options) -> Vec<&'static str> {
    options.advice().into_iter().map(|advice| advice.key).collect()
}

#[test]
fn what_goes_together_gets_no_advice() {
    assert_eq!(advised(&Options::default()), [""; 0]);
    let sound = Options {
        attempt: Some(Duration::from_secs(10)),
        effects: Effects::Repeatable,
        retry: retry::Options::default(),
        breaker: Some(breaker::Options::default()),
        limiter: Some(limiter::Options::default()),
        bulkhead: Some(bulkhead::Options::default()),
        ..Options::default()
    };
    assert_eq!(advised(&sound), [""; 0]);
}

#[test]
fn dangerous_compositions_are_advised_against() {
    let repeatable = Options {
        effects: Effects::Repeatable,
        attempt: Some(Duration::from_secs(10)),
        retry: retry::Options::default(),
        ..Options::default()
    };
    let late = Options { attempt: Some(Duration::from_secs(60)), ..Options::default() };
    assert_eq!(advised(&late), ["attempt"]);
    let unbounded = Options { attempt: None, ..repeatable.clone() };
    assert_eq!(advised(&unbounded), ["retry"]);
    let guarded = Options { effects: Effects::Guarded, ..repeatable.clone() };
    assert!(guarded.advice()[0].message.contains("provably not processed"));
    let few = breaker::Options { consecutive: 3, ..breaker::Options::default() };
    assert_eq!(advised(&Options { breaker: Some(few), ..repeatable.clone() }), ["breaker"]);
    let short = Options { deadline: ms(900), attempt: Some(ms(100)), ..repeatable.clone() };
    assert!(short.advice()[0].message.contains("the last ones are not made"), "{:?}", short.advice());
    let patient = limiter::Options {
        queue: limiter::Queue { max: 5, wait: Duration::from_secs(60) },
        ..limiter::Options::default()
    };
    assert_eq!(advised(&Options { limiter: Some(patient), ..repeatable }), ["limiter"]);
}

#[tokio::test(start_paused = true)]
async fn the_downstream_key_is_the_same_for_every_attempt_and_no_other_calls() {
    let p = Pipeline::builder("x").retry(plain_retry(3)).effects(Effects::Repeatable).build().unwrap();
    let keys = RefCell::new(Vec::new());
    for _ in 0..2 {
        let _ = p
            .run(|cx| {
                keys.borrow_mut().push(cx.downstream_key());
                async { Err::<(), _>(()) }
            })
            .await;
    }
    let keys = keys.into_inner();
    assert_eq!(keys[..3], [keys[0].as_str(); 3]);
    assert_eq!(keys[3..], [keys[3].as_str(); 3]);
    assert_ne!(keys[0], keys[3]);
    let uuid: uuid::Uuid = keys[0].parse().unwrap();
    assert_eq!((uuid.get_version_num(), uuid.get_variant()), (4, uuid::Variant::RFC4122));
}

#[tokio::test(start_paused = true)]
async fn a_call_tells_its_operation_whose_it_is_and_what_it_intends() {
    let options = limiter::Options { queue: limiter::Queue { max: 0, wait: ms(0) }, ..rate(1, ms(1000)) };
    let limit = limiter::Limiter::per_key("user", options).unwrap();
    let p = Pipeline::builder("x").shared_limits(vec![limit]).build().unwrap();
    let seen = p
        .call()
        .key("ana")
        .idempotency_key("order-7")
        .run(
            |cx| async move { Ok::<_, ()>((cx.key().map(String::from), cx.downstream_key(), cx.is_hedge())) },
        )
        .await;
    assert_eq!(seen, Ok((Some("ana".into()), "order-7".into(), false)));
    let again = |key: &'static str| p.call().key(key).run(|_| async { Ok::<_, ()>(()) });
    assert_eq!(again("ana").await.unwrap_err().rejection().unwrap().code, Code::RateLimited);
    assert_eq!(again("bo").await, Ok(()));
}
