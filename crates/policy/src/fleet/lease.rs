//! A name that one holder has at a time: 8 bytes of epoch, 16 of its holder, 8 of the end in microseconds since 1970.

use std::time::Duration;

use seawall_core::fleet::lease::{Ask, Said};
use seawall_core::fleet::{Member, Moment};

use super::{Kept, Stepped, Unreadable, micros};

/// How long a name is remembered that nobody holds. Epochs grow across that too: they follow the clock.
const REMEMBERED: u64 = 86_400_000_000;

/// Who has it, by which right, and until when; nobody, when that has passed.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    epoch: u64,
    holder: u128,
    until: u64,
}

impl Held {
    fn read(held: &[u8]) -> Option<Self> {
        let (epoch, rest) = held.split_first_chunk()?;
        let (holder, rest) = rest.split_first_chunk()?;
        Some(Self {
            epoch: u64::from_be_bytes(*epoch),
            holder: u128::from_be_bytes(*holder),
            until: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }

    fn written(self) -> Vec<u8> {
        let Self { epoch, holder, until } = self;
        [&epoch.to_be_bytes()[..], &holder.to_be_bytes(), &until.to_be_bytes()].concat()
    }
}

/// One question.
///
/// Law: no two holders have it at one time by the store's clock, and every holding has a higher epoch than those before.
pub fn step(held: Option<&[u8]>, ask: Ask, now: Moment) -> Stepped<Said> {
    let mut held = held.map_or(Some(Held::default()), Held::read).ok_or(Unreadable)?;
    let Moment(now) = now;
    let taken = held.until > now;
    let mine = |holder: Member, epoch: u64| held.holder == holder.0 && held.epoch == epoch;
    let said = match ask {
        Ask::Acquire { holder, span } if !taken || held.holder == holder.0 => {
            if !taken {
                held.epoch = now.max(held.epoch.saturating_add(1));
                held.holder = holder.0;
            }
            held.until = now.saturating_add(micros(span));
            Said::Held(held.epoch)
        }
        Ask::Acquire { .. } => Said::Busy(Duration::from_micros(held.until - now)),
        Ask::Renew { holder, epoch, span } if taken && mine(holder, epoch) => {
            held.until = now.saturating_add(micros(span));
            Said::Held(epoch)
        }
        Ask::Release { holder, epoch } if mine(holder, epoch) => {
            held.until = 0;
            Said::Free
        }
        Ask::Renew { .. } | Ask::Release { .. } => Said::Lost,
    };
    let keep = Duration::from_micros(held.until.saturating_sub(now).saturating_add(REMEMBERED));
    Ok(((held.epoch > 0).then(|| Kept { bytes: held.written(), keep }), said))
}
