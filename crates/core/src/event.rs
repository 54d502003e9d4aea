//! Facts come up: what a policy did, offered to whoever listens, never at the cost of a call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::Instant;
use crate::effect::Note;
use crate::rejection::{Code, Policy};
use crate::verdict::{Class, Verdict};

/// Something a policy did. Nothing is offered for a call that simply works.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// An attempt ended.
    Attempted {
        /// Which attempt, from 1.
        attempt: u32,
        /// How it ended.
        verdict: Verdict,
    },
    /// A retry was scheduled.
    Retrying {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The pause before the next.
        delay: Duration,
        /// The class of the failure.
        class: Class,
    },
    /// A retry was due, and the budget said no.
    BudgetExhausted,
    /// A policy refused.
    Rejected {
        /// Why.
        code: Code,
        /// Who.
        policy: Policy,
    },
    /// A call waited for a slot.
    Waited {
        /// At which policy.
        policy: Policy,
        /// How long.
        wait: Duration,
    },
    /// A provider asked everybody to wait.
    Paused {
        /// For how long.
        wait: Duration,
    },
    /// One of several keys of an upstream was refused and rests, or works again.
    KeyMoved {
        /// Its name in the configuration; never its value.
        key: Arc<str>,
        /// Why it rests: `limited`, `quota` or `denied`; none where it works again.
        why: Option<&'static str>,
        /// For how long it rests.
        wait: Duration,
    },
    /// A circuit breaker changed its state.
    BreakerMoved {
        /// Its new state, in the words of the metrics.
        to: &'static str,
        /// What moved it, in words.
        why: &'static str,
    },
    /// The next target of a fallback chain was taken.
    FellBack {
        /// The target that failed.
        from: Arc<str>,
        /// The target that is tried now.
        to: Arc<str>,
    },
    /// A policy in shadow mode would have refused, and let the call through.
    WouldReject {
        /// Why.
        code: Code,
        /// Who.
        policy: Policy,
    },
    /// A retry in shadow mode would have been scheduled; the outcome stood.
    WouldRetry {
        /// The attempt that failed, from 1.
        attempt: u32,
        /// The pause it would have made.
        delay: Duration,
    },
    /// A hedge in shadow mode would have been sent.
    WouldHedge {
        /// How long the first attempt had taken.
        after: Duration,
    },
    /// A second attempt was begun beside one that is slow.
    Hedged {
        /// How long the first had taken.
        after: Duration,
    },
    /// A hedge was due, and one of the policies had no room for it; the attempt under way goes on.
    HedgeDenied {
        /// Why.
        code: Code,
    },
    /// A stored answer was given though it was no longer fresh.
    ServedStale {
        /// How old it was.
        age: Duration,
        /// Why it was given, such as `breaker-open`, `timeout`, `error` or `revalidating`.
        why: &'static str,
    },
    /// Calls go to another target of a failover group.
    FailedOver {
        /// The target that served until now.
        from: Arc<str>,
        /// The target that serves now.
        to: Arc<str>,
        /// What moved them, in words.
        why: Arc<str>,
    },
    /// The level of degradation changed.
    Degraded {
        /// The level's name.
        level: Arc<str>,
        /// What moved it, in words.
        why: Arc<str>,
    },
    /// A health check stands elsewhere now.
    HealthMoved {
        /// Its new state, in the words of the metrics.
        to: &'static str,
        /// What was found, in words.
        why: Arc<str>,
    },
    /// An adaptive limit changed its pace.
    PaceChanged {
        /// The share of the configured rate that passes now.
        share: f64,
        /// What moved it, in words.
        why: &'static str,
    },
    /// An adaptive bulkhead changed its size.
    SizeChanged {
        /// Calls that may be in flight now.
        size: u32,
    },
    /// The audit trail was tampered with, or cannot be written.
    AuditTrouble {
        /// What, in words.
        what: Arc<str>,
    },
    /// Somebody who calls does something unusual for them. That is no offence yet.
    Unusual {
        /// What, such as `rate` or `destination`.
        what: &'static str,
        /// What was seen and what would have been usual, in words.
        why: Arc<str>,
    },
    /// An alert moved.
    Alert {
        /// How, in the words of alerts: `pending`, `active`, `resolved` and so on.
        to: &'static str,
        /// How bad it is.
        severity: &'static str,
        /// Why, in words.
        why: Arc<str>,
    },
    /// Somebody may not hear of an alert: a channel does not deliver, or what is known of alerts cannot be written down.
    AlertTrouble {
        /// What, in words.
        what: Arc<str>,
    },
    /// Something that operators will want to look at later is not kept, or not sent on.
    SignalTrouble {
        /// What, in words.
        what: Arc<str>,
    },
    /// The journal noted something about an effect that an operator should know.
    Effect {
        /// The effect's name for people.
        label: Arc<str>,
        /// What.
        note: Note,
    },
    /// An operator pulled a lever.
    Lever {
        /// What was done, such as `force-open`.
        action: &'static str,
        /// Who.
        by: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
}

