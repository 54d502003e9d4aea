mod files;
mod hiding;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;

use seawall_core::Instant;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::secret::Secret;
use seawall_core::units::Size;
use serde_json::Value;
use tempfile::TempDir;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that was written, wherever.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn lines(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn on_paper(options: Options) -> (Logs, Secrets, Paper) {
    let (paper, secrets) = (Paper::default(), Secrets::default());
    let logs = Logs::into_writer(options, &secrets, paper.clone()).unwrap();
    (logs, secrets, paper)
}

/// What `tracing` makes of `act`.
fn traced(logs: &Logs, act: impl FnOnce()) {
    with_default(tracing_subscriber::registry().with(logs.layer()), act);
    assert!(logs.flush(PATIENCE));
}

fn in_files(options: Options) -> (Logs, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { directory: Some(folder.path().join("logs")), ..options };
    (Logs::in_files(options, &Secrets::default()).unwrap(), folder)
}

fn read(folder: &TempDir, file: &str) -> Vec<Value> {
    lines(&fs::read_to_string(folder.path().join("logs").join(file)).unwrap_or_default())
}

#[test]
fn the_defaults_are_the_published_ones_and_nonsense_is_refused_by_name() {
    let options = Options::default();
    options.check().unwrap();
    assert_eq!((options.rotate, options.files, options.level), (Size(10_000_000), 5, Level::Info));
    let key = |options: Options| options.check().unwrap_err().key;
    assert_eq!(key(Options { rotate: Size(10), ..Options::default() }), "rotate");
    assert_eq!(key(Options { files: 0, ..Options::default() }), "files");
    assert_eq!(key(Options { every: Duration::from_secs(1), ..Options::default() }), "every");
    assert_eq!(key(Options { keep: Duration::from_secs(59), ..Options::default() }), "keep");
    assert_eq!(key(Options { queue: Size(1), ..Options::default() }), "queue");
    assert_eq!(key(Options { redact: vec!["x".into()], ..Options::default() }), "redact");
    let read: Options =
        serde_json::from_str(r#"{"rotate":"1MB","every":"1d","levels":{"seawall::performance":"debug"}}"#)
            .unwrap();
    assert_eq!(
        (read.rotate, read.level_of(PERFORMANCE), read.level_of("x")),
        (Size(1_000_000), Level::Debug, Level::Info)
    );
    assert!(Logs::in_files(Options::default(), &Secrets::default()).is_err(), "there is no directory");
}

#[test]
fn a_line_says_when_how_grave_where_which_call_and_what() {
    let (logs, _, paper) = on_paper(Options::default());
    let id = CallId::new();
    let line = logs.line(Stream::Performance, Level::Info, "answered").call(id).text("upstream", "openai");
    line.number("took_ms", 12.5).count("attempts", 2).flag("cached", false).number("share", f64::NAN).write();
    assert!(logs.flush(PATIENCE));
    let written = &lines(&paper.text())[0];
    let expected = serde_json::json!({
        "ts": written["ts"], "level": "info", "stream": "performance", "target": "seawall::performance",
        "run": logs.run(), "msg": "answered", "call": id.to_string(), "upstream": "openai", "took_ms": 12.5,
        "attempts": 2, "cached": false, "share": "NaN",
    });
    assert_eq!(*written, expected);
    let moment: jiff::Timestamp = written["ts"].as_str().unwrap().parse().unwrap();
    let now = jiff::Timestamp::try_from(seawall_core::clock::wall_now()).unwrap();
    assert!(now.duration_since(moment).abs() < jiff::SignedDuration::from_secs(60));
}

#[test]
fn every_line_inside_a_calls_span_bears_its_call() {
    let (logs, _, paper) = on_paper(Options { level: Level::Warn, ..Options::default() });
    traced(&logs, || {
        let call = tracing::info_span!("call", call = %"0190-one", upstream = "openai");
        let inside = call.enter();
        tracing::warn!("in the call");
        let attempt = tracing::warn_span!("attempt", number = 2, class = tracing::field::Empty);
        attempt.record("class", "timeout");
        attempt.in_scope(|| tracing::warn!(rest = 7, "in the attempt"));
        drop(inside);
        tracing::warn!("outside");
        tracing::warn!(call = "0190-two", "of itself");
        tracing::info!("not heard");
    });
    let written = lines(&paper.text());
    let calls: Vec<&Value> = written.iter().map(|line| &line["call"]).collect();
    assert_eq!(
        calls,
        ["0190-one".into(), "0190-one".into(), Value::Null, "0190-two".into()]
            .iter()
            .collect::<Vec<&Value>>()
    );
    assert_eq!((&written[1]["msg"], &written[1]["rest"]), (&"in the attempt".into(), &7.into()));
    let spans = serde_json::json!([{"name":"attempt","number":2,"class":"timeout"},{"name":"call","upstream":"openai"}]);
    assert_eq!(written[1]["spans"], spans);
}

#[test]
fn targets_lead_to_streams_and_each_has_a_level_of_its_own() {
    let levels = BTreeMap::from([(PERFORMANCE.to_owned(), Level::Debug), ("noisy".to_owned(), Level::Error)]);
    let (logs, folder) = in_files(Options { levels, ..Options::default() });
    traced(&logs, || {
        tracing::debug!(target: PERFORMANCE, took_ms = 3, "answered");
        tracing::info!(target: AUDIT, by = "ann", "a lever was pulled");
        tracing::info!(target: CARBON, grams = 12.5, kwh = 0.03, job = "train", "emitted");
        tracing::info!("started");
        tracing::debug!("not heard");
        tracing::warn!(target: "noisy::inside", "not heard");
        tracing::error!("went wrong");
    });
    let messages =
        |file: &str| read(&folder, file).iter().map(|line| line["msg"].to_string()).collect::<Vec<_>>();
    assert_eq!(messages("performance.jsonl"), [r#""answered""#]);
    assert_eq!(messages("audit.jsonl"), [r#""a lever was pulled""#]);
    assert_eq!(read(&folder, "carbon.jsonl")[0]["grams"], 12.5);
    assert_eq!(messages("app.jsonl"), [r#""started""#, r#""went wrong""#]);
    assert_eq!(messages("errors.jsonl"), [r#""went wrong""#]);
}

#[test]
fn files_and_their_directory_are_for_their_owner_alone() {
    let (logs, folder) = in_files(Options::default());
    logs.line(Stream::App, Level::Info, "hello").write();
    assert!(logs.flush(PATIENCE));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let logs = folder.path().join("logs");
    assert_eq!((mode(&logs), mode(&logs.join("app.jsonl"))), (0o700, 0o600));
}

#[test]
fn errors_of_one_cause_are_counted_and_told_at_each_power_of_ten() {
    let (logs, folder) = in_files(Options::default());
    traced(&logs, || {
        for n in 0..150 {
            tracing::error!("connection to 10.0.0.{n} lost after {n} ms");
            tracing::error!(
                cause = "SW0012",
                "message {n} of its own {}",
                if n % 2 == 0 { "even" } else { "odd" }
            );
        }
        tracing::error!("the disk is full");
    });
    let told: Vec<u64> =
        read(&folder, "errors.jsonl").iter().map(|line| line["count"].as_u64().unwrap()).collect();
    assert_eq!(told, [1, 1, 10, 10, 100, 100, 1]);
    let groups = logs.errors();
    assert_eq!(groups.iter().map(|group| group.count).collect::<Vec<_>>(), [150, 150, 1]);
    let example: Value = serde_json::from_str(&groups[2].example).unwrap();
    assert_eq!(example["msg"], "the disk is full");
    assert_eq!(read(&folder, "errors.jsonl")[6]["group"], groups[2].id);
    assert_eq!(read(&folder, "app.jsonl").len(), 301, "nothing is taken out of the common stream");
}

#[test]
fn a_thousand_causes_take_no_more_than_the_bound_and_the_frequent_stay() {
    let mut groups = errors::Groups::default();
    for _ in 0..50 {
        groups.count(7, "frequent");
    }
    (100..1100).for_each(|cause| {
        groups.count(cause, "rare");
    });
    assert_eq!((groups.list().len(), groups.list()[0].count), (256, 50));
}

#[test]
fn a_line_has_an_end_however_much_is_put_into_it() {
    let (logs, _, paper) = on_paper(Options::default());
    let huge = "é".repeat(1 << 20);
    let mut line = logs.line(Stream::App, Level::Info, &huge);
    for n in 0..100 {
        line = line.text(&format!("field {n}"), &huge);
    }
    line.write();
    assert!(logs.flush(PATIENCE));
    assert!(paper.text().len() < 32 << 10, "{}", paper.text().len());
    assert_eq!(lines(&paper.text())[0]["cut"], true);
}

#[test]
fn a_value_that_logs_while_it_is_printed_is_no_trouble() {
    struct Chatty<'l>(&'l Logs);
    impl fmt::Display for Chatty<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0
                .line(Stream::App, Level::Info, "from inside")
                .shown("inner", format_args!("{}-{}", 1, 2))
                .write();
            write!(f, "outer {}", 3)
        }
    }
    let (logs, _, paper) = on_paper(Options::default());
    logs.line(Stream::App, Level::Info, "from outside").shown("value", Chatty(&logs)).write();
    assert!(logs.flush(PATIENCE));
    let written = lines(&paper.text());
    assert_eq!((&written[0]["inner"], &written[1]["value"]), (&"1-2".into(), &"outer 3".into()));
}

/// A writer that stands still until it is let go.
struct Stuck(mpsc::Receiver<()>, Paper);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_stands_still_blocks_nobody_and_what_is_lost_is_counted_and_told() {
    let (release, held) = mpsc::channel();
    let paper = Paper::default();
    let options = Options { queue: Size(64 << 10), ..Options::default() };
    let logs = Logs::into_writer(options, &Secrets::default(), Stuck(held, paper.clone())).unwrap();
    logs.line(Stream::App, Level::Info, "the writer takes this one and stands still").write();
    assert!(!logs.flush(Duration::from_millis(100)));
    for n in 0..2000 {
        logs.line(Stream::App, Level::Info, "an ordinary line").count("n", n).write();
    }
    let (full, failed) = logs.lost();
    assert!(full > 1000 && failed == 0, "{full} {failed}");
    logs.line(Stream::Carbon, Level::Info, "accounted for").write();
    logs.line(Stream::App, Level::Info, "no room").write();
    assert_eq!(logs.lost().0, full + 1, "room is kept for what is accounted for");
    drop(release);
    assert!(logs.flush(PATIENCE));
    let written = lines(&paper.text());
    let told: u64 = written.iter().filter_map(|line| line["lost"].as_u64()).sum();
    assert_eq!(told, full + 1);
    assert!(written.iter().any(|line| line["msg"] == "accounted for"));
    assert_eq!(written.iter().filter(|line| line["msg"] == "an ordinary line").count() as u64 + full, 2000);
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app.jsonl");
    let directory = Some(folder.path().to_owned());
    let logs = Logs::in_files(Options { directory, ..Options::default() }, &Secrets::default()).unwrap();
    // The device that is always full.
    fs::remove_file(&app).unwrap();
    symlink("/dev/full", &app).unwrap();
    logs.reopen();
    logs.line(Stream::App, Level::Info, "one").write();
    logs.line(Stream::App, Level::Info, "two").write();
    logs.line(Stream::Audit, Level::Info, "elsewhere").write();
    assert!(logs.flush(PATIENCE));
    assert_eq!(logs.lost(), (0, 2));
    fs::remove_file(&app).unwrap();
    logs.line(Stream::App, Level::Info, "three").write();
    assert!(logs.flush(PATIENCE));
    let written = lines(&fs::read_to_string(&app).unwrap());
    assert!(written.iter().any(|line| line["msg"] == "three"));
    assert_eq!(written.iter().filter_map(|line| line["lost"].as_u64()).sum::<u64>(), 2);
    assert!(fs::read_to_string(folder.path().join("audit.jsonl")).unwrap().contains("elsewhere"));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    fs::write(&file, "x").unwrap();
    let options = Options { directory: Some(file.join("logs")), ..Options::default() };
    assert!(Logs::in_files(options, &Secrets::default()).is_err());
}

#[test]
fn a_writer_that_panics_is_waited_for_by_nobody() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("this is what a test looks like");
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let logs = Logs::into_writer(Options::default(), &Secrets::default(), Broken).unwrap();
    logs.line(Stream::App, Level::Info, "hello").write();
    assert!(logs.flush(PATIENCE), "it was handed over, and the hand is gone");
    logs.line(Stream::App, Level::Info, "hello").write();
    assert_eq!(logs.lost().0, 1);
}

#[test]
fn threads_do_not_mix_their_lines_and_dropping_the_logs_writes_what_is_left() {
    let (logs, folder) = in_files(Options::default());
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let logs = logs.clone();
            scope.spawn(move || {
                for n in 0..500 {
                    logs.line(Stream::App, Level::Info, "counted")
                        .count("thread", thread)
                        .count("n", n)
                        .write();
                }
            });
        }
    });
    drop(logs);
    let written = read(&folder, "app.jsonl");
    for thread in 0..4u64 {
        let own: Vec<u64> = written
            .iter()
            .filter(|line| line["thread"] == thread)
            .map(|line| line["n"].as_u64().unwrap())
            .collect();
        assert_eq!(own, (0..500).collect::<Vec<u64>>());
    }
}

#[test]
fn what_policies_tell_becomes_a_line() {
    let (logs, folder) = in_files(Options::default());
    let tell = |fact| logs.offer(Event { at: Instant::ORIGIN, name: "openai".into(), fact });
    tell(Fact::BreakerMoved { to: "open", why: "5 failures in a row" });
    tell(Fact::Lever { action: "reset", by: "ann".into(), reason: "well again".into() });
    tell(Fact::HealthMoved { to: "unhealthy", why: "no answer in 5s".into() });
    tell(Fact::BudgetExhausted);
    tell(Fact::AuditTrouble { what: "the file was cut".into() });
    assert!(logs.flush(PATIENCE));
    let app = read(&folder, "app.jsonl");
    assert_eq!(app.len(), 2, "{app:?}");
    assert_eq!(
        (&app[0]["name"], &app[0]["to"], &app[0]["level"]),
        (&"openai".into(), &"open".into(), &"warn".into())
    );
    assert_eq!(app[1]["why"], "no answer in 5s");
    let audit = read(&folder, "audit.jsonl");
    assert_eq!((&audit[0]["by"], &audit[1]["what"]), (&"ann".into(), &"the file was cut".into()));
    assert_eq!(read(&folder, "errors.jsonl").len(), 1);
}

#[test]
fn lost_lines_are_in_the_metrics() {
    let (logs, _, _) = on_paper(Options::default());
    let registry = Registry::new();
    let _shown = logs.observe(&registry);
    let text = registry.render(crate::metrics::Format::Prometheus);
    assert!(text.contains("seawall_log_lines_lost_total{reason=\"full\"} 0"), "{text}");
}
