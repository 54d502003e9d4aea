//! A meter that is kept somewhere else between two looks: in whole microseconds, as bytes.
//!
//! | bytes | bucket | window |
//! |---|---|---|
//! | 1 | `b` | `w` |
//! | 8 | when it was reset, or zero | the same |
//! | 8 | when it will be full | the number of its present slot |
//! | 84 | | what passed in each slot, slot `n` at `n % 21` |

use std::time::Duration;

use seawall_core::Instant;

use super::bucket::Bucket;
use super::gauge::Gauge;
use super::meter::{Kind, Meter, SLOTS};
use super::window::Window;
use super::{Decision, Quota};
use crate::slots::Ring;

/// Nanoseconds in what is kept.
const STEP: u64 = 1000;

/// How long it is known that it was reset: by then whoever was counted before that has gone, or never will.
const ANEW: Duration = Duration::from_secs(86_400);

/// A meter for the length of one step.
#[derive(Debug)]
pub(crate) struct Kept(Meter);

/// The figures a quota is measured with, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measures {
    /// A token bucket, not a window?
    pub bucket: bool,
    /// What passes in one span, or at once.
    pub most: u32,
    /// How long a bucket takes to regain one.
    pub interval: u64,
    /// How long it takes to fill.
    pub fill: u64,
    /// One of the 21 slots of a window.
    pub slot: u64,
}

impl Measures {
    pub(crate) fn of(quota: &Quota) -> Self {
        let gauge = gauge(quota);
        let whole = |nanos: u64| nanos / STEP;
        Self {
            bucket: quota.burst.is_some(),
            most: gauge.most,
            interval: whole(gauge.interval),
            fill: whole(gauge.fill),
            slot: whole(gauge.slot),
        }
    }
}

fn gauge(quota: &Quota) -> Gauge {
    Gauge::in_steps_of(STEP, quota, SLOTS)
}

impl Kept {
    /// A meter that was kept as these bytes, or one at rest; nothing where they cannot be read.
    pub(crate) fn read(quota: &Quota, held: Option<&[u8]>, now: Instant) -> Option<Self> {
        let gauge = gauge(quota);
        let Some(held) = held else {
            let kind = match quota.burst {
                Some(_) => Kind::Bucket(Bucket::default()),
                None => Kind::Window(Window::default()),
            };
            return Some(Self(Meter { gauge, kind, anew: None }));
        };
        let (&kind, rest) = held.split_first()?;
        let (anew, rest) = number(rest)?;
        let (first, rest) = number(rest)?;
        let kind = match (kind, quota.burst) {
            (b'b', Some(_)) if rest.is_empty() => Kind::Bucket(Bucket { full_at: instant(first) }),
            (b'w', None) => {
                let mut slots = [0; SLOTS];
                let (counts, left) = rest.as_chunks::<4>();
                if counts.len() != SLOTS || !left.is_empty() {
                    return None;
                }
                slots.iter_mut().zip(counts).for_each(|(slot, count)| *slot = u32::from_be_bytes(*count));
                Kind::Window(Window(Ring::of(first, slots)))
            }
            _ => return None,
        };
        let anew = (anew > 0).then(|| instant(anew)).filter(|anew| now < *anew + ANEW);
        Some(Self(Meter { gauge, kind, anew }))
    }

    /// As it is to be kept, and for how long; nothing when it owes nothing.
    pub(crate) fn written(&self, now: Instant) -> Option<(Vec<u8>, Duration)> {
        let Meter { gauge, kind, anew } = &self.0;
        let owes = match kind {
            Kind::Bucket(bucket) => bucket.full_at,
            Kind::Window(window) if window.used() == 0 => Instant::ORIGIN,
            Kind::Window(window) => {
                window.ends(gauge) + Duration::from_nanos(gauge.slot.saturating_mul(SLOTS as u64 - 1))
            }
        };
        let until = owes.max(anew.map_or(Instant::ORIGIN, |anew| anew + ANEW));
        if until <= now {
            return None;
        }
        let mut bytes = Vec::with_capacity(101);
        bytes.push(if matches!(kind, Kind::Bucket(_)) { b'b' } else { b'w' });
        bytes.extend(micros(anew.unwrap_or_default()).to_be_bytes());
        match kind {
            Kind::Bucket(bucket) => bytes.extend(micros(bucket.full_at).to_be_bytes()),
            Kind::Window(Window(ring)) => {
                let (current, slots) = ring.parts();
                bytes.extend(current.to_be_bytes());
                bytes.extend(slots.iter().flat_map(|count| count.to_be_bytes()));
            }
        }
        Some((bytes, now.until(until)))
    }

    pub(crate) fn take(&mut self, n: u32, owed: u64, now: Instant) -> Decision {
        if owed > 0 {
            self.0.charge(owed, now);
        }
        self.0.take(n, now)
    }

    pub(crate) fn give_back(&mut self, n: u64, taken: Instant, now: Instant) {
        self.0.give_back(n, taken, now);
    }

    pub(crate) fn reset(&mut self, now: Instant) {
        self.0.reset(now);
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

fn instant(micros: u64) -> Instant {
    Instant::from_nanos(micros.saturating_mul(STEP))
}

fn micros(instant: Instant) -> u64 {
    instant.as_nanos() / STEP
}
