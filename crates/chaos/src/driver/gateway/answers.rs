//! What a gateway says, in the words of the others.

use seawall::effect::Reason;
use seawall_testkit::client::Answer;

use crate::check::ALARMS;
use crate::ledger::http::Written;
use crate::words::{How, What};

/// Where it takes calls, if this line says so.
pub(super) fn calls(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("calls at http://")?;
    Some(rest.split('/').next()?.to_owned())
}

/// Where its admin port is, if this line says so.
pub(super) fn admin(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("http://")?;
    Some(rest.trim().trim_end_matches('/').to_owned())
}

/// An alarm, and of which effect.
pub(super) fn alarm(line: &str) -> Option<(Option<What>, String)> {
    let begin = ALARMS.iter().find_map(|word| line.find(&format!(": {word}")))? + 2;
    let label = line.split_whitespace().find(|word| word.contains(":effect:"));
    Some((label.and_then(|label| What::labelled(label.trim_end_matches(':'))), line[begin..].to_owned()))
}

/// A moment in milliseconds since 1970.
pub(super) fn millis(text: &str) -> Option<u64> {
    let at = text.parse::<jiff::Timestamp>().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}

/// How the wish of that number was answered; or what it was answered that nobody should be. Since when something is in
/// doubt, an answer does not say.
pub(super) fn heard(n: u64, answer: &Answer) -> Result<How, String> {
    let odd = || format!("{} {}", answer.status, answer.text());
    let told = answer.json();
    let decided = answer.header("seawall-decision").unwrap_or_default();
    let code = told.as_ref().and_then(|told| told["code"].as_str());
    let certainty = told.as_ref().and_then(|told| told["certainty"].as_str());
    Ok(match (answer.status, code) {
        (200 | 201, None) => {
            let written = serde_json::from_slice::<Written>(&answer.body).map_err(|_| odd())?;
            let replayed = answer.header("idempotent-replayed") == Some("true");
            How::Ok { entry: written.entry, print: written.print, replayed, kept: true }
        }
        (402, None) => How::Refused { kept: true },
        // The far side's own word about this try; an earlier one may be in doubt.
        (425, None) if decided.contains("effect=in-doubt") => How::Unknown,
        (425, None) => How::NotApplied { run: n },
        // The far side's own error, and what a call's own caller is told when its reply was lost.
        (500, None) | (502 | 504, Some(_)) if certainty.unwrap_or("unknown") == "unknown" => How::Unknown,
        (409, Some("SW0036")) => How::InFlight,
        (409, Some("SW0037")) => {
            let text = answer.text();
            let reason = Reason::ALL.iter().find(|reason| text.contains(&format!("({reason})")));
            let quarantined = text.contains("only a person can find out");
            How::InDoubt { since: 0, reason: *reason.ok_or_else(odd)?, quarantined }
        }
        (422, Some("SW0038")) => How::Mismatch,
        (409, Some("SW0040")) => How::Expired,
        (409, Some("SW0044")) => How::NotKept,
        (503, Some("SW0041")) => How::Unavailable,
        (_, Some(_)) if certainty == Some("not-done") => How::NotApplied { run: n },
        _ => return Err(odd()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Kind;

    #[test]
    fn it_says_where_it_is_and_what_alarms_it() {
        assert_eq!(
            calls("seawall: calls at http://127.0.0.1:7070/<upstream>"),
            Some("127.0.0.1:7070".into())
        );
        assert_eq!(admin("  admin and dashboard at http://127.0.0.1:7071/ "), Some("127.0.0.1:7071".into()));
        let what = What { kind: Kind::Order, id: 7 };
        let line = "seawall: order: effect seawall:effect:order:7: SUSPECTED DUPLICATE: somebody";
        assert_eq!(alarm(line), Some((Some(what), "SUSPECTED DUPLICATE: somebody".into())));
        assert_eq!(alarm("seawall: effect seawall:effect:order:7: in doubt (lease)"), None);
        assert_eq!(millis("1970-01-01T00:00:01.500Z"), Some(1500));
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            minor: 1,
            headers: Vec::new(),
            body: body.into(),
            ended: seawall_testkit::client::Ended::Complete,
            informational: Vec::new(),
            trailers: Vec::new(),
            took: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn every_answer_means_one_thing_and_others_are_odd() {
        let refusal = |code: &str, certainty: &str| {
            format!(
                r#"{{"code":"{code}","certainty":"{certainty}","detail":"… (lease): it is not run again"}}"#
            )
        };
        let doubt = How::InDoubt { since: 0, reason: Reason::Lease, quarantined: false };
        let done = How::Ok { entry: 3, print: "ab".into(), replayed: false, kept: true };
        for (status, body, how) in [
            (201, r#"{"entry":3,"print":"ab"}"#.to_owned(), done),
            (402, String::new(), How::Refused { kept: true }),
            (425, String::new(), How::NotApplied { run: 9 }),
            (500, String::new(), How::Unknown),
            (502, refusal("SW0020", "unknown"), How::Unknown),
            (502, refusal("SW0020", "not-done"), How::NotApplied { run: 9 }),
            (409, refusal("SW0036", "unknown"), How::InFlight),
            (409, refusal("SW0037", "unknown"), doubt),
            (422, refusal("SW0038", "not-done"), How::Mismatch),
            (503, refusal("SW0041", "not-done"), How::Unavailable),
        ] {
            assert_eq!(heard(9, &answer(status, &body)), Ok(how), "{status} {body}");
        }
        for (status, body) in
            [(201, "{"), (200, ""), (404, ""), (503, ""), (500, r#"{"code":"SW0001","certainty":"unknown"}"#)]
        {
            assert!(heard(9, &answer(status, body)).is_err(), "{status} {body}");
        }
    }
}
