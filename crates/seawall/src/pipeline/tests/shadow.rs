//! Policies in the shadow decide and report, and let the call through.

use super::*;

/// A pipeline with a shadow, and what it said.
fn shaded(options: Options) -> (Pipeline, Arc<Mutex<Vec<Fact>>>) {
    let heard: Arc<Mutex<Vec<Fact>>> = Arc::default();
    let ear = heard.clone();
    let sink: Arc<dyn Sink> = Arc::new(move |event: Event| ear.lock().unwrap().push(event.fact));
    (Pipeline::builder("x").options(options).sink(sink).build().unwrap(), heard)
}

fn would_have(heard: &Mutex<Vec<Fact>>) -> Vec<Code> {
    let code = |fact: &Fact| match fact {
        Fact::WouldReject { code, .. } => Some(*code),
        _ => None,
    };
    heard.lock().unwrap().iter().filter_map(code).collect()
}

async fn succeed(p: &Pipeline) {
    p.run(|_| async { Ok::<_, ()>(()) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_limiter_in_the_shadow_says_what_it_would_refuse_and_makes_nobody_wait() {
    let limiter = Some(rate(2, Duration::from_secs(1)));
    let shadow = Shadow::LIMITER;
    let (p, heard) = shaded(Options { limiter, shadow, ..Options::default() });
    let began = p.now();
    for _ in 0..5 {
        succeed(&p).await;
    }
    assert_eq!(p.now(), began);
    assert_eq!(would_have(&heard), [Code::RateLimited; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_not_waited_out_in_the_shadow() {
    let (p, _) = shaded(Options { shadow: Shadow::LIMITER, ..Options::default() });
    p.pauses().extend(0, Duration::from_secs(9));
    let began = p.now();
    succeed(&p).await;
    assert_eq!(p.now(), began);
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_in_the_shadow_lets_everybody_in() {
    let bulkhead = Some(bulkhead::Options { concurrent: 1, ..bulkhead::Options::default() });
    let shadow = Shadow::BULKHEAD;
    let (p, heard) = shaded(Options { bulkhead, shadow, ..Options::default() });
    let answer = p.call().answer(&by_row, |_| async { Ok(1) }).await;
    succeed(&p).await;
    assert_eq!(would_have(&heard), [Code::BulkheadFull]);
    answer.held.settle();
    assert_eq!(p.bulkhead().unwrap().load().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_in_the_shadow_opens_and_refuses_nothing() {
    let breaker = Some(breaker::Options::default());
    let shadow = Shadow::BREAKER;
    let (p, heard) = shaded(Options { breaker, shadow, ..Options::default() });
    for _ in 0..7 {
        let (result, times) = scripted(&p, Effects::Guarded, vec![Err(Seen::ServerError)]).await;
        assert_eq!((result, times.len()), (Err(Error::Inner(Seen::ServerError)), 1));
    }
    assert_eq!(p.breaker().unwrap().state(), breaker::State::Open);
    assert_eq!(would_have(&heard), [Code::BreakerOpen; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_the_shadow_is_told_and_not_made() {
    let shadow = Shadow::RETRY;
    let (p, heard) = shaded(Options { retry: plain_retry(3), shadow, ..Options::default() });
    let (result, times) = scripted(&p, Effects::Repeatable, vec![Err(Seen::ServerError), Ok(1)]).await;
    assert_eq!((result, times.len()), (Err(Error::Inner(Seen::ServerError)), 1));
    assert!(heard.lock().unwrap().contains(&Fact::WouldRetry { attempt: 1, delay: ms(100) }));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_in_the_shadow_is_told_when_the_attempt_has_ended() {
    let shadow = Shadow::TIMEOUT;
    let (p, heard) = shaded(Options { attempt: Some(ms(100)), shadow, ..Options::default() });
    for takes in [50, 300] {
        p.run(|_| async move {
            tokio::time::sleep(ms(takes)).await;
            Ok::<_, ()>(())
        })
        .await
        .unwrap();
    }
    assert_eq!(would_have(&heard), [Code::AttemptTimeout]);
}

#[test]
fn a_shadow_is_spelled_as_a_list_and_knows_who_has_one() {
    let options: Options = toml_edit::de::from_str("shadow = ['limiter', 'retry']").unwrap();
    assert_eq!(options.shadow, Shadow::LIMITER | Shadow::RETRY);
    let refused = toml_edit::de::from_str::<Options>("shadow = ['cache']").unwrap_err().to_string();
    assert!(refused.contains("\"cache\" has no shadow: write any of \"retry\""), "{refused}");
    assert_eq!(Vec::from(Shadow::ALL).len(), 6);
    assert_eq!(Shadow::try_from(vec!["hedge".to_owned()]), Ok(Shadow::HEDGE));
}

#[test]
fn what_stands_in_the_shadow_is_drawn_in_brackets() {
    let limiter = Some(rate(2, Duration::from_secs(1)));
    let options = Options { limiter, retry: plain_retry(3), shadow: Shadow::ALL, ..Options::default() };
    let p = Pipeline::builder("x").options(options).build().unwrap();
    assert_eq!(p.describe(), "deadline 1m → (retry ×3 (100ms..5s)) → (limit 2/s (wait 10s)) → call");
}
