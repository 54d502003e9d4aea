//! How an effect of one type is guarded, and what an answer of the far side means for it.

use std::time::Duration;

use seawall_core::effect::{Keep, Nature};
use seawall_core::units::{self, Size, format_duration};
use seawall_core::verdict::Seen;
use seawall_core::{Certainty, Class, Effects, Verdict};
use serde::{Deserialize, Serialize};

use super::begin::MARGIN;
use crate::Invalid;

/// How effects of one type are guarded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// What the far side does with a second copy: `"opaque"`, `"queryable"`, `"idempotent"` or `{ keyed = "24h" }`.
    /// Default opaque: nothing is assumed, and a person ends a doubt.
    #[serde(with = "nature")]
    #[cfg_attr(feature = "schema", schemars(with = "nature::Spelled"))]
    pub nature: Nature,
    /// How long the answer of a finished effect is kept for replays. Default 72 h: longer than a weekend.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub keep: Duration,
    /// How long it is remembered that it was finished. Default as long as `keep`; it costs little, so for money longer.
    #[serde(with = "units::option_duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::option_duration_schema"))]
    pub remember: Option<Duration>,
    /// How long whoever runs it may be silent before it is in doubt; renewed every third of it. Default 30 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub lease: Duration,
    /// The longest a run may take, from its grant to the far side's answer. Default 60 s. Nothing is sent after it.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub call: Duration,
    /// How long the far side takes to show what it did to whoever asks it. Default 5 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub visibility: Duration,
    /// What clocks may differ over such spans. Default 5 s.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub drift: Duration,
    /// How often it may be run where it provably did not take place. Default 3, range 1–1000; 0 is no end: its callers
    /// retry as they like, and a wish older than its record must say so itself.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 1000)))]
    pub attempts: u32,
    /// How long nobody runs it again after it did not take place. Default 0: the caller's own retry policy decides.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub cooldown: Duration,
    /// The largest answer that is kept. Default 1 MiB; of a larger one only how it ended is.
    pub result: Size,
    /// How long a store that does not answer is asked again while somebody waits. Default 2 s, shorter than the lease.
    #[serde(with = "units::duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
    pub patience: Duration,
    /// Run it without the store when that does not answer? Default no. Only where the far side makes one of two; a
    /// keyed one also needs to say how old it is.
    pub continue_without_store: bool,
}

impl Default for Options {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            nature: Nature::Opaque,
            keep: Keep::default().result,
            remember: None,
            lease: seconds(30),
            call: seconds(60),
            visibility: seconds(5),
            drift: seconds(5),
            attempts: 3,
            cooldown: Duration::ZERO,
            result: Size(1 << 20),
            patience: seconds(2),
            continue_without_store: false,
        }
    }
}

/// Nobody waits longer for anything here; and sums of a few such spans overflow nowhere.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Retries that are further apart than this would come when nothing is remembered any more.
const SHORTEST_KEEP: Duration = Duration::from_secs(300);

impl Options {
    /// The same guard for effects whose far side recognises our key for so long after the first call.
    pub fn keyed(window: Duration) -> Self {
        Self { nature: Nature::Keyed { window }, ..Self::default() }
    }

    /// The same guard for effects whose far side can be asked whether it happened.
    pub fn queryable() -> Self {
        Self { nature: Nature::Queryable, ..Self::default() }
    }

    /// The same guard for effects that are the same when applied twice.
    pub fn idempotent() -> Self {
        Self { nature: Nature::Idempotent, ..Self::default() }
    }

