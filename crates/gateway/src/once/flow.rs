//! A call that must not happen twice: run under the journal, or answered from it.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use http::{HeaderMap, Response};
use hyper::upgrade::OnUpgrade;
use seawall::classify::Credential;
use seawall::effect::{Begun, Completed, Durability, Ending, Ticket, Truth};
use seawall::fallback::Served;
use seawall::pipeline::Held;
use seawall::timeout::within;
use seawall::{Certainty, Class, Code, Error, Rejection, Verdict};
use seawall_core::effect::Outcome;
use seawall_core::verdict::Seen;

use super::asked::Asked;
use super::whole::{self, Read};
use super::{Kept, Once};
use crate::answer::{self, Ended, Keeping, WayBack};
use crate::attempt::{Answer, Failure};
use crate::body::{Ending as BodyEnding, Outgoing, Watch};
use crate::headers;
use crate::proxy::{Errand, Worker, send_as_write};
use crate::record::{self, EffectWord, Record};
use crate::watch::AtEnd;

/// Answers a call that must not happen twice.
pub(crate) async fn call(
    worker: Arc<Worker>,
    record: Record,
    mut errand: Errand,
    on_upgrade: Option<OnUpgrade>,
) -> Response<Outgoing> {
    let house = worker.house.clone();
    let once = &house.routes[record.route].once;
    let asked = match Asked::read(&record, &errand, once).await {
        Ok(asked) => asked,
        Err(rejection) => return refused(&worker, record, rejection, EffectWord::None),
    };
    let left = house.now().until(errand.deadline);
    // Dropped, the wish is taken back.
    let begun = match within(once.kind.begin(&asked.wish()), left).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(rejection)) => return refused(&worker, record, rejection, EffectWord::None),
        Err(_) => {
            let rejection = Rejection::new(Code::StoreUnavailable)
                .because("the journal did not answer before the deadline")
                .after(Duration::from_secs(1))
                .certainty(Certainty::Unknown);
            return refused(&worker, record, rejection, EffectWord::None);
        }
    };
    let rejection = begun.rejection();
    match begun {
        Begun::Run(ticket) => {
            record.note(format!("journalled as {}", once.kind.label_of(&asked.wish())));
            name(&mut errand.headers, once, &asked, &ticket, &worker, &record);
            run(worker, record, errand, on_upgrade, ticket, once).await
        }
        Begun::Replay { truth, result } => {
            let kept = result.and_then(|bytes| Kept::read(&bytes));
            match kept {
                Some(kept) => give(&worker, record, &kept, truth),
                None => refused(&worker, record, not_kept(truth), EffectWord::Replayed),
            }
        }
        Begun::Busy(_) | Begun::Cooldown(_) => {
            // Its lease says how long its owner may be silent, not how long it will take.
            let soon = Duration::from_secs(1);
            let rejection = rejection.unwrap_or_else(|| Rejection::new(Code::EffectInFlight)).after(soon);
            refused(&worker, record, rejection, EffectWord::Open)
        }
        Begun::InDoubt { .. } => {
            let rejection = rejection.unwrap_or_else(|| Rejection::new(Code::EffectInDoubt));
            refused(&worker, record, rejection, EffectWord::InDoubt)
        }
        Begun::Exhausted | Begun::Mismatch | Begun::Expired => {
            let rejection = rejection.unwrap_or_else(|| Rejection::new(Code::KeyReused));
            refused(&worker, record, rejection, EffectWord::None)
        }
    }
}

/// The key as the upstream gets it: the caller's own, where the upstream can tell one caller from another; else one that
/// belongs to this effect alone, because two callers behind one credential would be given each other's answers.
fn name(
    headers: &mut HeaderMap,
    once: &Once,
    asked: &Asked,
    ticket: &Ticket,
    worker: &Worker,
    record: &Record,
) {
    headers.remove(&once.plan.key);
    if !once.plan.forward {
        headers.remove(&once.sends);
        return;
    }
    let house = &worker.house;
    let shared =
        house.routes[record.route].to.iter().any(|place| house.upstreams[*place].plan.has_own_credential());
    let own = (shared || record.caller().is_some()) && !asked.owner.is_empty();
    let key = if own { &**ticket.downstream_key() } else { asked.key.as_str() };
    if let Ok(value) = HeaderValue::from_str(key) {
        headers.insert(once.sends.clone(), value);
    }
}

async fn run(
    worker: Arc<Worker>,
    mut record: Record,
    errand: Errand,
    on_upgrade: Option<OnUpgrade>,
    ticket: Ticket,
    once: &Once,
) -> Response<Outgoing> {
    let mut served = send_as_write(&worker, &record, &errand, Some(&ticket)).await;
    let mut ending = match served.certainty {
        Certainty::Unknown => Ending::Unknown,
        _ => Ending::of(served.answer.verdict),
    };
    let mut kept = None;
    if matches!(ending, Ending::Applied | Ending::Rejected)
        && let Ok(answered) = &mut served.answer.result
    {
        let patience = &worker.house.routes[record.route].attempt;
        let until = ticket.send_before();
        let read = whole::read(&answered.head, &mut answered.body, patience.idle, until, &worker.house).await;
        match read {
            Read::Whole => kept = Some(remembered(answered, true)),
            Read::Passing => kept = Some(remembered(answered, false)),
            Read::Cut | Read::Stalled => {
                ending = Ending::Unknown;
                lose(&mut served, read);
            }
        }
    }
    let outcome = match ending {
        Ending::Applied => Outcome::Ended(Truth::Applied, kept.map(Arc::from)),
        Ending::Rejected => Outcome::Ended(Truth::Rejected, kept.map(Arc::from)),
        Ending::NotApplied => Outcome::NotApplied { cooldown: Duration::ZERO },
        Ending::Unknown => Outcome::Unknown { detail: why(&served).into() },
    };
    // Said before anything of the answer leaves: whoever has read it may rely on it.
    let completed = ticket.complete(outcome).await;
    let told = ending;
    if completed.doubted {
        // This run has not taken place; of an earlier one nobody knows.
        ending = Ending::Unknown;
    }
    record.effect = match ending {
        // Only what is written down is done for those who come after.
        Ending::Applied | Ending::Rejected if completed.durability == Durability::Spooled => EffectWord::Open,
        Ending::Applied | Ending::Rejected => EffectWord::Done,
        Ending::NotApplied => EffectWord::Open,
        Ending::Unknown => EffectWord::InDoubt,
    };
    note(&record, told, &completed);
    let back = WayBack { method: &errand.method, on_upgrade, coding: None };
    let mut response = answer::answer(&worker, record, served, back, Keeping::Off);
    if ending == Ending::Unknown && !once.may_send_again() {
        headers::do_not_retry(response.headers_mut());
    }
    response
}

