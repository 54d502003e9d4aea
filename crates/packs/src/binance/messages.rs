//! Codes that mean several things, told apart by their messages.
//!
//! From `errors.md` ("Messages for -1010, -2010, -2011 and -2038") of
//! <https://github.com/binance/binance-spot-api-docs> as of 2026-07-21; the 503s from the pages on derivatives. The
//! messages are the exchange's, as it sends them; a message that is not here falls back to its code's own row.

use super::codes::{DERIVATIVES, ERRORS};
use super::means::Means;
use crate::table::Source;

/// How a message is recognised. Neither the full stop at its end nor its case matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// It is exactly this.
    Is(&'static str),
    /// It begins so.
    Begins(&'static str),
    /// It holds this.
    Has(&'static str),
}

impl Wording {
    /// Is it this message?
    pub fn fits(self, message: &str) -> bool {
        let message = tidy(message);
        match self {
            Wording::Is(text) => message == tidy(text),
            Wording::Begins(text) => message.starts_with(&tidy(text)),
            Wording::Has(text) => message.contains(&tidy(text)),
        }
    }

    /// The words.
    pub const fn text(self) -> &'static str {
        match self {
            Wording::Is(text) | Wording::Begins(text) | Wording::Has(text) => text,
        }
    }
}

fn tidy(message: &str) -> String {
    message.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// A message.
#[derive(Debug, Clone, Copy)]
pub struct MessageRow {
    /// The codes it comes with; for a 503, the status.
    pub with: &'static [i32],
    /// Its words.
    pub wording: Wording,
    /// What it means.
    pub means: Means,
    /// What it says, in ours.
    pub says: &'static str,
    /// Where it is documented.
    pub source: Source,
}

/// What the matching engine says, whatever was asked of it.
const ENGINE: &[i32] = &[-1010, -2010, -2011, -2038];
/// What refuses an order on its way there or in it.
const ORDER: &[i32] = &[-1010, -1013, -2010, -2038];

const fn is(with: &'static [i32], text: &'static str, means: Means, says: &'static str) -> MessageRow {
    MessageRow { with, wording: Wording::Is(text), means, says, source: ERRORS }
}

const fn wrong(text: &'static str, says: &'static str) -> MessageRow {
    is(ORDER, text, Means::Wrong, says)
}

const fn begins(with: &'static [i32], text: &'static str, means: Means, says: &'static str) -> MessageRow {
    MessageRow { with, wording: Wording::Begins(text), means, says, source: ERRORS }
}

const fn elsewhere(with: &'static [i32], wording: Wording, means: Means, says: &'static str) -> MessageRow {
    MessageRow { with, wording, means, says, source: DERIVATIVES }
}

const NOT_HERE: &str = "the symbol does not allow this kind of order";
const NO_LIQUIDITY: &str = "the book is too thin for it; later it is a new decision";

/// The messages. The first that fits holds.
#[rustfmt::skip]
pub const MESSAGES: &[MessageRow] = &[
    MessageRow { with: &[-1003, 418, 429], wording: Wording::Has("IP banned until"), means: Means::Banned, says: "the address is banned until the time in the message", source: ERRORS },
    is(ENGINE, "Unknown order sent.", Means::Absent, "no open order has this id"),
    is(&[-1010, -2010], "Duplicate order sent.", Means::Exists, "the client order id is in use by an open order"),
    is(ENGINE, "Market is closed.", Means::Wrong, "the symbol is not trading; when it does, it is a new decision"),
    is(ENGINE, "Account has insufficient balance for requested action.", Means::Money, "the balance does not cover it"),
    is(ENGINE, "This action is disabled on this account.", Means::Key, "the exchange has disabled this: stop trading and ask its support"),
    is(ENGINE, "This account may not place or cancel orders.", Means::Key, "the account may not trade: stop trading and ask the exchange's support"),
    is(ENGINE, "This symbol is not permitted for this account.", Means::Key, "the account lacks the symbol's permission"),
    is(ENGINE, "This symbol is restricted for this account.", Means::Key, "the account may not trade this symbol"),
    is(ENGINE, "Rest API trading is not enabled.", Means::Wrong, "this server takes no orders now; when it does, it is a new decision"),
    is(ENGINE, "WebSocket API trading is not enabled.", Means::Wrong, "this server takes no orders now; when it does, it is a new decision"),
    is(ENGINE, "FIX API trading is not enabled.", Means::Wrong, "this server takes no orders now; when it does, it is a new decision"),
    is(&[-1010, -2011], "Cancel order is invalid. Check origClOrdId and orderId.", Means::Wrong, "it names no order"),
    is(&[-1010, -2011], "Order was not canceled due to cancel restrictions.", Means::Wrong, "its state is not the one cancelRestrictions asks for: it stands"),
    is(&[-1010, -2038], "The requested action would change no state; rejecting", Means::Exists, "the order is already as the amendment wants it"),
    is(&[-1010, -2038], "Order amend (quantity increase) is not supported.", Means::Wrong, "an amendment can only lower the quantity"),
    is(&[-1010, -2038], "Order amend (pending OPO order) is not supported.", Means::Wrong, "a pending order of an OPO cannot be amended"),
    begins(ORDER, "Filter failure: ", Means::Wrong, "a filter of the symbol or the exchange refuses it: read it in GET /api/v3/exchangeInfo"),
    wrong("Price * QTY is zero or less.", "price times quantity is nothing"),
    wrong("IcebergQty exceeds QTY.", "the visible part is larger than the whole"),
    wrong("Unsupported order combination", "this combination of parameters is not allowed"),
    wrong("Order would trigger immediately.", "the stop price is on the wrong side of the last price"),
    wrong("Stop price would trigger immediately.", "the stop price is on the wrong side of the last price"),
    wrong("Order would immediately match and take.", "a maker-only order would have taken: the strategy decides on a new price"),
    wrong("The relationship of the prices for the orders is not correct.", "the prices of the OCO are in the wrong order"),
    wrong("Market orders are not supported for this symbol.", NOT_HERE),
    wrong("Iceberg orders are not supported for this symbol.", NOT_HERE),
    wrong("Stop loss orders are not supported for this symbol.", NOT_HERE),
    wrong("Stop loss limit orders are not supported for this symbol.", NOT_HERE),
    wrong("Take profit orders are not supported for this symbol.", NOT_HERE),
    wrong("Take profit limit orders are not supported for this symbol.", NOT_HERE),
    wrong("OCO orders are not supported for this symbol", NOT_HERE),
    wrong("OPO orders are not supported for this symbol.", NOT_HERE),
    wrong("Quote order qty market orders are not support for this symbol.", NOT_HERE),
    wrong("Trailing stop orders are not supported for this symbol.", NOT_HERE),
    wrong("Order cancel-replace is not supported for this symbol.", NOT_HERE),
    wrong("Order amend is not supported for this symbol.", NOT_HERE),
    wrong("Pegged orders are not supported for this symbol.", NOT_HERE),
    wrong("This order type may not use pegged price.", NOT_HERE),
    wrong("This price peg cannot be used with this order type.", NOT_HERE),
    begins(ORDER, "Order book liquidity is less than", Means::Wrong, NO_LIQUIDITY),
    wrong("Order book liquidity is too low for this pegged order.", NO_LIQUIDITY),
    // The same numbers mean something else there.
    elsewhere(&[-2021], Wording::Is("Order would immediately trigger."), Means::Wrong, "of derivatives: the stop price is on the wrong side"),
    elsewhere(&[-2022], Wording::Begins("ReduceOnly Order"), Means::Wrong, "of derivatives: there is nothing left to reduce"),
    // Of a 503 only these words are a proof, and only these.
    elsewhere(&[503], Wording::Is("Service Unavailable."), Means::Busy, "the documentation calls this one a failure"),
    elsewhere(&[503], Wording::Is("Unknown error, please check your request or try again later."), Means::Trouble, "it was passed on inside and nobody answered in time"),
    elsewhere(&[503], Wording::Is("Internal error; unable to process your request. Please try again."), Means::Trouble, "a failure of derivatives; of spot the words of -1001, which prove nothing"),
];

/// What a message says beside a code or a status, where it is listed.
pub(super) fn listed(with: i32, message: &str) -> Option<&'static MessageRow> {
    MESSAGES.iter().find(|row| row.with.contains(&with) && row.wording.fits(message))
}