    /// Refuses spans that contradict each other.
    pub fn check(&self) -> Result<(), Invalid> {
        let spans = [
            ("keep", self.keep, SHORTEST_KEEP, LONGEST),
            ("lease", self.lease, Duration::from_secs(1), Duration::from_secs(3600)),
            ("call", self.call, Duration::from_millis(1), Duration::from_secs(24 * 3600)),
            ("visibility", self.visibility, Duration::ZERO, Duration::from_secs(24 * 3600)),
            ("drift", self.drift, Duration::ZERO, Duration::from_secs(24 * 3600)),
            ("cooldown", self.cooldown, Duration::ZERO, LONGEST),
            ("patience", self.patience, Duration::from_millis(1), Duration::from_secs(60)),
        ];
        for (key, span, least, most) in spans {
            if span < least || span > most {
                let text = format_duration;
                return invalid(
                    key,
                    format!("{} is out of range: write {:?} to {:?}", text(span), text(least), text(most)),
                );
            }
        }
        if self.attempts > 1000 {
            let message = format!("{} is out of range: write 1 to 1000, or 0 for no end", self.attempts);
            return invalid("attempts", message);
        }
        if self.patience >= self.lease {
            let lease = format_duration(self.lease);
            return invalid("patience", format!("it must be shorter than the lease of {lease}"));
        }
        if self.remember.is_some_and(|remember| remember < self.keep || remember > LONGEST) {
            let keep = format_duration(self.keep);
            return invalid(
                "remember",
                format!("what is replayed is remembered: write {keep:?} or more, or leave it out"),
            );
        }
        self.check_retries()?;
        match self.nature {
            Nature::Keyed { window } if window <= self.call.saturating_add(MARGIN) || window > LONGEST => {
                let least = format_duration(self.call.saturating_add(MARGIN));
                invalid(
                    "nature",
                    format!("the window of the key must be longer than {least}: a call takes that"),
                )
            }
            Nature::Opaque | Nature::Queryable if self.continue_without_store => invalid(
                "continue_without_store",
                format!("nothing would stop a second run of what is {}: write false", self.nature.as_str()),
            ),
            _ => Ok(()),
        }
    }

    /// The last retry that is allowed must still find its record.
    fn check_retries(&self) -> Result<(), Invalid> {
        let each = self.call.saturating_add(self.settle()).saturating_add(self.cooldown);
        let horizon = each.saturating_mul(self.attempts);
        if horizon.saturating_add(MARGIN) < self.memory().key {
            return Ok(());
        }
        let message = format!(
            "{} attempts may go on for {}, longer than anything is remembered: keep it longer, or allow fewer",
            self.attempts,
            format_duration(horizon.min(LONGEST)),
        );
        invalid("keep", message)
    }

    /// The most runs a key is granted.
    pub const fn most_attempts(&self) -> u32 {
        if self.attempts == 0 { u32::MAX } else { self.attempts }
    }

    /// How long after the last sign of life something of a call may still arrive or come to light.
    pub fn settle(&self) -> Duration {
        self.call.saturating_add(self.visibility).saturating_add(self.drift)
    }

    /// How long it is remembered.
    pub fn memory(&self) -> Keep {
        Keep { result: self.keep, key: self.remember.unwrap_or(self.keep).max(self.keep) }
    }

    /// May it be run though the store does not answer, when it was first wanted so long ago?
    pub fn may_go_unjournalled(&self, age: Option<Duration>) -> bool {
        self.continue_without_store
            && match self.nature {
                Nature::Idempotent => true,
                Nature::Keyed { window } => {
                    let lasts = self.call.saturating_add(MARGIN);
                    age.is_some_and(|age| age.saturating_add(lasts) < window)
                }
                Nature::Queryable | Nature::Opaque => false,
            }
    }
}

fn invalid(key: &'static str, message: String) -> Result<(), Invalid> {
    Err(Invalid::new(key, message))
}

/// A nature as it is spelled in a configuration.
mod nature {
    use std::time::Duration;

    use seawall_core::effect::Nature;
    use seawall_core::units;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Spelled {
        Opaque,
        Queryable,
        Idempotent,
        Keyed(
            #[serde(with = "units::duration")]
            #[cfg_attr(feature = "schema", schemars(schema_with = "units::duration_schema"))]
            Duration,
        ),
    }

