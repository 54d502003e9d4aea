//! Who is first among those who wait: the more important before the less, the earlier before the later, and nobody
//! waits for ever.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

seawall_core::words! {
    /// How important a call is to those who wait with it. Default normal.
    Priority {
        /// Somebody is waiting for it: before the others, and in a full line in the place of a low one.
        High = "high",
        /// Most calls.
        Normal = "normal",
        /// It can wait, and where there is no room it can come again another day.
        Low = "low",
    }
}

/// Not `derive`: the words are written in their order, and the default is not the first of them.
#[allow(clippy::derivable_impls, reason = "the list of words cannot mark one of them")]
impl Default for Priority {
    fn default() -> Self {
        Priority::Normal
    }
}

/// Every so many turns given, one goes to whoever has waited longest, whatever its priority.
pub const AGEING: u32 = 8;

/// A waiting line. The first is the earliest of the highest priority; every [`AGEING`]th turn it is the earliest of all.
///
/// So a waiter that finds `k` others in the line is first after at most `8 × (k + 1)` turns given, however many more
/// important ones keep arriving; and within a priority the line is served in the order of arrival.
#[derive(Debug, Clone)]
pub struct Turns<T> {
    lanes: [VecDeque<(u64, T)>; Priority::ALL.len()],
    arrived: u64,
    given: u32,
}

/// A place in a line: who came when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// How important.
    pub priority: Priority,
    number: u64,
}

/// What became of an arrival that found room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined<T> {
    /// Its place.
    pub ticket: Ticket,
    /// Who had to leave for it.
    pub pushed_out: Option<T>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { lanes: Default::default(), arrived: 0, given: 0 }
    }
}

impl<T> Turns<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(VecDeque::len).sum()
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Whose turn it is.
    pub fn first(&self) -> Option<Ticket> {
        let mut fronts = Priority::ALL.iter().filter_map(|&priority| {
            let (number, _) = self.lane(priority).front()?;
            Some(Ticket { priority, number: *number })
        });
        if self.given % AGEING == AGEING - 1 {
            fronts.min_by_key(|front| front.number)
        } else {
            fronts.next()
        }
    }

    /// Stands behind its equals, unless `max` are waiting already. In a full line an arrival of high priority takes the
    /// place of the youngest low one.
    pub fn join(&mut self, priority: Priority, max: usize, value: T) -> Option<Joined<T>> {
        let pushed_out = if self.len() < max {
            None
        } else if priority == Priority::High && max > 0 {
            Some(self.lane_mut(Priority::Low).pop_back()?.1)
        } else {
            return None;
        };
        let ticket = Ticket { priority, number: self.arrived };
        self.arrived += 1;
        self.lane_mut(priority).push_back((ticket.number, value));
        Some(Joined { ticket, pushed_out })
    }

    /// What was left at a place, if it is still in the line.
    pub fn get_mut(&mut self, ticket: Ticket) -> Option<&mut T> {
        let place = self.place(ticket)?;
        self.lane_mut(ticket.priority).get_mut(place).map(|(_, value)| value)
    }

    /// It goes without having had its turn.
    pub fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let place = self.place(ticket)?;
        self.lane_mut(ticket.priority).remove(place).map(|(_, value)| value)
    }

    /// It has had its turn.
    pub fn serve(&mut self, ticket: Ticket) -> Option<T> {
        let served = self.leave(ticket)?;
        self.given = (self.given + 1) % AGEING;
        Some(served)
    }

    /// Numbers grow from front to back, so a place is found by halves; those who leave are mostly near the front.
    fn place(&self, ticket: Ticket) -> Option<usize> {
        self.lane(ticket.priority).binary_search_by_key(&ticket.number, |(number, _)| *number).ok()
    }

    fn lane(&self, priority: Priority) -> &VecDeque<(u64, T)> {
        &self.lanes[priority as usize]
    }

    fn lane_mut(&mut self, priority: Priority) -> &mut VecDeque<(u64, T)> {
        &mut self.lanes[priority as usize]
    }
}
