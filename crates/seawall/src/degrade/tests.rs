use std::sync::Mutex;
use std::time::Duration;

use seawall_core::clock::ManualClock;
use seawall_core::event::{Event, Fact};
use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Effects, Verdict};

use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn options() -> Options {
    let mut options = Options::default();
    options.levels[1].off.insert("hints".into());
    options.levels[2].off.insert("search".into());
    options
}

type Told = Arc<Mutex<Vec<Fact>>>;

fn degrade() -> (Degrade, ManualClock, Told) {
    let (clock, told) = (ManualClock::new(), Told::default());
    let sink = {
        let told = told.clone();
        Arc::new(move |event: Event| told.lock().unwrap().push(event.fact))
    };
    (Degrade::with("shop", options(), Arc::new(clock.clone()), Some(sink)).unwrap(), clock, told)
}

#[test]
fn a_feature_that_is_off_is_refused_with_its_level_and_when_to_ask_again() {
    let (shop, clock, told) = degrade();
    shop.allows("hints").unwrap();
    shop.report(Signal::Errors, 0.3);
    clock.advance(secs(10));
    let refusal = shop.allows("hints").unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (Code::SwitchedOff, Some(secs(60))));
    assert_eq!(refusal.reason, "\"hints\" is switched off at level \"reduced\"");
    shop.allows("search").unwrap();
    shop.allows("a feature nobody named").unwrap();
    let level = Fact::Degraded { level: "reduced".into(), why: "errors at 30%".into() };
    assert_eq!(told.lock().unwrap().as_slice(), [level]);
}

#[test]
fn limits_shrink_with_the_level_and_never_to_nothing() {
    let (shop, clock, _) = degrade();
    assert_eq!((shop.share(), shop.scaled(64), shop.scaled(u32::MAX)), (1.0, 64, u32::MAX));
    shop.report(Signal::Failing, 1.0);
    clock.advance(secs(10));
    assert_eq!(
        (shop.level().as_str(), shop.share(), shop.scaled(64), shop.scaled(3)),
        ("minimal", 0.1, 6, 1)
    );
}

#[test]
fn who_asks_for_a_level_says_why_and_it_expires() {
    let (shop, clock, told) = degrade();
    shop.force("minimal", "ann", "sale at noon", Some(secs(600))).unwrap();
    let snapshot = shop.snapshot();
    assert_eq!(
        (snapshot.level.as_str(), snapshot.off),
        ("minimal", vec!["hints".to_string(), "search".into()])
    );
    assert_eq!(
        snapshot.held_by.map(|lever| (lever.by, lever.reason)),
        Some(("ann".into(), "sale at noon".into()))
    );
    assert_eq!(shop.allows("search").unwrap_err().retry_after, Some(secs(600)));
    clock.advance(secs(600));
    let snapshot = shop.snapshot();
    assert_eq!((snapshot.place, snapshot.held_by), (0, None));
    let refused = shop.force("worst", "ann", "?", None).unwrap_err();
    assert_eq!(refused.message, "\"worst\" is no level: write one of normal, reduced, minimal");
    shop.force("reduced", "ann", "again", None).unwrap();
    assert_eq!(shop.allows("hints").unwrap_err().retry_after, None, "nobody knows when somebody lets go");
    shop.release("bob", "enough");
    assert_eq!(shop.level(), "normal");
    let levers = told.lock().unwrap().iter().filter(|fact| matches!(fact, Fact::Lever { .. })).count();
    assert_eq!((levers, told.lock().unwrap().len()), (3, 3 + 4));
}

#[test]
fn bad_levels_are_refused_and_change_nothing() {
    let (shop, _, _) = degrade();
    let none = Options { levels: Vec::new(), ..Options::default() };
    assert_eq!(shop.update(none.clone()).unwrap_err().key, "levels");
    assert!(Degrade::new("x", none).is_err());
    shop.update(Options::default()).unwrap();
}

async fn after(span: u64, outcome: Result<u32, &'static str>) -> Result<u32, &'static str> {
    tokio::time::sleep(secs(span)).await;
    outcome
}

#[tokio::test(start_paused = true)]
async fn what_succeeded_in_time_is_given_and_marked_as_a_part() {
    let started = tokio::time::Instant::now();
    let off = Err(Rejection::new(Code::SwitchedOff));
    let partial = Gather::new()
        .part("slow", after(60, Ok(1)))
        .part("wrong", after(1, Err("no such table")))
        .part_if(off, "hints", after(1, Ok(2)))
        .part_if(Ok(()), "late", after(4, Ok(3)))
        .weighted("main", 4, after(2, Ok(4)))
        .within(secs(5))
        .run()
        .await;
    assert_eq!(started.elapsed(), secs(5), "all at once, and no longer than they may");
    assert_eq!(partial.value, [("late", 3), ("main", 4)]);
    assert_eq!((partial.confidence, partial.is_complete()), (5.0 / 8.0, false));
    let why: Vec<_> = partial.missing.iter().map(|m| (m.name.as_str(), m.code, m.reason.as_str())).collect();
    assert_eq!(
        why,
        [
            ("slow", Some(Code::DeadlineExceeded), Code::DeadlineExceeded.title()),
            ("wrong", None, "no such table"),
            ("hints", Some(Code::SwitchedOff), Code::SwitchedOff.title()),
        ]
    );
    assert_eq!(partial.map(|parts| parts.len()).complete().unwrap_err().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn all_parts_in_time_are_a_whole() {
    let whole = Gather::new().part("a", after(3, Ok(1))).part("b", after(1, Ok(2))).run().await;
    assert_eq!((whole.confidence, whole.complete()), (1.0, Ok(vec![("a", 1), ("b", 2)])));
    let nothing = Gather::<u32, &str>::new().run().await;
    assert!(nothing.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_may_have_taken_place_makes_the_whole_worth_nothing() {
    let orders = |last| {
        Gather::new()
            .part("first", after(1, Ok(1)))
            .part("second", after(last, Err("not sent")))
            .effects(Effects::Guarded)
            .within(secs(5))
    };
    let not_sent = |outcome: &Result<u32, &str>| {
        Verdict::of(if outcome.is_ok() { Seen::Success } else { Seen::NotSent })
    };
    let partial = orders(2).classified(&not_sent).await;
    assert_eq!((partial.missing[0].certainty, partial.confidence), (Certainty::NotDone, 0.5));
    let partial = orders(9).classified(&not_sent).await;
    assert_eq!((partial.missing[0].certainty, partial.confidence), (Certainty::Unknown, 0.0));
    assert_eq!(partial.value, [("first", 1)], "what is known is given all the same");
}
