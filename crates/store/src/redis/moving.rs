//! A server filled with what another store remembers. Until all of it is there and was confirmed, it says that it may have
//! forgotten.
//!
//! ```text
//! fill 8f0c… TIME         it is being filled, and stands as if it had lost everything then, under this name: it has not
//! keep 8f0c… TIME         the same, and something was lost before, here or where it comes from
//! gone MARK 8f0c… TIME    everything was moved to the place with this mark, and the same
//! ```
//!
//! So it is told from a loss, which has another name, or the same at another time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use seawall_core::effect::{Done, Key, Record, Stamp, State};
use seawall_core::store::StoreError;
use seawall_policy::effect::{due, pass};

use super::link::Job;
use super::live::checked;
use super::scripts::shard_of;
use super::standing::{Mode, NOBODY, Standing};
use super::{Check, Redis, answer, examine, wire};
use crate::moving::{
    Leaving, Mark, Moved, Pages, Progress, Source, Survey, alike, differs, elsewhere, faded, lost_since,
    taken, used_since,
};
use crate::time::Time;

/// Where the index keeps what is never due: doubts, then those for a person.
const IN_DOUBT: u64 = 4_503_599_627_370_496;

/// What is noted is done at once. Where it never was, a later loss must not be taken for it.
const AT_ONCE: Duration = Duration::from_secs(60);

/// What is noted of a move, as long as the server stands as it did then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It is being filled.
    Filling,
    /// The same, and it may have forgotten for other reasons.
    Keeping,
    /// It was moved to the place with this mark.
    Gone(Mark),
}

impl Noted {
    /// What a note means for a server that stands so.
    pub(super) fn read(note: &[u8], standing: Standing) -> Option<Self> {
        let (note, name) = (std::str::from_utf8(note).ok()?, standing.incarnation.to_string());
        let meant = |at: &str| {
            let at = at.parse().map_or(Stamp(0), Stamp);
            let apart = standing.lost.since(at).max(at.since(standing.lost));
            standing.mode == Mode::Lost && apart < AT_ONCE
        };
        match note.split(' ').collect::<Vec<_>>()[..] {
            ["fill", of, at] if of == name && meant(at) => Some(Noted::Filling),
            ["keep", of, at] if of == name && meant(at) => Some(Noted::Keeping),
            ["gone", mark, of, at] if of == name && meant(at) => {
                mark.parse().ok().map(|mark| Noted::Gone(Mark(mark)))
            }
            _ => None,
        }
    }
}

/// What a source was told of where it went, by whoever told it.
#[derive(Debug)]
pub struct Gone(String);

/// Which run of a server it was that was filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run(Option<String>);

/// Changes a note from what it was believed to be; 1 where that was so.
const EXCHANGE: &str = "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end \
    if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end return 1";

impl Source for Redis {}

impl Redis {
    /// What there is to move; none where nobody has ever kept anything. Sends nothing that changes anything: give it a store of
    /// [`look_at`](Self::look_at).
    pub async fn survey(&self) -> Result<Option<Survey>, StoreError> {
        if self.is_new() {
            return Ok(None);
        }
        let Leaving { forgot, moved, .. } = self.leaving().await?;
        let mut survey = Survey { forgot, moved: moved.is_some(), ..Survey::default() };
        survey.add_all(self).await?;
        Ok(Some(survey))
    }

    /// Has nobody ever kept anything there, as far as is known? Of a store of [`look_at`](Self::look_at): any other has begun to.
    pub fn is_new(&self) -> bool {
        self.standing().incarnation == NOBODY
    }

    /// How many of a group are there. Changes nothing.
    pub async fn members(&self, group: &str) -> Result<u64, StoreError> {
        let now = self.now().await?;
        let mut count = redis::cmd("ZCOUNT");
        count.arg(self.shared.names.one("m:", super::fleet::group(group)));
        count.arg(now.0.saturating_mul(1000)).arg("+inf");
        match checked(self.batch(vec![count]).await?.into_iter().next().unwrap_or_default())? {
            Value::Int(there) => Ok(u64::try_from(there).unwrap_or_default()),
            _ => Err(StoreError::Unreadable("who is there cannot be counted".into())),
        }
    }

