//! Who may use the admin port: names, what each may do, and tokens of which only digests are kept.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{constant_time, digest};
use schemars::JsonSchema;
use seawall::Invalid;
use seawall_core::secret::Secret;
use serde::{Deserialize, Serialize};

/// The shortest token: fewer characters can be guessed over a network.
const SHORTEST: usize = 16;
/// The longest token that is looked at.
const LONGEST: usize = 512;

/// What somebody may do at the admin port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May read everything, and move nothing.
    #[default]
    Viewer,
    /// May pull levers too.
    Operator,
}

impl Role {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// SHA-256 of what must not be kept: tokens are long enough that no dictionary leads back.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(secret: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
    out
}

/// Somebody who has a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who it is: what levers and the access log say.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
    token: Digest,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Everybody who has a token. Without anybody the admin port asks for none, and is served on loopback only.
#[derive(Debug, Clone, Default)]
pub struct Operators(Vec<Operator>);

impl Operators {
    /// One more.
    ///
    /// Refuses a name that is there, and a token that no header can carry, that has fewer than 16 or more than 512
    /// characters, or that somebody else has. No message repeats it.
    pub fn add(&mut self, name: impl Into<Arc<str>>, role: Role, token: &Secret) -> Result<(), Invalid> {
        let (name, token) = (name.into(), token.expose().as_bytes());
        let wrong = |key, message: String| Err(Invalid::new(key, message));
        if self.0.iter().any(|other| other.name == name) {
            return wrong("name", format!("{name:?} is there twice: write another name"));
        }
        if !(SHORTEST..=LONGEST).contains(&token.len()) {
            return wrong(
                "token",
                format!(
                    "the token has {} characters: give it {SHORTEST} to {LONGEST}, such as those of `openssl rand -hex 32`",
                    token.len()
                ),
            );
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            let message = "the token holds characters a header cannot carry: give it letters and digits";
            return wrong("token", message.to_owned());
        }
        if let Some(other) = self.whose(token) {
            return wrong("token", format!("{} has the same token: give each their own", other.name));
        }
        self.0.push(Operator { name, role, token: digest(token) });
        Ok(())
    }

    /// Does nobody have a token?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token that is. It takes as long whoever's it is, and nobody's.
    pub(crate) fn whose(&self, token: &[u8]) -> Option<&Operator> {
        if !(SHORTEST..=LONGEST).contains(&token.len()) {
            return None;
        }
        let brought = digest(token);
        let same = |own: &&Operator| constant_time::verify_slices_are_equal(&own.token, &brought).is_ok();
        self.0.iter().fold(None, |found, own| if same(&own) { Some(own) } else { found })
    }

    /// The same one as they are now, if they still have the same token.
    pub(crate) fn still(&self, known: &Operator) -> Option<&Operator> {
        self.0.iter().find(|own| own.name == known.name && own.token == known.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "ann-0123456789abcdef";
    const BOB: &str = "bob-0123456789abcdef";

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn both() -> Operators {
        let mut operators = Operators::default();
        operators.add("ann", Role::Operator, &secret(ANN)).unwrap();
        operators.add("bob", Role::Viewer, &secret(BOB)).unwrap();
        operators
    }

    #[test]
    fn a_token_is_known_by_its_digest_alone_and_shows_itself_nowhere() {
        let operators = both();
        let whose = |token: &str| operators.whose(token.as_bytes()).map(|own| (&*own.name, own.role));
        assert_eq!(whose(ANN), Some(("ann", Role::Operator)));
        assert_eq!(whose(BOB), Some(("bob", Role::Viewer)));
        for other in ["", "ann", "ann-0123456789abcdeg", &ANN.to_uppercase(), &"x".repeat(5000)] {
            assert_eq!(whose(other), None, "{other}");
        }
        let shown = format!("{operators:?}");
        assert!(shown.contains("ann") && !shown.contains("012345") && !shown.contains("token"), "{shown}");
        assert!(Role::Viewer < Role::Operator);
    }

    #[test]
    fn whoever_changed_their_token_is_somebody_else_and_a_new_role_is_theirs_at_once() {
        let before = both();
        let ann = before.whose(ANN.as_bytes()).unwrap();
        let mut now = Operators::default();
        now.add("ann", Role::Viewer, &secret(ANN)).unwrap();
        assert_eq!(now.still(ann).map(|own| own.role), Some(Role::Viewer));
        let mut other = Operators::default();
        other.add("ann", Role::Operator, &secret(BOB)).unwrap();
        other.add("bob", Role::Operator, &secret(ANN)).unwrap();
        assert_eq!(other.still(ann), None);
    }

    #[test]
    fn tokens_that_can_be_guessed_sent_by_nobody_or_shared_are_refused_without_being_repeated() {
        let wrong = |name: &str, token: &str| {
            both().add(name.to_owned(), Role::Viewer, &secret(token)).unwrap_err().to_string()
        };
        assert!(wrong("eve", "hunter2").starts_with("token: the token has 7 characters: give it 16 to 512"));
        assert!(wrong("eve", "0123456789 abcdef").contains("characters a header cannot carry"));
        assert!(wrong("eve", "0123456789abcdéf").contains("characters a header cannot carry"));
        let same = wrong("eve", ANN);
        assert!(same.contains("ann has the same token") && !same.contains("012345"), "{same}");
        assert!(wrong("ann", "eve-0123456789abcdef").contains("there twice"));
    }
}
