//! Failing disks and dying processes. Children are this test binary again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// The first effect a child begins.
const FIRST: &str = "SEAWALL_TEST_FIRST";
/// Where its journal is.
const FOLDER: &str = "SEAWALL_TEST_FOLDER";

/// Begins one effect after the other and says so of each, until an error, which it says too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the others as a process of its own"]
async fn child() {
    let variable = |name| std::env::var(name).unwrap();
    let dir = variable(FOLDER);
    let store = match Sqlite::open(Path::new(&dir), &Options::default()) {
        Ok(opened) => Arc::new(opened.store),
        Err(error) => return println!("refused {error}"),
    };
    println!("opened");
    let first: u32 = variable(FIRST).parse().unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|who| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (first + who..first + 4000).step_by(8) {
                    match begin(&store, wish(n)).await {
                        Ok(_) => println!("begun {n}"),
                        Err(error) => {
                            println!("failed {error}");
                            let next = store.ask(Operation::Peek { key: key(first) }).await;
                            println!(
                                "then {}",
                                next.map(|_| "an answer".to_owned()).unwrap_or_else(|e| e.to_string())
                            );
                            return;
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    println!("ended");
}

/// Starts a child below `shell`, which ends in `exec "$@"`.
fn start(shell: &str, dir: &Path, first: u32) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    Command::new("sh")
        .args(["-c", shell, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::child"), "--nocapture", "--ignored", "--quiet"])
        .env(FIRST, first.to_string())
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok)
}

/// The effects a line says were begun.
fn begun(line: &str) -> Option<u32> {
    line.strip_prefix("begun ")?.parse().ok()
}

async fn all_in_doubt(dir: &Path, begun: &[u32]) -> u64 {
    let store = open(dir);
    for n in begun {
        assert_eq!(word(peek(&store, key(*n)).await.as_ref()), "in-doubt", "{n}");
    }
    store.counts().iter().map(|(_, count)| count).sum()
}

#[tokio::test]
async fn whoever_is_killed_leaves_every_effect_it_was_told_to_run_in_doubt() {
    let dir = folder();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut all = Vec::new();
    for round in 0..8 {
        let mut child = start("exec \"$@\"", dir.path(), round * 10_000);
        let mut left = rng.usize(1..60);
        for line in lines(&mut child) {
            all.extend(begun(&line));
            left -= usize::from(begun(&line).is_some() && left > 0);
            if left == 0 {
                // What it still says until it is dead is heard too.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let known = all_in_doubt(dir.path(), &all).await;
        let told = all.len() as u64;
        assert!((told..=told + 8 * (u64::from(round) + 1)).contains(&known), "{known} known of {told} told");
    }
    assert!(all.len() > 50);
}

#[tokio::test]
async fn wherever_in_its_log_it_dies_what_was_told_is_kept() {
    // The limit on file sizes kills whoever exceeds it: at the very byte, in the middle of a transaction or between two.
    let mut died = 0;
    for blocks in (100..600).step_by(if steps(10) == 10 { 7 } else { 35 }) {
        let dir = folder();
        let shell = format!("ulimit -c 0; ulimit -f {blocks}; exec \"$@\"");
        let mut child = start(&shell, dir.path(), 0);
        let told: Vec<u32> = lines(&mut child).filter_map(|line| begun(&line)).collect();
        died += usize::from(!child.wait().unwrap().success());
        let known = all_in_doubt(dir.path(), &told).await;
        assert!(known as usize <= told.len() + 8, "{known} known of {} told", told.len());
    }
    assert!(died > 10, "{died}");
}

#[tokio::test]
async fn after_a_failed_write_everything_is_refused_until_it_is_opened_anew() {
    let dir = folder();
    let mut child = start("trap '' XFSZ; ulimit -f 400; exec \"$@\"", dir.path(), 0);
    let lines: Vec<String> = lines(&mut child).collect();
    child.wait().unwrap();
    let told: Vec<u32> = lines.iter().filter_map(|line| begun(line)).collect();
    let failed: Vec<&String> = lines.iter().filter(|line| line.starts_with("failed ")).collect();
    let then: Vec<&String> = lines.iter().filter(|line| line.starts_with("then ")).collect();
    assert!(told.len() > 3 && failed.len() == 8 && then.len() == 8, "{lines:?}");
    assert!(failed.iter().chain(&then).all(|line| line.contains("must be opened anew")), "{lines:?}");
    all_in_doubt(dir.path(), &told).await;
}

#[tokio::test]
async fn after_a_failed_fsync_everything_is_refused_until_it_is_opened_anew() {
    let traced = "strace -f -qq -o /dev/null -e trace=fsync,fdatasync";
    let works = Command::new("sh").args(["-c", &format!("{traced} true")]).status().unwrap().success();
    if !works {
        // Nobody else can make one fsync fail.
        eprintln!("skipped: strace is not here, or may not trace: apt-get install -y strace");
        return;
    }
    let dir = folder();
    all_in_doubt(dir.path(), &[]).await;
    for which in [12, 15] {
        let inject = format!("{traced} -e inject=fsync,fdatasync:error=EIO:when={which} \"$@\"");
        let mut child = start(&inject, dir.path(), which * 10_000);
        let lines: Vec<String> = lines(&mut child).collect();
        child.wait().unwrap();
        let told: Vec<u32> = lines.iter().filter_map(|line| begun(line)).collect();
        let failed = lines.iter().filter(|line| line.starts_with("failed "));
        let then = lines.iter().filter(|line| line.starts_with("then "));
        assert!(failed.clone().count() == 8, "{lines:?}");
        assert!(failed.chain(then).all(|line| line.contains("must be opened anew")), "{lines:?}");
        all_in_doubt(dir.path(), &told).await;
    }
}

#[tokio::test]
async fn a_full_journal_begins_nothing_new_and_still_finishes_what_has_begun() {
    let dir = folder();
    let options = Options { max_bytes: Some(1 << 20), ..Options::default() };
    let store = Sqlite::open_with(dir.path(), &options, Time::manual(BEGAN)).unwrap().store;
    let mut tokens = Vec::new();
    let full = loop {
        match begin(&store, wish(tokens.len() as u32)).await {
            Ok(token) => tokens.push(token),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert!(tokens.len() > 500);
    assert_eq!(word(peek(&store, key(tokens.len() as u32)).await.as_ref()), "absent", "nothing was taken in");
    for (n, token) in (0..).zip(tokens.iter().take(100)) {
        assert_eq!(complete(&store, key(n), *token, Some(Arc::from(*b"ok"))).await.unwrap(), Answer::Ok);
    }
    // One that is too large for what is left is refused by itself, and can be told again without its result.
    let (large, small) = tokio::join!(
        complete(&store, key(200), tokens[200], Some(vec![1; 1 << 20].into())),
        complete(&store, key(201), tokens[201], None),
    );
    assert!(matches!(large, Err(StoreError::Full(_))), "{large:?}");
    assert_eq!(small.unwrap(), Answer::Ok);
    assert_eq!(complete(&store, key(200), tokens[200], None).await.unwrap(), Answer::Ok);
    let finished = store.counts()[4].1;
    drop(store);
    assert_eq!(open(dir.path()).counts()[4].1, finished);
}

#[tokio::test]
async fn a_file_that_is_taken_away_breaks_the_store() {
    let outer = folder();
    let dir = outer.path().join("state");
    let store = open(&dir);
    begin(&store, wish(1)).await.unwrap();
    fs::remove_dir_all(&dir).unwrap();
    for n in 2..4 {
        let told = begin(&store, wish(n)).await;
        assert!(matches!(&told, Err(StoreError::Broken(why)) if why.contains("taken away")), "{told:?}");
    }
    let wanted = seawall_core::store::Wanted { state: None, after: None, limit: 1 };
    assert!(matches!(store.list(wanted).await, Err(StoreError::Broken(_))));
}

#[tokio::test]
async fn while_somebody_else_writes_nothing_is_taken_in() {
    let dir = folder();
    let store = open(dir.path());
    let db = rusqlite::Connection::open(dir.path().join("effects.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let told = begin(&store, wish(1)).await;
    assert!(matches!(told, Err(StoreError::Unavailable(_))), "{told:?}");
    db.execute_batch("ROLLBACK").unwrap();
    begin(&store, wish(1)).await.unwrap();
}
