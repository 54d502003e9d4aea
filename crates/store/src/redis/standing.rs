//! Is this the memory we knew? Each part of a namespace holds the name of its incarnation, without an end to its life. A
//! part that lost it, or has another, has lost records too.
//!
//! ```text
//! (nothing) ──first start──► arming ──every part named──► armed ──a part lost its name──► lost
//!                                                           ▲                              │ time, or a person
//!                                                           └────── under a new name ──────┘
//! ```
//!
//! The next name follows from the last, so that everybody who sees a loss, or ends one, writes the same.

use std::fmt;

use seawall_core::effect::Stamp;
use sha2::{Digest, Sha256};

use super::scripts::SHARDS;
use super::wire;

/// The name of a memory: another one after each loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incarnation(pub(super) [u8; 16]);

impl Incarnation {
    pub(super) fn next(self) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"seawall: the memory after ");
        hash.update(self.0);
        let mut cut = [0; 16];
        cut.copy_from_slice(&hash.finalize()[..16]);
        Self(cut)
    }
}

/// Of what nobody has named.
pub(super) const NOBODY: Incarnation = Incarnation([0; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// How a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A first start is under way. Only the first part is ever so; nothing has been granted yet.
    Arming,
    /// Trusted.
    Armed,
    /// Trusted again by the passing of time: not for wishes that may be older than the loss.
    Strict,
    /// Not trusted.
    Lost,
}

impl Mode {
    const fn letter(self) -> u8 {
        match self {
            Mode::Arming => b'i',
            Mode::Armed => b'a',
            Mode::Strict => b'A',
            Mode::Lost => b'q',
        }
    }
}

/// What a part says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) mode: Mode,
    pub(super) incarnation: Incarnation,
    /// When the last loss was noticed; zero is never.
    pub(super) lost: Stamp,
}

impl Standing {
    /// As it is stored, less the latest time told. What cannot be read counts as lost.
    pub(super) fn read(stored: &[u8]) -> Option<Self> {
        let (&letter, rest) = stored.split_first()?;
        let mode = [Mode::Arming, Mode::Armed, Mode::Strict, Mode::Lost]
            .into_iter()
            .find(|mode| mode.letter() == letter)?;
        let (name, rest) = rest.split_at_checked(16)?;
        let (lost, latest) = rest.split_at_checked(6)?;
        let lost = lost.iter().fold(0, |lost, byte| lost << 8 | u64::from(*byte));
        (latest.len() == 6).then_some(())?;
        Some(Self { mode, incarnation: Incarnation(name.try_into().ok()?), lost: Stamp(lost) })
    }

    pub(super) fn written(self) -> Vec<u8> {
        let mut written = vec![self.mode.letter()];
        written.extend(self.incarnation.0);
        wire::time(&mut written, self.lost.0);
        written
    }
}

/// What is to be done about the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// Nobody was ever here, as far as we know.
    Fresh,
    /// All is well.
    Armed(Standing),
    /// It is known that something was lost.
    Lost(Standing),
    /// These parts are to be changed, from what they hold (nothing, where it is empty) to what they should. The first
    /// part is the last to become trusted.
    Change { loss: bool, parts: Vec<(usize, Vec<u8>, Standing)> },
}

