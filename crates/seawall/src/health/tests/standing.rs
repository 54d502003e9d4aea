//! Checks made of calls alone, and checks that go on under another configuration.

use super::*;

/// What a test hears of calls, 10 s apart.
async fn ten_seconds(feed: &Feed, good: u32, bad: u32) {
    (0..good).for_each(|_| feed.heard(Lesson::Success));
    (0..bad).for_each(|_| feed.heard(Lesson::Failure));
    sleep(secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_check_of_calls_sends_nothing_stands_where_they_say_and_forgets_when_nobody_calls() {
    let (registry, told) = registry(punctual());
    let feed = Feed::default();
    let check = Check::calls("provider").fed_by(&feed).interval(secs(1)).patience(3, 2);
    registry.register(check).unwrap();
    let watching = registry.clone();
    let watch = tokio::spawn(async move { watching.watch().await });
    let state = || registry.standing("provider").unwrap().state;
    sleep(secs(5)).await;
    assert_eq!(
        (state(), registry.standing("provider").unwrap().runs),
        (State::Unknown, 0),
        "nobody has called"
    );
    for _ in 0..4 {
        ten_seconds(&feed, 9, 0).await;
    }
    assert_eq!((state(), registry.standing("provider").unwrap().kind), (State::Healthy, "calls"));
    for _ in 0..4 {
        ten_seconds(&feed, 1, 3).await;
    }
    let standing = registry.standing("provider").unwrap();
    assert_eq!((standing.state, registry.status()), (State::Unhealthy, Level::Degraded));
    let last = standing.last.unwrap();
    assert_eq!((last.why.as_deref(), last.by), (Some("3 of the last 4 calls failed"), By::Calls));
    sleep(secs(280)).await;
    assert_eq!(state(), State::Unhealthy, "what was seen lately still says something");
    sleep(secs(30)).await;
    assert_eq!((state(), registry.status()), (State::Unknown, Level::Healthy));
    let told: Vec<(&'static str, String)> =
        told.lock().unwrap().iter().map(|(_, to, why)| (*to, why.clone())).collect();
    assert_eq!(
        told,
        [
            ("unhealthy", "3 of the last 4 calls failed".to_owned()),
            ("unknown", "nobody has called it for 5m".to_owned()),
        ]
    );
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_known_goes_on_by_name_where_the_look_is_of_the_same_kind() {
    let (registry, _) = registry(Options { down_after: 1, ..punctual() });
    let checks = |names: &[&str]| names.iter().map(|name| scripted(name, ill(1)).0).collect::<Vec<_>>();
    registry.replace(checks(&["stays", "changes", "other", "goes"]), |_| false).unwrap();
    registry.run_all().await;
    let feed = registry.feed("changes").unwrap();
    let mut next = checks(&["stays", "changes", "comes"]);
    next[1] = scripted("changes", [Finding::healthy()]).0.critical();
    next.push(Check::calls("other"));
    registry.replace(next, |name| name == "stays").unwrap();
    let told: Vec<(String, State, u64)> = registry
        .snapshot()
        .checks
        .iter()
        .map(|check| (check.name.to_string(), check.state, check.runs))
        .collect();
    let expected = [
        ("changes", State::Unhealthy, 1),
        ("comes", State::Unknown, 0),
        ("other", State::Unknown, 0),
        ("stays", State::Unhealthy, 1),
    ];
    assert_eq!(told, expected.map(|(name, state, runs)| (name.to_owned(), state, runs)));
    assert_eq!(registry.status(), Level::Unhealthy, "what became critical counts as such at once");
    feed.heard(Lesson::Failure);
    assert_eq!(registry.feed("changes").unwrap().take().bad, 1, "whoever holds a feed need not know");
}

#[tokio::test]
async fn a_set_of_checks_is_taken_whole_or_not_at_all() {
    let (registry, _) = registry(punctual());
    registry.register(Check::calls("before")).unwrap();
    let twice = vec![Check::calls("a"), Check::calls("a")];
    assert_eq!(
        registry.replace(twice, |_| false).unwrap_err().message,
        "\"a\" is there twice: write another name"
    );
    let bad = vec![Check::calls("a"), Check::calls("b").patience(0, 1)];
    assert_eq!(registry.replace(bad, |_| false).unwrap_err().key, "down_after");
    let many = (0..1025).map(|n| Check::calls(n.to_string())).collect();
    assert_eq!(registry.replace(many, |_| false).unwrap_err().key, "name");
    assert!(registry.standing("before").is_some() && registry.standing("a").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_foretold_says_why() {
    let (registry, _) = registry(punctual());
    registry.register(scripted("disk", [Finding::healthy()]).0).unwrap();
    let standing = registry.run("disk").await.unwrap();
    let doubts: Vec<(What, Doubt)> =
        standing.doubted.iter().map(|doubted| (doubted.what, doubted.doubt)).collect();
    assert_eq!(doubts, [(What::Duration, Doubt::TooLittle), (What::Failing, Doubt::TooLittle)]);
}
