//! Who is there: 16 bytes of each member, and 8 of until when it counts, in microseconds since 1970.

use std::time::Duration;

use seawall_core::fleet::Moment;
use seawall_core::fleet::presence::Ask;

use super::{Kept, Stepped, Unreadable, micros};

/// One word of a member; the answer is how many are there after it.
pub fn step(held: Option<&[u8]>, ask: Ask, now: Moment) -> Stepped<u32> {
    let (all, rest) = held.unwrap_or_default().as_chunks::<24>();
    if !rest.is_empty() {
        return Err(Unreadable);
    }
    let (who, until) = match ask {
        Ask::Here(member, span) => (member, now.0.saturating_add(micros(span))),
        Ask::Gone(member) => (member, 0),
    };
    let mut one = [0; 24];
    one[..16].copy_from_slice(&who.0.to_be_bytes());
    one[16..].copy_from_slice(&until.to_be_bytes());
    let end = |member: &[u8; 24]| {
        let [.., a, b, c, d, e, f, g, h] = *member;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    };
    let others = all.iter().filter(|other| other[..16] != one[..16]);
    let there: Vec<_> = others.chain([&one]).filter(|member| end(member) > now.0).copied().collect();
    let latest = there.iter().map(end).max().unwrap_or(0);
    let count = u32::try_from(there.len()).unwrap_or(u32::MAX);
    let keep = Duration::from_micros(latest.saturating_sub(now.0));
    Ok((latest.gt(&0).then(|| Kept { bytes: there.concat(), keep }), count))
}
