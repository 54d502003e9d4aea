//! What a fleet shares: one key and one script for each limit, lease and group.

use std::sync::Arc;
use std::time::Duration;

use seawall_core::effect::Key;
use seawall_core::fleet::{Fleet, Member, Moment, breaker, lease, limit, presence};
use seawall_core::store::{Asked, StoreError};
use seawall_policy::fleet::limit::{id, measures};
use seawall_policy::fleet::micros;

use super::scripts::Script;
use super::{Redis, breaking};

/// A question as the scripts read it: numbers are big-endian and whole, spans in microseconds.
#[derive(Default)]
pub(super) struct Packed(pub(super) Vec<u8>);

impl Packed {
    pub(super) fn of(act: u8) -> Self {
        Self(vec![act])
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    fn member(mut self, member: Member) -> Self {
        self.0.extend(member.0.to_be_bytes());
        self
    }

    pub(super) fn span(self, span: Duration) -> Self {
        self.number(micros(span))
    }
}

impl Redis {
    /// Asks a script about the one key there is for `key` in `place`.
    fn shared(&self, script: Script, place: &str, key: Key, rest: &[&[u8]]) -> Asked<'_, Vec<u8>> {
        self.raw(key, script, |digest, number| {
            let mut first = number.to_vec();
            if let Some(time) = &self.shared.time {
                first.extend(time.micros().to_be_bytes());
            }
            let mut command = redis::cmd("EVALSHA");
            command.arg(digest).arg(1).arg(self.shared.names.one(place, key)).arg(&first);
            for part in rest {
                command.arg(*part);
            }
            command
        })
    }
}

impl Fleet for Redis {
    fn limit(&self, of: &limit::Of, ask: limit::Ask) -> Asked<'_, limit::Said> {
        let key = Key::of("limit", &of.name, id(of).as_bytes(), 0);
        let (act, n, other) = match ask {
            limit::Ask::Take { n, owed } => (b't', n.into(), owed),
            limit::Ask::GiveBack { n, taken } => (b'g', n, taken.0),
            limit::Ask::Reset => (b'r', 0, 0),
        };
        let with = measures(of);
        let mut packed = Packed::of(act);
        packed.0.push(if with.bucket { b'b' } else { b'w' });
        let packed = packed.number(with.most.into()).number(with.interval).number(with.fill);
        let asked = {
            let packed = packed.number(with.slot).number(n).number(other);
            self.shared(Script::Limit, "l:", key, &[&packed.0])
        };
        Box::pin(async move {
            match asked.await?.split_first() {
                Some((b'G', at)) => Ok(limit::Said::Go(Moment(number(at)?))),
                Some((b'W', wait)) => Ok(limit::Said::Wait(Duration::from_micros(number(wait)?))),
                Some((b'N', [])) => Ok(limit::Said::Never),
                Some((b'D', [])) => Ok(limit::Said::Done),
                _ => Err(unknown()),
            }
        })
    }

    fn breaker(
        &self,
        name: &Arc<str>,
        rules: &breaker::Rules,
        ask: breaker::Ask,
    ) -> Asked<'_, breaker::Said> {
        let key = Key::of("breaker", name, b"", 0);
        let (packed, words) = breaking::packed(&ask);
        let rest = [&breaking::rules(rules), &packed, words[0].as_bytes(), words[1].as_bytes()];
        let asked = self.shared(Script::Breaker, "b:", key, &rest);
        Box::pin(async move { breaking::said(&asked.await?).ok_or_else(unknown) })
    }

    fn lease(&self, name: &Arc<str>, ask: lease::Ask) -> Asked<'_, lease::Said> {
        let key = Key::of("lease", name, b"", 0);
        let (act, holder, epoch, span) = match ask {
            lease::Ask::Acquire { holder, span } => (b'a', holder, 0, span),
            lease::Ask::Renew { holder, epoch, span } => (b'n', holder, epoch, span),
            lease::Ask::Release { holder, epoch } => (b'e', holder, epoch, Duration::ZERO),
        };
        let packed = Packed::of(act).member(holder).number(epoch).span(span);
        let asked = self.shared(Script::Lease, "k:", key, &[&packed.0]);
        Box::pin(async move {
            match asked.await?.split_first() {
                Some((b'H', epoch)) => Ok(lease::Said::Held(number(epoch)?)),
                Some((b'B', wait)) => Ok(lease::Said::Busy(Duration::from_micros(number(wait)?))),
                Some((b'L', [])) => Ok(lease::Said::Lost),
                Some((b'F', [])) => Ok(lease::Said::Free),
                _ => Err(unknown()),
            }
        })
    }

    fn presence(&self, group: &Arc<str>, ask: presence::Ask) -> Asked<'_, u32> {
        let key = self::group(group);
        let packed = match ask {
            presence::Ask::Here(member, span) => Packed::default().member(member).span(span),
            presence::Ask::Gone(member) => Packed::default().member(member).number(0),
        };
        let asked = self.shared(Script::Presence, "m:", key, &[&packed.0]);
        Box::pin(async move {
            let there = asked.await?.try_into().map_err(|_| unknown())?;
            Ok(u32::from_be_bytes(there))
        })
    }
}

/// Where a group is.
pub(super) fn group(name: &str) -> Key {
    Key::of("members", name, b"", 0)
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| unknown())
}

fn unknown() -> StoreError {
    StoreError::Unreadable("the server answered in words this version does not know".into())
}
