use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use seawall_core::store::Asked;
use seawall_signals::audit::Trail;
use seawall_signals::metrics::{Format, Registry};
use tokio::time::Instant as Moment;

use super::*;
use crate::Memory;

/// Remembers breakers' moves and levers.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Sink for Told {
    fn offer(&self, event: Event) {
        let text = match event.fact {
            Fact::BreakerMoved { to, .. } => format!("{} {to}", event.name),
            Fact::Lever { action, by, .. } => format!("{} {action} by {by}", event.name),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(text);
    }
}

/// A retrier with everything it says kept.
struct Rig {
    retrier: Retrier,
    told: Arc<Told>,
    trail: Arc<Trail>,
    registry: Registry,
}

impl Rig {
    fn new(build: impl FnOnce(Builder) -> Builder) -> Self {
        let (told, registry) = (Arc::new(Told::default()), Registry::new());
        let options = seawall_signals::audit::Options { recent: 100_000, ..Default::default() };
        let trail = Arc::new(Trail::in_memory(options, seawall::time::default_clock()));
        let builder = Retrier::builder().sink(told.clone()).audit(trail.clone()).metrics(registry.clone());
        Self { retrier: build(builder).build().unwrap(), told, trail, registry }
    }

    fn told(&self) -> Vec<String> {
        self.told.0.lock().unwrap().drain(..).collect()
    }

    /// Entries, the earliest first, as kind and subject.
    fn written(&self) -> Vec<(String, String)> {
        let latest = self.trail.latest(usize::MAX).into_iter().rev();
        latest.map(|(record, _)| (record.kind, record.subject)).collect()
    }

    fn count(&self, kind: &str) -> usize {
        self.written().iter().filter(|(own, _)| own == kind).count()
    }

    fn exposition(&self) -> String {
        self.registry.render(Format::Prometheus)
    }
}

fn passing(_: &&str) -> Failure {
    Failure::passing("exit code 75")
}

