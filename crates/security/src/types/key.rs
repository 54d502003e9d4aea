//! Keys of APIs, in a form a header can carry.

use seawall_core::secret::Secret;

use crate::vault::{Grade, Strength, strength};

/// A key of an API: 8 to 512 visible ASCII characters. It shows itself nowhere.
///
/// The errors are about what was pasted around a key, since that is what goes wrong; they repeat nothing of it.
///
/// ```
/// use seawall_core::secret::Secret;
/// use seawall_security::types::ApiKey;
/// let read = |text: &str| ApiKey::new(Secret::new(text.to_owned()));
/// assert_eq!(read("sk-7Qm2xVb9Lw4TzR1n")?.expose(), "sk-7Qm2xVb9Lw4TzR1n");
/// assert_eq!(read("Bearer sk-7Qm2xVb9Lw").unwrap_err(), "the key begins with a scheme: leave out \"Bearer\"");
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Debug, Clone)]
pub struct ApiKey(Secret);

impl ApiKey {
    /// Refuses what is too short or too long, what a header cannot carry, and what was pasted with it.
    pub fn new(secret: Secret) -> Result<Self, &'static str> {
        let text = secret.expose();
        let quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        let scheme =
            |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let wrong = if text.is_empty() {
            "the key is empty: give one"
        } else if quoted('"') || quoted('\'') {
            "the key stands in quotes: leave them out"
        } else if scheme("bearer ") {
            "the key begins with a scheme: leave out \"Bearer\""
        } else if scheme("basic ") {
            "the key begins with a scheme: leave out \"Basic\""
        } else if text.chars().any(char::is_whitespace) {
            "the key has spaces or line breaks: leave them out"
        } else if !text.chars().all(|c| c.is_ascii_graphic()) {
            "the key has characters a header cannot carry: copy it again"
        } else if text.starts_with('$') || text.contains("{{") {
            "the key is a variable that nobody filled in: give its value"
        } else if text.len() < 8 {
            "the key is shorter than 8 characters: copy all of it"
        } else if text.len() > 512 {
            "the key is longer than 512 characters: copy the key alone"
        } else {
            return Ok(Self(secret));
        };
        Err(wrong)
    }

    /// The text, for the one place that must send it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// How hard it is to guess.
    pub fn strength(&self) -> Strength {
        strength(self.expose())
    }

    /// Whether it can be guessed.
    pub fn is_weak(&self) -> bool {
        self.strength().grade == Grade::Weak
    }
}
