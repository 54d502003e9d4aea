//! Every code of the exchange, by number.
//!
//! From `errors.md` of <https://github.com/binance/binance-spot-api-docs> as of 2026-07-21, and one from the pages on
//! derivatives; the words are ours. What a code proves is read from those pages: a code that is not listed proves nothing.

use super::means::Means;
use crate::table::Source;

/// The spot API's list of errors.
pub(super) const ERRORS: Source = Source {
    page: "https://github.com/binance/binance-spot-api-docs/blob/master/errors.md",
    read: "2026-07-21",
};

/// What the derivatives APIs say of themselves.
pub(super) const DERIVATIVES: Source = Source {
    page: "https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info",
    read: "2026-11-21",
};

/// A code.
#[derive(Debug, Clone, Copy)]
pub struct CodeRow {
    /// The number in the answer's `code`.
    pub code: i32,
    /// Its name in the documentation.
    pub name: &'static str,
    /// What it means where no message says otherwise.
    pub means: Means,
    /// What it says, in our words.
    pub says: &'static str,
    /// Where.
    pub source: Source,
}

const fn row(code: i32, name: &'static str, means: Means, says: &'static str) -> CodeRow {
    CodeRow { code, name, means, says, source: ERRORS }
}

const fn elsewhere(code: i32, name: &'static str, means: Means, says: &'static str) -> CodeRow {
    CodeRow { code, name, means, says, source: DERIVATIVES }
}

/// Codes whose whole range is about the form of a request: it was refused, whichever it is.
pub(super) const fn is_about_form(code: i32) -> bool {
    matches!(code, -1299..=-1100 | -4999..=-4000)
}

