//! The binary as scripts see it: exit codes, and what goes to stdout and what to stderr.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `seawall` in a directory, with an environment of its own.
fn seawall(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.args(arguments).current_dir(directory).env_clear();
    command
}

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn run(directory: &Path, arguments: &[&str]) -> Ran {
    seawall(directory, arguments).output().unwrap().into()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

#[test]
fn init_writes_what_check_accepts_and_never_over_a_file() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["init"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    let ran = run(home.path(), &["check"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "seawall.toml: good\n"));
    assert!(
        ran.out.starts_with("route chat  POST /openai/v1/chat/** → openai  billable\n    deadline 1m → "),
        "{}",
        ran.out
    );

    std::fs::write(home.path().join("seawall.toml"), "mine").unwrap();
    let ran = run(home.path(), &["init"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("is there already: --force replaces it"), "{}", ran.err);
    assert_eq!(std::fs::read_to_string(home.path().join("seawall.toml")).unwrap(), "mine");
    assert_eq!(run(home.path(), &["init", "--force"]).code, Some(0));
    assert_eq!(run(home.path(), &["check"]).code, Some(0));
}

#[test]
fn check_says_every_error_on_stderr_and_exits_with_two() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a.toml"), "listen = '7070'\n[upstream.a]\nurl = 'nonsense'\n").unwrap();
    let ran = run(home.path(), &["check", "-c", "a.toml"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert_eq!(
        ran.err,
        "a.toml:1:10: listen: \"7070\" has no address: write \"127.0.0.1:7070\"\n\
         a.toml:3:7: upstream.a.url: is not a URL: write \"https://host/path\"\n\
         a.toml: 2 errors, 0 warnings\n"
    );
    let ran = run(home.path(), &["check", "-c", "a.toml", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(2), ""));
    let verdict = json(&ran.out);
    assert_eq!((&verdict["ok"], &verdict["warnings"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(
        verdict["errors"][0],
        serde_json::json!({
            "code": "SW0026", "origin": "a.toml:1:10", "file": "a.toml", "line": 1, "column": 10, "key": "listen",
            "message": "\"7070\" has no address: write \"127.0.0.1:7070\"", "advice": null,
        })
    );
}

#[test]
fn a_good_check_in_json_tells_routes_and_warnings() {
    let home = tempfile::tempdir().unwrap();
    let text =
        "[upstream.a]\nurl = 'https://a'\n[route.r]\nmatch.path = '/a/x'\nmodel = { a = { x = 'y' } }\n";
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    let ran = run(home.path(), &["check", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let verdict = json(&ran.out);
    assert_eq!(verdict["ok"], true);
    assert_eq!(verdict["routes"][0]["name"], "r");
    assert_eq!(verdict["routes"][0]["to"], serde_json::json!(["a"]));
    assert_eq!(
        (&verdict["warnings"][0]["code"], &verdict["warnings"][0]["line"]),
        (&"SW0090".into(), &5.into())
    );

    let ran = run(home.path(), &["serve"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(2), ""),
        "what is a warning to check is an error to serve"
    );
    assert!(
        ran.err.starts_with("seawall.toml:5:1: route.r.model: SW0090 not available yet: "),
        "{}",
        ran.err
    );
}

#[test]
fn a_missing_file_says_what_to_do_instead() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["serve"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("seawall.toml: SW0027 no such file"), "{}", ran.err);
    assert!(ran.err.contains("`seawall init`") && ran.err.contains("`seawall proxy openai`"), "{}", ran.err);
    assert_eq!(run(home.path(), &["check", "-c", "none.toml"]).code, Some(2));
}

#[test]
fn profiles_and_variables_reach_the_settings() {
    let home = tempfile::tempdir().unwrap();
    let text = "[upstream.a]\nurl = 'https://a'\n[profile.prod]\ndefaults.deadline = '40s'\n";
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    let shown = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = seawall(home.path(), arguments).envs(variables.iter().copied()).output().unwrap();
        Ran::from(output).out
    };
    assert!(shown(&["check"], &[]).contains("deadline 1m → "));
    assert!(shown(&["check", "--profile", "prod"], &[]).contains("deadline 40s → "));
    assert!(shown(&["check"], &[("SEAWALL_PROFILE", "prod")]).contains("deadline 40s → "));
    assert!(shown(&["check"], &[("SEAWALL__DEFAULTS__DEADLINE", "50s")]).contains("deadline 50s → "));
    let out = shown(&["config", "show", "--profile", "prod"], &[]);
    assert!(out.contains("deadline = \"40s\"  # seawall.toml:4:21"), "{out}");
    let whole = json(&shown(&["config", "show", "--profile", "prod", "--json"], &[]));
    assert_eq!(
        (&whole["config"]["defaults"]["deadline"], &whole["config"]["upstream"]["a"]["url"]),
        (&"40s".into(), &"https://a".into())
    );
    let sources = &whole["sources"];
    assert_eq!(
        (&sources["defaults.deadline"], &sources["listen"]),
        (&"seawall.toml:4:21".into(), &"default".into())
    );
    let schema = json(&shown(&["config", "schema"], &[]));
    assert!(schema["properties"]["upstream"].is_object());
}

#[test]
fn codes_are_explained_without_anything_running() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(home.path(), &["explain", "SW0007"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.starts_with("# SW0007"), "{}", ran.out);
    let page = json(&run(home.path(), &["explain", "sw0004", "--json"]).out);
    assert_eq!(
        (&page["code"], &page["status"], &page["policy"]),
        (&"SW0004".into(), &503.into(), &"breaker".into())
    );
    for (what, part) in
        [("SW9999", "there is no code SW9999"), ("nonsense", "neither a call's id nor a code")]
    {
        let ran = run(home.path(), &["explain", what]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
        assert!(ran.err.contains(part), "{}", ran.err);
    }
}

#[test]
fn nobody_at_the_admin_port_is_a_failure_that_says_whom_it_asked() {
    let home = tempfile::tempdir().unwrap();
    // Bound and let go again: nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(home.path().join("seawall.toml"), format!("admin = '{free}'")).unwrap();
    for command in ["status", "breakers", "limits", "upstreams"] {
        let ran = run(home.path(), &[command]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
        assert!(ran.err.contains(&format!("no seawall answers at http://{free}")), "{}", ran.err);
        assert!(ran.err.contains("is `seawall serve` running?"), "{}", ran.err);
    }
    assert_eq!(run(home.path(), &["status", "--admin", "ftp://x"]).code, Some(2));
}

#[test]
fn words_that_are_not_known_exit_with_two_and_help_with_zero() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["nonsense"][..], 2),
        (&["check", "--nonsense"], 2),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["completions", "bash"], 0),
    ] {
        let ran = run(home.path(), arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}");
        assert_eq!(ran.out.is_empty(), code != 0, "{arguments:?}");
        assert_eq!(ran.err.is_empty(), code == 0, "{arguments:?}");
        assert!(!ran.out.contains('\u{1b}'), "no colours where nobody sees them");
    }
    assert_eq!(run(home.path(), &["--version"]).out, format!("seawall {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let mut child = seawall(home.path(), &["config", "schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

/// A gateway that runs, and what it has said so far.
struct Serving {
    child: std::process::Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Serving {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child =
            seawall(directory, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said }
    }

    /// Reads lines until one has this part in it.
    fn until(&mut self, part: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "{part:?} was never said: {all}");
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
            all.push_str(&line);
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_gateway_is_served_asked_steered_and_stopped() {
    let home = tempfile::tempdir().unwrap();
    let text = "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[upstream.a]\nurl = 'http://127.0.0.1:9'\nretry = 'off'\n\
                limits = [{ concurrent = 3 }]\n";
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    let mut serving = Serving::start(home.path(), &["serve"]);
    assert_eq!(serving.until("→"), "seawall: a: * /a/** → a (auto)");
    let calls = serving.until("calls at http://");
    let line = serving.until("admin at http://");
    let admin = line.split("http://").nth(1).unwrap().trim_end_matches('/').to_owned();
    let data = calls.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let ask = |arguments: &[&str]| run(home.path(), &[arguments, &["--admin", &admin]].concat());

    let ran = ask(&["status"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(ran.out.starts_with("healthy"), "{}", ran.out);
    assert_eq!(json(&ask(&["status", "--json"]).out)["status"], "healthy");

    let ran = ask(&["breakers", "force-open", "a", "--by", "ana", "--reason", "maintenance"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{}", ran.err);
    assert!(serving.until("force-open").ends_with("a: force-open by ana: maintenance"));
    let table = ask(&["breakers"]).out;
    assert!(table.lines().nth(1).unwrap().contains("forced-open"), "{table}");
    assert!(table.contains("held by ana: maintenance"), "{table}");
    assert_eq!(ask(&["breakers", "reset", "a"]).code, Some(2), "a lever needs who and why");
    assert_eq!(ask(&["breakers", "reset", "../a", "--by", "x", "--reason", "y"]).code, Some(2));
    let ran = ask(&["breakers", "reset", "nobody", "--by", "x", "--reason", "y"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("SW0030"), "{}", ran.err);
    assert!(ask(&["limits"]).out.contains("3 at once"));

    let id = refused_call(&data);
    let story = ask(&["explain", &id]);
    assert_eq!(story.code, Some(0), "{}", story.err);
    assert!(story.out.starts_with(&format!("{id}  GET ")) && story.out.contains("SW0005"), "{}", story.out);

    let second = run(home.path(), &["serve"]);
    assert_eq!(second.code, Some(1), "the state is taken");
    assert!(second.err.contains("SW0025"), "{}", second.err);

    serving.signal("-TERM");
    serving.until("draining");
    serving.until("stopped, nothing was cut short");
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
}

/// Makes a call that the breaker refuses, and returns its id.
fn refused_call(authority: &str) -> String {
    let mut stream = std::net::TcpStream::connect(authority).unwrap();
    write!(stream, "GET /a/x HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").unwrap();
    let lines: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
    assert!(lines[0].contains("503"), "{lines:#?}");
    let header = lines.iter().find_map(|line| line.strip_prefix("seawall-call: "));
    header.unwrap_or_else(|| panic!("{lines:#?}")).to_owned()
}

#[test]
fn one_provider_needs_no_file_and_an_address_in_use_is_named() {
    let home = tempfile::tempdir().unwrap();
    let proxy = ["proxy", "openai", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut serving = Serving::start(home.path(), &proxy);
    let line = serving.until("OPENAI_BASE_URL=");
    let base = line.split("OPENAI_BASE_URL=").nth(1).unwrap();
    assert!(base.starts_with("http://127.0.0.1:") && base.ends_with("/openai/v1"), "{base}");
    serving.until("admin at");

    let taken = base.trim_start_matches("http://").split('/').next().unwrap();
    let ran =
        run(home.path(), &["proxy", "https://api.example.com", "--listen", taken, "--admin", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.err.contains("SW0024") && ran.err.contains(taken), "{}", ran.err);
    assert_eq!(run(home.path(), &["proxy", "opnai"]).code, Some(2));
    assert_eq!(run(home.path(), &["proxy", "https://u:hunter2@host"]).code, Some(2));

    serving.signal("-INT");
    serving.until("stopped");
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn a_hangup_reads_the_file_again() {
    let home = tempfile::tempdir().unwrap();
    let text = "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[upstream.a]\nurl = 'http://127.0.0.1:9'\n";
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    let mut serving = Serving::start(home.path(), &["serve"]);
    serving.until("admin at");
    serving.signal("-HUP");
    serving.until("generation 2 is in force (SIGHUP)");
    serving.signal("-TERM");
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait_for_calls_in_flight() {
    let home = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\n[upstream.a]\nurl = 'http://{}'\n",
        silent.local_addr().unwrap()
    );
    std::fs::write(home.path().join("seawall.toml"), text).unwrap();
    let mut serving = Serving::start(home.path(), &["serve"]);
    let calls = serving.until("calls at http://");
    let data = calls.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    serving.until("admin at");
    let mut caller = std::net::TcpStream::connect(&data).unwrap();
    write!(caller, "GET /a/x HTTP/1.1\r\nHost: {data}\r\n\r\n").unwrap();
    // The call has reached its upstream, which never answers.
    let _held = silent.accept().unwrap();
    serving.signal("-TERM");
    serving.until("draining");
    serving.signal("-TERM");
    serving.until("left at once");
    assert_eq!(serving.child.wait().unwrap().code(), Some(1));
}

#[test]
fn trade_explain_says_what_a_code_proves() {
    let home = tempfile::tempdir().unwrap();
    let explain = |more: &[&str]| run(home.path(), &[&["trade", "explain"], more].concat());
    for (more, class, certainty, retryable) in [
        (&["-1006", "--op", "order", "--json"][..], "overloaded", "unknown", false),
        (&["--json", "-1007", "--op", "query"], "timeout", "unknown", true),
        (&["-1021", "--json"], "invalid", "not-done", true),
        (&["-2010", "--message", "Duplicate order sent.", "--json"], "ok", "already-done", false),
        (&["418", "--json"], "banned", "not-done", false),
        (&["503", "--json"], "overloaded", "unknown", false),
    ] {
        let ran = explain(more);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{more:?}");
        let told = json(&ran.out);
        assert_eq!(told["class"], class, "{more:?}");
        assert_eq!(
            (&told["certainty"], &told["retryable"]),
            (&certainty.into(), &retryable.into()),
            "{more:?}"
        );
        assert!(told["advice"].is_string());
    }
    let ran = explain(&["-1005"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""));
    assert!(ran.err.contains("the nearest are -1006 and -1003"), "{}", ran.err);
    assert_eq!(explain(&["nonsense"]).code, Some(2));
    assert_eq!(explain(&["-1006", "--op", "dance"]).code, Some(2));
    let later = run(home.path(), &["trade", "validate", "--anything", "x"]);
    assert_eq!(later.code, Some(2));
    assert!(later.err.contains("SW0090") && later.err.contains("trade explain"), "{}", later.err);
}
