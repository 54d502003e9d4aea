//! Questions packed for the scripts, and their answers and records unpacked. Everything is binary: numbers are big-endian
//! and whole, times are milliseconds in 48 bits.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::{
    Answer, Begin, Done, Doubt, Finding, Fingerprint, How, Keep, Key, Nature, Nonce, Note, Operation,
    Outcome, Reason, Record, Resolution, Stamp, State, Token, Truth,
};
use seawall_core::store::Told;
use seawall_policy::effect::too_old;

/// No span is longer: 2230 years. Sums of two still fit in 48 bits, and in the whole numbers of Lua.
const LONGEST: u64 = (1 << 46) - 1;
/// An age nobody knows.
const UNKNOWN: u64 = (1 << 48) - 1;
/// The way records are laid out; a server with another is of another version.
const LAYOUT: u8 = 1;

/// A question as the scripts read it.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    pub(super) fixed: Vec<u8>,
    pub(super) rest: &'a [u8],
}

/// A wish; `trusted` is the memory it may be granted by.
pub(super) fn begin<'a>(begin: &'a Begin, trusted: &[u8; 16]) -> Packed<'a> {
    let mut fixed = Vec::with_capacity(130);
    fixed.push(b'b');
    let (kind, window) = match begin.nature {
        Nature::Idempotent => (b'i', Duration::ZERO),
        Nature::Keyed { window } => (b'k', window),
        Nature::Queryable => (b'q', Duration::ZERO),
        Nature::Opaque => (b'o', Duration::ZERO),
    };
    for span in [begin.lease, begin.call, begin.settle, begin.keep.result, begin.keep.key, window] {
        time(&mut fixed, millis(span));
    }
    fixed.extend(begin.max_attempts.to_be_bytes());
    time(&mut fixed, begin.age.map_or(UNKNOWN, millis));
    fixed.extend([yes(too_old(begin)), yes(wary(begin.nature)), kind]);
    fixed.extend(begin.print.as_bytes());
    fixed.extend(begin.nonce.0.to_be_bytes());
    fixed.extend(trusted);
    fixed.extend(begin.key.as_bytes());
    Packed { fixed, rest: begin.label.as_bytes() }
}

/// Could it happen twice, if a grant were forgotten?
pub(super) const fn wary(nature: Nature) -> bool {
    matches!(nature, Nature::Queryable | Nature::Opaque)
}

/// Any question but a wish.
pub(super) fn other(operation: &Operation) -> Packed<'_> {
    let mut asked = Asked { key: operation.key(), ..Asked::default() };
    match operation {
        // A wish has a script of its own.
        Operation::Begin(_) | Operation::Peek { .. } => asked.act = b'p',
        Operation::Renew { token, lease, .. } => {
            (asked.act, asked.token, asked.span) = (b'n', *token, *lease);
        }
        Operation::Complete { token, outcome, .. } => {
            (asked.act, asked.token) = (b'c', *token);
            match outcome {
                Outcome::Ended(truth, result) => asked.ended(*truth, result.as_deref()),
                Outcome::NotApplied { cooldown } => (asked.said, asked.span) = (b'n', *cooldown),
                Outcome::Unknown { detail } => (asked.said, asked.body) = (b'u', detail.as_bytes()),
            }
        }
        Operation::Reconcile { nonce, lease, .. } => {
            (asked.act, asked.token.nonce, asked.span) = (b'r', *nonce, *lease);
        }
        Operation::Resolve { token, finding, .. } => {
            (asked.act, asked.token) = (b'v', *token);
            match finding {
                Finding::Ended(truth, result) => asked.ended(*truth, result.as_deref()),
                Finding::NotApplied { fenced } => (asked.said, asked.has) = (b'n', *fenced),
                Finding::Unknown { detail } => (asked.said, asked.body) = (b'u', detail.as_bytes()),
            }
        }
        Operation::Force { resolution, .. } => {
            asked.act = b'f';
            match resolution {
                Resolution::Ended(truth, result) => asked.ended(*truth, result.as_deref()),
                Resolution::NotApplied => asked.said = b'n',
            }
        }
    }
    asked.packed()
}

