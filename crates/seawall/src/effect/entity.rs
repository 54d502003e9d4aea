//! What effects are about, in fields that read the same however they are written: an id and a fingerprint of them.
//!
//! Two equal orders can both be meant. An id that is derived from what is asked for therefore needs an occurrence
//! number, and cannot be had without; whoever has an intent of its own (a client order id, a message id) names that.
//!
//! ```
//! use seawall::effect::entity::{self, Side};
//!
//! let order = entity::order("btcusdt", Side::Buy, "1.50").decimal("price", "42000.0");
//! let first = order.clone().occurrence(0)?;
//! assert_eq!(first, entity::order("BTCUSDT", Side::Buy, "1.5").decimal("price", "42000").occurrence(0)?);
//! assert_ne!(first, order.clone().occurrence(1)?);
//! assert_eq!(order.intent("client-17")?.text(), "client-17");
//! # Ok::<(), seawall::Invalid>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;

use seawall_core::effect::Fingerprint;
use seawall_policy::Invalid;

/// The type of an order placement.
pub const ORDER: &str = "order";
/// The type of a change of a position.
pub const POSITION: &str = "position";
/// The type of an entry in a ledger.
pub const LEDGER: &str = "ledger";
/// The type of a profit or loss that is booked.
pub const PNL: &str = "pnl";
/// The type of a signal that is acted upon.
pub const SIGNAL: &str = "signal";

/// Which side of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To have more of it.
    Buy,
    /// To have less of it.
    Sell,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Buy => "buy",
            Side::Sell => "sell",
        })
    }
}

/// What an effect is about, as canonical fields. It is no id yet: see [`Entity::occurrence`] and [`Entity::intent`].
#[derive(Debug, Clone)]
#[must_use = "an entity is not an id: give it an occurrence or an intent"]
pub struct Entity {
    /// What people see before the digest.
    head: String,
    fields: BTreeMap<&'static str, String>,
    wrong: Option<Invalid>,
}

/// Which effect of its type: a text, and which of several equal wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id {
    text: String,
    occurrence: u32,
    print: Option<Fingerprint>,
}

/// An order to be placed. Add `price`, `account`, `venue`, `type`, whatever tells two orders apart.
pub fn order(symbol: &str, side: Side, quantity: &str) -> Entity {
    let symbol = symbol.trim().to_uppercase();
    Entity::new(format!("{side}-{symbol}"))
        .field("symbol", symbol)
        .with("side", &side.to_string())
        .decimal("quantity", quantity)
}

/// A change of a position.
pub fn position(account: &str, symbol: &str, change: &str) -> Entity {
    let symbol = symbol.trim().to_uppercase();
    Entity::new(format!("{account}-{symbol}"))
        .with("account", account)
        .field("symbol", symbol)
        .decimal("change", change)
}

/// An entry in a ledger.
pub fn ledger(account: &str, currency: &str, amount: &str) -> Entity {
    let currency = currency.trim().to_uppercase();
    Entity::new(format!("{account}-{currency}"))
        .with("account", account)
        .field("currency", currency)
        .decimal("amount", amount)
}

/// A profit or loss that is booked for a period (a day, a trade).
pub fn pnl(account: &str, period: &str, amount: &str) -> Entity {
    Entity::new(format!("{account}-{period}"))
        .with("account", account)
        .with("period", period)
        .decimal("amount", amount)
}

/// A signal that is acted upon; most have an id of their own, which is the intent.
pub fn signal(source: &str, symbol: &str, what: &str) -> Entity {
    let symbol = symbol.trim().to_uppercase();
    Entity::new(format!("{source}-{symbol}"))
        .with("source", source)
        .field("symbol", symbol)
        .with("what", what)
}

impl Entity {
    /// Something of your own; `head` is what people see before the digest.
    pub fn new(head: impl Into<String>) -> Self {
        Self { head: head.into(), fields: BTreeMap::new(), wrong: None }
    }

    /// A field that is text: white space around it does not count.
    pub fn with(self, name: &'static str, value: &str) -> Self {
        self.field(name, value.trim().to_owned())
    }

    /// A field that is a number: `"1.50"` is `"1.5"`.
    pub fn decimal(mut self, name: &'static str, value: &str) -> Self {
        match canonical(value) {
            Some(value) => self.field(name, value),
            None => {
                let shown: String = value.chars().take(40).collect();
                let message = format!("{shown:?} is not a decimal number: write \"1.5\"");
                self.wrong.get_or_insert(Invalid::new(name, message));
                self
            }
        }
    }