    async fn now(&self) -> Result<Stamp, StoreError> {
        let told = self.batch(vec![redis::cmd("TIME")]).await?.into_iter().next().unwrap_or_default();
        let told = examine::stamp(&checked(told)?);
        let now = self.shared.time.as_ref().map(Time::now).or(told);
        now.ok_or_else(|| StoreError::Unavailable("the server does not tell the time".into()))
    }

    /// What is known of it as a place that is left.
    pub async fn leaving(&self) -> Result<Leaving, StoreError> {
        self.look().await?;
        let note = self.raw_note().await?;
        let noted = digest_of(&note);
        Ok(match Noted::read(&note, self.standing()) {
            Some(Noted::Gone(to)) => Leaving { forgot: false, moved: Some(to), noted },
            _ => Leaving { forgot: self.may_have_forgotten(), moved: None, noted },
        })
    }

    /// Fills it with everything another store remembers.
    ///
    /// It says that it may have forgotten until [`trust`](Self::trust). Refuses a server that holds anything else in this
    /// namespace, and leaves it as it was. Where it is cut off, the same again goes on where that ended.
    pub async fn fill(
        &self,
        from: &dyn Source,
        leaving: Leaving,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Moved, StoreError> {
        let noted = self.noted().await?;
        let filling = matches!(noted, Some(Noted::Filling | Noted::Keeping));
        if let Some(to) = leaving.moved {
            if to != self.mark() {
                return Err(elsewhere());
            }
            if !filling {
                let moved = self.compare(from, progress).await.map_err(|error| match error {
                    StoreError::Unreadable(_) if self.may_have_forgotten() => lost_since(),
                    StoreError::Unreadable(_) => used_since(),
                    error => error,
                })?;
                return Ok(Moved { before: moved.verified, finished: true, ..moved });
            }
        }
        let before = self.beforehand(from).await?;
        let sound = noted == Some(Noted::Filling) || noted.is_none() && self.standing().mode == Mode::Armed;
        // What the source forgot since an earlier attempt is dated from now.
        let anew = leaving.forgot && self.standing().mode == Mode::Lost;
        self.note(if sound && !leaving.forgot { "fill" } else { "keep" }, anew).await?;
        self.lose(anew).await?;
        let (mut pages, mut written) = (Pages::of(from), 0);
        while let Some(records) = pages.next().await? {
            written += records.len() as u64;
            let commands = records.iter().flat_map(|(key, record)| self.puts(*key, record)).collect();
            for value in self.batch(commands).await? {
                checked(value)?;
            }
            progress(Progress::Written(written));
        }
        let moved = self.compare(from, progress).await?;
        Ok(Moved { before, ..moved })
    }

    /// Every record of the other beside its own.
    pub async fn compare(
        &self,
        from: &dyn Source,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Moved, StoreError> {
        let (mut pages, mut moved) = (Pages::of(from), Moved::default());
        while let Some(records) = pages.next().await? {
            let now = Time::wall(Stamp(0)).now();
            for ((key, record), kept) in records.iter().zip(self.there(&records).await?) {
                match kept {
                    Some(kept) if alike(&kept, &normal(record)) => moved.verified += 1,
                    None if pass(record.clone(), now).0.is_none() => moved.ended += 1,
                    _ => return Err(differs(*key, &record.label)),
                }
            }
            progress(Progress::Verified(moved.verified));
        }
        Ok(moved)
    }

    /// From now on it is the memory, if it has not forgotten for other reasons than that it was filled. Whether it may have.
    ///
    /// Refuses where the server was started anew since it was filled: what was compared may not be there any more.
    pub async fn trust(&self, filled: &Run) -> Result<bool, StoreError> {
        let noted = self.noted().await?;
        if matches!(noted, Some(Noted::Filling | Noted::Keeping)) {
            self.look().await?;
            if self.run().await != *filled {
                return Err(StoreError::Unavailable(
                    "the server was started anew meanwhile, and may have lost what was written: the same again goes on".into(),
                ));
            }
            if noted == Some(Noted::Filling) {
                self.rearm().await?;
            }
            self.unnote().await?;
        }
        Ok(self.may_have_forgotten())
    }

    /// What it is known by: the name of its memory, where it is trusted, or will be.
    pub fn mark(&self) -> Mark {
        let name = match self.standing() {
            Standing { mode: Mode::Lost, incarnation, .. } => incarnation.next(),
            Standing { incarnation, .. } => incarnation,
        };
        let bytes = name.0.first_chunk().copied().unwrap_or_default();
        Mark((i64::from_be_bytes(bytes) & i64::MAX).max(1))
    }

    /// Notes that what it remembers was moved to the place with this mark: whoever goes on using it is told that it may have
    /// forgotten, until a person settles it. Refuses where another move was noted since `leaving` was asked.
    pub async fn moved_away(&self, to: Mark, leaving: Leaving) -> Result<Gone, StoreError> {
        // How it stands now, not as it was when the copy began: the note may have been there already.
        self.look().await?;
        let (before, note) = (self.raw_note().await?, self.worded(&format!("gone {}", to.0), false).await?);
        let gone = match Noted::read(&before, self.standing()) {
            Some(Noted::Gone(mark)) => leaving.moved != Some(mark),
            _ => false,
        };
        if gone || digest_of(&before) != leaving.noted || !self.exchange(&before, &note).await? {
            return Err(elsewhere());
        }
        self.lose(false).await?;
        Ok(Gone(note))
    }

    /// It was not moved away after all. `forgot` says that it may have forgotten before. Refuses where it has been told since
    /// that it was moved by somebody else.
    pub async fn stays(&self, gone: &Gone, forgot: bool) -> Result<(), StoreError> {
        if !self.exchange(gone.0.as_bytes(), "").await? {
            return Err(elsewhere());
        }
        if forgot { Ok(()) } else { self.rearm().await }
    }

    /// Which run of the server this is, as was last seen.
    pub async fn run(&self) -> Run {
        Run(self.shared.looked.lock().await.run.clone())
    }

    /// May it have forgotten, as far as was seen?
    pub fn may_have_forgotten(&self) -> bool {
        self.findings().iter().any(|concern| concern.check == Check::Forgotten)
    }

    /// `anew` dates a loss that is known already from now.
    async fn lose(&self, anew: bool) -> Result<(), StoreError> {
        answer(self.send(|reply| Job::Lose(anew, reply)).await?).await
    }

    async fn look(&self) -> Result<(), StoreError> {
        answer(self.send(Job::Look).await?).await
    }

    fn standing(&self) -> Standing {
        self.shared.gate().standing
    }

    fn noting(&self, word: &str) -> Cmd {
        let mut command = redis::cmd(word);
        command.arg(self.shared.names.moving());
        command
    }

    /// What [`lose`](Self::lose) is going to mean.
    async fn worded(&self, what: &str, anew: bool) -> Result<String, StoreError> {
        let (name, at) = match self.standing() {
            Standing { mode: Mode::Lost, incarnation, .. } if anew => (incarnation, self.now().await?),
            Standing { mode: Mode::Lost, incarnation, lost } => (incarnation, lost),
            Standing { incarnation, .. } => (incarnation.next(), self.now().await?),
        };
        Ok(format!("{what} {name} {}", at.0))
    }

    async fn note(&self, what: &str, anew: bool) -> Result<(), StoreError> {
        let mut set = self.noting("SET");
        set.arg(self.worded(what, anew).await?);
        self.batch(vec![set]).await?.into_iter().try_for_each(|said| checked(said).map(drop))
    }

    /// Changes the note, if it still is what it was.
    async fn exchange(&self, before: &[u8], after: &str) -> Result<bool, StoreError> {
        let mut change = redis::cmd("EVAL");
        change.arg(EXCHANGE).arg(1).arg(self.shared.names.moving()).arg(before).arg(after);
        let said = self.batch(vec![change]).await?.into_iter().next().unwrap_or_default();
        Ok(checked(said)? == Value::Int(1))
    }

    async fn raw_note(&self) -> Result<Vec<u8>, StoreError> {
        let said = self.batch(vec![self.noting("GET")]).await?.into_iter().next().unwrap_or_default();
        match checked(said)? {
            Value::BulkString(note) => Ok(note),
            _ => Ok(Vec::new()),
        }
    }

    async fn unnote(&self) -> Result<(), StoreError> {
        self.batch(vec![self.noting("DEL")]).await?.into_iter().try_for_each(|said| checked(said).map(drop))
    }

    async fn noted(&self) -> Result<Option<Noted>, StoreError> {
        Ok(Noted::read(&self.raw_note().await?, self.standing()))
    }

    /// How many of its effects are what an earlier attempt moved: all of them, or it is refused.
    async fn beforehand(&self, from: &dyn Source) -> Result<u64, StoreError> {
        let (mut mine, mut count) = (Pages::of(self), 0);
        let mut others = HashMap::new();
        let now = Time::wall(Stamp(0)).now();
        while let Some(records) = mine.next().await? {
            // What has ended may have gone from the other.
            for (key, record) in
                records.into_iter().filter(|(_, record)| pass(record.clone(), now).0.is_some())
            {
                let label = record.label.clone();
                others.insert(key, (label, digest(&record), digest(&faded(record))));
                count += 1;
            }
        }
        let mut theirs = Pages::of(from);
        while !others.is_empty() {
            let Some(records) = theirs.next().await? else { break };
            for (key, record) in records {
                let theirs = digest(&normal(&record));
                // As `alike`: only of one without its answer is the second the same.
                if others.get(&key).is_some_and(|(_, kept, faded)| *kept == theirs || *faded == theirs) {
                    others.remove(&key);
                }
            }
        }
        match others.into_values().next() {
            Some((label, ..)) => Err(taken(&label)),
            None => Ok(count),
        }
    }

    /// What writes a record and its place in the index, as the scripts do.
    fn puts(&self, key: Key, record: &Record) -> [Cmd; 2] {
        let names = &self.shared.names;
        let mut set = redis::cmd("SET");
        set.arg(names.record(key)).arg(wire::stored(record)).arg("NX");
        if let Some(gone) = gone(record) {
            set.arg("PXAT").arg(gone.0);
        }
        let mut index = redis::cmd("ZADD");
        let place = match &record.state {
            State::Quarantined(_) => IN_DOUBT + 1,
            State::InDoubt(_) => IN_DOUBT,
            _ => due(record).map_or(IN_DOUBT, |due| due.0),
        };
        index.arg(names.index(shard_of(key))).arg(place).arg(&key.as_bytes()[..]);
        [set, index]
    }

    async fn there(&self, records: &[(Key, Record)]) -> Result<Vec<Option<Record>>, StoreError> {
        let get = |(key, _): &(Key, Record)| {
            let mut command = redis::cmd("GET");
            command.arg(self.shared.names.record(*key));
            command
        };
        let said = self.batch(records.iter().map(get).collect()).await?;
        said.into_iter()
            .map(|value| match checked(value)? {
                Value::BulkString(stored) => Ok(wire::record(&stored)),
                _ => Ok(None),
            })
            .collect()
    }
}

/// When the server lets a record go by itself: only what is finished, or provably never happened.
fn gone(record: &Record) -> Option<Stamp> {
    match &record.state {
        State::Done(Done { at, .. }) => Some(*at + record.keep.result.max(record.keep.key)),
        State::Tombstone { at, .. } => Some(*at + record.keep.key),
        State::Free { since, not_before } => Some((*not_before).max(*since + record.keep.key)),
        _ => None,
    }
}

/// A record as it reads back: spans beyond two thousand years are as good as for ever.
fn normal(record: &Record) -> Record {
    wire::record(&wire::stored(record)).unwrap_or_else(|| record.clone())
}

/// Tells notes apart; none is 0.
fn digest_of(note: &[u8]) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(note);
    match note {
        [] => 0,
        _ => digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) | 1,
    }
}

fn digest(record: &Record) -> Arc<[u8]> {
    use sha2::{Digest, Sha256};
    Arc::from(&Sha256::digest(wire::stored(record))[..])
}
