//! Tells what is unusual for a caller. Hears of every call that ends, and refuses none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seawall::{Class, Rejection};
use seawall_core::Instant;
use seawall_core::event::{Event, Fact, Sink};
use seawall_core::units::format_duration;
use seawall_policy::anomaly::{Mode, Notices, Options, Seen, Unusual, Watch, What};
use seawall_signals::metrics::{Counter, Registry, names};

use crate::house::House;
use crate::peer::Peer;

/// Callers are watched in so many cells, so that cores seldom meet at a lock.
const CELLS: usize = 16;

/// What is usual for everybody who calls. A call costs one short lock; what is learnt is lost with the process.
#[derive(Debug)]
pub(crate) struct Habits {
    cells: [Mutex<Watch>; CELLS],
    /// One for each [`What`], in their order.
    counts: [Counter; What::ALL.len()],
}

impl Habits {
    /// Nobody is known.
    pub(crate) fn new(registry: &Registry) -> Self {
        let cell = || Mutex::new(Watch::new(Options::default()));
        Self {
            cells: std::array::from_fn(|_| cell()),
            // Visible at zero from the start.
            counts: std::array::from_fn(|n| names::CALLER_ANOMALIES.with(registry, [What::ALL[n].as_str()])),
        }
    }

    /// Other options: what was learnt stays, unless nobody is to be watched any more.
    pub(crate) fn update(&self, options: &Options) {
        let each = Options { callers: options.callers.div_ceil(CELLS as u32), ..options.clone() };
        for cell in &self.cells {
            let mut watch = lock(cell);
            match options.mode {
                Mode::Watch => watch.update(each.clone()),
                Mode::Off => *watch = Watch::new(each.clone()),
            }
        }
    }

    fn see(&self, caller: u64, seen: &Seen, now: Instant) -> Notices {
        // The table of a cell goes by the upper bits.
        #[allow(clippy::cast_possible_truncation, reason = "one of sixteen")]
        let cell = caller as usize % CELLS;
        lock(&self.cells[cell]).see(caller, seen, now)
    }
}

fn lock(cell: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that is over, as far as its caller's habits are concerned.
#[derive(Debug)]
pub(crate) struct Over<'c> {
    /// Who called, where callers are told apart.
    pub(crate) caller: Option<usize>,
    /// From where; none where nobody called, and it was asked by ourselves.
    pub(crate) peer: Option<Peer>,
    /// What it wanted to take, if it came so far.
    pub(crate) route: Option<usize>,
    /// Bytes of its body.
    pub(crate) size: u64,
    pub(crate) class: Class,
    pub(crate) refusal: Option<&'c Rejection>,
}

/// Learns from a call that is over, and tells what is unusual about it: to whoever follows events, and in a count.
pub(crate) fn see(house: &House, over: &Over<'_>, now: Instant) {
    let options = &house.plan.anomaly;
    let Some(peer) = over.peer.filter(|_| options.mode == Mode::Watch) else { return };
    let named = match (&house.callers, over.caller) {
        (Some(callers), Some(caller)) => Some(callers.of(caller)),
        // Strangers are counted at the door.
        (Some(_), None) => return,
        (None, _) => None,
    };
    // Where it wanted to go: where it was sent instead is not its doing.
    let wanted = over.route.map(|route| &house.upstreams[house.routes[route].to[0]]);
    let seen = Seen {
        size: over.size,
        failed: is_own_failure(over.class, over.refusal),
        destination: wanted.map(|upstream| upstream.id),
    };
    let habits = &house.ground.habits;
    for unusual in habits.see(named.map_or(peer.id(), |caller| caller.id), &seen, now) {
        habits.counts[unusual.what as usize].inc();
        let name: Arc<str> = named.map_or_else(|| peer.to_string().into(), |caller| caller.name.clone());
        let why = words(&unusual, options.slot, wanted.map_or("", |upstream| &upstream.plan.name)).into();
        let fact = Fact::Unusual { what: unusual.what.as_str(), why };
        house.ground.events.offer(Event { at: now, name, fact });
    }
}