/// The codes, each once, from -1000 down.
#[rustfmt::skip]
pub const CODES: &[CodeRow] = &[
    row(-1000, "UNKNOWN", Means::Trouble, "an unknown error occurred while it was processed"),
    row(-1001, "DISCONNECTED", Means::Disconnected, "an internal error; the invitation to try again is meant for what only reads"),
    row(-1002, "UNAUTHORIZED", Means::Key, "this key may not do this"),
    row(-1003, "TOO_MANY_REQUESTS", Means::Pace, "too many requests, counted by IP address and not by key"),
    row(-1006, "UNEXPECTED_RESP", Means::Trouble, "the exchange got an unexpected response from its own message bus; execution status unknown"),
    row(-1007, "TIMEOUT", Means::TimedOut, "the exchange waited in vain for its own backend; send status and execution status unknown"),
    row(-1008, "SERVER_BUSY", Means::Busy, "the server is overloaded with other requests"),
    row(-1010, "ERROR_MSG_RECEIVED", Means::Unlisted, "the matching engine refused; its message decides, and this one is not listed or not given"),
    row(-1013, "INVALID_MESSAGE", Means::Wrong, "a filter or a check refused it; it never reached the matching engine"),
    row(-1014, "UNKNOWN_ORDER_COMPOSITION", Means::Wrong, "this combination of order parameters is not supported"),
    row(-1015, "TOO_MANY_ORDERS", Means::Pace, "too many unfilled orders in a window of the account; sent without Retry-After"),
    row(-1016, "SERVICE_SHUTTING_DOWN", Means::Wrong, "this service is no longer available"),
    row(-1020, "UNSUPPORTED_OPERATION", Means::Wrong, "this operation is not supported"),
    row(-1021, "INVALID_TIMESTAMP", Means::Clock, "the timestamp is older than recvWindow, or more than a second ahead of the server"),
    row(-1022, "INVALID_SIGNATURE", Means::Key, "the signature does not fit the request"),
    row(-1033, "COMP_ID_IN_USE", Means::Wrong, "a FIX session with this SenderCompID is open"),
    row(-1034, "TOO_MANY_CONNECTIONS", Means::Pace, "too many connections"),
    row(-1035, "LOGGED_OUT", Means::Pace, "the session is being closed: log in again, after a pause"),
    row(-1100, "ILLEGAL_CHARS", Means::Wrong, "a parameter holds characters that are not allowed"),
    row(-1101, "TOO_MANY_PARAMETERS", Means::Wrong, "too many parameters, or one of them twice"),
    row(-1102, "MANDATORY_PARAM_EMPTY_OR_MALFORMED", Means::Wrong, "a mandatory parameter is missing, empty or malformed"),
    row(-1103, "UNKNOWN_PARAM", Means::Wrong, "a parameter nobody knows"),
    row(-1104, "UNREAD_PARAMETERS", Means::Wrong, "parameters were sent that are not read"),
    row(-1105, "PARAM_EMPTY", Means::Wrong, "a parameter is empty"),
    row(-1106, "PARAM_NOT_REQUIRED", Means::Wrong, "a parameter is not wanted here"),
    row(-1108, "PARAM_OVERFLOW", Means::Wrong, "a number is too large"),
    row(-1111, "BAD_PRECISION", Means::Wrong, "more digits than the symbol allows: round to its tick and step size"),
    row(-1112, "NO_DEPTH", Means::Wrong, "there are no orders on the book; later there may be, and then it is a new decision"),
    row(-1114, "TIF_NOT_REQUIRED", Means::Wrong, "timeInForce is not wanted here"),
    row(-1115, "INVALID_TIF", Means::Wrong, "no such timeInForce"),
    row(-1116, "INVALID_ORDER_TYPE", Means::Wrong, "no such order type"),
    row(-1117, "INVALID_SIDE", Means::Wrong, "no such side"),
    row(-1118, "EMPTY_NEW_CL_ORD_ID", Means::Wrong, "newClientOrderId is empty"),
    row(-1119, "EMPTY_ORG_CL_ORD_ID", Means::Wrong, "origClientOrderId is empty"),
    row(-1120, "BAD_INTERVAL", Means::Wrong, "no such interval"),
    row(-1121, "BAD_SYMBOL", Means::Wrong, "no such symbol"),
    row(-1122, "INVALID_SYMBOLSTATUS", Means::Wrong, "no such symbolStatus"),
    row(-1125, "INVALID_LISTEN_KEY", Means::Wrong, "this listenKey does not exist: ask for a new one"),
    row(-1127, "MORE_THAN_XX_HOURS", Means::Wrong, "the interval between startTime and endTime is too long"),
    row(-1128, "OPTIONAL_PARAMS_BAD_COMBO", Means::Wrong, "optional parameters that do not go together"),
    row(-1130, "INVALID_PARAMETER", Means::Wrong, "a parameter's value is not valid"),
    row(-1134, "BAD_STRATEGY_TYPE", Means::Wrong, "strategyType is below 1000000"),
    row(-1135, "INVALID_JSON", Means::Wrong, "it is not JSON"),
    row(-1139, "INVALID_TICKER_TYPE", Means::Wrong, "no such ticker type"),
    row(-1145, "INVALID_CANCEL_RESTRICTIONS", Means::Wrong, "cancelRestrictions is neither ONLY_NEW nor ONLY_PARTIALLY_FILLED"),
    row(-1151, "DUPLICATE_SYMBOLS", Means::Wrong, "a symbol is listed twice"),
    row(-1152, "INVALID_SBE_HEADER", Means::Wrong, "the X-MBX-SBE header is malformed"),
    row(-1153, "UNSUPPORTED_SCHEMA_ID", Means::Wrong, "this SBE schema is not supported"),
    row(-1155, "SBE_DISABLED", Means::Wrong, "SBE is not enabled"),
    row(-1158, "OCO_ORDER_TYPE_REJECTED", Means::Wrong, "this order type is not allowed in an OCO"),
    row(-1160, "OCO_ICEBERGQTY_TIMEINFORCE", Means::Wrong, "icebergQty in an OCO needs a timeInForce of GTC"),
    row(-1161, "DEPRECATED_SCHEMA", Means::Wrong, "this SBE schema is too old for the answer"),
    row(-1165, "BUY_OCO_LIMIT_MUST_BE_BELOW", Means::Wrong, "the limit order of a buy OCO must be below"),
    row(-1166, "SELL_OCO_LIMIT_MUST_BE_ABOVE", Means::Wrong, "the limit order of a sell OCO must be above"),
    row(-1168, "BOTH_OCO_ORDERS_CANNOT_BE_LIMIT", Means::Wrong, "one order of an OCO must be contingent"),
    row(-1181, "TOO_MANY_MESSAGES", Means::Pace, "too many messages on this connection"),
    row(-1182, "PARAMS_BAD_COMBO", Means::Wrong, "fields that contradict each other"),
    row(-1191, "TOO_MANY_SUBSCRIPTIONS", Means::Pace, "too many subscriptions on this connection"),
    row(-1194, "INVALID_TIME_UNIT", Means::Wrong, "the time unit is neither MICROSECOND nor MILLISECOND"),
    row(-1196, "BUY_OCO_STOP_LOSS_MUST_BE_ABOVE", Means::Wrong, "the stop loss of a buy OCO must be above"),
    row(-1197, "SELL_OCO_STOP_LOSS_MUST_BE_BELOW", Means::Wrong, "the stop loss of a sell OCO must be below"),
    row(-1198, "BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW", Means::Wrong, "the take profit of a buy OCO must be below"),
    row(-1199, "SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE", Means::Wrong, "the take profit of a sell OCO must be above"),
    row(-2010, "NEW_ORDER_REJECTED", Means::Unlisted, "the matching engine refused; its message decides, and this one is not listed or not given"),
    row(-2011, "CANCEL_REJECTED", Means::Absent, "nothing was cancelled"),
    row(-2013, "NO_SUCH_ORDER", Means::Absent, "what answers is a memory, and behind it a database, that lag behind the matching engine"),
    row(-2014, "BAD_API_KEY_FMT", Means::Key, "this is no API key"),
    row(-2015, "REJECTED_MBX_KEY", Means::Key, "the key is wrong, or not allowed from this address or for this; after a success it can be a ban in disguise"),
    row(-2016, "NO_TRADING_WINDOW", Means::Wrong, "no trading window for this symbol"),
    row(-2021, "CANCEL_REPLACE_PARTIALLY_FAILED", Means::Half, "of a cancel-replace one half failed"),
    row(-2022, "CANCEL_REPLACE_FAILED", Means::Wrong, "of a cancel-replace both halves failed; the data of the answer says why, each by its own code"),
    row(-2026, "ORDER_ARCHIVED", Means::Wrong, "it was cancelled or expired unfilled more than 90 days ago: its history is archived"),
    row(-2035, "SUBSCRIPTION_ACTIVE", Means::Wrong, "the user data stream is subscribed already"),
    row(-2036, "SUBSCRIPTION_INACTIVE", Means::Wrong, "the user data stream is not subscribed"),
    row(-2038, "ORDER_AMEND_KEEP_PRIORITY_REJECTED", Means::Absent, "the amendment was refused; its message decides"),
    row(-2039, "CLIENT_ORDER_ID_INVALID", Means::Wrong, "the client order id does not belong to this order id"),
    row(-2042, "SUBSCRIPTION_ID_MAXIMUM", Means::Wrong, "no more subscriptions on this connection"),
    row(-2043, "NO_REFERENCE_PRICE", Means::Wrong, "the symbol has no reference price"),
    elsewhere(-4116, "DUPLICATED_CLIENT_TRAN_ID", Means::Exists, "of derivatives: the client order id is taken"),
];
