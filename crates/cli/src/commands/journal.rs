//! Opens the journal a gateway remembers effects in: a file in its state directory, a Redis, or memory; and with a Redis
//! what it may share with others.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seawall_core::Code;
use seawall_core::effect::Key;
use seawall_core::store::{Cursor, Store, StoreError, Wanted};
use seawall_gateway::plan::{Fleet, Journal};
use seawall_store::redis::Weight;
use seawall_store::sealed::Sealed;
use seawall_store::sqlite::{Found, Options};
use seawall_store::{Memory, Redis, RedisOptions, Sqlite, moving, redis};
use tokio::runtime::Runtime;

use crate::output::{Failure, note, plain};
use crate::settings::{Memory as Kept, Place};

/// The namespace of a journal in a file: nobody else is in it.
const OWN: &str = "seawall";

/// How much of a server's digest its note is called by.
const DIGITS: usize = 12;

/// What an instance keeps beside a Redis: which memory it trusted.
const BESIDE: &str = "./seawall-state";

/// Where a journal is.
pub(super) enum At<'s> {
    /// As the configuration says.
    Settings(&'s Kept),
    /// Here.
    Directory(&'s Path),
    /// Nowhere: it ends with this process.
    Memory,
}

/// Opens it, and says what somebody should know about it. Whatever was under way in a file is in doubt from then on.
pub(super) fn open(at: &At<'_>, runtime: &Runtime) -> Result<(Journal, Option<Fleet>), Failure> {
    let alone = |journal| (journal, None);
    match at {
        At::Settings(kept) => {
            let (mut journal, fleet) = match &kept.place {
                Place::Directory(path) => file(path, runtime).map(alone)?,
                Place::Redis(url, options, fleet) => {
                    let (journal, store) = server(url, options, runtime)?;
                    (journal, Some(Fleet { store, options: fleet.clone() }))
                }
            };
            if let Some(key) = &kept.seal {
                journal.store = Arc::new(Sealed::new(journal.store, key.clone()));
            }
            Ok((journal, fleet))
        }
        At::Directory(path) => file(path, runtime).map(alone),
        At::Memory => {
            note(
                "seawall: what must not happen twice is remembered as long as this process runs: give it --state DIR",
            );
            Ok(alone(journal(Arc::new(Memory::new()), OWN)))
        }
    }
}

fn journal(store: Arc<dyn Store>, namespace: &str) -> Journal {
    Journal { store, namespace: Arc::from(namespace), found: Vec::new() }
}

fn file(path: &Path, runtime: &Runtime) -> Result<Journal, Failure> {
    let opened = Sqlite::open(path, &Options::default()).map_err(failed)?;
    if opened.found == Found::Copy {
        note(
            "seawall: the journal is a copy, or was moved away: what was begun since is not in it, and keys it does not know \
             are refused where a second run could do harm",
        );
    }
    match opened.notes.len() {
        0 => {}
        count => note(format_args!(
            "seawall: {count} effects were under way when the process before ended: they are in doubt, see `seawall effects`"
        )),
    }
    let namespace = namespace(&opened.store, runtime)?;
    Ok(Journal { store: Arc::new(opened.store), namespace, found: opened.notes })
}

/// What the names of a file's effects begin with: our own, or that of the server they came from. Refuses a file whose
/// effects are of several: asked by one name, the others would run once more.
fn namespace(store: &Sqlite, runtime: &Runtime) -> Result<Arc<str>, Failure> {
    let first = |after: Option<String>| {
        let wanted = Wanted { state: None, after: after.map(Cursor), limit: 1 };
        let page = runtime.block_on(store.list(wanted)).map_err(failed)?;
        let name = page.records.first().map(|(_, record)| moving::namespace(&record.label).to_owned());
        Ok(name.filter(|name| !name.is_empty()))
    };
    let Some(known) = first(None)? else { return Ok(Arc::from(OWN)) };
    // They are listed by name: this is right behind the last that begins with the same.
    match first(Some(format!("{known}:effect;")))? {
        Some(other) => Err(failed(StoreError::Unreadable(format!(
            "effects of {known:?} and of {other:?} are kept together, and asked by one name the others would run once more: \
             give each a directory of its own"
        )))),
        None => Ok(known.into()),
    }
}

/// Where this machine notes which memory it trusts: one for each namespace of each server.
pub(super) fn note_of(url: &str) -> Result<PathBuf, Failure> {
    let (namespace, spelt) = redis::namespace(url)
        .and_then(|namespace| Ok((namespace, redis::spelt(url)?)))
        .map_err(Failure::bad_input)?;
    let digest = Key::of("known", "redis", spelt.as_bytes(), 0).to_string();
    Ok(Path::new(BESIDE).join(format!("redis-{namespace}-{digest:.DIGITS$}")))
}

/// The same, where it can be had.
pub(super) fn known(url: &str) -> Result<Option<PathBuf>, Failure> {
    let known = note_of(url)?;
    match std::fs::create_dir_all(BESIDE) {
        Ok(()) => Ok(Some(known)),
        Err(why) => {
            note(format_args!(
                "seawall: warning: {BESIDE} cannot be made ({why}): a Redis that lost its data while nothing runs here is \
                 taken for a new one"
            ));
            Ok(None)
        }
    }
}

/// Where this machine has noted nothing of a server: what it noted last of another one with the same namespace. An empty
/// server in its place does not know what was done, and is not taken for a first start.
fn noted_before(note: &Path, namespace: &str) -> std::io::Result<Option<PathBuf>> {
    let Some(beside) = note.parent().filter(|_| !note.exists()) else { return Ok(None) };
    let prefix = format!("redis-{namespace}-");
    let of_a_server = |name: &OsStr| {
        let digest = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        digest.is_some_and(|digest| {
            digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    };
    let mut last = None;
    for file in std::fs::read_dir(beside)?.flatten() {
        if of_a_server(&file.file_name()) {
            last = last.max(Some((file.metadata()?.modified()?, file.path())));
        }
    }
    // What was noted before there was a note for each server.
    let earlier = Some(beside.join(format!("redis-{namespace}"))).filter(|earlier| earlier.is_file());
    Ok(last.map(|(_, other)| other).or(earlier))
}

/// Lets one note stand for another, whole or not at all.
fn stand_in(other: &Path, note: &Path) -> std::io::Result<()> {
    let fresh = note.with_extension(format!("{}.new", std::process::id()));
    std::fs::copy(other, &fresh)?;
    std::fs::rename(&fresh, note)
}

fn server(url: &str, options: &RedisOptions, runtime: &Runtime) -> Result<(Journal, Arc<Redis>), Failure> {
    let namespace = redis::namespace(url).map_err(Failure::bad_input)?;
    // What this machine trusted before: a server that comes back empty is recognised after a restart of ours too.
    let options = RedisOptions { known: known(url)?, ..options.clone() };
    if let Some(note) = &options.known {
        let unreadable = |why: std::io::Error| Failure::failed(format_args!("{}: {why}", note.display()));
        if let Some(other) = noted_before(note, &namespace).map_err(unreadable)? {
            let seen = Redis::look_at(url, RedisOptions { known: None, ..options.clone() });
            if runtime.block_on(seen).map_err(failed)?.store.is_new() {
                stand_in(&other, note).map_err(unreadable)?;
            }
        }
    }
    let opened = runtime.block_on(Redis::open(url, options)).map_err(failed)?;
    for concern in &opened.findings {
        let weight = match concern.weight {
            Weight::Refuse => "no effect that could happen twice is begun",
            Weight::Warn => "warning",
        };
        note(format_args!("seawall: {weight}: {}", plain(&concern.text)));
    }
    let store = Arc::new(opened.store);
    Ok((journal(store.clone(), &namespace), store))
}

fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::InUse(why) => Failure::failed(format_args!("{} {why}", Code::StateInUse)),
        error => {
            Failure::failed(format_args!("{} the journal cannot be opened: {error}", Code::StoreUnavailable))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use seawall_core::effect::{Begin, Fingerprint, Keep, Nature, Nonce, Operation};

    use super::*;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn what_was_noted_of_another_server_stands_in_for_one_of_the_same_namespace_alone() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let noted = |name: &str, what: &str| std::fs::write(at(name), what).unwrap();
        let here = at("redis-prod-0123456789ab");
        // Of other namespaces, and what a writer left.
        noted("redis-prod-blue", "other");
        noted("redis-prod-blue-0123456789cd", "other");
        noted("redis-prod-fedcba987654.12-0.new", "torn");
        let before = || noted_before(&here, "prod").unwrap();
        assert_eq!(before(), None);
        // As it was noted before there was a note for each server.
        noted("redis-prod", "before");
        assert_eq!(before(), Some(at("redis-prod")));
        noted("redis-prod-fedcba987654", "another");
        assert_eq!(before(), Some(at("redis-prod-fedcba987654")));
        stand_in(&before().unwrap(), &here).unwrap();
        assert_eq!(
            (std::fs::read_to_string(&here).unwrap().as_str(), before()),
            ("another", None),
            "it has one of its own"
        );
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 6, "nothing else is left lying about");
    }

    #[test]
    fn a_directory_is_of_one_namespace_or_refused() {
        let (home, runtime) = (tempfile::tempdir().unwrap(), runtime());
        let begin = |namespace: &str| {
            let label: Arc<str> = format!("{namespace}:effect:order:1").into();
            Operation::Begin(Begin {
                key: Key::of(namespace, "order", b"1", 0),
                label,
                print: Fingerprint::of(&[b"1"]),
                nonce: Nonce(1),
                nature: Nature::Opaque,
                age: None,
                lease: Duration::from_secs(30),
                call: Duration::from_secs(20),
                settle: Duration::from_secs(90),
                max_attempts: 3,
                keep: Keep::default(),
            })
        };
        let after = |namespaces: &[&str]| {
            let (journal, _) = open(&At::Directory(home.path()), &runtime).unwrap();
            for namespace in namespaces {
                runtime.block_on(journal.store.ask(begin(namespace))).unwrap();
            }
            drop(journal);
            open(&At::Directory(home.path()), &runtime).map(|(journal, _)| journal.namespace.to_string())
        };
        assert_eq!(after(&[]).unwrap(), "seawall");
        assert_eq!(after(&["prod"]).unwrap(), "prod");
        let refused = after(&["pro"]).unwrap_err().to_string();
        assert!(refused.contains("effects of \"pro\" and of \"prod\" are kept together"), "{refused}");
    }
}