/// Judges the parts; `known` is the memory we trusted so far. `now` is the server's.
pub(super) fn judge(held: &[Vec<u8>], known: Option<Incarnation>, now: Stamp) -> View {
    let parts: Vec<_> = held.iter().map(|stored| Standing::read(stored)).collect();
    let Some(&first) = parts.first() else { return View::Fresh };
    if known.is_none() && held.iter().all(Vec::is_empty) {
        return View::Fresh;
    }
    let change = |loss: bool, wanted: &dyn Fn(Option<Standing>) -> Option<Standing>| {
        let mut changed: Vec<_> = held
            .iter()
            .zip(&parts)
            .enumerate()
            .filter_map(|(place, (stored, part))| Some((place, stored.clone(), wanted(*part)?)))
            .collect();
        let first = changed.first().is_some_and(|(place, ..)| *place == 0);
        changed.rotate_left(usize::from(first));
        View::Change { loss, parts: changed }
    };
    // A first start that somebody began. Parts it has named already are as they should be.
    if let (None, Some(Standing { mode: Mode::Arming, incarnation, .. })) = (known, first) {
        let armed = Standing { mode: Mode::Armed, incarnation, lost: Stamp(0) };
        return change(false, &|part| (part != Some(armed)).then_some(armed));
    }
    if let Some(lost) = parts.iter().flatten().find(|part| part.mode == Mode::Lost).copied() {
        let after = lost.incarnation.next();
        let again = parts.iter().flatten().find(|part| newer(part, after)).copied();
        let ending = |part: &Option<Standing>| part.is_some_and(|part| part == lost || newer(&part, after));
        return match again {
            _ if parts.iter().all(|part| *part == Some(lost)) => View::Lost(lost),
            // Somebody is ending the loss.
            Some(again) if parts.iter().all(ending) => {
                change(false, &|part| (part == Some(lost)).then_some(again))
            }
            // Somebody is writing it down, or there was another one.
            _ => {
                let lost = Standing { lost: now.max(lost.lost), ..lost };
                change(true, &|part| (part != Some(lost)).then_some(lost))
            }
        };
    }
    let same = |one: Standing| {
        trusted(&one)
            && parts.iter().flatten().all(|part| trusted(part) && part.incarnation == one.incarnation)
    };
    let whole = first.filter(|&one| same(one) && parts.iter().all(Option::is_some));
    match (whole, known) {
        // Another name is believed where a loss was noticed since, and ended.
        (Some(one), known) if known.is_none_or(|known| known == one.incarnation) || one.lost > Stamp(0) => {
            let strict = parts.iter().flatten().find(|part| part.mode == Mode::Strict);
            View::Armed(strict.copied().unwrap_or(one))
        }
        (_, known) => {
            let last = known.or(parts.iter().flatten().next().map(|part| part.incarnation));
            let incarnation = last.unwrap_or(NOBODY).next();
            let lost = Standing { mode: Mode::Lost, incarnation, lost: now };
            change(true, &|part| (part != Some(lost)).then_some(lost))
        }
    }
}

fn trusted(part: &Standing) -> bool {
    matches!(part.mode, Mode::Armed | Mode::Strict)
}

fn newer(part: &Standing, after: Incarnation) -> bool {
    trusted(part) && part.incarnation == after
}

/// What marks every part as lost, where something else than the parts told of it.
pub(super) fn lost(
    held: &[Vec<u8>],
    known: Option<Incarnation>,
    now: Stamp,
) -> Vec<(usize, Vec<u8>, Standing)> {
    let parts = held.iter().filter_map(|stored| Standing::read(stored));
    let (mut names, mut noticed) = (known.into_iter().collect::<Vec<_>>(), false);
    for part in parts {
        noticed |= part.mode == Mode::Lost;
        names.push(part.incarnation);
    }
    let Some(last) = names.first().filter(|_| !noticed) else { return Vec::new() };
    let lost = Standing { mode: Mode::Lost, incarnation: last.next(), lost: now };
    held.iter().cloned().enumerate().map(|(place, stored)| (place, stored, lost)).collect()
}

/// What dates a loss that is known already from now, under the same name.
pub(super) fn lost_again(held: &[Vec<u8>], now: Stamp) -> Vec<(usize, Vec<u8>, Standing)> {
    let dated = |(place, stored): (usize, &Vec<u8>)| {
        let part = Standing::read(stored).filter(|part| part.mode == Mode::Lost)?;
        Some((place, stored.clone(), Standing { lost: now.max(part.lost), ..part }))
    };
    held.iter().enumerate().filter_map(dated).collect()
}

