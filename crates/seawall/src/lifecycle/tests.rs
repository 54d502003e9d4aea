use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use tokio::time::{Instant, sleep};

use super::*;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

type Order = Arc<Mutex<Vec<String>>>;

/// A step that takes so long and then writes its name down.
fn step(lifecycle: &Lifecycle, order: &Order, stage: Stage, name: &str, deadline: u64, takes: u64) {
    let (order, named) = (order.clone(), name.to_owned());
    let act = move || async move {
        sleep(secs(takes)).await;
        order.lock().unwrap().push(named);
        Ok::<_, &str>(())
    };
    lifecycle.on(stage, name, secs(deadline), act).unwrap();
}

fn endings(report: &Report) -> Vec<(&str, Ending)> {
    report.steps.iter().map(|step| (&*step.name, step.ending)).collect()
}

#[tokio::test(start_paused = true)]
async fn steps_are_taken_in_order_and_the_report_is_clean() {
    let (lifecycle, order) = (Lifecycle::new(Options::default()).unwrap(), Order::default());
    for (stage, name) in [
        (Stage::Flush, "logs"),
        (Stage::Persist, "store"),
        (Stage::Stop, "metrics"),
        (Stage::Stop, "scheduler"),
        (Stage::Refuse, "listener"),
        (Stage::Unready, "readiness"),
    ] {
        step(&lifecycle, &order, stage, name, 5, 1);
    }
    lifecycle.ready();
    assert!(lifecycle.is_ready() && !lifecycle.is_stopping());
    let report = lifecycle.shutdown("SIGTERM").await;
    let expected = ["readiness", "listener", "scheduler", "metrics", "store", "logs"];
    assert_eq!(*order.lock().unwrap(), expected);
    assert!(report.is_clean() && !lifecycle.is_ready());
    assert_eq!((&*report.why, report.took, report.steps[2].took), ("SIGTERM", secs(6), secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_hangs_fails_or_panics_does_not_keep_the_others_from_their_turn() {
    let (lifecycle, order) = (Lifecycle::new(Options::default()).unwrap(), Order::default());
    step(&lifecycle, &order, Stage::Flush, "logs", 5, 1);
    lifecycle.on(Stage::Persist, "store", secs(5), || async { Err("the disk is full") }).unwrap();
    lifecycle
        .on(Stage::Stop, "broken", secs(5), || async {
            if std::hint::black_box(true) {
                panic!("this is what a test looks like");
            }
            Ok::<_, &str>(())
        })
        .unwrap();
    step(&lifecycle, &order, Stage::Drain, "hangs", 3, 1_000_000);
    let report = lifecycle.shutdown("test").await;
    let expected = [
        ("hangs", Ending::Late),
        ("broken", Ending::Failed),
        ("store", Ending::Failed),
        ("logs", Ending::Done),
    ];
    assert_eq!(endings(&report), expected);
    assert_eq!(report.steps[0].why.as_deref(), Some("not done in 3s"));
    assert_eq!(report.steps[1].why.as_deref(), Some("it panicked"));
    assert_eq!(report.steps[2].why.as_deref(), Some("the disk is full"));
    assert!(!report.is_clean());
    assert_eq!(report.took, secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_eats_all_the_time_takes_nothing_from_what_is_kept() {
    let (lifecycle, order) = (Lifecycle::new(Options::default()).unwrap(), Order::default());
    step(&lifecycle, &order, Stage::Persist, "store", 5, 4);
    step(&lifecycle, &order, Stage::Stop, "scheduler", 5, 1);
    step(&lifecycle, &order, Stage::Drain, "calls", 3600, 3600);
    let report = lifecycle.shutdown("test").await;
    let expected = [("calls", Ending::Late), ("scheduler", Ending::Skipped), ("store", Ending::Done)];
    assert_eq!((endings(&report), report.took), (expected.to_vec(), secs(34)));
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_hurry_loses_the_drain_and_nothing_else() {
    let (lifecycle, order) = (Lifecycle::new(Options::default()).unwrap(), Order::default());
    step(&lifecycle, &order, Stage::Persist, "store", 5, 4);
    step(&lifecycle, &order, Stage::Stop, "scheduler", 5, 1);
    step(&lifecycle, &order, Stage::Drain, "calls", 3600, 3600);
    let other = lifecycle.clone();
    tokio::spawn(async move {
        sleep(secs(2)).await;
        other.hurry();
    });
    let report = lifecycle.shutdown("test").await;
    let expected = [("calls", Ending::Late), ("scheduler", Ending::Skipped), ("store", Ending::Done)];
    assert_eq!((endings(&report), report.took), (expected.to_vec(), secs(6)));
    assert_eq!(report.steps[0].why.as_deref(), Some("somebody was in a hurry"));
}

#[tokio::test(start_paused = true)]
async fn tasks_are_told_waited_for_and_cut() {
    let lifecycle = Lifecycle::new(Options::default()).unwrap();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let mut stopping = lifecycle.stopping();
    let told = ended.clone();
    lifecycle.spawn(async move {
        stopping.begun().await;
        sleep(secs(3)).await;
        told.lock().unwrap().push("stream");
    });
    for _ in 0..2 {
        lifecycle.spawn(std::future::pending());
    }
    lifecycle.spawn(async {});
    sleep(secs(1)).await;
    let report = lifecycle.shutdown("test").await;
    assert_eq!(*ended.lock().unwrap(), ["stream"]);
    assert_eq!((report.cut, report.took, report.is_clean()), (2, secs(30), false));
}

#[tokio::test(start_paused = true)]
async fn readiness_is_off_for_a_while_before_anything_is_refused() {
    let options = Options { delay: secs(7), ..Options::default() };
    let (lifecycle, order) = (Lifecycle::new(options).unwrap(), Order::default());
    step(&lifecycle, &order, Stage::Refuse, "listener", 5, 0);
    lifecycle.ready();
    let (mut begun, mut refusing) = (lifecycle.stopping(), lifecycle.stopping());
    let other = lifecycle.clone();
    let began = Instant::now();
    let ending = tokio::spawn(async move { other.shutdown("test").await });
    begun.begun().await;
    assert!(!lifecycle.is_ready() && begun.has_begun());
    assert_eq!(began.elapsed(), Duration::ZERO);
    refusing.reached(Stage::Refuse).await;
    assert_eq!(began.elapsed(), secs(7));
    assert!(ending.await.unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn an_end_happens_once_and_everybody_is_told_how_it_went() {
    let (lifecycle, order) = (Lifecycle::new(Options::default()).unwrap(), Order::default());
    step(&lifecycle, &order, Stage::Drain, "first", 5, 2);
    step(&lifecycle, &order, Stage::Persist, "second", 5, 2);
    let dropped = within(lifecycle.shutdown("given up"), secs(1)).await;
    assert!(dropped.is_err() && lifecycle.is_stopping());
    let (one, two) = tokio::join!(lifecycle.shutdown("one"), lifecycle.shutdown("two"));
    assert_eq!(one, two);
    assert_eq!(*order.lock().unwrap(), ["second"], "what was dropped is not begun again");
    assert_eq!(lifecycle.shutdown("three").await, one);
    let late = lifecycle.on(Stage::Flush, "late", secs(1), || async { Ok::<_, &str>(()) }).unwrap_err();
    assert_eq!(late.to_string(), "stage: the end has begun: register \"late\" before that");
}

#[tokio::test(start_paused = true)]
async fn each_step_is_told_before_it_is_taken() {
    let told: Order = Arc::default();
    let all = told.clone();
    let tell = move |stage: &Stage, name: &str, patience: Duration| {
        all.lock().unwrap().push(format!("{stage} {name} {patience:?}"));
    };
    let lifecycle = Lifecycle::with(Options::default(), default_clock(), tell).unwrap();
    step(&lifecycle, &Order::default(), Stage::Drain, "calls", 60, 0);
    step(&lifecycle, &Order::default(), Stage::Flush, "logs", 2, 0);
    lifecycle.shutdown("test").await;
    assert_eq!(*told.lock().unwrap(), ["drain calls 30s", "flush logs 2s"]);
}

#[tokio::test]
async fn a_step_that_blocks_blocks_nobody_else() {
    let lifecycle = Lifecycle::new(Options::default()).unwrap();
    lifecycle.on_blocking(Stage::Flush, "logs", secs(5), || Ok::<_, &str>(())).unwrap();
    lifecycle.on_blocking(Stage::Persist, "store", secs(5), || Err("no")).unwrap();
    let report = lifecycle.shutdown("test").await;
    assert_eq!(endings(&report), [("store", Ending::Failed), ("logs", Ending::Done)]);
}

proptest! {
    /// Law: whatever steps there are and however long they take, every one of them is in the report, what is kept is never
    /// skipped, and the whole takes no longer than the patience and the deadlines of what is kept.
    #[test]
    fn an_end_always_comes(
        steps in prop::collection::vec((prop::sample::select(Stage::ALL), 1u64..40, 0u64..60), 0..12),
        hang in any::<bool>(),
        hurry in prop::option::of(0u64..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let lifecycle = Lifecycle::new(Options::default()).unwrap();
            for (n, (stage, deadline, takes)) in steps.iter().enumerate() {
                step(&lifecycle, &Order::default(), *stage, &n.to_string(), *deadline, *takes);
            }
            if hang {
                lifecycle.spawn(std::future::pending());
            }
            if let Some(after) = hurry {
                let lifecycle = lifecycle.clone();
                tokio::spawn(async move {
                    sleep(secs(after)).await;
                    lifecycle.hurry();
                });
            }
            let report = lifecycle.shutdown("test").await;
            prop_assert_eq!(report.steps.len(), steps.len());
            prop_assert_eq!(report.cut, usize::from(hang));
            let kept: u64 = steps.iter().filter(|step| step.0.is_kept()).map(|step| step.1).sum();
            prop_assert!(report.took <= secs(30 + kept), "{:?}", report);
            for taken in &report.steps {
                prop_assert!(!taken.stage.is_kept() || taken.ending != Ending::Skipped);
            }
            Ok(())
        })?;
    }
}

#[cfg(feature = "signal")]
#[tokio::test]
async fn a_signal_ends_it_a_second_one_is_in_a_hurry_and_others_are_passed_on() {
    fn send(signal: &str) {
        let pid = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
    let lifecycle = Lifecycle::new(Options::default()).unwrap();
    let mut stopping = lifecycle.stopping();
    // The first drain never ends; the second signal comes when it has begun.
    lifecycle
        .on(Stage::Drain, "calls", secs(20), || async {
            send("-INT");
            std::future::pending::<Result<(), &str>>().await
        })
        .unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (all, waiting) = (heard.clone(), lifecycle.clone());
    let ended = tokio::spawn(async move {
        let mut ready = false;
        let note = move |what| {
            all.lock().unwrap().push(what);
            if !std::mem::replace(&mut ready, true) {
                send("-USR1");
            } else {
                send("-TERM");
            }
        };
        waiting.until_stopped(note).await.unwrap()
    });
    // Listened for by now: the task has been polled.
    tokio::task::yield_now().await;
    send("-HUP");
    stopping.begun().await;
    let report = tokio::time::timeout(secs(10), ended).await.unwrap().unwrap();
    assert_eq!(*heard.lock().unwrap(), [Heard::Reload, Heard::Reopen]);
    assert_eq!((&*report.why, endings(&report)), ("SIGTERM", vec![("calls", Ending::Late)]));
}

#[cfg(target_os = "linux")]
mod supervised {
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::super::systemd::Notify;
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let pairs: Vec<(String, OsString)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        move |name| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn told(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn what_is_told_arrives_at_a_path_and_at_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("seawall-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, at) in [(&by_path, path.to_str().unwrap().to_owned()), (&by_name, format!("@{name}"))] {
            let notify = Notify::of(env(&[("NOTIFY_SOCKET", &at)])).unwrap();
            notify.ready();
            notify.status("draining\n3 calls");
            notify.extend(secs(2));
            notify.stopping();
            let said = [told(socket), told(socket), told(socket), told(socket)];
            assert_eq!(
                said,
                ["READY=1", "STATUS=draining 3 calls", "EXTEND_TIMEOUT_USEC=2000000", "STOPPING=1"]
            );
            assert_eq!(notify.watchdog(), None);
        }
    }

    #[test]
    fn where_nobody_supervises_nothing_is_told() {
        assert!(Notify::of(env(&[])).is_none());
        for wrong in ["", "relative", "@", &"/x".repeat(200)] {
            if let Some(notify) = Notify::of(env(&[("NOTIFY_SOCKET", wrong)])) {
                notify.ready();
            }
        }
        let gone = Notify::of(env(&[("NOTIFY_SOCKET", "/nobody/listens/here")])).unwrap();
        gone.ready();
    }

    #[test]
    fn the_watchdog_is_ours_or_somebody_elses() {
        let own = std::process::id().to_string();
        let watchdog = |usec: &str, pid: &str| {
            let pairs = [("NOTIFY_SOCKET", "/x"), ("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)];
            Notify::of(env(&pairs)).unwrap().watchdog()
        };
        assert_eq!(watchdog("30000000", &own), Some(secs(30)));
        assert_eq!(watchdog("30000000", "1"), None);
        assert_eq!(watchdog("0", &own), None);
        assert_eq!(watchdog("soon", &own), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_says_that_it_lives_twice_in_the_time_and_only_while_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let pairs = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "30000000")];
        let notify = Notify::of(env(&pairs)).unwrap();
        let began = Instant::now();
        let lives = move || began.elapsed() < secs(100);
        let _ = within(notify.keep_alive(lives), secs(200)).await;
        let mut count = 0;
        while socket.recv(&mut [0; 64]).is_ok() {
            count += 1;
        }
        assert_eq!(count, 7, "at 0, 15, … 90 s, and then no more");
    }
}
