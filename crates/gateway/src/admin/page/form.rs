//! Forms that only our own pages can send: a token, an origin, who and why.

use aws_lc_rs::constant_time;
use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Redirect, Response};
use seawall::{Code, Rejection};
use serde::Deserialize;

use super::super::levers::{self, Signed};
use super::super::{Board, views};
use super::words;

/// What a person filled in. What is missing is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::admin) struct Filled {
    token: String,
    by: String,
    reason: String,
    /// Which lever, or how an effect ended.
    choice: String,
    /// Nothing may hold it back.
    force: Option<String>,
}

/// A form as a page shows it: fresh, or as it was filled in, with what was wrong.
#[derive(Debug, Default)]
pub(super) struct Blank {
    pub(super) token: String,
    pub(super) by: String,
    pub(super) reason: String,
    pub(super) choice: String,
    pub(super) force: bool,
    pub(super) error: Option<String>,
    /// Who it is by, where that is no question.
    pub(super) owner: Option<String>,
    /// May whoever looks at it send it?
    pub(super) may: bool,
}

impl Blank {
    pub(super) fn fresh(board: &Board) -> Self {
        Self {
            token: board.form_token().to_owned(),
            owner: board.owner().map(|owner| owner.to_string()),
            may: board.who.may_pull(),
            ..Self::default()
        }
    }

    /// Longest name or reason.
    pub(super) const fn longest(&self) -> usize {
        levers::LONGEST
    }
}

/// The form, if it is one of ours.
pub(in crate::admin) fn ours(
    board: &Board,
    headers: &HeaderMap,
    form: Result<Form<Filled>, FormRejection>,
) -> Result<Filled, Rejection> {
    let read = form.map_err(|error| {
        Rejection::new(Code::Malformed).because(format!("the form cannot be read: {}", error.body_text()))
    });
    let checked = read.and_then(|Form(filled)| {
        same_origin(headers)?;
        if !same(board.form_token(), &filled.token) {
            return Err(Rejection::new(Code::ForeignOrigin).because(
                "the form is not of this page, or older than this process or session: load the page again and repeat",
            ));
        }
        // Where tokens are used, whoever has the token it is.
        let by = board.owner().map_or(filled.by, |owner| owner.to_string());
        Ok(Filled { by, ..filled })
    });
    checked.inspect_err(|rejection| views::turned_away(board, rejection.code))
}

/// Is that the token? An empty one never is: then there was no randomness to make one from.
fn same(own: &str, brought: &str) -> bool {
    !own.is_empty() && constant_time::verify_slices_are_equal(own.as_bytes(), brought.as_bytes()).is_ok()
}

/// Where browsers say where a form comes from, it comes from this very port. The port for calls is another origin:
/// what an upstream answers there is somebody else's page.
pub(in crate::admin) fn same_origin(headers: &HeaderMap) -> Result<(), Rejection> {
    const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let foreign = || Rejection::new(Code::ForeignOrigin);
    if headers.get_all(SITE).iter().any(|site| site != "same-origin") {
        return Err(foreign());
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    for origin in headers.get_all(header::ORIGIN) {
        let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if !from.is_some_and(|(_, from)| from.eq_ignore_ascii_case(host)) {
            return Err(foreign());
        }
    }
    Ok(())
}

impl Filled {
    /// Who and why, or what to write.
    pub(super) fn signed(&self) -> Result<Signed, Rejection> {
        levers::sign(&self.by, &self.reason).map_err(|key| {
            let what = if key == "by" { "who you are" } else { "why you do it" };
            Rejection::new(Code::LeverUnsigned)
                .because(format!("say {what}, in at most {} bytes", levers::LONGEST))
        })
    }

    pub(super) fn choice(&self) -> &str {
        &self.choice
    }

    pub(super) fn forced(&self) -> bool {
        self.force.is_some()
    }

    /// The same form again, with what was wrong.
    pub(super) fn again(self, board: &Board, rejection: &Rejection) -> Blank {
        Blank {
            force: self.force.is_some(),
            error: Some(match rejection.retry_after {
                Some(wait) => format!(
                    "{} {}: ask again in {}",
                    rejection.code,
                    rejection.reason,
                    words::seconds(wait.as_secs() + 1)
                ),
                None => format!("{} {}", rejection.code, rejection.reason),
            }),
            by: self.by,
            reason: self.reason,
            choice: self.choice,
            ..Blank::fresh(board)
        }
    }

    /// It was done: back to a page that can be loaded again without doing it again, and says so.
    pub(super) fn done(&self, board: &Board, path: &str, what: &str) -> Response {
        let text = format!("{what}, by {}: {}", self.by.trim(), self.reason.trim());
        let note = board.desk.leave(text, views::now(board));
        Redirect::to(&format!("{path}?note={note}")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_token_itself_is_the_token() {
        let own = super::super::secret();
        assert!(same(&own, &own) && own.len() == 32);
        for wrong in ["", "x", &super::super::secret(), &own[1..], &own.to_uppercase().replace('0', "1")] {
            assert!(!same(&own, wrong), "{wrong}");
        }
        assert!(!same("", ""));
    }

    #[test]
    fn a_form_from_elsewhere_is_refused_whatever_it_carries() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:7071"));
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            same_origin(&headers).is_ok()
        };
        assert!(check(&[]));
        assert!(check(&[("origin", "http://127.0.0.1:7071"), ("sec-fetch-site", "same-origin")]));
        for foreign in [
            ("origin", "http://127.0.0.1:7070"),
            ("origin", "null"),
            ("origin", "*"),
            ("origin", "127.0.0.1:7071"),
            ("origin", ""),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "none"),
        ] {
            assert!(!check(&[foreign]), "{foreign:?}");
            assert!(!check(&[("origin", "http://127.0.0.1:7071"), foreign]), "{foreign:?}");
        }
    }
}
