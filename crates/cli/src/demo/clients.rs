//! Who asks: a plain client, and one that repeats like the common SDKs do.

use std::io;
use std::time::Duration;

use seawall_testkit::client::{self, Answer, Ended};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::traffic::{Kind, Operation};

/// How a client takes failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Passes it on.
    Plain,
    /// Repeats twice on 408, 409, 429, 5xx and lost connections, whatever the method, after 0.5 s and 1 s less up to a
    /// quarter, or after what `retry-after-ms` or `retry-after` ask for: the defaults of the OpenAI and Anthropic SDKs.
    Retrying,
}

/// Repeats beyond the first request.
const RETRIES: u32 = 2;
/// The pause before the first repeat; it doubles.
const BASE: Duration = Duration::from_millis(500);
/// The longest of those pauses.
const CAP: Duration = Duration::from_secs(8);
/// The longest pause a server may ask for.
const OBEYED: Duration = Duration::from_secs(60);

/// What the client tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Here is your answer.
    Done,
    /// It failed.
    Failed,
    /// It may have been done and it may not.
    Unknown,
}

/// One operation as its caller saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// What was asked.
    pub(super) operation: Operation,
    /// What the client said.
    pub(super) told: Told,
    /// Whether the answer really was all there.
    pub(super) whole: bool,
    /// From the first request to the end of the last answer.
    pub(super) took: Duration,
    /// The gateway's name for the call.
    pub(super) call: Option<String>,
}

impl Seen {
    /// The caller has a whole answer and knows it.
    pub(super) fn succeeded(&self) -> bool {
        self.told == Told::Done && self.whole
    }

    /// The caller took half an answer for a whole one.
    pub(super) fn truncated(&self) -> bool {
        self.told == Told::Done && !self.whole
    }
}

impl Client {
    /// Carries out one operation against the service at `url`; chance comes from `random`.
    pub(super) async fn perform(self, url: &str, operation: Operation, mut random: fastrand::Rng) -> Seen {
        let began = Instant::now();
        let mut repeats = 0;
        loop {
            let answer = client::request(url, operation.request()).await;
            if self == Self::Plain || repeats == RETRIES || !worth_repeating(&answer, operation.kind) {
                return see(operation, answer.ok().as_ref(), began.elapsed());
            }
            sleep(pause(repeats, answer.ok().as_ref(), random.f64())).await;
            repeats += 1;
        }
    }
}

/// An SDK repeats a stream only as long as its head has not come.
fn worth_repeating(answer: &io::Result<Answer>, kind: Kind) -> bool {
    match answer {
        Err(_) => true,
        Ok(answer) if matches!(answer.status, 408 | 409 | 429 | 500..) => true,
        Ok(answer) => kind != Kind::Chats && !ended_cleanly(answer),
    }
}

fn pause(repeats: u32, answer: Option<&Answer>, dice: f64) -> Duration {
    let number = |name| answer?.header(name)?.trim().parse::<f64>().ok();
    let asked = number("retry-after-ms").map(|ms| ms / 1e3).or_else(|| number("retry-after"));
    match asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(asked) if !asked.is_zero() && asked <= OBEYED => asked,
        _ => BASE.saturating_mul(1 << repeats).min(CAP).mul_f64(1.0 - 0.25 * dice),
    }
}

/// What a caller makes of the last answer, or of none: a connection that broke is a failure to it, for it knows no better.
fn see(operation: Operation, answer: Option<&Answer>, took: Duration) -> Seen {
    let told = match answer {
        Some(answer) if answer.status < 400 && ended_cleanly(answer) => Told::Done,
        Some(answer) if answer.json().is_some_and(|problem| problem["certainty"] == "unknown") => {
            Told::Unknown
        }
        _ => Told::Failed,
    };
    let whole = answer.is_some_and(|answer| is_whole(operation.kind, answer));
    let call = answer.and_then(|answer| answer.header("seawall-call")).map(str::to_owned);
    Seen { operation, told, whole, took, call }
}