/// Time alone, for a record that is due.
pub(super) fn due(key: Key) -> Packed<'static> {
    Asked { act: b's', key, ..Asked::default() }.packed()
}

struct Asked<'a> {
    act: u8,
    key: Key,
    token: Token,
    said: u8,
    verdict: u8,
    has: bool,
    span: Duration,
    body: &'a [u8],
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            act: b'p',
            key: Key::from_bytes([0; 16]),
            token: Token { epoch: 0, nonce: Nonce(0) },
            said: b'-',
            verdict: b'-',
            has: false,
            span: Duration::ZERO,
            body: &[],
        }
    }
}

impl<'a> Asked<'a> {
    fn ended(&mut self, truth: Truth, result: Option<&'a [u8]>) {
        self.said = b'e';
        self.verdict = match truth {
            Truth::Applied => b'a',
            Truth::Rejected => b'r',
        };
        self.has = result.is_some();
        self.body = result.unwrap_or_default();
    }

    fn packed(self) -> Packed<'a> {
        let mut fixed = Vec::with_capacity(50);
        fixed.push(self.act);
        fixed.extend(self.token.epoch.to_be_bytes());
        fixed.extend(self.token.nonce.0.to_be_bytes());
        fixed.extend([self.said, self.verdict, yes(self.has)]);
        time(&mut fixed, millis(self.span));
        fixed.extend(self.key.as_bytes());
        Packed { fixed, rest: self.body }
    }
}

fn yes(it: bool) -> u8 {
    if it { b'y' } else { b'n' }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).min(LONGEST)
}

pub(super) fn time(into: &mut Vec<u8>, millis: u64) {
    into.extend(&millis.min(UNKNOWN).to_be_bytes()[2..]);
}

/// What a script answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// An answer of the transition function.
    Told(Told),
    /// Not granted: the server may have forgotten an earlier grant. `older` where only wishes that may be older than
    /// what it lost are refused.
    Forgot { older: bool },
    /// What time did to a due record.
    Passed { changed: bool, label: Arc<str>, notes: Vec<Note> },
}

/// The number of the question an answer belongs to.
pub(super) fn number(reply: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(reply.get(..4)?.try_into().ok()?))
}

/// The right an answer grants, where it grants one.
pub(super) fn granted(reply: &[u8]) -> Option<Token> {
    match said(reply) {
        Some(Said::Told(Told { answer: Answer::Run(token), .. })) => Some(token),
        _ => None,
    }
}

/// An answer; none if it cannot be read.
pub(super) fn said(reply: &[u8]) -> Option<Said> {
    let mut from = Reader(reply.get(4..)?);
    let count = from.byte()?;
    let notes = (0..count).map(|_| from.note()).collect::<Option<Vec<_>>>()?;
    let answer = match from.byte()? {
        b'R' => Answer::Run(from.token()?),
        b'P' => Answer::Replay(from.truth()?, from.result()?),
        b'B' => Answer::Busy(from.span()?),
        b'C' => Answer::Cooldown(from.span()?),
        b'H' => Answer::Exhausted,
        b'M' => Answer::Mismatch,
        b'X' => Answer::Expired,
        b'I' => {
            let (since, reason, quarantined) = (from.stamp()?, from.reason()?, from.yes()?);
            Answer::InDoubt { since, reason, quarantined }
        }
        b'K' => Answer::Reconcile { token: from.token()?, quiet: from.yes()? },
        b'O' => Answer::Ok,
        b'L' => Answer::Late,
        b'A' => Answer::Already,
        b'T' => Answer::Conflict,
        b'F' => Answer::Fenced,
        b'N' => Answer::No { state: from.word()? },
        b'V' if from.0.is_empty() => Answer::Found(None),
        b'V' => {
            return Some(Said::Told(Told { answer: Answer::Found(Some(Box::new(record(from.0)?))), notes }));
        }
        b'Z' => return Some(Said::Forgot { older: from.byte()? == b'o' }),
        b'S' => {
            let changed = from.yes()?;
            return Some(Said::Passed { changed, label: from.text()?, notes });
        }
        _ => return None,
    };
    from.0.is_empty().then_some(Said::Told(Told { answer, notes }))
}