/// A fact, when it happened and about whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: Instant,
    /// The pipeline, upstream or breaker it is about.
    pub name: Arc<str>,
    /// What.
    pub fact: Fact,
}

/// Takes events. `offer` must return at once: a sink that cannot keep up drops and counts.
pub trait Sink: Send + Sync {
    /// Takes note of an event, or drops it.
    fn offer(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Sink for F {
    fn offer(&self, event: Event) {
        self(event);
    }
}

/// A bounded channel as a sink: never blocks a caller, counts what it had to drop.
#[derive(Clone)]
pub struct Channel {
    sender: mpsc::SyncSender<Event>,
    dropped: Arc<AtomicU64>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl Channel {
    /// A channel that holds at most `capacity` events, and its receiving end.
    pub fn bounded(capacity: usize) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        (Self { sender, dropped: Arc::default() }, receiver)
    }

    /// How many events found the channel full, or nobody listening.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Sink for Channel {
    fn offer(&self, event: Event) {
        if self.sender.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Between two looks at a [`Channel`] that had something.
const REST: Duration = Duration::from_millis(1);

/// Hears everything a [`Channel`] carries, until nobody is left who could offer anything. For a thread of its own.
///
/// After each batch it rests for a millisecond: whoever offers an event to a listener that sleeps has to wake it, which costs
/// a system call, and so that is paid a thousand times a second at the most. An event is heard a millisecond late.
#[expect(clippy::disallowed_methods, reason = "a thread of its own rests here, and has nothing else to do")]
pub fn listen(events: &mpsc::Receiver<Event>, mut hear: impl FnMut(Event)) {
    while let Ok(event) = events.recv() {
        hear(event);
        events.try_iter().for_each(&mut hear);
        std::thread::sleep(REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event { at: Instant::ORIGIN, name: "x".into(), fact: Fact::BudgetExhausted }
    }

    #[test]
    fn a_full_channel_drops_and_counts_and_never_blocks() {
        let (channel, receiver) = Channel::bounded(2);
        for _ in 0..5 {
            channel.offer(event());
        }
        assert_eq!(channel.dropped(), 3);
        assert_eq!(receiver.try_iter().count(), 2);
        drop(receiver);
        channel.offer(event());
        assert_eq!(channel.dropped(), 4);
    }

    #[test]
    fn a_listener_hears_all_of_it_in_order_and_ends_with_the_last_who_speaks() {
        let (channel, receiver) = Channel::bounded(4096);
        let speaking = std::thread::spawn(move || {
            for second in 0..5000 {
                channel.offer(Event { at: Instant::ORIGIN + Duration::from_secs(second), ..event() });
            }
            channel.dropped()
        });
        let mut heard = Vec::new();
        listen(&receiver, |event| heard.push(event.at));
        assert_eq!(heard.len() as u64 + speaking.join().unwrap(), 5000);
        assert!(heard.is_sorted());
    }
}