/// HTTP found nothing amiss, which is all that a client asks that does not know the service.
fn ended_cleanly(answer: &Answer) -> bool {
    matches!(answer.ended, Ended::Complete | Ended::UntilClose)
}

/// The truth, from what each service promises at the end of its answers.
fn is_whole(kind: Kind, answer: &Answer) -> bool {
    let says = |what: fn(&Value) -> bool| answer.json().as_ref().is_some_and(what);
    ended_cleanly(answer)
        && match kind {
            Kind::Reads => says(|data| data["complete"] == true),
            Kind::Chats => answer.events().last().is_some_and(|event| event == "[DONE]"),
            Kind::Orders => says(|order| order["status"] == "filled"),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)]) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer {
            status,
            minor: 1,
            headers,
            body: Vec::new(),
            ended: Ended::Complete,
            informational: Vec::new(),
            trailers: Vec::new(),
            took: Duration::ZERO,
        }
    }

    fn operation(kind: Kind) -> Operation {
        Operation { at: Duration::ZERO, kind, number: 1 }
    }

    #[test]
    fn a_client_that_retries_waits_as_the_sdks_do() {
        let ms = Duration::from_millis;
        assert_eq!([pause(0, None, 0.0), pause(1, None, 0.0)], [ms(500), ms(1000)]);
        assert_eq!(pause(0, None, 1.0), ms(375));
        assert_eq!(pause(9, None, 0.0), CAP);
        let asked = |headers: &[_]| pause(0, Some(&answer(429, headers)), 0.0);
        assert_eq!(asked(&[("retry-after", "2")]), ms(2000));
        assert_eq!(asked(&[("retry-after", "2"), ("retry-after-ms", "120")]), ms(120));
        for ignored in ["0", "61", "-1", "soon", "NaN"] {
            assert_eq!(asked(&[("retry-after", ignored)]), ms(500), "{ignored}");
        }
    }

    #[test]
    fn a_client_that_retries_repeats_what_the_sdks_repeat() {
        for status in [408, 409, 429, 500, 502, 503, 504] {
            assert!(worth_repeating(&Ok(answer(status, &[])), Kind::Orders), "{status}");
        }
        for status in [200, 201, 400, 401, 404, 422] {
            assert!(!worth_repeating(&Ok(answer(status, &[])), Kind::Orders), "{status}");
        }
        assert!(worth_repeating(&Err(io::ErrorKind::UnexpectedEof.into()), Kind::Orders));
        let cut = || Ok(Answer { ended: Ended::CutShort, ..answer(200, &[]) });
        assert!(worth_repeating(&cut(), Kind::Reads));
        assert!(!worth_repeating(&cut(), Kind::Chats), "its head had come");
    }

    #[test]
    fn a_clean_end_is_taken_for_complete_and_a_break_is_not() {
        let told = |body: &str, ended| {
            let answer = Answer { body: body.into(), ended, ..answer(200, &[]) };
            let seen = see(operation(Kind::Chats), Some(&answer), Duration::ZERO);
            (seen.succeeded(), seen.truncated())
        };
        assert_eq!(told("data: {}\n\ndata: [DONE]\n\n", Ended::Complete), (true, false));
        assert_eq!(told("data: {}\n\n", Ended::Complete), (false, true));
        assert_eq!(told("data: {}\n\n", Ended::CutShort), (false, false));
    }

    #[test]
    fn only_an_answer_that_says_unknown_is_told_as_unknown() {
        let told = |answer: Option<&Answer>| see(operation(Kind::Orders), answer, Duration::ZERO).told;
        let problem = |certainty: &str| Answer {
            body: format!(r#"{{"certainty":"{certainty}"}}"#).into_bytes(),
            ..answer(502, &[])
        };
        assert_eq!(told(Some(&problem("unknown"))), Told::Unknown);
        assert_eq!(told(Some(&problem("not-done"))), Told::Failed);
        assert_eq!(told(Some(&answer(500, &[]))), Told::Failed);
        assert_eq!(told(None), Told::Failed, "nobody told the client that it is unknown");
    }
}