    pub(super) fn serialize<S: Serializer>(nature: &Nature, serializer: S) -> Result<S::Ok, S::Error> {
        match *nature {
            Nature::Opaque => Spelled::Opaque,
            Nature::Queryable => Spelled::Queryable,
            Nature::Idempotent => Spelled::Idempotent,
            Nature::Keyed { window } => Spelled::Keyed(window),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Nature, D::Error> {
        Ok(match Spelled::deserialize(deserializer)? {
            Spelled::Opaque => Nature::Opaque,
            Spelled::Queryable => Nature::Queryable,
            Spelled::Idempotent => Nature::Idempotent,
            Spelled::Keyed(window) => Nature::Keyed { window },
        })
    }
}

seawall_core::words! {
    /// What an answer of the far side makes of an effect.
    Ending {
        /// It took place.
        Applied = "applied",
        /// It was refused for good: a result like any other, and replayed like one.
        Rejected = "rejected",
        /// It provably has not taken place, and may be run again.
        NotApplied = "not-applied",
        /// It may have taken place.
        Unknown = "unknown",
    }
}

impl Ending {
    /// What this verdict makes of an effect. A final 4xx is a result; only *not done* frees the key.
    pub const fn of(verdict: Verdict) -> Self {
        // The credentials or the request itself were refused: the same request would be again.
        if matches!(verdict.seen, Seen::Denied | Seen::Invalid) {
            return Ending::Rejected;
        }
        match verdict.certainty(Effects::Once) {
            Certainty::Done | Certainty::AlreadyDone | Certainty::Partial => match verdict.class() {
                Class::Ok => Ending::Applied,
                // Its head was seen and its body was not: whoever cut it knows more than we do.
                _ => Ending::Unknown,
            },
            Certainty::NotDone => Ending::NotApplied,
            Certainty::Unknown => Ending::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, any, prop_assert, prop_oneof, proptest};

    use super::*;

    #[test]
    fn the_defaults_are_the_published_ones_and_hold_together() {
        let options = Options::default();
        assert_eq!(options.check(), Ok(()));
        assert_eq!(options.settle(), Duration::from_secs(70));
        let text = r#"{"nature":"opaque","keep":"3d","remember":null,"lease":"30s","call":"1m","visibility":"5s","drift":"5s","attempts":3,"cooldown":"0s","result":"1MiB","patience":"2s","continue_without_store":false}"#;
        assert_eq!(serde_json::to_string(&options).unwrap(), text);
        for good in [Options::keyed(Duration::from_secs(86400)), Options::queryable(), Options::idempotent()]
        {
            assert_eq!(good.check(), Ok(()));
        }
    }

    #[test]
    fn a_nature_is_a_word_or_a_window() {
        for (text, nature) in [
            (r#"{"nature":"queryable"}"#, Nature::Queryable),
            (r#"{"nature":"idempotent"}"#, Nature::Idempotent),
            (r#"{"nature":{"keyed":"1d"}}"#, Nature::Keyed { window: Duration::from_secs(86400) }),
        ] {
            let options: Options = serde_json::from_str(text).unwrap();
            assert_eq!(options.nature, nature);
            assert!(serde_json::to_string(&options).unwrap().starts_with(text.trim_end_matches('}')));
        }
        assert!(serde_json::from_str::<Options>(r#"{"nature":"keyed"}"#).is_err(), "a window is needed");
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let secs = Duration::from_secs;
        let fine = Options::default;
        let wrong = [
            ("keep", Options { keep: secs(60), ..fine() }),
            ("keep", Options { keep: secs(400), ..fine() }),
            ("keep", Options { cooldown: secs(30 * 3600), ..fine() }),
            ("remember", Options { remember: Some(secs(3600)), ..fine() }),
            ("lease", Options { lease: Duration::from_millis(999), ..fine() }),
            ("call", Options { call: Duration::ZERO, ..fine() }),
            ("attempts", Options { attempts: 1001, ..fine() }),
            ("patience", Options { patience: secs(30), ..fine() }),
            ("nature", Options::keyed(secs(119))),
            ("continue_without_store", Options { continue_without_store: true, ..fine() }),
            (
                "continue_without_store",
                Options { nature: Nature::Queryable, continue_without_store: true, ..fine() },
            ),
        ];
        for (key, options) in wrong {
            assert_eq!(options.check().unwrap_err().key, key, "{options:?}");
        }
    }

    #[test]
    fn the_ends_of_every_range_are_in_it_and_beyond_them_the_range_is_said() {
        let secs = Duration::from_secs;
        let fine = || Options { keep: secs(3600 * 24 * 3600), ..Options::default() };
        let day = secs(24 * 3600);
        for options in [
            Options { lease: secs(3600), ..fine() },
            Options { lease: secs(1), patience: Duration::from_millis(999), ..fine() },
            Options { call: day, ..fine() },
            Options { call: Duration::from_millis(1), patience: Duration::from_millis(1), ..fine() },
            Options { visibility: day, drift: day, ..fine() },
            Options { visibility: Duration::ZERO, drift: Duration::ZERO, ..fine() },
            Options { attempts: 1000, ..fine() },
            Options { attempts: 1, keep: SHORTEST_KEEP, ..fine() },
            Options { keep: LONGEST, ..fine() },
            Options { remember: Some(LONGEST), ..fine() },
            Options { remember: Some(fine().keep), ..fine() },
            Options { patience: secs(60), lease: secs(61), ..fine() },
            Options { nature: Nature::Keyed { window: secs(120) + Duration::from_nanos(1) }, ..fine() },
            Options { nature: Nature::Keyed { window: LONGEST }, ..fine() },
            Options { continue_without_store: true, nature: Nature::Idempotent, ..fine() },
        ] {
            assert_eq!(options.check(), Ok(()), "{options:?}");
        }
        let nano = Duration::from_nanos(1);
        for (key, options) in [
            ("lease", Options { lease: secs(3600) + nano, ..fine() }),
            ("call", Options { call: day + nano, ..fine() }),
            ("visibility", Options { visibility: day + nano, ..fine() }),
            ("drift", Options { drift: day + nano, ..fine() }),
            ("cooldown", Options { cooldown: LONGEST + nano, ..fine() }),
            ("patience", Options { patience: secs(60) + nano, lease: secs(90), ..fine() }),
            ("patience", Options { patience: secs(30), ..fine() }),
            ("attempts", Options { attempts: 1001, ..fine() }),
            ("keep", Options { keep: SHORTEST_KEEP - nano, ..fine() }),
            ("keep", Options { keep: LONGEST + nano, ..fine() }),
            ("remember", Options { remember: Some(fine().keep - nano), ..fine() }),
            ("remember", Options { remember: Some(LONGEST + nano), ..fine() }),
            ("nature", Options { nature: Nature::Keyed { window: secs(120) }, ..fine() }),
            ("nature", Options { nature: Nature::Keyed { window: LONGEST + nano }, ..fine() }),
        ] {
            assert_eq!(options.check().map_err(|invalid| invalid.key), Err(key), "{options:?}");
        }
        let short = Options { lease: Duration::from_millis(5), ..fine() };
        assert_eq!(short.check().unwrap_err().message, "5ms is out of range: write \"1s\" to \"1h\"");
    }

    #[test]
    fn the_last_retry_that_is_allowed_still_finds_its_record() {
        // Three times a call of 60 s, 70 s to settle and 100 s of cooldown, and a minute: 750 s.
        let of = |keep| Options { keep, cooldown: Duration::from_secs(100), ..Options::default() };
        let exactly = Duration::from_secs(750);
        assert_eq!(of(exactly).check().unwrap_err().key, "keep");
        assert_eq!(of(exactly + Duration::from_nanos(1)).check(), Ok(()));
        let remembered = Options { remember: Some(exactly * 2), ..of(exactly) };
        assert_eq!(remembered.check(), Ok(()));
        let wrong = of(exactly).check().unwrap_err().message;
        assert!(wrong.starts_with("3 attempts may go on for 11m30s,"), "{wrong}");
    }

    #[test]
    fn a_result_is_remembered_as_long_as_it_is_kept_or_as_was_said() {
        let hour = Duration::from_secs(3600);
        let of = |remember| Options { keep: hour, remember, ..Options::default() }.memory();
        assert_eq!(of(None), Keep { result: hour, key: hour });
        assert_eq!(of(Some(hour * 2)), Keep { result: hour, key: hour * 2 });
        assert_eq!(of(Some(hour / 2)), Keep { result: hour, key: hour });
    }

    #[test]
    fn without_its_store_a_keyed_effect_goes_on_only_while_its_call_ends_within_the_window() {
        let keyed = Options { continue_without_store: true, ..Options::keyed(Duration::from_secs(3600)) };
        // A call of 60 s and a minute for clocks and queues.
        assert!(keyed.may_go_unjournalled(Some(Duration::from_nanos(3_479_999_999_999))));
        assert!(!keyed.may_go_unjournalled(Some(Duration::from_secs(3480))));
        assert!(
            !Options { continue_without_store: true, ..Options::queryable() }
                .may_go_unjournalled(Some(Duration::ZERO))
        );
    }

    #[test]
    fn without_its_store_only_what_the_far_side_makes_one_of_goes_on() {
        let secs = Duration::from_secs;
        let keyed = Options { continue_without_store: true, ..Options::keyed(secs(3600)) };
        assert!(keyed.may_go_unjournalled(Some(secs(3400))));
        assert!(
            !keyed.may_go_unjournalled(Some(secs(3480))),
            "its call may arrive when the key is forgotten"
        );
        assert!(!keyed.may_go_unjournalled(None), "nobody knows when the first call was made");
        let idempotent = Options { continue_without_store: true, ..Options::idempotent() };
        assert!(idempotent.may_go_unjournalled(None));
        assert!(!Options::idempotent().may_go_unjournalled(None), "nobody said so");
    }

    #[test]
    fn only_what_was_not_done_frees_a_key() {
        for seen in Seen::ALL {
            let ending = Ending::of(Verdict::of(*seen));
            let expected = match seen {
                Seen::Success | Seen::AlreadyDone => Ending::Applied,
                Seen::Denied | Seen::Invalid => Ending::Rejected,
                Seen::NotSent | Seen::RateLimited | Seen::TooEarly | Seen::Refused => Ending::NotApplied,
                Seen::CancelledBefore | Seen::QuotaGone | Seen::Banned => Ending::NotApplied,
                _ => Ending::Unknown,
            };
            assert_eq!(ending, expected, "{seen}");
        }
    }

    proptest! {
        #[test]
        fn no_number_makes_the_check_panic(
            spans in proptest::collection::vec(prop_oneof![Just(Duration::MAX), Just(Duration::ZERO), any::<Duration>()], 9),
            attempts in any::<u32>(), size in any::<u64>(), on in any::<bool>(),
        ) {
            let options = Options {
                nature: Nature::Keyed { window: spans[0] }, keep: spans[1], remember: Some(spans[2]), lease: spans[3],
                call: spans[4], visibility: spans[5], drift: spans[6], attempts, cooldown: spans[7],
                result: Size(size), patience: spans[8], continue_without_store: on,
            };
            if options.check().is_ok() {
                prop_assert!(options.settle() < options.memory().key, "a doubt is shorter than a memory");
            }
            options.may_go_unjournalled(Some(spans[0]));
        }
    }
}
