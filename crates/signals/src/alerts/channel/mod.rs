//! Where notices go: a webhook, Slack, mail, the console, a file, or something of one's own.

mod address;
mod email;
pub(crate) mod http;
mod local;
mod options;
mod sign;
mod slack;
mod webhook;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use seawall_policy::alert::{Delivery, Severity};

use super::Notice;

pub use address::Address;
pub use local::Say;
pub(crate) use options::certificates;
pub use options::{Options, Tls};
pub use sign::{Key, KeyError};

/// What a delivery comes to: a few words about the receiver's answer, or why there was none.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send + 'a>>;

/// Takes notices somewhere.
///
/// One notice at a time, in order, each until it arrives, is refused three times or has waited for too long. A notice that
/// arrived and was not known to have arrived comes again, with the same [`id`](Notice::id). Whoever never answers is given
/// up after half a minute and asked again later; dropping the future must do no harm. What a failure says is shown to
/// operators: it must not hold a secret, and a URL may be one.
///
/// ```
/// use seawall_signals::alerts::{Channel, Notice};
/// use seawall_signals::alerts::channel::Delivering;
///
/// struct Bell;
///
/// impl Channel for Bell {
///     fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
///         Box::pin(async move { Ok(format!("rung for {}", notice.headline())) })
///     }
/// }
/// ```
pub trait Channel: Send + Sync {
    /// Delivers a notice.
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a>;

    /// What kind of channel it is, in a word.
    fn kind(&self) -> &'static str {
        "own"
    }
}

/// Why a notice did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In words: lower case, no full stop, no secret.
    pub why: String,
    /// The receiver wants to be left alone for so long.
    pub after: Option<Duration>,
    /// It may have arrived all the same: there was no answer, or none that was understood.
    pub perhaps: bool,
    /// The receiver is there and does not want this notice: after three such answers it is dropped.
    pub refused: bool,
}

impl Failure {
    /// It did not arrive, and may work later.
    pub fn later(why: impl fmt::Display) -> Self {
        Self { why: why.to_string(), after: None, perhaps: false, refused: false }
    }

    /// Nobody knows whether it arrived.
    pub fn unknown(why: impl fmt::Display) -> Self {
        Self { perhaps: true, ..Self::later(why) }
    }

    /// The receiver does not want it.
    pub fn refused(why: impl fmt::Display) -> Self {
        Self { refused: true, ..Self::later(why) }
    }
}

seawall_core::words! {
    /// Which alerts share notices on a channel.
    Grouping {
        /// None: each has notices of its own. What machines want, and the default of webhooks.
        Alert = "alert",
        /// Those of a group. The default elsewhere.
        Group = "group",
        /// All of them.
        Channel = "channel",
    }
}

/// A channel, and when it is spoken to.
#[derive(Clone)]
pub struct Outlet {
    /// Its name, which rules send to.
    pub name: String,
    /// Where notices go.
    pub channel: Arc<dyn Channel>,
    /// How often it is spoken to.
    pub delivery: Delivery,
    /// Which alerts share notices.
    pub grouping: Grouping,
    /// It hears of every alert that is at least so bad, besides those that are sent to it by name.
    pub all: Option<Severity>,
}

impl Outlet {
    /// A channel of one's own, spoken to as others are.
    pub fn new(name: impl Into<String>, channel: impl Channel + 'static) -> Self {
        Self {
            name: name.into(),
            channel: Arc::new(channel),
            delivery: Delivery::default(),
            grouping: Grouping::Group,
            all: None,
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("name", &self.name)
            .field("kind", &self.channel.kind())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests;
