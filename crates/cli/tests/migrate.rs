//! `seawall state migrate`: between directories and a server of the test's own, killed in the middle, and never half.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![allow(clippy::disallowed_methods, reason = "real processes are killed after a while of real time")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use seawall_core::effect::{
    Answer, Begin, Fingerprint, Keep, Key, Nature, Nonce, Operation, Outcome, Record, Truth,
};
use seawall_core::fleet::{Fleet as _, Member, presence};
use seawall_core::store::{Store, Wanted};
use seawall_store::sqlite::{Found, Options, Sqlite};
use seawall_store::{Redis, RedisOptions};
use serde_json::Value;

/// Enough for a kill to come in the middle.
const MANY: u32 = 5000;

/// Exit code, stdout and stderr.
fn seawall(home: &Path, words: &[&str]) -> (i32, String, String) {
    let ran = command(home, words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

fn command(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
    command.args(words).current_dir(home).env_clear().stdin(Stdio::null());
    command
}

/// What a server answers to a few words, or the first line of it.
fn said_by(port: u16, words: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(format!("{words}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

struct Server(Child, u16);

impl Server {
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir", "/tmp"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            assert!(
                std::env::var_os("CI").is_none(),
                "redis-server is missing: install the package redis-server"
            );
            eprintln!("SKIPPED: redis-server is not installed");
            return None;
        };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "the server listens");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self(child, port))
    }

    fn url(&self, namespace: &str) -> String {
        format!("redis://127.0.0.1:{}/0?namespace={namespace}", self.1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn journal(dir: &Path) -> Sqlite {
    Sqlite::open(dir, &Options::default()).unwrap().store
}

/// Effects as a gateway keeps them in a directory: done, in doubt, and one that was being run.
async fn fill(dir: &Path, many: u32) -> BTreeMap<Key, Record> {
    let store = journal(dir);
    let one = async |n: u32| {
        let key = Key::of("seawall", "orders", &n.to_be_bytes(), 0);
        let begin = Begin {
            key,
            label: format!("seawall:effect:orders:{n:06}").into(),
            print: Fingerprint::of(&[&n.to_be_bytes()]),
            nonce: Nonce(u128::from(n)),
            nature: Nature::Opaque,
            age: None,
            lease: Duration::from_secs(30),
            call: Duration::from_secs(20),
            settle: Duration::from_secs(90),
            max_attempts: 0xffff,
            keep: Keep::default(),
        };
        let Answer::Run(token) = store.ask(Operation::Begin(begin)).await.unwrap().answer else { panic!() };
        let outcome = match n % 5 {
            0 => Outcome::Unknown { detail: "nobody knows".into() },
            _ => Outcome::Ended(Truth::Applied, Some(vec![b'x'; 200].into())),
        };
        if n > 0 {
            store.ask(Operation::Complete { key, token, outcome }).await.unwrap();
        }
    };
    let numbers: Vec<u32> = (0..many).collect();
    for some in numbers.chunks(500) {
        futures_util::future::join_all(some.iter().map(|n| one(*n))).await;
    }
    drop(store);
    all(&journal(dir)).await
}

async fn all(store: &dyn Store) -> BTreeMap<Key, Record> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.list(Wanted { state: None, after, limit: 1000 }).await.unwrap();
        all.extend(page.records);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

fn home(state: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    configured(home.path(), state);
    home
}

fn configured(home: &Path, state: &str) {
    let text = format!("version = 1\nstate = \"{state}\"\n[upstream.up]\nurl = \"https://up.example\"\n");
    fs::write(home.join("seawall.toml"), text).unwrap();
}

/// Runs it again and again, each time two fifths longer before it is killed, until it ends by itself: the last kill came when
/// most of that run's time was over. The number of kills.
fn killed(home: &Path, words: &[&str]) -> usize {
    let mut kills = 0;
    let mut patience = Duration::from_millis(20);
    // Longer than anything may take here.
    while patience < Duration::from_secs(60) {
        let mut child = command(home, words).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if began.elapsed() >= patience {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        match ended {
            Some(status) => {
                assert!(status.success(), "{status}");
                return kills;
            }
            None => kills += 1,
        }
        patience = patience * 7 / 5;
    }
    panic!("it never ended, after {kills} kills");
}

#[tokio::test]
async fn killed_at_any_moment_the_same_command_again_brings_every_row_both_ways() {
    let Some(server) = Server::start() else { return };
    let home = home("./state");
    let here = home.path();
    let before = fill(&here.join("state"), MANY).await;
    assert_eq!(before.len(), MANY as usize);
    let url = server.url("seawall");
    let words = ["state", "migrate", "--to", &url, "--json"];
    let kills = killed(here, &words);
    let (code, out, said) = seawall(here, &words);
    assert_eq!(code, 0, "{said}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (told["total"].as_u64(), told["verified"].as_u64()),
        (Some(MANY.into()), Some(MANY.into())),
        "{told}"
    );
    // The run before had come to its end: it is said, and nothing is made of it.
    assert_eq!((&told["moved_away_before"], &told["may_have_forgotten"]), (&true.into(), &false.into()));
    assert!(kills > 0, "nothing was killed: {told}");

    // And back, into a directory that has no journal before all of it is there.
    configured(here, &url);
    let back = here.join("back");
    let words = ["state", "migrate", "--to", "back"];
    let kills = killed(here, &words);
    let (code, out, said) = seawall(here, &words);
    assert_eq!((code, out.as_str()), (0, ""), "{said}");
    assert!(kills > 0, "nothing was killed: {said}");
    assert!(said.contains("5000 effects (") && said.contains("write state = \"back\""), "{said}");
    assert!(said.contains("was moved away before: nothing was done"), "{said}");
    let (_, out, said) = seawall(here, &[&words[..], &["--json"]].concat());
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["may_have_forgotten"], false, "{told} {said}");
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", "elsewhere"]);
    assert!(code == 1 && said.contains("was moved to another place before"), "{said}");
    let opened = Sqlite::open(&back, &Options::default()).unwrap();
    assert_eq!((opened.found, opened.store.forgot()), (Found::Journal, None));
    assert_eq!(all(&opened.store).await, before);
    // Who goes on with the old one is told.
    assert_eq!(Sqlite::open(&here.join("state"), &Options::default()).unwrap().found, Found::Copy);
}

#[tokio::test]
async fn what_would_be_lost_or_mixed_is_refused_and_a_dry_run_changes_nothing() {
    let home = home("./state");
    let here = home.path();
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", "there"]);
    assert!(code == 1 && said.contains("there is no journal in ./state"), "{said}");
    assert!(!here.join("state").exists());
    fill(&here.join("state"), MANY).await;
    let kept = fs::read(here.join("state/effects.db")).unwrap();
    let (code, out, said) = seawall(here, &["state", "migrate", "--to", "there", "--dry-run", "--json"]);
    assert_eq!(code, 0, "{said}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["total"], &told["dry_run"]), (&MANY.into(), &true.into()), "{told}");
    assert_eq!(told["effects"]["in-doubt"], 1000, "{told}");
    assert!(!here.join("there").exists());
    assert_eq!(fs::read(here.join("state/effects.db")).unwrap(), kept);
    let (code, out, said) = seawall(here, &["state", "migrate", "--to", "there", "--dry-run"]);
    assert!(code == 0 && out.is_empty() && said.contains("nothing was moved"), "{said}");
    let mixed = "redis://127.0.0.1:1/0?namespace=prod";
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", mixed, "--dry-run"]);
    assert!(code == 2 && said.contains("write ?namespace=seawall"), "{said}");
    for to in ["state", "./state"] {
        let (code, _, said) = seawall(here, &["state", "migrate", "--to", to]);
        assert!(code == 2 && said.contains("is where it is already"), "{said}");
    }
    let open = journal(&here.join("state"));
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", "there"]);
    assert!(code == 1 && said.contains("is in use by process"), "{said}");
    drop(open);
    fill(&here.join("other"), 3).await;
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", "other"]);
    assert!(code == 1 && said.contains("it is not empty: a journal is there"), "{said}");
    // One that never held anything is as good as none.
    drop(journal(&here.join("there")));
    if let Some(server) = Server::start() {
        let url = server.url("prod");
        let (code, _, said) = seawall(here, &["state", "migrate", "--to", &url]);
        assert!(code == 2 && said.contains("write ?namespace=seawall"), "{said}");
    }
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", "there"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("4000 done"), "{said}");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_in_a_redis_either() {
    let Some(server) = Server::start() else { return };
    let url = server.url("seawall");
    let home = home(&url);
    let here = home.path();
    let changes = || {
        let told = said_by(server.1, "INFO persistence");
        told.lines().find(|line| line.starts_with("rdb_changes_since_last_save")).unwrap().to_owned()
    };
    let words = ["state", "migrate", "--to", "there", "--dry-run", "--json"];
    // Nobody was ever here: it is not armed by looking.
    let before = changes();
    for words in [&words[..], &["state", "migrate", "--to", "there"]] {
        let (code, _, said) = seawall(here, words);
        assert!(code == 1 && said.contains("nobody has ever kept effects in redis://"), "{said}");
    }
    assert_eq!(changes(), before);

    fill(&here.join("full"), 20).await;
    configured(here, "./full");
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", &url]);
    assert_eq!(code, 0, "{said}");
    configured(here, &url);
    assert!(!here.join("seawall-state").exists(), "who serves notes what it trusts, not who moves");
    let before = changes();
    let (code, out, said) = seawall(here, &words);
    assert_eq!(code, 0, "{said}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["total"], &told["may_have_forgotten"]), (&20.into(), &false.into()), "{told}");
    assert_eq!(changes(), before);
    assert!(!here.join("there").exists() && !here.join("seawall-state").exists());
    // What has forgotten says so before anything is moved.
    assert!(said_by(server.1, "DEL sw:{seawall:07}:s").starts_with(":1"));
    let (_, out, said) = seawall(here, &words);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["may_have_forgotten"], true, "{told}");
    assert!(said.contains("may have forgotten"), "{said}");
}

#[tokio::test]
async fn from_one_server_to_another_with_the_same_namespace_nothing_is_taken_for_a_loss() {
    let (Some(one), Some(other)) = (Server::start(), Server::start()) else { return };
    let home = home("./state");
    let here = home.path();
    fill(&here.join("state"), 20).await;
    for (from, to) in [("./state", one.url("seawall")), (&one.url("seawall"), other.url("seawall"))] {
        configured(here, from);
        let (code, out, said) = seawall(here, &["state", "migrate", "--to", &to, "--json"]);
        assert_eq!(code, 0, "{said}");
        let told: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&told["verified"], &told["may_have_forgotten"]), (&20.into(), &false.into()), "{told}");
    }
    let (code, _, said) =
        seawall(here, &["state", "migrate", "--to", &one.url("seawall").replace("127.0.0.1", "localhost")]);
    assert!(code == 2 && said.contains("by another name"), "{said}");
}

/// What a gateway says until it serves.
fn begun(home: &Path) -> String {
    let mut serving = command(home, &["serve"]);
    serving.envs([("SEAWALL__LISTEN", "127.0.0.1:0"), ("SEAWALL__ADMIN", "127.0.0.1:0")]);
    let mut serving = serving.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(serving.stderr.take().unwrap()).lines() {
        said.push_str(&line.unwrap());
        said.push('\n');
        if said.contains("admin at") {
            break;
        }
    }
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert!(said.contains("admin at"), "{said}");
    said
}

#[tokio::test]
async fn a_server_everything_was_moved_to_is_trusted_and_another_one_in_its_place_is_not() {
    let (Some(one), Some(other), Some(empty)) = (Server::start(), Server::start(), Server::start()) else {
        return;
    };
    let home = home("./state");
    let here = home.path();
    fill(&here.join("state"), 20).await;
    for (from, to) in [("./state", one.url("seawall")), (&one.url("seawall"), other.url("seawall"))] {
        configured(here, from);
        let (code, _, said) = seawall(here, &["state", "migrate", "--to", &to]);
        assert_eq!(code, 0, "{said}");
    }
    configured(here, &other.url("seawall"));
    let said = begun(here);
    assert!(!said.contains("lost what it had acknowledged"), "{said}");
    // Whoever serves on another machine has noted the one before, and nothing of this one.
    let notes = fs::read_dir(here.join("seawall-state")).unwrap().flatten();
    let mut notes: Vec<_> =
        notes.filter(|note| note.file_name().to_string_lossy().starts_with("redis-")).collect();
    notes.sort_by_key(|note| note.metadata().unwrap().modified().unwrap());
    assert_eq!(notes.len(), 2);
    fs::remove_file(notes[1].path()).unwrap();
    let said = begun(here);
    assert!(!said.contains("lost what it had acknowledged"), "{said}");
    configured(here, &empty.url("seawall"));
    let said = begun(here);
    assert!(said.contains("lost what it had acknowledged"), "what was done is not known there: {said}");
    configured(here, &empty.url("else"));
    let said = begun(here);
    assert!(!said.contains("lost what it had acknowledged"), "nobody was ever there: {said}");
}

#[tokio::test]
async fn a_redis_that_somebody_used_meanwhile_stays_the_journal_and_its_copy_is_not_trusted() {
    let Some(server) = Server::start() else { return };
    let home = home("./state");
    let here = home.path();
    fill(&here.join("state"), MANY).await;
    let url = server.url("seawall");
    let (code, _, said) = seawall(here, &["state", "migrate", "--to", &url]);
    assert_eq!(code, 0, "{said}");
    configured(here, &url);
    let gateway = Redis::open(&url, RedisOptions::default()).await.unwrap().store;
    let (group, member) = (Arc::from(seawall_gateway::GATEWAYS), Member(7));
    let words = ["state", "migrate", "--to", "back"];
    let mut child = command(here, &words).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    // It was looked for gateways before it wrote the first byte.
    while !here.join("back/effects.lock").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "it begins");
        std::thread::sleep(Duration::from_millis(1));
    }
    gateway.presence(&group, presence::Ask::Here(member, Duration::from_secs(60))).await.unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("is in use by 1 gateways") && said.contains("is the journal as before"), "{said}");
    gateway.presence(&group, presence::Ask::Gone(member)).await.unwrap();
    drop(gateway);
    let again = Redis::open(&url, RedisOptions::default()).await.unwrap().store;
    assert!(!again.may_have_forgotten());
    drop(again);
    // What is there is not trusted: whoever opens it is told.
    fs::create_dir(here.join("other")).unwrap();
    fs::copy(here.join("back/effects.db"), here.join("other/effects.db")).unwrap();
    assert_eq!(Sqlite::open(&here.join("other"), &Options::default()).unwrap().found, Found::Copy);
    let (code, _, said) = seawall(here, &words);
    assert_eq!(code, 0, "{said}");
    assert_eq!(Sqlite::open(&here.join("back"), &Options::default()).unwrap().found, Found::Journal);
}
