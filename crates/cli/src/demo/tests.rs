use super::*;

fn played(play: &Play) -> (Outcome, Vec<String>, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (outcome, shortcomings, report, gateway) = runtime.block_on(async {
        let stage = Stage::set(play).await.map_err(|_| "the stage").unwrap();
        let outcome = act(play, &stage).await;
        let shortcomings = shortcomings(&outcome.scores[0], &outcome.scores[2]);
        let report = report(play, &stage, &outcome, &shortcomings);
        (outcome, shortcomings, report, stage.gateway)
    });
    gateway.stop();
    (outcome, shortcomings, report)
}

#[test]
fn a_short_run_shows_what_the_long_one_does() {
    // A seed whose first seconds hold every fault. Without the outage: three seconds are too short to win it back.
    let play = Play { length: Duration::from_secs(3), outage: Duration::ZERO, ..Play::new(12) };
    let (outcome, shortcomings, report) = played(&play);
    let [direct, retrying, seawall] = &outcome.scores;
    assert_eq!(shortcomings, Vec::<String>::new(), "{report:#}");
    assert_eq!((seawall.duplicates, seawall.truncated, seawall.lost), (0, 0, 0), "{seawall:?}");
    // The faults are there, or this test says nothing.
    assert!(direct.success < 95.0, "{direct:?}");
    assert!(direct.lost > 0 && direct.truncated > 0, "{direct:?}");
    assert!(retrying.duplicates > 0, "{retrying:?}");
    assert!(direct.requests == outcome.operations && retrying.requests > direct.requests, "{retrying:?}");
    assert_eq!(report["ways"]["direct"]["lost"], direct.lost);
    assert!(outcome.story.is_some(), "every answer of the gateway names its call");
}

#[test]
fn a_seed_fixes_the_schedule_and_the_faults() {
    let play = Play::new(5);
    assert_eq!(schedule(&play), schedule(&play));
    assert_ne!(schedule(&play), schedule(&Play::new(6)));
    let operations = schedule(&play);
    assert!(operations.is_sorted_by_key(|operation| operation.at));
    assert!(operations.iter().all(|operation| operation.at < play.length));
    for kind in Kind::ALL {
        let count = operations.iter().filter(|operation| operation.kind == kind).count() as f64;
        let expected = f64::from(kind.rate()) * play.length.as_secs_f64();
        assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{kind:?}: {count}");
    }
}
