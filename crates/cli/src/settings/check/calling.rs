//! How calls are made: options that contradict themselves, and times that contradict each other.

use std::time::Duration;

use seawall::{Invalid, breaker, compress, retry, timeout};
use seawall_core::units::{Share, format_duration};

use super::super::Defaults;
use super::{Checking, Key};

/// Times and schedules that stand together.
pub(super) struct Calling<'c> {
    pub(super) deadline: Duration,
    pub(super) attempt: &'c timeout::Options,
    pub(super) retry: &'c retry::Options,
    pub(super) compress: &'c compress::Options,
}

/// What everybody inherits is looked at first, so that a slip in it is named where it is.
pub(super) fn defaults(checking: &mut Checking<'_>) {
    let key = Key::top("defaults");
    let defaults = &checking.loaded.settings.defaults;
    let Defaults { deadline, attempt, retry, compress, .. } = defaults;
    let calling = Calling { deadline: *deadline, attempt, retry, compress };
    calling.check(checking, &key);
    breaker(checking, &key, &defaults.breaker);
}

/// Looks at a breaker's options.
pub(super) fn breaker(checking: &mut Checking<'_>, at: &Key, options: &breaker::Options) {
    invalid(checking, &at.then("breaker"), options.check());
}

impl Calling<'_> {
    /// Looks at each, and then at how they go together.
    pub(super) fn check(&self, checking: &mut Checking<'_>, at: &Key) {
        invalid(checking, &at.then("compress"), self.compress.check());
        if self.deadline.is_zero() {
            let advice = "write at least \"1ms\"";
            checking.error(&at.then("deadline"), "a deadline of zero gives nothing a chance", advice);
            return;
        }
        let sound = invalid(checking, &at.then("attempt"), self.attempt.check())
            & invalid(checking, &at.then("retry"), self.retry.check());
        if sound {
            self.retries_fit(checking, at);
            self.attempts_fit(checking, at);
        }
    }

    fn retries_fit(&self, checking: &mut Checking<'_>, at: &Key) {
        let (retry, deadline) = (self.retry, format_duration(self.deadline));
        if retry.attempts < 2 {
            return;
        }
        let (base, total) = (at.then("retry.base"), self.pauses());
        let written = at.then("retry").is_written(&checking.loaded.tree);
        if retry.base >= self.deadline && written {
            let key = if base.is_written(&checking.loaded.tree) { base } else { at.then("retry") };
            let message = format!(
                "the first pause of {} is as long as the deadline of {deadline}",
                format_duration(retry.base)
            );
            checking.error(&key, message, "write a shorter base, a longer deadline, or retry = \"off\"");
        } else if total >= self.deadline {
            let message = format!(
                "{} attempts may pause {} in all, and the deadline is {deadline}: the last ones are not made",
                retry.attempts,
                format_duration(total)
            );
            let key = if written { at.then("retry") } else { at.then("deadline") };
            checking.warning(&key, message, "write fewer attempts, a lower cap, or a longer deadline");
        }
    }

    fn attempts_fit(&self, checking: &mut Checking<'_>, at: &Key) {
        if self.attempt.first_byte < self.deadline {
            return;
        }
        let first_byte = at.then("attempt.first_byte");
        let key = if first_byte.is_written(&checking.loaded.tree) { first_byte } else { at.then("deadline") };
        let message = format!(
            "one attempt may take {}, which is all of the deadline of {}",
            format_duration(self.attempt.first_byte),
            format_duration(self.deadline)
        );
        checking.warning(&key, message, "write attempt.first_byte below the deadline, so that a retry fits");
    }

    /// The pauses of the whole schedule, each as long as chance allows.
    fn pauses(&self) -> Duration {
        let mut last = Duration::ZERO;
        (1..self.retry.attempts)
            .map(|attempt| {
                last = retry::pause(self.retry, attempt, last, Share::percent(100), 0.0);
                last
            })
            .sum()
    }
}

/// Repeats what the options say about themselves, at the place of the key they name. True when they are sound.
pub(super) fn invalid(checking: &mut Checking<'_>, at: &Key, outcome: Result<(), Invalid>) -> bool {
    let Err(Invalid { key, message }) = outcome else { return true };
    let tree = &checking.loaded.tree;
    // A cap below its base is the base's doing where the cap is our own default.
    let blamed = match (at.then(key).is_written(tree), key) {
        (false, "cap") if at.then("base").is_written(tree) => at.then("base"),
        _ => at.then(key),
    };
    let (message, advice) = match message.split_once(": write ") {
        Some((message, advice)) => (message.to_owned(), format!("write {advice}")),
        None => (message.into_owned(), "write another value".to_owned()),
    };
    if blamed == at.then(key) {
        checking.error(&blamed, message, advice);
    } else {
        let advice = advice.replacen("write ", &format!("write a {key} too, "), 1);
        checking.error(&blamed, format!("{key} {message}"), advice);
    }
    false
}
