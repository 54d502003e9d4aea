//! Who is asking at the admin port, and how that shows: a token, or the session of a browser that brought one.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use seawall::{Code, Rejection};
use seawall_core::audit::{Audit as _, Entry};

use super::guesses::Guess;
use super::port::From;
use super::sessions::Found;
use super::{Board, views};
use crate::headers::SESSION;
use crate::house::House;
use crate::plan::operators::{Digest, Operator, Role};
use crate::standing::Standing;

/// Who is asking.
#[derive(Debug, Clone, Default)]
pub(super) enum Who {
    /// Anybody: there are no tokens.
    #[default]
    Anybody,
    /// Somebody who has shown nothing.
    Stranger,
    /// Somebody who has a token.
    Known(Known),
}

/// Somebody who has a token.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) operator: Operator,
    /// Their session, where it is not the token itself that came with the request.
    pub(super) session: Option<Session>,
}

/// A session, as far as a request needs it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: Digest,
    pub(super) form: Arc<str>,
}

impl Who {
    pub(super) fn known(&self) -> Option<&Known> {
        match self {
            Who::Known(known) => Some(known),
            Who::Anybody | Who::Stranger => None,
        }
    }

    /// May they see more than how it stands in a word?
    pub(super) fn may_read(&self) -> bool {
        !matches!(self, Who::Stranger)
    }

    /// May they pull levers?
    pub(super) fn may_pull(&self) -> bool {
        match self {
            Who::Anybody => true,
            Who::Stranger => false,
            Who::Known(known) => known.operator.role >= Role::Operator,
        }
    }
}

/// What is asked of the port, as whoever asks sees it.
impl FromRequestParts<Board> for Board {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, board: &Board) -> Result<Self, Infallible> {
        let who = parts.extensions.get::<Who>().cloned().unwrap_or_default();
        let came = parts.extensions.get::<From>().map(|from| from.standing.clone());
        Ok(Board { who, came, ..board.clone() })
    }
}

impl Board {
    /// Whose token was brought, where tokens are used.
    pub(super) fn owner(&self) -> Option<Arc<str>> {
        self.who.known().map(|known| known.operator.name.clone())
    }

    /// What the forms of this page carry.
    pub(super) fn form_token(&self) -> &str {
        match self.who.known().and_then(|known| known.session.as_ref()) {
            Some(session) => &session.form,
            None => self.desk.token(),
        }
    }

    /// Is whoever asked still who they were? A token may have gone with a configuration, a session with time.
    pub(super) fn still_known(&self) -> bool {
        let house = self.house();
        let refused = |came: &Arc<Standing>| came.refused(house.plan.admin_tls.as_ref(), house.now());
        if self.came.as_ref().and_then(refused).is_some() {
            return false;
        }
        match &self.who {
            Who::Anybody => house.plan.operators.is_empty(),
            Who::Stranger => false,
            Who::Known(known) => {
                let lives = |session: &Session| self.sessions.lives(&session.id, house.now());
                house.plan.operators.still(&known.operator).is_some()
                    && known.session.as_ref().is_none_or(lives)
            }
        }
    }

    /// What the cookie of a session of this port is called: other ports of the same host have cookies of their own.
    pub(super) fn cookie(&self) -> String {
        format!("{SESSION}{}", self.scene.bound[1].port())
    }

    /// A wrong token came from there: what to answer. The first few are written down.
    pub(super) fn wrong(&self, from: IpAddr) -> Rejection {
        match self.guesses.wrong(from, views::now(self)) {
            Guess::Told { unheard } => {
                let entry = Entry::open("admin.refused", from.to_string());
                let entry = entry.because("a token that nobody has").with("unheard", unheard);
                // An open entry is counted where it cannot be written.
                let _ = self.house().ground.audit.note(entry);
                Rejection::new(Code::OperatorUnknown).because("the token is nobody's who may come in here")
            }
            Guess::Tired(wait) => Rejection::new(Code::TooManyGuesses).after(wait),
        }
    }
}

/// Who a request is from, as far as it says so. A token that is nobody's is an error, also where none is needed.
pub(super) fn identify(
    board: &Board,
    house: &House,
    headers: &HeaderMap,
    from: IpAddr,
) -> Result<Option<Known>, Rejection> {
    let operators = &house.plan.operators;
    let mut brought = headers.get_all(AUTHORIZATION).iter();
    match (brought.next(), brought.next()) {
        (None, _) => {}
        (Some(value), None) => {
            return match bearer(value).and_then(|token| operators.whose(token)) {
                Some(operator) => Ok(Some(Known { operator: operator.clone(), session: None })),
                None => Err(board.wrong(from)),
            };
        }
        (Some(_), Some(_)) => {
            let why = "authorization is there twice: send one token";
            return Err(Rejection::new(Code::OperatorUnknown).because(why));
        }
    }
    let found = cookies(headers, &board.cookie()).find_map(|id| board.sessions.find(id, house.now()));
    // A token that has gone takes its sessions with it; a role that has changed is changed for them too.
    Ok(found.and_then(|Found { id, operator, form }| {
        let operator = operators.still(&operator)?.clone();
        Some(Known { operator, session: Some(Session { id, form }) })
    }))
}

/// What stands after `Bearer`.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (word, token) = value.as_bytes().split_at_checked(7)?;
    word.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// The values of a cookie, under its own name or the one it has where the browser came by https.
fn cookies<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let own = move |pair: &'h str| {
        let (key, value) = pair.trim().split_once('=')?;
        (key.strip_prefix(HOST_ONLY).unwrap_or(key) == name).then_some(value)
    };
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(own).take(4)
}

/// What a browser takes for a promise that the cookie is of this host, came by https, and is for every path.
pub(super) const HOST_ONLY: &str = "__Host-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_after_its_word_and_nowhere_else() {
        let read = |text: &'static str| bearer(&HeaderValue::from_static(text)).map(<[u8]>::to_vec);
        assert_eq!(read("Bearer abc").as_deref(), Some(&b"abc"[..]));
        assert_eq!(read("bearer   abc").as_deref(), Some(&b"abc"[..]));
        for other in ["", "abc", "Bearer", "Basic abc", "Bearerabc"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers
            .append(COOKIE, HeaderValue::from_static("a=b; seawall_session_1=one ;seawall_session_12=other"));
        headers.append(
            COOKIE,
            HeaderValue::from_static("__Host-seawall_session_1=two; xseawall_session_1=no; x"),
        );
        assert_eq!(cookies(&headers, "seawall_session_1").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(cookies(&headers, "seawall_session_2").count(), 0);
    }
}