/// The answer as its caller will read it, less what is about this connection.
fn remembered(answered: &mut Answer, whole: bool) -> Vec<u8> {
    headers::strip_hop_by_hop(&mut answered.head.headers, !whole && answered.head.status == 101);
    match whole {
        true => Kept::whole(&answered.head, &answered.body.begun),
        false => Kept::head(&answered.head),
    }
    .written()
}

/// The head came, and the answer did not: nobody can say what it would have told.
fn lose(served: &mut Served<'_, Answer, Failure>, read: Read) {
    let (code, message) = match read {
        Read::Stalled => (Code::BodyStalled, "the answer's body stood still for too long"),
        _ => (Code::ReplyLost, "the answer was cut before it was whole"),
    };
    let began = served.answer.result.as_ref().map_or(seawall_core::Instant::ORIGIN, |answer| answer.began);
    let failure = Failure {
        code,
        seen: Seen::ReplyLost,
        message: message.into(),
        status: None,
        credential: Credential::Shared,
        began,
    };
    served.answer.result = Err(Error::Inner(failure));
    served.answer.verdict = Verdict::of(Seen::ReplyLost);
    served.answer.certainty = Certainty::Unknown;
    served.certainty = Certainty::Unknown;
    std::mem::take(&mut served.answer.held).cut();
}

/// Why nobody knows how it ended, for whoever has to find out.
fn why(served: &Served<'_, Answer, Failure>) -> String {
    let target = served.from.name;
    let text = match &served.answer.result {
        Ok(answer) => format!("{target} answered {}", answer.head.status),
        Err(Error::Rejected(rejection)) => format!("{target}: {rejection}"),
        Err(Error::Inner(failure)) => format!("{target}: {}", failure.message),
    };
    text[..text.floor_char_boundary(200)].to_owned()
}

fn note(record: &Record, ending: Ending, completed: &Completed) {
    match completed.durability {
        Durability::Kept if completed.doubted => {
            record.note(format!("journalled: {ending}, an earlier run is still in doubt"));
        }
        Durability::Kept => record.note(format!("journalled: {ending}")),
        Durability::Spooled => {
            record.note(format!("{ending}; the journal does not answer, and is told when it does"));
        }
        durability => record.note(format!("{ending}; the journal says otherwise ({durability})")),
    }
}

/// It is finished, and its answer cannot be given again.
fn not_kept(truth: Truth) -> Rejection {
    let (word, certainty) = match truth {
        Truth::Applied => ("took place", Certainty::AlreadyDone),
        Truth::Rejected => ("was refused for good", Certainty::NotDone),
    };
    Rejection::new(Code::AnswerNotKept)
        .because(format!("the effect {word}, and what it answered is not kept"))
        .certainty(certainty)
}

/// Answers with what was answered before.
fn give(worker: &Arc<Worker>, mut record: Record, kept: &Kept, truth: Truth) -> Response<Outgoing> {
    let id = record.id;
    record.effect = EffectWord::Replayed;
    record.note(format!("replayed: {truth}, {}", kept.told()));
    let ended = Ended::default();
    let line = answer::decision(worker, &record, &ended);
    let body = kept.body();
    let size = body.as_ref().map_or(0, bytes::Bytes::len) as u64;
    let mut response = Response::new(body.map_or(Outgoing::Empty, Outgoing::Whole));
    *response.status_mut() = kept.status();
    *response.headers_mut() = kept.headers();
    response.headers_mut().insert(headers::REPLAYED, HeaderValue::from_static("true"));
    if kept.is_truncated() {
        response.headers_mut().insert(headers::REPLAY, HeaderValue::from_static("truncated"));
    }
    if !kept.status().is_success() {
        headers::do_not_retry(response.headers_mut());
    }
    answer::name(&mut response, id, line.clone());
    let (class, certainty) = match truth {
        Truth::Applied => (Class::Ok, Certainty::AlreadyDone),
        Truth::Rejected => (Class::Invalid, Certainty::NotDone),
    };
    let story = record.close(record::Outcome {
        place: 0,
        status: Some(kept.status().as_u16()),
        class,
        certainty,
        waited: Duration::ZERO,
        decision: Some(line),
        refusal: None,
        from_cache: None,
    });
    let at_end: Box<dyn Watch> =
        Box::new(AtEnd { worker: worker.clone(), story, place: 0, held: Held::default() });
    at_end.ended(BodyEnding::Complete, size);
    response
}

/// Our own words, before anything was sent.
fn refused(
    worker: &Arc<Worker>,
    mut record: Record,
    rejection: Rejection,
    word: EffectWord,
) -> Response<Outgoing> {
    record.effect = word;
    answer::refused(worker, record, rejection)
}
