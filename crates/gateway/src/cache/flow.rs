//! A call on a route that keeps answers: looked up, waited for, sent, or answered with an old one.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use seawall::cache::{Ended as CallEnded, Found, Landing, Lead, Turn, Why};
use seawall::fallback::Served;
use seawall::timeout::within;
use seawall::{Certainty, Code, Effects, Error, Rejection};
use seawall_core::CallId;
use seawall_signals::view::CacheResult;

use super::give::{Given, give};
use super::key::Question;
use super::rules::{Wish, wish};
use super::{Answers, Keeper, Kept, Key};
use crate::answer::{self, Keeping, WayBack};
use crate::attempt::{Answer, Failure};
use crate::body::Outgoing;
use crate::compress::Reads;
use crate::proxy::{Errand, Worker, send};
use crate::record::Record;

/// Answers a call of a route that keeps answers.
pub(crate) async fn call(
    worker: Arc<Worker>,
    record: Record,
    errand: Errand,
    on_upgrade: Option<OnUpgrade>,
) -> Response<Outgoing> {
    let house = worker.house.clone();
    let asked = match errand.once_only || record.effects == Effects::Once {
        true => Wish::None,
        false => wish(&errand.headers),
    };
    let key = if asked == Wish::None { None } else { key(&record, &errand).await };
    let (Some(key), Some(answers)) = (key, &house.answers) else {
        count(&record, CacheResult::Bypass);
        let served = send(&worker, &record, &errand, None).await;
        return pass(&worker, record, &errand, served, on_upgrade, Keeping::Bypass);
    };
    let mut waited = Duration::ZERO;
    let keeper = match asked {
        Wish::Anew | Wish::None => Some(Keeper::Alone(key.clone())),
        Wish::Any(oldest) => match answers.kept.enter(&key) {
            Turn::Fresh(found) if !is_older(&found, oldest) => {
                count(&record, CacheResult::Hit);
                return give(&worker, record, Given::at_once(found.value, found.age, CacheResult::Hit, None));
            }
            Turn::Stale(found, lead) if !is_older(&found, oldest) => {
                count(&record, CacheResult::Stale);
                if let Some(lead) = lead {
                    refresh(&worker, &record, errand, lead);
                }
                let why = Some(Why::Revalidating);
                let given = Given::at_once(found.value, found.age, CacheResult::Stale, why);
                return give(&worker, record, given);
            }
            Turn::Stale(_, Some(lead)) => Some(Keeper::Lead(lead)),
            Turn::Fresh(_) | Turn::Stale(_, None) => Some(Keeper::Alone(key.clone())),
            Turn::Lead(lead) => Some(Keeper::Lead(lead)),
            Turn::Wait(waiting) => {
                let began = house.now();
                let landing = within(waiting.landing(), began.until(errand.deadline)).await;
                waited = house.now().since(began);
                match landing {
                    Ok(Landing::Value(kept)) => {
                        count(&record, CacheResult::Joined);
                        let given = Given::at_once(kept, Duration::ZERO, CacheResult::Joined, None);
                        return give(&worker, record, Given { waited, ..given });
                    }
                    Ok(Landing::Lead(lead)) => Some(Keeper::Lead(lead)),
                    Ok(Landing::Failed(failure)) => {
                        let old = failure.get::<Rejection>().and_then(|why| old(answers, &key, why));
                        if let Some((found, why)) = old {
                            return stale(&worker, record, found, why, waited);
                        }
                        Some(Keeper::Alone(key.clone()))
                    }
                    Ok(Landing::Scattered) => Some(Keeper::Alone(key.clone())),
                    Err(_) => {
                        let late = Rejection::new(Code::DeadlineExceeded)
                            .because("the deadline passed while another call fetched the same");
                        return match old(answers, &key, &late) {
                            Some((found, why)) => stale(&worker, record, found, why, waited),
                            None => {
                                count(&record, CacheResult::Miss);
                                answer::too_late(&worker, record, late, waited)
                            }
                        };
                    }
                }
            }
        },
    };
    let mut served = send(&worker, &record, &errand, None).await;
    served.answer.waited += waited;
    // Who asked for a new one is not given an old one; nor is whoever must know that nobody knows what became of it.
    let in_doubt = record.effects == Effects::Guarded && served.certainty == Certainty::Unknown;
    if matches!(asked, Wish::Any(_))
        && !in_doubt
        && let Some(rejection) = failed(&served)
        && let Some((found, why)) = old(answers, &key, &rejection)
    {
        match keeper {
            // Those who wait may have more time than this call had.
            Some(Keeper::Lead(lead)) if rejection.code != Code::DeadlineExceeded => lead.fail(rejection),
            keeper => drop(keeper),
        }
        let Served { answer, attempts, from, .. } = served;
        answer.held.settle();
        count(&record, CacheResult::Stale);
        let given = Given::at_once(found.value, found.age, CacheResult::Stale, Some(why));
        return give(
            &worker,
            record,
            Given { attempts, waited: answer.waited, place: Some(from.place), ..given },
        );
    }
    count(&record, CacheResult::Miss);
    pass(&worker, record, &errand, served, on_upgrade, Keeping::Miss(keeper))
}

