//! Finds out what became of calls nobody knows the outcome of, by asking the upstreams they may have gone to.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use seawall::effect::{Doubtful, Found as Finding};
use seawall::{Effects, Error, Priority};
use seawall_core::CallId;
use seawall_core::provider::Head;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::whole::{self, Read};
use super::{Kept, type_of};
use crate::answer::{self, Keeping, WayBack};
use crate::body::Replay;
use crate::entry::Entry;
use crate::headers;
use crate::plan::{Absent, Found, Probe};
use crate::proxy::{Errand, Worker, send};
use crate::record::Record;
use crate::scene::Slot;

/// How often doubts are looked at.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest a question may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a guard that ends may take to say what is unsaid.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What upstreams are told who asks.
const US: HeaderValue = HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION")));

type Told = Finding<Kept, Kept>;

/// Lets every route that has a question be asked about its doubts, by a worker of its own.
pub(crate) fn register(worker: &Arc<Worker>) {
    for (route, live) in worker.house.routes.iter().enumerate() {
        let Some(probe) = &live.once.plan.probe else {
            // It may have had a question under the configuration before.
            live.once.kind.reconcile_by_hand();
            continue;
        };
        let (worker, probe): (Weak<Worker>, Probe) = (Arc::downgrade(worker), probe.clone());
        live.once.kind.reconcile_with(move |doubtful| {
            let (worker, probe) = (worker.clone(), probe.clone());
            async move {
                match worker.upgrade() {
                    Some(worker) => find(&worker, route, &probe, doubtful).await,
                    None => Finding::Unknown("this instance is shutting down".into()),
                }
            }
        });
    }
}

/// Looks after the journal until `over`: lets its time pass, asks about doubts, counts them; then says its last words.
pub(crate) async fn keep_looking(slot: Slot, mut over: watch::Receiver<bool>) {
    let journal = slot.load().house.ground.journal.clone();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                // A store that does not answer is asked again; its calls are refused meanwhile, and that is seen.
                let _ = journal.guard.reconcile_once().await;
                journal.count_doubts().await;
            }
            _ = over.changed() => break,
        }
    }
    journal.guard.shutdown(LAST_WORDS).await;
}

/// Asks every upstream the call may have gone to, under every key it may have borne. It is there if one has it, and not
/// there only if all say so.
async fn find(worker: &Arc<Worker>, route: usize, probe: &Probe, doubtful: Doubtful) -> Told {
    let house = &worker.house;
    let Some(keys) = keys(house.ground.journal.guard.namespace(), &doubtful) else {
        return Finding::Unknown("its key cannot be read from its name".into());
    };
    for place in house.routes[route].to.clone() {
        for key in &keys {
            match ask(worker, place, probe, key, &doubtful).await {
                Ok(Some(kept)) => match probe.found {
                    Found::Replay => return Finding::Applied(kept),
                    Found::Report => {
                        let name = &house.upstreams[place].plan.name;
                        return Finding::Unknown(format!("{name} has it; a person decides"));
                    }
                },
                Ok(None) => {}
                Err(why) => return Finding::Unknown(why),
            }
        }
    }
    match probe.absent {
        Absent::Release => Finding::NotThere { fenced: false },
        Absent::Report => Finding::Unknown("no upstream has it; a person decides".into()),
    }
}

/// The keys it may have been sent under: the caller's own, and where it belongs to one of several, the effect's.
fn keys(namespace: &str, doubtful: &Doubtful) -> Option<Vec<String>> {
    let kind = type_of(namespace, &doubtful.label);
    let begin = namespace.len() + ":effect:".len() + kind.len() + 1;
    let id = doubtful.label.get(begin..).filter(|_| !kind.is_empty())?;
    let own = format!("@{}", &doubtful.key.to_string()[..8]);
    Some(match id.strip_suffix(&own) {
        Some(id) => vec![id.to_owned(), doubtful.downstream_key.to_string()],
        None => vec![id.to_owned()],
    })
}

/// One question to one upstream: a call of its own, with a story of its own. None is that it is not there.
async fn ask(
    worker: &Arc<Worker>,
    place: usize,
    probe: &Probe,
    key: &str,
    doubtful: &Doubtful,
) -> Result<Option<Kept>, String> {
    let house = &worker.house;
    let target = probe.path.replace("{key}", &encoded(key));
    let path = PathAndQuery::from_maybe_shared(Bytes::from(target))
        .map_err(|_| "its question is no path".to_owned())?;
    let route = house.plain_route(place);
    let mut record = Record::new(worker.clone(), CallId::new(), route, &probe.method, path.path());
    record.effects = Effects::Repeatable;
    record.note(format!("asks what became of {}", doubtful.label));
    let mut own = HeaderMap::new();
    own.insert(USER_AGENT, US);
    own.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers::trace(&mut own, record.id);
    let errand = Errand {
        entry: Entry { route, addressed: place, path, bare: false },
        method: probe.method.clone(),
        headers: own,
        body: Replay::none(),
        deadline: record.began + PATIENCE.min(house.routes[route].deadline),
        priority: Priority::default(),
        may_hedge: false,
        made: 0,
        credential: 0,
        once_only: false,
        // Of the account it was sent with.
        pinned: true,
        reads: None,
        first_seen: None,
    };
    let mut served = send(worker, &record, &errand, None).await;
    let said = match &mut served.answer.result {
        Ok(answered) => {
            let idle = house.routes[route].attempt.idle;
            let read = whole::read(&answered.head, &mut answered.body, idle, errand.deadline, house).await;
            let head = &answered.head;
            let seen = Head { status: head.status, headers: &head.headers, body: &answered.body.begun };
            match (house.upstreams[place].plan.provider.found(&seen), read) {
                (Some(true), Read::Whole) => {
                    headers::strip_hop_by_hop(&mut answered.head.headers, false);
                    Ok(Some(Kept::whole(&answered.head, &answered.body.begun)))
                }
                (Some(true), Read::Passing) => {
                    headers::strip_hop_by_hop(&mut answered.head.headers, false);
                    Ok(Some(Kept::head(&answered.head)))
                }
                (Some(true), _) => Err("the answer to the question was cut".to_owned()),
                (Some(false), _) => Ok(None),
                (None, _) => Err(format!("asked after it, {} answered {}", served.from.name, head.status)),
            }
        }
        Err(Error::Rejected(rejection)) => Err(rejection.to_string()),
        Err(Error::Inner(failure)) => Err(failure.message.clone()),
    };
    let back = WayBack { method: &probe.method, on_upgrade: None, coding: None };
    // What it told has been read; the rest closes its story.
    drop(answer::answer(worker, record, served, back, Keeping::Off));
    said
}

/// A key as a part of a path: what is not a plain letter is percent-encoded.
fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    key.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