async fn fail(retrier: &Retrier, kind: &str, times: u32) {
    for n in 0..times {
        let id = format!("{n}-{}", fastrand::u64(..));
        retrier.begin(kind, &id).await.unwrap().failed("exit code 75", true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_run_three_times_a_minute_and_two_apart() {
    let rig = Rig::new(|builder| builder);
    let (began, times) = (Moment::now(), Mutex::new(Vec::new()));
    let ended = rig.retrier.run("train", "1", passing, async |attempt| {
        times.lock().unwrap().push((attempt, began.elapsed().as_secs()));
        Err::<(), _>("it broke")
    });
    let Err(Stopped::Failed(error, why)) = ended.await else { panic!("it cannot work") };
    assert_eq!((error, why), ("it broke", Block::AttemptsSpent));
    assert_eq!(*times.lock().unwrap(), [(1, 0), (2, 60), (3, 180)]);
    let written: Vec<String> = rig.written().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(written, ["job.retry", "job.retry", "job.block"]);
    let Err(Stopped::Blocked(blocked, None)) =
        rig.retrier.run("train", "1", passing, async |_| Err::<(), _>("")).await
    else {
        panic!("it was given up")
    };
    assert_eq!((blocked.reason, blocked.retry_after), (Block::AttemptsSpent, None));
    rig.retrier.grant("train", "1", "ann", "the disk has room again").await.unwrap();
    assert_eq!(rig.retrier.run("train", "1", passing, async |n| Ok::<_, &str>(n)).await.unwrap(), 1);
    assert_eq!(rig.written().iter().rfind(|(kind, _)| kind == "job.override").unwrap().1, "train/1");
}

#[tokio::test(start_paused = true)]
async fn cooldowns_grow_to_an_hour_over_most_of_a_day() {
    let rig = Rig::new(|builder| builder.job("train", Options { attempts: 10, ..Options::default() }));
    let began = Moment::now();
    let ended = rig.retrier.run("train", "1", passing, async |n| if n == 10 { Ok(n) } else { Err("no") });
    assert_eq!(ended.await.unwrap(), 10);
    assert_eq!(began.elapsed().as_secs(), 60 + 120 + 240 + 480 + 960 + 1920 + 3 * 3600);
    assert_eq!(rig.retrier.job("train", "1").await.unwrap(), Some(Record::default()), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_somebody_else_has_made_longer_is_waited_for() {
    let rig = Rig::new(|builder| builder.options(Options { attempts: 4, ..Options::default() }));
    let began = Moment::now();
    let run = rig.retrier.run("train", "1", passing, async |attempt| {
        if attempt > 1 {
            return Ok(began.elapsed().as_secs());
        }
        // Another worker has the same job, and fails later.
        let other = rig.retrier.begin("train", "1").await.unwrap();
        let after = Duration::from_secs(30);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            other.failed("exit code 75", true).await
        });
        Err("no")
    });
    assert_eq!(run.await.unwrap(), 150, "thirty seconds, and two minutes after the second attempt");
    assert_eq!(rig.count("job.block"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lasting_failure_is_not_tried_again_and_exit_codes_say_which_is_which() {
    let rig = Rig::new(|builder| builder);
    let ended =
        rig.retrier.run("train", "1", |_| Failure::lasting("bad input"), async |_| Err::<(), _>("no"));
    assert!(matches!(ended.await, Err(Stopped::Failed("no", Block::Final))));
    let attempt = rig.retrier.begin("train", "2").await.unwrap();
    assert_eq!(attempt.exited(75).await, Next::Again(Duration::from_secs(60)));
    let blocked = rig.retrier.begin("train", "2").await.unwrap_err();
    assert_eq!((blocked.reason, blocked.retry_after), (Block::CoolingDown, Some(Duration::from_secs(60))));
    assert_eq!(rig.retrier.may_retry("train", "2").await.unwrap_err().reason, Block::CoolingDown);
    tokio::time::sleep(Duration::from_secs(60)).await;
    rig.retrier.may_retry("train", "2").await.unwrap();
    assert_eq!(rig.retrier.begin("train", "2").await.unwrap().exited(1).await, Next::Over(Block::Final));
    assert_eq!(rig.retrier.begin("train", "3").await.unwrap().exited(0).await, Next::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_twenty_workers_opens_the_breaker_once_and_blocks_the_rest() {
    let rig = Arc::new(Rig::new(|builder| builder));
    let (made, refused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let workers: Vec<_> = (0..20)
        .map(|worker| {
            let (rig, made, refused) = (rig.clone(), made.clone(), refused.clone());
            tokio::spawn(async move {
                for n in 0..50 {
                    match rig.retrier.begin("train", &format!("{worker}-{n}")).await {
                        Ok(attempt) => {
                            made.fetch_add(1, Ordering::Relaxed);
                            tokio::task::yield_now().await;
                            attempt.failed("exit code 75", true).await;
                        }
                        Err(blocked) => {
                            assert_eq!(blocked.reason, Block::BreakerOpen);
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let (made, refused) = (made.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    // Ten open it; the others were under way by then.
    assert!((10..=29).contains(&made), "{made}");
    assert_eq!(made + refused, 1000);
    assert_eq!(rig.told(), ["train open"], "told once, by whoever moved it");
    assert_eq!(rig.count("job.block"), refused as usize, "each block is written down");
    assert_eq!(rig.count("job.breaker"), 1);
    let hour = rig.retrier.hour();
    assert_eq!(hour.all.reasons[Block::BreakerOpen as usize], u64::from(refused));
    let standing = rig.retrier.breaker("train").await.unwrap();
    assert_eq!((standing.state, standing.lever), (State::Open, None));
    assert!(rig.retrier.begin("other", "1").await.is_ok(), "another type is not concerned");
    let text = rig.exposition();
    assert!(text.contains("seawall_breaker_open{breaker=\"train\",upstream=\"\"} 1\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_override_to_half_open_lets_one_of_many_workers_probe() {
    let rig = Arc::new(Rig::new(|builder| builder));
    fail(&rig.retrier, "train", 10).await;
    for (by, reason) in [("", "why"), ("ann", " ")] {
        let unsigned = rig.retrier.override_breaker("train", Lever::HalfOpen, by, reason).await;
        assert_eq!(unsigned, Err(Refused::Unsigned));
    }
    let state = rig.retrier.override_breaker("train", Lever::HalfOpen, "ann", "the disk has room").await;
    assert_eq!(state, Ok(State::HalfOpen));
    let lever = rig.retrier.breaker("train").await.unwrap().lever.unwrap();
    assert_eq!((&*lever.action, &*lever.by, &*lever.reason), ("half-open", "ann", "the disk has room"));
    let workers: Vec<_> = (0..20)
        .map(|n| {
            let rig = rig.clone();
            tokio::spawn(async move { rig.retrier.begin("train", &format!("late-{n}")).await.ok() })
        })
        .collect();
    let mut probes = Vec::new();
    for worker in workers {
        probes.extend(worker.await.unwrap());
    }
    assert_eq!(probes.len(), 1, "exactly one");
    let override_entry =
        rig.trail.latest(usize::MAX).into_iter().find(|(record, _)| record.kind == "job.override");
    let (record, _) = override_entry.unwrap();
    assert_eq!((&*record.by, &*record.reason, &*record.subject), ("ann", "the disk has room", "train"));
    probes.pop().unwrap().worked().await;
    assert_eq!(rig.retrier.breaker("train").await.unwrap().state, State::Closed, "its success closes it");
    assert_eq!(rig.told(), ["train open", "train half-open by ann", "train half-open", "train closed"]);
    assert!(rig.retrier.begin("train", "next").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_for_months_and_a_failed_probe_opens_it_again() {
    let rig = Rig::new(|builder| builder);
    fail(&rig.retrier, "train", 10).await;
    tokio::time::sleep(Duration::from_secs(90 * 86_400)).await;
    let blocked = rig.retrier.begin("train", "1").await.unwrap_err();
    assert_eq!(
        blocked.to_string(),
        "breaker-open: the breaker of its type is open until somebody overrides it"
    );
    rig.retrier.override_breaker("train", Lever::HalfOpen, "ann", "try").await.unwrap();
    rig.retrier.begin("train", "1").await.unwrap().failed("exit code 75", true).await;
    assert_eq!(rig.retrier.breaker("train").await.unwrap().state, State::Open);
    rig.retrier.override_breaker("train", Lever::Reset, "ann", "enough").await.unwrap();
    fail(&rig.retrier, "train", 9).await;
    assert_eq!(rig.retrier.breaker("train").await.unwrap().state, State::Closed, "counted from zero");
}

#[tokio::test(start_paused = true)]
async fn recovery_by_itself_is_an_option() {
    let options = seawall::breaker::Options { recover: seawall::breaker::Recover::Automatic, ..breaker() };
    let rig = Rig::new(|builder| builder.breaker(options));
    fail(&rig.retrier, "train", 10).await;
    let blocked = rig.retrier.begin("train", "1").await.unwrap_err();
    assert_eq!(blocked.retry_after, Some(Duration::from_secs(60)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    rig.retrier.begin("train", "1").await.unwrap().worked().await;
    assert_eq!(rig.told(), ["train open", "train half-open", "train closed"]);
}

#[tokio::test(start_paused = true)]
async fn nine_failures_each_six_minutes_never_open_it_in_a_day() {
    let rig = Rig::new(|builder| builder);
    for _ in 0..240 {
        fail(&rig.retrier, "train", 9).await;
        tokio::time::sleep(Duration::from_secs(360)).await;
    }
    assert_eq!(rig.retrier.breaker("train").await.unwrap().state, State::Closed);
    assert_eq!(rig.told(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn two_processes_that_share_a_memory_share_breaker_and_attempts() {
    let state: Arc<dyn JobState> = Arc::new(Memory::new());
    let (one, two) =
        (Rig::new(|builder| builder.state(state.clone())), Rig::new(|builder| builder.state(state.clone())));
    fail(&one.retrier, "train", 5).await;
    fail(&two.retrier, "train", 5).await;
    for rig in [&one, &two] {
        assert_eq!(rig.retrier.begin("train", "1").await.unwrap_err().reason, Block::BreakerOpen);
    }
    assert_eq!((one.told(), two.told()), (vec![], vec!["train open".to_owned()]));
    one.retrier.override_breaker("train", Lever::Reset, "ann", "well again").await.unwrap();
    let first = one.retrier.begin("train", "1").await.unwrap();
    let second = two.retrier.begin("train", "1").await.unwrap();
    let third = one.retrier.begin("train", "1").await.unwrap();
    assert_eq!((first.number(), second.number(), third.number()), (1, 2, 3));
    assert_eq!(two.retrier.begin("train", "1").await.unwrap_err().reason, Block::AttemptsSpent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_workers_and_the_metrics_count_the_same() {
    let options = Options { base: Duration::from_millis(1), ..Options::default() };
    let off = seawall::breaker::Options::off();
    let rig = Arc::new(Rig::new(|builder| builder.options(options).breaker(off)));
    let calls = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..20)
        .map(|worker| {
            let (rig, calls) = (rig.clone(), calls.clone());
            tokio::spawn(async move {
                let kind = if worker % 2 == 0 { "even" } else { "odd" };
                for n in 0..10 {
                    // Even ones work at the second attempt, odd ones never.
                    let id = format!("{worker}-{n}");
                    let run = rig.retrier.run(kind, &id, passing, async |attempt| {
                        calls.fetch_add(1, Ordering::Relaxed);
                        if worker % 2 == 0 && attempt == 2 { Ok(()) } else { Err("no") }
                    });
                    assert_eq!(run.await.is_ok(), worker % 2 == 0);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(calls.load(Ordering::Relaxed), 100 * 2 + 100 * 3);
    let hour = rig.retrier.hour();
    let even = &hour.types["even"];
    assert_eq!(
        (even.attempts, even.retries, even.success, even.average_attempts),
        (200, 100, Some(0.5), Some(2.0))
    );
    let odd = &hour.types["odd"];
    assert_eq!(
        (odd.attempts, odd.retries, odd.success, odd.average_attempts),
        (300, 200, Some(0.0), Some(3.0))
    );
    assert_eq!(odd.reasons[Block::AttemptsSpent as usize], 100);
    assert_eq!((hour.all.attempts, hour.all.retries, hour.all.retries_per_minute), (500, 300, 5.0));
    assert_eq!(hour.all.average_attempts, Some(2.5));
    assert_eq!(rig.count("job.retry"), 300, "each retry is written down");
    let text = rig.exposition();
    for line in [
        "seawall_job_attempts_total{job_type=\"even\",result=\"worked\"} 100",
        "seawall_job_attempts_total{job_type=\"odd\",result=\"failed\"} 300",
        "seawall_job_retries_total{job_type=\"odd\"} 200",
        "seawall_job_blocks_total{job_type=\"odd\",reason=\"attempts-spent\"} 100",
        "seawall_job_retries_per_minute{job_type=\"\"} 5",
        "seawall_job_attempts_average{job_type=\"\"} 2.5",
        "seawall_job_success_ratio{job_type=\"even\"} 0.5",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    rig.retrier.reset();
    assert_eq!(rig.retrier.hour().all, Summary::default());
    assert!(
        rig.exposition().contains("seawall_job_retries_total{job_type=\"odd\"} 200\n"),
        "counters never fall"
    );
}

#[tokio::test(start_paused = true)]
async fn the_hour_slides() {
    let rig = Rig::new(|builder| builder);
    fail(&rig.retrier, "train", 6).await;
    tokio::time::sleep(Duration::from_secs(30 * 60)).await;
    fail(&rig.retrier, "train", 4).await;
    assert_eq!(rig.retrier.hour().all.attempts, 10);
    tokio::time::sleep(Duration::from_secs(31 * 60)).await;
    assert_eq!(rig.retrier.hour().all.attempts, 4);
    tokio::time::sleep(Duration::from_secs(31 * 60)).await;
    assert_eq!(rig.retrier.hour().types["train"], Summary::default());
}

#[tokio::test(start_paused = true)]
async fn types_are_bounded_and_the_first_too_many_is_named() {
    let rig = Rig::new(|builder| builder.max_types(2).job("known", Options::default()));
    for kind in ["a", "b", "c", "known", "b"] {
        rig.retrier.begin(kind, "1").await.unwrap().worked().await;
    }
    let hour = rig.retrier.hour();
    let names: Vec<&str> = hour.types.keys().map(|name| &**name).collect();
    assert_eq!(names, ["(overflow)", "a", "known"]);
    assert_eq!(hour.types["(overflow)"].attempts, 3);
    let overflow = hour.overflow.unwrap();
    assert_eq!((&*overflow.first, overflow.times), ("b", 3));
}

/// A memory that is away.
#[derive(Debug)]
struct Away;

impl JobState for Away {
    fn read<'a>(&'a self, _: &'a Key) -> Asked<'a, Option<seawall_core::job::Cell>> {
        Box::pin(async { Err(StoreError::Unavailable("it is away".into())) })
    }

    fn swap<'a>(&'a self, _: &'a Key, _: Option<u64>, _: String, _: Duration) -> Asked<'a, bool> {
        Box::pin(async { Err(StoreError::Unavailable("it is away".into())) })
    }
}

#[tokio::test(start_paused = true)]
async fn without_its_memory_nothing_is_attempted_and_every_block_says_so() {
    let rig = Rig::new(|builder| builder.state(Arc::new(Away)));
    let blocked = rig.retrier.begin("train", "1").await.unwrap_err();
    assert_eq!(blocked.to_string(), "state-unavailable: the store cannot be reached: it is away");
    assert_eq!(rig.count("job.block"), 1);
    let refused = rig.retrier.override_breaker("train", Lever::Reset, "ann", "x").await.unwrap_err();
    assert!(matches!(refused, Refused::Unavailable(_)));
}

/// An audit trail that is away.
#[derive(Debug)]
struct Unwritable;

impl Audit for Unwritable {
    fn note(&self, entry: Entry) -> Result<(), AuditError> {
        match entry.class {
            seawall_core::audit::Class::Closed => Err(AuditError::new("the disk is full")),
            seawall_core::audit::Class::Open => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_entry_no_override_and_retries_go_on() {
    let retrier = Retrier::builder().audit(Arc::new(Unwritable)).build().unwrap();
    fail(&retrier, "train", 10).await;
    let refused = retrier.override_breaker("train", Lever::Reset, "ann", "x").await.unwrap_err();
    assert_eq!(refused.to_string(), "the audit trail cannot be written: the disk is full");
    assert_eq!(retrier.breaker("train").await.unwrap().state, State::Open, "nothing was done");
    assert!(matches!(retrier.grant("train", "1", "ann", "x").await, Err(Refused::Unwritten(_))));
    assert!(retrier.begin("other", "1").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_never_heard_of_gives_its_place_back() {
    let rig = Rig::new(|builder| builder);
    fail(&rig.retrier, "train", 10).await;
    rig.retrier.override_breaker("train", Lever::HalfOpen, "ann", "try").await.unwrap();
    drop(rig.retrier.begin("train", "lost").await.unwrap());
    tokio::time::sleep(Duration::from_secs(3590)).await;
    let blocked = rig.retrier.begin("train", "1").await.unwrap_err();
    assert_eq!((blocked.reason, &*blocked.why), (Block::BreakerOpen, "the breaker of its type is probing"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    rig.retrier.begin("train", "1").await.unwrap().worked().await;
    assert_eq!(rig.retrier.breaker("train").await.unwrap().state, State::Closed);
}
