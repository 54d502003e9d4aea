use std::cell::RefCell;

use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::clock::ManualClock;
use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Verdict};

use super::recovery::{End, NotBegun, Procedure, Recovery, Refusal};
use super::*;
use crate::{Pipeline, breaker};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

type Told = Arc<Mutex<Vec<Fact>>>;

fn group(targets: usize) -> (Group, ManualClock, Told) {
    let (clock, told) = (ManualClock::new(), Told::default());
    let target = |place: usize| Target {
        pipeline: Pipeline::builder(["first", "second", "third"][place])
            .breaker(breaker::Options::off())
            .clock(Arc::new(clock.clone()))
            .build()
            .unwrap(),
        confidence: 1.0 - place as f64 / 10.0,
    };
    let sink = {
        let told = told.clone();
        Arc::new(move |event: Event| told.lock().unwrap().push(event.fact))
    };
    let targets: Vec<Target> = (0..targets).map(target).collect();
    let group =
        Group::with("data", targets, Options::default(), Arc::new(clock.clone()), Some(sink)).unwrap();
    (group, clock, told)
}

fn verdicts(outcome: &Result<usize, Seen>) -> Verdict {
    Verdict::of(outcome.as_ref().err().copied().unwrap_or(Seen::Success))
}

/// One call; `outcomes` says how each target answers it. Gives who was asked, and what came of it.
async fn call(group: &Group, effects: Effects, outcomes: &[Seen]) -> (Vec<usize>, Option<usize>, Certainty) {
    let asked = RefCell::new(Vec::new());
    let deadline = group.0.clock.now() + secs(30);
    let operation = |place: usize, _| {
        asked.borrow_mut().push(place);
        let outcome = outcomes[place];
        async move { if outcome == Seen::Success { Ok(place) } else { Err(outcome) } }
    };
    let served = group.run_with(effects, deadline, None, |_| verdicts, |_, call| call, operation).await;
    served.answer.held.settle();
    (asked.into_inner(), served.answer.result.ok(), served.certainty)
}

#[tokio::test(start_paused = true)]
async fn outcomes_move_the_group_and_it_says_so() {
    let (group, _, told) = group(2);
    let down = [Seen::NotSent, Seen::Success];
    for _ in 0..3 {
        assert_eq!(
            call(&group, Effects::Once, &down).await.0,
            [0, 1],
            "nothing was sent: any call may move on"
        );
    }
    let (asked, served, _) = call(&group, Effects::Once, &down).await;
    assert_eq!((asked, served), (vec![1], Some(1)));
    let moved = Fact::FailedOver {
        from: "first".into(),
        to: "second".into(),
        why: "the active target is failing".into(),
    };
    assert!(told.lock().unwrap().contains(&moved));
    let snapshot = group.snapshot();
    assert_eq!(
        (&*snapshot.active, snapshot.panicking, snapshot.why),
        ("second", false, "the active target is failing")
    );
    assert_eq!((snapshot.targets[0].health, snapshot.targets[0].bad), (Health::Down, 3));
    assert_eq!(group.active().confidence, 0.9);
}