/// Passes on what came.
fn pass(
    worker: &Arc<Worker>,
    record: Record,
    errand: &Errand,
    served: Served<'_, Answer, Failure>,
    on_upgrade: Option<OnUpgrade>,
    keeping: Keeping,
) -> Response<Outgoing> {
    let coding = errand.coding(&worker.house.routes[record.route]);
    let back = WayBack { method: &errand.method, on_upgrade, coding: coding.as_ref() };
    answer::answer(worker, record, served, back, keeping)
}

/// The key of a call, if its body is small enough to be part of one and comes in time. What has been read of it is not
/// lost.
async fn key(record: &Record, errand: &Errand) -> Option<Key> {
    let house = &record.worker.house;
    let answers = house.answers.as_ref()?;
    let patience = house.routes[record.route].attempt.first_byte;
    let body = errand.body.whole(patience.min(house.now().until(errand.deadline))).await?;
    let Errand { entry, method, headers, reads, .. } = errand;
    let reads = reads.as_ref().map(Reads::asked);
    let (route, caller) = (record.route, record.caller());
    Some(answers.key(&Question { route, caller, entry, method, headers, reads, body: &body }, house))
}

/// How a call failed, in the words of a refusal, where an old answer may be better than that.
fn failed(served: &Served<'_, Answer, Failure>) -> Option<Rejection> {
    match &served.answer.result {
        // Not a refusal of ours, but worth as much to whoever asked.
        Ok(answer) if answer.head.status.is_server_error() => Some(Rejection::new(Code::UpstreamGarbage)),
        Ok(_) => None,
        Err(Error::Rejected(rejection)) => Some(rejection.clone()),
        Err(Error::Inner(failure)) => Some(Rejection::new(failure.code)),
    }
}

/// Older than its caller wants?
fn is_older(found: &Found<Arc<Kept>>, oldest: Option<Duration>) -> bool {
    oldest.is_some_and(|oldest| found.value.age.saturating_add(found.age) > oldest)
}

fn old(answers: &Answers, key: &Key, rejection: &Rejection) -> Option<(Found<Arc<Kept>>, Why)> {
    answers.kept.stale(key, &CallEnded::Refused(rejection))
}

/// An old answer for a call that has waited in vain for another.
fn stale(
    worker: &Arc<Worker>,
    record: Record,
    found: Found<Arc<Kept>>,
    why: Why,
    waited: Duration,
) -> Response<Outgoing> {
    count(&record, CacheResult::Stale);
    let given = Given::at_once(found.value, found.age, CacheResult::Stale, Some(why));
    give(worker, record, Given { waited, ..given })
}

fn count(record: &Record, result: CacheResult) {
    let house = &record.worker.house;
    house.upstreams[house.routes[record.route].to[0]].meters.cache.of(result).inc();
}

/// Fetches a new answer behind an old one that has just been given: a call of its own, with a story of its own.
fn refresh(worker: &Arc<Worker>, before: &Record, errand: Errand, lead: Lead<Key, Arc<Kept>>) {
    let house = &worker.house;
    let mut record = Record::new(worker.clone(), CallId::new(), before.route, &errand.method, before.path());
    record.caller = before.caller;
    record.effects = before.effects;
    record.note(format!("fetched anew behind {}, which was given an old answer", before.id));
    let deadline = record.began + house.routes[before.route].deadline;
    let (worker, errand) = (worker.clone(), Errand { deadline, ..errand });
    tokio::spawn(async move {
        let served = send(&worker, &record, &errand, None).await;
        let keeping = Keeping::Miss(Some(Keeper::Lead(lead)));
        let response = pass(&worker, record, &errand, served, None, keeping);
        let mut body = response.into_body();
        // Nobody reads it: once it is not kept there is no use for the rest.
        while body.is_captured() && matches!(body.frame().await, Some(Ok(_))) {}
    });
}

/// Does a route that keeps answers keep those to this method? GET and HEAD, and what the route names.
pub(crate) fn covers(route: Option<&Method>, method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD) || route == Some(method)
}