/// A record as it is stored; none if it cannot be read.
pub(super) fn record(stored: &[u8]) -> Option<Record> {
    let mut from = Reader(stored);
    if from.byte()? != LAYOUT {
        return None;
    }
    let (state, epoch) = (from.byte()?, from.long()?);
    let (nature, window) = (from.byte()?, from.span()?);
    let nature = match nature {
        b'i' => Nature::Idempotent,
        b'k' => Nature::Keyed { window },
        b'q' => Nature::Queryable,
        b'o' => Nature::Opaque,
        _ => return None,
    };
    let print = Fingerprint::from_bytes(from.array()?);
    let (run, attempts, first) = (from.token()?, from.int()?, from.stamp()?);
    let settle = from.span()?;
    let keep = Keep { result: from.span()?, key: from.span()? };
    let size = usize::try_from(from.int()?).ok()?;
    let label = Reader(from.take(size)?).text()?;
    let state = from.state(state)?;
    Some(Record { label, print, nature, epoch, run, attempts, first, settle, keep, state })
}

/// A record as the scripts store it: the other way round than [`record`].
pub(super) fn stored(record: &Record) -> Vec<u8> {
    let Record { label, print, nature, epoch, run, attempts, first, settle, keep, state } = record;
    let mut into = Vec::with_capacity(160 + label.len());
    into.push(LAYOUT);
    into.push(match state {
        State::Executing { .. } => b'E',
        State::InDoubt(_) => b'I',
        State::Reconciling { .. } => b'R',
        State::Free { .. } => b'F',
        State::Done(_) => b'D',
        State::Quarantined(_) => b'Q',
        State::Tombstone { .. } => b'T',
    });
    into.extend(epoch.to_be_bytes());
    let (kind, window) = match nature {
        Nature::Idempotent => (b'i', Duration::ZERO),
        Nature::Keyed { window } => (b'k', *window),
        Nature::Queryable => (b'q', Duration::ZERO),
        Nature::Opaque => (b'o', Duration::ZERO),
    };
    into.push(kind);
    time(&mut into, millis(window));
    into.extend(print.as_bytes());
    into.extend(run.epoch.to_be_bytes());
    into.extend(run.nonce.0.to_be_bytes());
    into.extend(attempts.to_be_bytes());
    time(&mut into, first.0);
    for span in [*settle, keep.result, keep.key] {
        time(&mut into, millis(span));
    }
    into.extend(u32::try_from(label.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.extend(label.as_bytes());
    match state {
        State::Executing { until, doubted } => {
            time(&mut into, until.0);
            doubted.iter().for_each(|since| time(&mut into, since.0));
        }
        State::Done(Done { truth, at, how, result }) => {
            into.push(truth_letter(*truth));
            into.push(match how {
                How::Owner => b'o',
                How::Late => b'l',
                How::Reconciled => b'r',
                How::Forced => b'f',
            });
            time(&mut into, at.0);
            into.push(yes(result.is_some()));
            into.extend_from_slice(result.as_deref().unwrap_or_default());
        }
        State::Free { since, not_before } => [since, not_before].iter().for_each(|at| time(&mut into, at.0)),
        State::Tombstone { truth, at } => {
            into.push(truth_letter(*truth));
            time(&mut into, at.0);
        }
        State::InDoubt(doubt) | State::Quarantined(doubt) => doubted(&mut into, doubt, &[]),
        State::Reconciling { doubt, nonce, since, until } => {
            let mut held = nonce.0.to_be_bytes().to_vec();
            [since, until].iter().for_each(|at| time(&mut held, at.0));
            doubted(&mut into, doubt, &held);
        }
    }
    into
}

fn truth_letter(truth: Truth) -> u8 {
    match truth {
        Truth::Applied => b'a',
        Truth::Rejected => b'r',
    }
}

fn doubted(into: &mut Vec<u8>, doubt: &Doubt, between: &[u8]) {
    time(into, doubt.since.0);
    into.push(match doubt.reason {
        Reason::Lease => b'l',
        Reason::Crash => b'c',
        Reason::Unknown => b'u',
        Reason::Restored => b'r',
    });
    [doubt.quiet, doubt.not_before].iter().for_each(|at| time(into, at.0));
    into.extend(doubt.tries.to_be_bytes());
    into.extend_from_slice(between);
    into.extend_from_slice(doubt.detail.as_bytes());
}

/// What is left to read. Nothing is read past the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn yes(&mut self) -> Option<bool> {
        match self.byte()? {
            b'y' => Some(true),
            b'n' => Some(false),
            _ => None,
        }
    }

    fn int(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn stamp(&mut self) -> Option<Stamp> {
        let [a, b, c, d, e, f] = self.array()?;
        Some(Stamp(u64::from_be_bytes([0, 0, a, b, c, d, e, f])))
    }

    fn span(&mut self) -> Option<Duration> {
        self.stamp().map(|stamp| Duration::from_millis(stamp.0))
    }

    fn nonce(&mut self) -> Option<Nonce> {
        self.array().map(u128::from_be_bytes).map(Nonce)
    }

    fn token(&mut self) -> Option<Token> {
        Some(Token { epoch: self.long()?, nonce: self.nonce()? })
    }

    fn truth(&mut self) -> Option<Truth> {
        match self.byte()? {
            b'a' => Some(Truth::Applied),
            b'r' => Some(Truth::Rejected),
            _ => None,
        }
    }

    fn reason(&mut self) -> Option<Reason> {
        match self.byte()? {
            b'l' => Some(Reason::Lease),
            b'c' => Some(Reason::Crash),
            b'u' => Some(Reason::Unknown),
            b'r' => Some(Reason::Restored),
            _ => None,
        }
    }

    fn how(&mut self) -> Option<How> {
        match self.byte()? {
            b'o' => Some(How::Owner),
            b'l' => Some(How::Late),
            b'r' => Some(How::Reconciled),
            b'f' => Some(How::Forced),
            _ => None,
        }
    }

    fn note(&mut self) -> Option<Note> {
        let note = match self.byte()? {
            b'd' => return self.reason().map(Note::InDoubt),
            b'c' => return self.how().map(Note::Cleared),
            b'q' => Note::Quarantined,
            b'm' => Note::Mismatch,
            b'x' => Note::SuspectedDuplicate,
            b't' => Note::Contradiction,
            b'f' => Note::Forgotten,
            _ => return None,
        };
        (self.byte()? == b'-').then_some(note)
    }

    fn word(&mut self) -> Option<&'static str> {
        Some(match self.byte()? {
            b'-' => "absent",
            b'E' => "executing",
            b'I' => "in-doubt",
            b'R' => "reconciling",
            b'F' => "free",
            b'D' => "done",
            b'Q' => "quarantined",
            b'T' => "tombstone",
            _ => return None,
        })
    }

    /// Everything that is left, as text.
    fn text(&mut self) -> Option<Arc<str>> {
        let text = std::str::from_utf8(self.0).ok()?;
        self.0 = &[];
        Some(text.into())
    }

    /// Everything that is left, if anything was kept.
    fn result(&mut self) -> Option<Option<Arc<[u8]>>> {
        let kept = self.yes()?;
        let rest = self.take(self.0.len())?;
        match (kept, rest) {
            (true, rest) => Some(Some(rest.into())),
            (false, []) => Some(None),
            (false, _) => None,
        }
    }

    fn state(&mut self, letter: u8) -> Option<State> {
        Some(match letter {
            b'E' => {
                let until = self.stamp()?;
                let doubted = if self.0.is_empty() { None } else { Some(self.stamp()?) };
                State::Executing { until, doubted }
            }
            b'D' => {
                let (truth, how, at) = (self.truth()?, self.how()?, self.stamp()?);
                State::Done(Done { truth, at, how, result: self.result()? })
            }
            b'F' => State::Free { since: self.stamp()?, not_before: self.stamp()? },
            b'T' => State::Tombstone { truth: self.truth()?, at: self.stamp()? },
            b'I' => State::InDoubt(self.doubt(&mut |_| Some(()))?.0),
            b'Q' => State::Quarantined(self.doubt(&mut |_| Some(()))?.0),
            b'R' => {
                let mut held = |from: &mut Self| Some((from.nonce()?, from.stamp()?, from.stamp()?));
                let (doubt, (nonce, since, until)) = self.doubt(&mut held)?;
                State::Reconciling { doubt, nonce, since, until }
            }
            _ => return None,
        })
    }

    /// A doubt, and what stands before its detail.
    fn doubt<T>(&mut self, between: &mut dyn FnMut(&mut Self) -> Option<T>) -> Option<(Doubt, T)> {
        let (since, reason, quiet, not_before) =
            (self.stamp()?, self.reason()?, self.stamp()?, self.stamp()?);
        let tries = self.int()?;
        let between = between(self)?;
        Some((Doubt { since, reason, detail: self.text()?, quiet, not_before, tries }, between))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_server_says_is_read_or_refused_and_never_panics() {
        let mut rng = fastrand::Rng::with_seed(11);
        let letters = b"RPBCHMXIKOLATFNVZSdcqmxtfynarlu-\x00\x01\x02\xff";
        for _ in 0..200_000 {
            let length = rng.usize(..160);
            let mut bytes: Vec<u8> = (0..length).map(|_| letters[rng.usize(..letters.len())]).collect();
            if let Some(count) = bytes.get_mut(4) {
                *count = rng.u8(..3);
            }
            let _ = (number(&bytes), said(&bytes), granted(&bytes), record(&bytes));
        }
    }

    #[test]
    fn every_record_is_packed_as_it_is_read() {
        use proptest::prelude::*;
        let stamp = || (0_u64..1 << 46).prop_map(Stamp);
        let span = || (0_u64..1 << 46).prop_map(Duration::from_millis);
        let token = || (any::<u64>(), any::<u128>());
        let doubt = || {
            let reason = prop::sample::select(Reason::ALL.to_vec());
            (stamp(), reason, ".{0,40}", stamp(), stamp(), any::<u32>()).prop_map(
                |(since, reason, detail, quiet, not_before, tries)| Doubt {
                    since,
                    reason,
                    detail: detail.into(),
                    quiet,
                    not_before,
                    tries,
                },
            )
        };
        let truth = || prop::sample::select(Truth::ALL.to_vec());
        let how = prop::sample::select(How::ALL.to_vec());
        let result = prop::option::of(prop::collection::vec(any::<u8>(), 0..50));
        let state = prop_oneof![
            (stamp(), prop::option::of(stamp()))
                .prop_map(|(until, doubted)| State::Executing { until, doubted }),
            doubt().prop_map(State::InDoubt),
            doubt().prop_map(State::Quarantined),
            (doubt(), any::<u128>(), stamp(), stamp()).prop_map(|(doubt, nonce, since, until)| {
                State::Reconciling { doubt, nonce: Nonce(nonce), since, until }
            }),
            (stamp(), stamp()).prop_map(|(since, not_before)| State::Free { since, not_before }),
            (truth(), stamp(), how, result).prop_map(|(truth, at, how, result)| {
                State::Done(Done { truth, at, how, result: result.map(Arc::from) })
            }),
            (truth(), stamp()).prop_map(|(truth, at)| State::Tombstone { truth, at }),
        ];
        let nature = prop_oneof![
            Just(Nature::Idempotent),
            span().prop_map(|window| Nature::Keyed { window }),
            Just(Nature::Queryable),
            Just(Nature::Opaque),
        ];
        let rest = (".{0,60}", any::<[u8; 16]>(), nature, any::<u64>(), token(), any::<u32>());
        proptest!(|(rest in rest, state in state, spans in (stamp(), span(), span(), span()))| {
            let (label, print, nature, epoch, (run, nonce), attempts) = rest;
            let (first, settle, result, key) = spans;
            let made = Record {
                label: label.into(),
                print: Fingerprint::from_bytes(print),
                nature,
                epoch,
                run: Token { epoch: run, nonce: Nonce(nonce) },
                attempts,
                first,
                settle,
                keep: Keep { result, key },
                state,
            };
            prop_assert_eq!(record(&stored(&made)), Some(made));
        });
    }

    #[test]
    fn no_span_is_too_long_to_be_packed() {
        assert_eq!((millis(Duration::MAX), millis(Duration::ZERO)), (LONGEST, 0));
        let mut packed = Vec::new();
        time(&mut packed, u64::MAX);
        assert_eq!(packed, [0xff; 6]);
    }
}