    fn field(mut self, name: &'static str, value: String) -> Self {
        self.fields.insert(name, value);
        self
    }

    /// The id that follows from the fields, for the `number`th time the same is wanted. Who numbers them must do it the
    /// same way on every retry: the position in a batch, the number of a bar, a counter that is stored with the wish.
    pub fn occurrence(self, number: u32) -> Result<Id, Invalid> {
        let print = self.print()?;
        Ok(Id { text: format!("{}-{print}", self.head), occurrence: number, print: Some(print) })
    }

    /// The caller's own id of its intent; the fields only tell a second use of it for something else.
    pub fn intent(self, id: impl Into<String>) -> Result<Id, Invalid> {
        let print = self.print()?;
        Ok(Id { print: Some(print), ..Id::intent(id) })
    }

    fn print(&self) -> Result<Fingerprint, Invalid> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        let parts: Vec<&[u8]> =
            self.fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        Ok(Fingerprint::of(&parts))
    }
}

impl Id {
    /// The caller's own id of its intent: the same on every retry, another for every new wish.
    pub fn intent(id: impl Into<String>) -> Self {
        Self { text: id.into(), occurrence: 0, print: None }
    }

    /// The same, for the `number`th time it is wanted.
    pub fn occurrence(self, number: u32) -> Self {
        Self { occurrence: number, ..self }
    }

    /// As people see it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which of several equal wishes it is.
    pub const fn number(&self) -> u32 {
        self.occurrence
    }

    /// The fingerprint of the fields it was made with.
    pub const fn print(&self) -> Option<Fingerprint> {
        self.print
    }
}

impl<S: Into<String>> From<S> for Id {
    fn from(id: S) -> Self {
        Id::intent(id)
    }
}

/// The shortest text of the same number; none if it is no plain decimal one.
fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() > 100 || whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let number = if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") };
    Some(if minus && number != "0" { format!("-{number}") } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_number_reads_the_same_however_it_is_written() {
        for (text, number) in [
            ("1.50", Some("1.5")),
            (" +01.5 ", Some("1.5")),
            ("-0.0", Some("0")),
            (".5", Some("0.5")),
            ("100", Some("100")),
            ("-7.", Some("-7")),
            ("1e3", None),
            ("", None),
            (".", None),
            ("1,5", None),
            ("--1", None),
            ("NaN", None),
        ] {
            assert_eq!(canonical(text).as_deref(), number, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused_by_name() {
        let wrong = order("X", Side::Buy, "a lot").occurrence(0).unwrap_err();
        assert_eq!(wrong.to_string(), "quantity: \"a lot\" is not a decimal number: write \"1.5\"");
    }

    #[test]
    fn every_field_tells_effects_apart_and_spelling_does_not() {
        let all = [
            order("BTCUSDT", Side::Buy, "1.5"),
            order("BTCUSDT", Side::Sell, "1.5"),
            order("BTCUSD", Side::Buy, "1.5"),
            order("BTCUSDT", Side::Buy, "15"),
            order("BTCUSDT", Side::Buy, "1.5").decimal("price", "1"),
            order("BTCUSDT", Side::Buy, "1.5").with("venue", "1"),
            position("main", "BTCUSDT", "1.5"),
            ledger("main", "USDT", "1.5"),
            pnl("main", "2026-11-21", "1.5"),
            signal("rsi", "BTCUSDT", "buy"),
        ];
        let ids: Vec<Id> = all.iter().map(|entity| entity.clone().occurrence(0).unwrap()).collect();
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id), "{id:?}");
        }
        let shouted = position("main", " btcusdt ", "+1.50").occurrence(0).unwrap();
        assert_eq!(shouted, position("main", "BTCUSDT", "1.5").occurrence(0).unwrap());
    }

    proptest! {
        #[test]
        fn a_canonical_number_is_its_own_canonical_form(text in "[+-]?[0-9]{0,5}[.]?[0-9]{0,5}") {
            if let Some(number) = canonical(&text) {
                let again = canonical(&number).unwrap();
                prop_assert_eq!(&again, &number);
                prop_assert!((text.parse::<f64>().unwrap() - number.parse::<f64>().unwrap()).abs() < 1e-9);
            }
        }
    }
}