/// What makes parts that lost something trusted again.
pub(super) fn rearmed(held: &[Vec<u8>], mode: Mode) -> Vec<(usize, Vec<u8>, Standing)> {
    let change = |(place, stored): (usize, &Vec<u8>)| {
        let part = Standing::read(stored)?;
        let incarnation = match part.mode {
            Mode::Lost => part.incarnation.next(),
            // A person trusts what so far only time did.
            Mode::Strict if mode == Mode::Armed => part.incarnation,
            _ => return None,
        };
        Some((place, stored.clone(), Standing { mode, incarnation, ..part }))
    };
    held.iter().take(SHARDS).enumerate().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp(1_700_000_000_000);
    const ONE: Incarnation = Incarnation([1; 16]);

    fn part(mode: Mode, incarnation: Incarnation, lost: u64) -> Vec<u8> {
        let mut stored = Standing { mode, incarnation, lost: Stamp(lost) }.written();
        stored.extend([0; 6]);
        stored
    }

    /// Does what it is told until there is nothing to do.
    fn settled(held: &mut [Vec<u8>], known: Option<Incarnation>) -> View {
        for _ in 0..5 {
            match judge(held, known, NOW) {
                View::Fresh => held[0] = part(Mode::Arming, ONE, 0),
                View::Change { parts, .. } => {
                    for (place, was, standing) in parts {
                        assert_eq!(held[place], was);
                        held[place] = part(standing.mode, standing.incarnation, standing.lost.0);
                    }
                }
                view => return view,
            }
        }
        panic!("it never settles");
    }

    #[test]
    fn a_first_start_arms_every_part_and_the_first_one_last() {
        let mut held = vec![Vec::new(); 4];
        assert_eq!(judge(&held, None, NOW), View::Fresh);
        held[0] = part(Mode::Arming, ONE, 0);
        held[2] = part(Mode::Armed, ONE, 0);
        let View::Change { loss: false, parts } = judge(&held, None, NOW) else { panic!("to be armed") };
        assert_eq!(parts.iter().map(|(place, ..)| *place).collect::<Vec<_>>(), [1, 3, 0]);
        let armed = Standing { mode: Mode::Armed, incarnation: ONE, lost: Stamp(0) };
        assert_eq!(settled(&mut held, None), View::Armed(armed));
    }

    #[test]
    fn whatever_is_missing_or_other_than_it_was_is_a_loss() {
        let armed = |incarnation| vec![part(Mode::Armed, incarnation, 0); 4];
        let mut one_missing = armed(ONE);
        one_missing[2].clear();
        let mut cut = armed(ONE);
        cut[1].pop();
        let mut first_missing = armed(ONE);
        first_missing[0].clear();
        let arming = [vec![part(Mode::Arming, Incarnation([2; 16]), 0)], vec![Vec::new(); 3]].concat();
        for (held, known) in [
            (vec![Vec::new(); 4], Some(ONE)),
            (one_missing.clone(), Some(ONE)),
            (one_missing, None),
            (first_missing, None),
            (cut, Some(ONE)),
            (armed(Incarnation([2; 16])), Some(ONE)),
            (arming, Some(ONE)),
        ] {
            let mut held = held;
            let View::Change { loss: true, .. } = judge(&held, known, NOW) else { panic!("{held:?}") };
            let lost = Standing { mode: Mode::Lost, incarnation: ONE.next(), lost: NOW };
            assert_eq!(settled(&mut held, known), View::Lost(lost));
            // Everybody else sees it too, whatever they knew.
            assert_eq!(settled(&mut held, Some(Incarnation([9; 16]))), View::Lost(lost));
            assert_eq!(settled(&mut held, None), View::Lost(lost));
        }
    }

    #[test]
    fn a_loss_ends_under_a_new_name_that_everybody_takes() {
        for mode in [Mode::Armed, Mode::Strict] {
            let mut held = vec![part(Mode::Lost, ONE.next(), NOW.0); 4];
            let changes = rearmed(&held, mode);
            // Somebody else may have to finish it.
            for (place, _, standing) in changes.into_iter().take(2) {
                held[place] = part(standing.mode, standing.incarnation, standing.lost.0);
            }
            let again = Standing { mode, incarnation: ONE.next().next(), lost: NOW };
            for known in [Some(ONE), None, Some(again.incarnation)] {
                assert_eq!(settled(&mut held.clone(), known), View::Armed(again), "{known:?}");
            }
        }
    }

    #[test]
    fn a_newcomer_who_armed_an_emptied_server_does_not_hide_the_loss() {
        let newcomer = Incarnation([5; 16]);
        let mut held = vec![part(Mode::Armed, newcomer, 0); 4];
        let View::Lost(lost) = settled(&mut held, Some(ONE)) else { panic!("lost") };
        assert_eq!(settled(&mut held, Some(newcomer)), View::Lost(lost));
    }

    #[test]
    fn a_person_can_trust_what_time_trusted_only_in_part() {
        let held = vec![part(Mode::Strict, ONE, 7); 4];
        assert!(rearmed(&held, Mode::Strict).is_empty());
        let changes = rearmed(&held, Mode::Armed);
        assert!(changes.iter().all(|(_, _, to)| to.mode == Mode::Armed && to.incarnation == ONE));
        assert_eq!(changes.len(), 4);
    }
}
