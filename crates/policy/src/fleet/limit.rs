//! A limit that a fleet keeps together: the meter of every limit, kept by a store, in whole microseconds.
//!
//! An interval between two calls is rounded up to a microsecond, so that a shared limit never passes more than a million
//! a second, and one of 300 000 passes 250 000. Below ten thousand it is exact to a hundredth.

use std::fmt::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use seawall_core::fleet::Moment;
use seawall_core::fleet::limit::{Ask, Of, Said};

use super::{Kept, Stepped, Unreadable, instant};
pub use crate::limiter::Measures;
use crate::limiter::{self, Decision, Quota};

fn quota(of: &Of) -> Quota {
    Quota { rate: of.rate, burst: of.burst }
}

/// The figures it is measured with.
pub fn measures(of: &Of) -> Measures {
    Measures::of(&quota(of))
}

/// What tells it from others of its name: its kind, the span of a window, and the key.
pub fn id(of: &Of) -> String {
    let mut id = match of.burst {
        Some(_) => "bucket".to_owned(),
        None => format!("window {:?}", of.rate.per),
    };
    if of.key != 0 {
        let _ = write!(id, " {:016x}", of.key);
    }
    id
}

/// What one of so many members may let through by itself, so that all of them together keep to the limit: a share of the
/// count, and where that is less than one, one in a longer span.
///
/// Law: all shares together are at most the rate; where there are fewer tokens than members, that holds over a longer
/// time, for each may use its one at the same moment. A share that would be rarer than one in a year is one in a year.
pub fn share(options: &limiter::Options, members: u32) -> limiter::Options {
    let members = members.max(1);
    let mut share = options.clone();
    let (count, per) = (options.rate.count.get(), options.rate.per);
    // Where it fits, a bucket refills at exactly its share.
    let stretched = |times: u32| per.checked_mul(times).filter(|per| *per <= LONGEST_SPAN);
    match (options.burst, stretched(members)) {
        (Some(_), Some(per)) => share.rate.per = per,
        _ if count >= members => share.rate.count = part(options.rate.count, members),
        _ => {
            share.rate.count = NonZeroU32::MIN;
            share.rate.per = stretched(members.div_ceil(count)).unwrap_or(LONGEST_SPAN);
        }
    }
    share.burst = options.burst.map(|burst| part(burst, members));
    share
}

/// The longest span a quota may have.
const LONGEST_SPAN: Duration = Duration::from_secs(366 * 86_400);

fn part(all: NonZeroU32, members: u32) -> NonZeroU32 {
    NonZeroU32::new(all.get() / members).unwrap_or(NonZeroU32::MIN)
}

/// One question.
///
/// Law: whoever asks, in whatever order, no span of a window sees more than its count, and no span `t` of a bucket more
/// than its burst and what `t` refills.
pub fn step(held: Option<&[u8]>, of: &Of, ask: Ask, now: Moment) -> Stepped<Said> {
    let at = instant(now);
    let mut meter = limiter::Kept::read(&quota(of), held, at).ok_or(Unreadable)?;
    let said = match ask {
        Ask::Take { n, owed } => match meter.take(n, owed, at) {
            Decision::Go => Said::Go(now),
            Decision::Wait(wait) => {
                Said::Wait(Duration::from_micros(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX).max(1)))
            }
            Decision::Never => Said::Never,
        },
        Ask::GiveBack { n, taken } => {
            meter.give_back(n, instant(taken), at);
            Said::Done
        }
        Ask::Reset => {
            meter.reset(at);
            Said::Done
        }
    };
    let kept = meter.written(at).map(|(bytes, keep)| Kept { bytes, keep });
    Ok((kept, said))
}