#[tokio::test(start_paused = true)]
async fn a_repeatable_call_tries_the_lost_one_and_good_trials_bring_it_back() {
    let (group, clock, _) = group(2);
    for _ in 0..3 {
        call(&group, Effects::Repeatable, &[Seen::ServerError, Seen::Success]).await;
    }
    clock.advance(secs(15));
    let well = [Seen::Success, Seen::Success];
    assert_eq!(call(&group, Effects::Guarded, &well).await.0, [1], "no guarded call is risked");
    let (asked, served, _) = call(&group, Effects::Repeatable, &[Seen::ServerError, Seen::Success]).await;
    assert_eq!((asked, served), (vec![0, 1], Some(1)), "a failed trial costs its caller nothing but time");
    assert_eq!(call(&group, Effects::Repeatable, &well).await.0, [1]);
    clock.advance(secs(15));
    assert_eq!(call(&group, Effects::Repeatable, &well).await.0, [0]);
    assert_eq!(&*group.snapshot().active, "second");
    clock.advance(secs(60));
    assert_eq!(&*group.snapshot().active, "first");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_a_bad_report_and_a_full_limit_is_none() {
    let (group, _, _) = group(2);
    group.targets()[0].pipeline.breaker().unwrap().force_open("ann", "maintenance");
    for _ in 0..3 {
        assert_eq!(call(&group, Effects::Once, &[Seen::Success; 2]).await.0, [1]);
    }
    assert_eq!(group.snapshot().targets[0].health, Health::Down);
    for _ in 0..9 {
        call(&group, Effects::Repeatable, &[Seen::Success, Seen::RateLimited]).await;
    }
    assert_eq!(group.snapshot().targets[1].health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn probes_report_by_name_and_a_pin_holds_against_them() {
    let (group, clock, told) = group(2);
    assert!(!group.report("nobody", Lesson::Failure));
    group.pin("first", "ann", "the second is not paid for", Some(secs(100))).unwrap();
    for _ in 0..5 {
        assert!(group.report("first", Lesson::Failure));
    }
    let snapshot = group.snapshot();
    assert_eq!((snapshot.place, snapshot.pinned.map(|lever| lever.by)), (0, Some("ann".into())));
    assert_eq!(call(&group, Effects::Repeatable, &[Seen::ServerError, Seen::Success]).await.0, [0, 1]);
    clock.advance(secs(100));
    let snapshot = group.snapshot();
    assert_eq!((snapshot.place, snapshot.pinned), (1, None));
    let refused = group.pin("third", "ann", "?", None).unwrap_err();
    assert_eq!(refused.message, "\"third\" is no target: write one of first, second");
    group.pin("first", "ann", "again", None).unwrap();
    group.unpin("bob", "enough");
    assert_eq!(group.snapshot().place, 1);
    let levers = told.lock().unwrap().iter().filter(|fact| matches!(fact, Fact::Lever { .. })).count();
    assert_eq!(levers, 3);
}

#[tokio::test(start_paused = true)]
async fn with_every_target_down_the_first_is_asked_and_it_is_said() {
    let (group, clock, _) = group(2);
    for name in ["first", "second"] {
        for _ in 0..3 {
            group.report(name, Lesson::Failure);
        }
    }
    clock.advance(secs(30));
    let snapshot = group.snapshot();
    assert_eq!((snapshot.place, snapshot.panicking), (0, true));
    assert_eq!(call(&group, Effects::Guarded, &[Seen::Success; 2]).await.0, [0]);
}

#[test]
fn an_empty_group_is_refused() {
    assert_eq!(Group::new("x", [], Options::default()).unwrap_err().key, "to");
    let wrong = Options { down_after: 0, ..Options::default() };
    assert_eq!(Group::new("x", [], wrong).unwrap_err().key, "down_after");
}

proptest! {
    /// Whatever happens at any target, whatever the group thinks of them: a call goes on only from where it may be
    /// repeated, asks nobody twice, and never forgets a doubt.
    #[test]
    fn an_unknown_outcome_of_a_guarded_operation_never_reaches_a_second_target(
        calls in prop::collection::vec((
            prop::sample::select(Effects::ALL),
            prop::collection::vec(prop::sample::select(Seen::ALL), 3),
            0u64..40,
        ), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (group, clock, _) = group(3);
        for (effects, outcomes, wait) in calls {
            clock.advance(secs(wait));
            let (asked, served, certainty) = runtime.block_on(call(&group, effects, &outcomes));
            let (last, before) = asked.split_last().unwrap();
            for place in before {
                let verdict = Verdict::of(outcomes[*place]);
                prop_assert!(verdict.may_repeat(effects));
                if matches!(effects, Effects::Guarded | Effects::Once) {
                    prop_assert_eq!(verdict.certainty(effects), Certainty::NotDone);
                }
                if verdict.certainty(effects) == Certainty::Unknown {
                    prop_assert!(certainty != Certainty::NotDone);
                }
            }
            prop_assert_eq!(served, (outcomes[*last] == Seen::Success).then_some(*last));
            prop_assert!((1..asked.len()).all(|n| !asked[..n].contains(&asked[n])));
            let more = Verdict::of(outcomes[*last]).may_repeat(effects);
            prop_assert!(!more || asked.len() == 3, "where it may go on, it does");
        }
    }
}

fn counting(count: &Arc<Mutex<Vec<&'static str>>>, name: &'static str, works: bool) -> Procedure {
    let count = count.clone();
    Procedure::new(name, move || {
        count.lock().unwrap().push(name);
        async move {
            tokio::time::sleep(secs(1)).await;
            if works { Ok(()) } else { Err("no") }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn procedures_run_in_order_until_one_works_and_are_recorded() {
    let ran = Arc::default();
    let hangs = Procedure::new("hangs", || async {
        std::future::pending::<()>().await;
        Ok::<_, &str>(())
    });
    let procedures = vec![
        counting(&ran, "flush", false).attempts(2),
        hangs.deadline(secs(5)),
        counting(&ran, "restart", true),
        counting(&ran, "page somebody", true),
    ];
    let recovery = Recovery::new(recovery::Options::default(), [("memory nearly full", procedures)]).unwrap();
    let episode = recovery.trigger("memory nearly full").await.unwrap();
    assert_eq!(*ran.lock().unwrap(), ["flush", "flush", "restart"]);
    assert_eq!((episode.end, episode.took), (End::Recovered, secs(1 + 1 + 5 + 1)));
    let steps: Vec<_> =
        episode.steps.iter().map(|s| (&*s.procedure, s.attempt, s.failure.as_deref())).collect();
    assert_eq!(
        steps,
        [
            ("flush", 1, Some("no")),
            ("flush", 2, Some("no")),
            ("hangs", 1, Some("not done in 5s")),
            ("restart", 1, None)
        ]
    );
    assert_eq!(recovery.history(), [episode]);
    let again = recovery.trigger("memory nearly full").await;
    assert_eq!(again, Err(NotBegun::Refused(Refusal::Cooling(secs(300)))));
    tokio::time::sleep(secs(300)).await;
    assert!(recovery.trigger("memory nearly full").await.is_ok());
    assert_eq!(recovery.trigger("never heard of").await, Err(NotBegun::Unknown));
}

#[tokio::test(start_paused = true)]
async fn one_episode_at_a_time_and_who_goes_away_abandons_it() {
    let ran = Arc::default();
    let options = recovery::Options { cooldown: Duration::ZERO, history: 2, ..Default::default() };
    let recovery = Recovery::new(options, [("disk full", vec![counting(&ran, "clean up", false)])]).unwrap();
    let other = recovery.clone();
    let (first, second) = tokio::join!(recovery.trigger("disk full"), other.trigger("disk full"));
    assert_eq!(first.unwrap().end, End::GaveUp);
    assert_eq!(second, Err(NotBegun::Refused(Refusal::Running)));
    let half_way = crate::timeout::within(recovery.trigger("disk full"), Duration::from_millis(500)).await;
    assert!(half_way.is_err() && !recovery.is_running("disk full"));
    let ends: Vec<_> = recovery.history().iter().map(|episode| episode.end).collect();
    assert_eq!(ends, [End::GaveUp, End::Abandoned]);
    recovery.trigger("disk full").await.unwrap();
    assert_eq!(recovery.history().len(), 2, "only the latest are remembered");
}

#[test]
fn states_that_make_no_sense_are_refused_by_name() {
    let ran = Arc::default();
    let options = recovery::Options::default;
    let key = |states: Vec<(&str, Vec<Procedure>)>| Recovery::new(options(), states).unwrap_err().key;
    assert_eq!(key(vec![("x", Vec::new())]), "procedures");
    assert_eq!(key(vec![("x", vec![counting(&ran, "a", true).attempts(0)])]), "attempts");
    let one = || vec![counting(&ran, "a", true)];
    assert_eq!(key(vec![("x", one()), ("x", one())]), "states");
    let wrong = recovery::Options { deadline: Duration::ZERO, ..options() };
    assert_eq!(Recovery::new(wrong, [("x", one())]).unwrap_err().key, "deadline");
}
