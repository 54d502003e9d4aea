//! Questions to a breaker packed for its script, and the answer unpacked.

use std::time::Duration;

use seawall_core::fleet::breaker::{Ask, Heard, Held, Lever, Rules, Said, Standing, State, Why};
use seawall_policy::fleet::breaker::{cut, slot};
use seawall_policy::fleet::micros;

use super::fleet::Packed;

/// By what it goes.
pub(super) fn rules(rules: &Rules) -> Vec<u8> {
    let mut packed = Packed::default().number(slot(rules)).0;
    for number in [rules.consecutive, rules.failures, rules.min_calls] {
        packed.extend(number.to_be_bytes());
    }
    for share in [rules.failure_rate, rules.slow_rate] {
        packed.extend(share.get().to_be_bytes());
    }
    let cap = rules.open_cap.map_or(0, |cap| micros(cap.max(rules.open)).max(1));
    let mut packed = Packed(packed).span(rules.open).number(cap).0;
    packed.push(if rules.manual { b'y' } else { b'n' });
    for number in [rules.probes, rules.successes, rules.sample] {
        packed.extend(number.to_be_bytes());
    }
    Packed(packed).span(rules.lease).span(rules.ramp).0
}

/// A question, and the words that go with it.
pub(super) fn packed(ask: &Ask) -> (Vec<u8>, [&str; 2]) {
    let mut words = [""; 2];
    let packed = match ask {
        Ask::Report(report) => {
            let mut packed = Packed::of(b'r').number(report.epoch).0;
            packed.extend([report.first, report.last].iter().flat_map(|number| number.to_be_bytes()));
            packed.push(if report.worked { b'y' } else { b'n' });
            // A window has ten slots; more are of no use.
            let counts = &report.counts[..report.counts.len().min(1000)];
            packed.extend((counts.len() as u16).to_be_bytes());
            for counts in counts {
                packed = Packed(packed).span(counts.ago).0;
                let tally = [counts.calls, counts.failures, counts.slow];
                packed.extend(tally.iter().flat_map(|number| number.to_be_bytes()));
            }
            packed
        }
        Ask::Probe => vec![b'p'],
        Ask::Probed { epoch, probe, heard } => {
            let mut packed = Packed::of(b'd').number(*epoch).number(*probe).0;
            packed.push(match heard {
                Heard::Worked => b'w',
                Heard::Slow => b's',
                Heard::Failed => b'f',
                Heard::Nothing => b'n',
            });
            packed
        }
        Ask::Pull(pull) => {
            words = [cut(&pull.by), cut(&pull.reason)];
            let lever = match pull.lever {
                Lever::ForceOpen => b'o',
                Lever::ForceClosed => b'c',
                Lever::HalfOpen => b'h',
                Lever::Reset => b'z',
            };
            let hold = pull.hold.map_or(0, |hold| micros(hold) + 1);
            Packed(vec![b'l', lever]).number(hold).0
        }
    };
    (packed, words)
}

/// What it answered.
pub(super) fn said(reply: &[u8]) -> Option<Said> {
    let (&letter, rest) = reply.split_first()?;
    let state = match letter {
        b'C' => State::Closed,
        b'O' => State::Open,
        b'H' => State::HalfOpen,
        b'F' => State::ForcedOpen,
        b'f' => State::ForcedClosed,
        _ => return None,
    };
    let (numbers, rest) = rest.split_first_chunk::<72>()?;
    let mut numbers = numbers.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
    let mut next = || numbers.next();
    let (epoch, stands, resumes, left, ramp) = (next()?, next()?, next()?, next()?, next()?);
    let (calls, failures, slow, opened) = (next()?, next()?, next()?, next()?);
    let (&why, rest) = rest.split_first()?;
    let (probe, rest) = rest.split_first_chunk::<8>()?;
    let (by, rest) = word(rest)?;
    let (reason, rest) = word(rest)?;
    // One more than it is, so that zero is none.
    let span = |number: u64| number.checked_sub(1).map(Duration::from_micros);
    let held = matches!(state, State::ForcedOpen | State::ForcedClosed);
    let standing = Standing {
        state,
        epoch,
        stands: Duration::from_micros(stands),
        resumes: Duration::from_micros(resumes),
        held: held.then(|| Held { by: by.into(), reason: reason.into(), left: span(left) }),
        ramp: span(ramp),
        calls,
        failures,
        slow,
        opened,
    };
    let moved = match why {
        b'-' => None,
        letter => Some(*WHYS.iter().find(|(own, _)| *own == letter).map(|(_, why)| why)?),
    };
    let probe = Some(u64::from_be_bytes(*probe)).filter(|probe| *probe > 0);
    rest.is_empty().then_some(Said { standing, moved, probe })
}

fn word(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (word, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    Some((std::str::from_utf8(word).ok()?, rest))
}

/// What moved it, by the letters of the script.
const WHYS: [(u8, Why); 15] = [
    (b'p', Why::PauseOver),
    (b'h', Why::HoldOver),
    (b'm', Why::RampOver),
    (b'o', Why::HeldOpen),
    (b'c', Why::HeldClosed),
    (b'a', Why::ProbeAsked),
    (b'z', Why::Reset),
    (b'f', Why::ProbeFailed),
    (b's', Why::ProbeSlow),
    (b'q', Why::ProbesFailed),
    (b'g', Why::ProbesWorked),
    (b'r', Why::Consecutive),
    (b'n', Why::Failures),
    (b'x', Why::FailureRate),
    (b'w', Why::SlowRate),
];