/// Did it fail by what the caller sent? What an upstream cannot do for anybody has alerts of its own, and so have limits
/// that are used up.
fn is_own_failure(class: Class, refusal: Option<&Rejection>) -> bool {
    match class {
        Class::Auth | Class::Invalid => true,
        Class::Rejected => refusal.is_some_and(|refusal| matches!(refusal.code.status(), 400..=428)),
        _ => false,
    }
}

fn words(unusual: &Unusual, slot: Duration, wanted: &str) -> String {
    let Unusual { what, seen, usual } = unusual;
    let slot = format_duration(slot);
    match what {
        What::Rate => format!("{seen:.0} calls within {slot} so far, usually about {usual:.0}"),
        What::Size => format!("a call of {seen:.0} bytes, usually about {usual:.0}"),
        What::Errors => {
            let (seen, usual) = (seen * 100.0, usual * 100.0);
            format!("{seen:.0} % of its calls within {slot} are wrong, usually {usual:.0} %")
        }
        What::Destination => {
            format!("it calls {wanted}, which is new, beside {usual:.0} it is known to call")
        }
    }
}

#[cfg(test)]
mod tests {
    use seawall_core::Code;

    use super::*;

    fn habits(options: &Options) -> Habits {
        let habits = Habits::new(&Registry::new());
        habits.update(options);
        habits
    }

    fn known(habits: &Habits) -> usize {
        habits.cells.iter().map(|cell| lock(cell).len()).sum()
    }

    fn call(habits: &Habits, caller: u64, at: u64) -> Notices {
        habits.see(caller, &Seen::default(), Instant::ORIGIN + Duration::from_millis(at))
    }

    #[test]
    fn however_many_call_few_are_known() {
        let habits = habits(&Options { callers: 100, ..Options::default() });
        for caller in 1..=50_000u64 {
            call(&habits, caller.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0);
        }
        assert!(known(&habits) <= 112, "{}", known(&habits));
        habits.update(&Options { callers: 16, ..Options::default() });
        assert!(known(&habits) <= 16);
        habits.update(&Options { mode: Mode::Off, ..Options::default() });
        assert_eq!(known(&habits), 0);
    }

    #[test]
    fn an_update_keeps_what_was_learnt() {
        let options = Options { slot: Duration::from_secs(1), learn: 5, ..Options::default() };
        let habits = habits(&options);
        for n in 0..10 {
            (0..5).for_each(|_| assert!(call(&habits, 7, n * 1000).is_empty()));
        }
        habits.update(&Options { deviations: 7, ..options });
        let told: Vec<What> =
            (0..100).flat_map(|_| call(&habits, 7, 10_000)).map(|unusual| unusual.what).collect();
        assert_eq!(told, [What::Rate]);
    }

    #[test]
    fn what_everybody_suffers_is_nobodys_own_failure() {
        let refused = |code: Code| is_own_failure(Class::Rejected, Some(&Rejection::new(code)));
        assert!(is_own_failure(Class::Invalid, None) && is_own_failure(Class::Auth, None));
        assert!(refused(Code::NoSuchUpstream) && refused(Code::InjectionFound));
        assert!(!refused(Code::BreakerOpen) && !refused(Code::RateLimited) && !refused(Code::Draining));
        for class in [Class::Ok, Class::Overloaded, Class::Timeout, Class::Transport, Class::Cancelled] {
            assert!(!is_own_failure(class, None), "{class}");
        }
    }

    #[test]
    fn what_is_unusual_is_told_beside_what_is_usual() {
        let said = |what, seen, usual| words(&Unusual { what, seen, usual }, Duration::from_secs(60), "shop");
        assert_eq!(said(What::Rate, 61.0, 19.8), "61 calls within 1m so far, usually about 20");
        assert_eq!(said(What::Size, 1e6, 1023.4), "a call of 1000000 bytes, usually about 1023");
        assert_eq!(said(What::Errors, 0.5, 0.01), "50 % of its calls within 1m are wrong, usually 1 %");
        assert_eq!(
            said(What::Destination, 1.0, 2.0),
            "it calls shop, which is new, beside 2 it is known to call"
        );
    }
}
