//! The types of effects the campaign is about, and how each is guarded.

use std::time::Duration;

use seawall::effect::{Nature, Options};
use serde::{Deserialize, Serialize};

use crate::words::Kind;

/// The spans of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// How long an owner may be silent; a second at least.
    pub lease: u64,
    /// How long a run may take.
    pub call: u64,
    /// How long an operation waits for the ledger.
    pub reply: u64,
    /// How long the far side takes to show what it did: here, what may pass between a request and its entry.
    pub visibility: u64,
    /// What clocks may differ.
    pub drift: u64,
    /// How long a silent store is asked again.
    pub patience: u64,
}

/// All in milliseconds. Whoever is frozen for 2.5 s between asking whether it may send and sending, and whose request is
/// then held for 3.5 s, is still in time to be seen: 6 s after its lease all is quiet.
pub const CAMPAIGN: Times =
    Times { lease: 1000, call: 3000, reply: 2500, visibility: 3000, drift: 100, patience: 800 };

/// For single stories: patient enough for a machine that is busy with something else.
pub const STORY: Times =
    Times { lease: 3000, call: 3000, reply: 2000, visibility: 100, drift: 100, patience: 2500 };

impl Times {
    /// The options of one type of effect.
    pub fn options(&self, kind: Kind) -> Options {
        let ms = Duration::from_millis;
        Options {
            nature: match kind {
                Kind::Letter => Nature::Opaque,
                Kind::Order | Kind::Booking => Nature::Queryable,
                Kind::Charge => Nature::Keyed { window: Duration::from_secs(24 * 3600) },
                Kind::Setting => Nature::Idempotent,
            },
            lease: ms(self.lease),
            call: ms(self.call),
            visibility: ms(self.visibility),
            drift: ms(self.drift),
            // Of what is killed fifty times a second some are tried often.
            attempts: 0,
            patience: ms(self.patience),
            ..Options::default()
        }
    }

    /// How long after its last sign of life all of a call is quiet.
    pub fn settle(&self) -> Duration {
        self.options(Kind::Order).settle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_guarded_by_options_that_hold_together() {
        for times in [CAMPAIGN, STORY] {
            for kind in Kind::ALL {
                assert_eq!(times.options(*kind).check(), Ok(()), "{kind}");
            }
        }
    }
}
