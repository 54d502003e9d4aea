//! A breaker that a fleet shares: the machine of every breaker, kept by a store.

use std::time::Duration;

use seawall_core::Instant;
use seawall_core::fleet::Moment;
use seawall_core::fleet::breaker::{Ask, Heard, Held, Lever, Pull, Rules, Said, Standing, State, Why};

use super::{Kept, Stepped, Unreadable, instant, micros};
use crate::Invalid;
use crate::breaker::kept::{self, LONGEST_WORD};
use crate::breaker::{Heard as Lesson, Machine, Mode, Moved, Options, Recover, State as Stands, Window};

/// How long a closed breaker is remembered that nobody has reported to.
const CLOSED: Duration = Duration::from_secs(30 * 86_400);
/// How long any other: somebody may have to let go of it.
const OTHER: Duration = Duration::from_secs(3650 * 86_400);

/// What of a breaker's options its fleet must know. Refuses a window of calls: there is no order of the calls of several
/// processes.
pub fn rules(options: &Options) -> Result<Rules, Invalid> {
    let Window::Time(window) = options.window else {
        let message =
            format!("{} of several processes have no order: write a time, like \"30s\"", options.window);
        return Err(Invalid::new("window", message));
    };
    Ok(Rules {
        window,
        consecutive: options.consecutive,
        failures: options.failures,
        min_calls: options.min_calls,
        failure_rate: options.failure_rate,
        slow_rate: options.slow_rate,
        open: options.open,
        open_cap: options.open_cap,
        manual: options.recover == Recover::Manual,
        probes: options.probes,
        successes: options.successes,
        sample: options.sample,
        lease: options.lease,
        ramp: options.ramp,
    })
}

/// The options a machine goes by in a store: it always enforces, and whether a process heeds it is the process's own.
fn options(rules: &Rules) -> Options {
    let whole = |span: Duration| Duration::from_micros(micros(span));
    Options {
        mode: Mode::Enforce,
        window: Window::Time(whole(rules.window)),
        consecutive: rules.consecutive,
        failures: rules.failures,
        min_calls: rules.min_calls,
        failure_rate: rules.failure_rate,
        slow: None,
        slow_rate: rules.slow_rate,
        open: whole(rules.open),
        open_cap: rules.open_cap.map(|cap| whole(cap.max(rules.open))),
        recover: if rules.manual { Recover::Manual } else { Recover::Automatic },
        probes: rules.probes,
        successes: rules.successes,
        sample: rules.sample,
        lease: whole(rules.lease),
        ramp: whole(rules.ramp),
    }
}

/// One slot of its window, in microseconds.
pub fn slot(rules: &Rules) -> u64 {
    micros(kept::slot(&options(rules)))
}

/// One question.
///
/// Law: what was counted in one epoch moves nothing in another; no more probes are under way than may be; what somebody
/// forced stays so until somebody lets go, or its time is over.
pub fn step(held: Option<&[u8]>, rules: &Rules, ask: &Ask, now: Moment) -> Stepped<Said> {
    let at = instant(now);
    let mut kept = kept::Kept::read(options(rules), held, at).ok_or(Unreadable)?;
    let mut moves = Moves::default();
    moves.note(kept.machine.elapse(at));
    let mut probe = None;
    match ask {
        Ask::Report(report) => moves.note(kept.report(report, at)),
        Ask::Probe => {
            let (sent, moved) = kept.machine.send_probe(at);
            probe = sent;
            moves.note(moved);
        }
        Ask::Probed { epoch, probe, heard } => {
            let lesson = match heard {
                Heard::Worked => Lesson::Worked,
                Heard::Slow => Lesson::Slow,
                Heard::Failed => Lesson::Failed,
                Heard::Nothing => Lesson::Nothing,
            };
            moves.note(kept.machine.probe_back(*epoch, *probe, lesson, at));
        }
        Ask::Pull(pull) => moves.note(Some(pulled(&mut kept, pull, at))),
    }
    let state = kept.machine.shadow_state();
    if !matches!(state, Stands::ForcedOpen | Stands::ForcedClosed) {
        kept.by.clear();
        kept.reason.clear();
    }
    let keep = if state == Stands::Closed { CLOSED } else { OTHER };
    let standing = standing(&mut kept, at);
    let said = Said { standing, moved: moves.0, probe };
    Ok((Some(Kept { bytes: kept.written(), keep }), said))
}

fn pulled(kept: &mut kept::Kept, pull: &Pull, at: Instant) -> Moved {
    let until = pull.hold.map(|hold| at + Duration::from_micros(micros(hold)));
    (kept.by, kept.reason) = (cut(&pull.by).to_owned(), cut(&pull.reason).to_owned());
    let machine = &mut kept.machine;
    match pull.lever {
        Lever::ForceOpen => machine.force_open(until, at),
        Lever::ForceClosed => machine.force_closed(until, at),
        Lever::HalfOpen => machine.half_open(at),
        Lever::Reset => machine.reset(at),
    }
}

/// As much of a name or a reason as is kept.
pub fn cut(word: &str) -> &str {
    &word[..word.floor_char_boundary(LONGEST_WORD)]
}

/// What moved it last.
#[derive(Default)]
struct Moves(Option<Why>);

impl Moves {
    fn note(&mut self, moved: Option<Moved>) {
        let Some(Moved { why, .. }) = moved.filter(|moved| moved.from != moved.to) else { return };
        self.0 = Why::ALL.iter().copied().find(|known| known.as_str() == why);
    }
}

fn standing(kept: &mut kept::Kept, at: Instant) -> Standing {
    let machine: &mut Machine = &mut kept.machine;
    let state = match machine.shadow_state() {
        Stands::Closed | Stands::MetricsOnly => State::Closed,
        Stands::Open => State::Open,
        Stands::HalfOpen => State::HalfOpen,
        Stands::ForcedOpen => State::ForcedOpen,
        Stands::ForcedClosed => State::ForcedClosed,
    };
    let totals = machine.totals(at);
    let (resumes, held, ramp) = machine.times(at);
    Standing {
        state,
        epoch: machine.epoch(),
        stands: at.since(machine.since()),
        resumes: if state == State::Open { resumes } else { Duration::ZERO },
        held: matches!(state, State::ForcedOpen | State::ForcedClosed).then(|| Held {
            by: kept.by.as_str().into(),
            reason: kept.reason.as_str().into(),
            left: held,
        }),
        ramp,
        calls: totals.calls,
        failures: totals.failures,
        slow: totals.slow,
        opened: machine.opened(),
    }
}
