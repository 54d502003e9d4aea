//! The two ends of a move: what is left, and what is filled.

use std::path::Path;

use seawall_core::Code;
use seawall_core::store::StoreError;
use seawall_gateway::GATEWAYS;
use seawall_store::moving::{Leaving, Mark, Moved, Progress, Source, Survey, elsewhere, survey};
use seawall_store::redis::{Gone, Rearm, Run};
use seawall_store::sqlite::{Filled, Options};
use seawall_store::{Redis, RedisOptions, Sqlite};
use tokio::runtime::Runtime;

use super::super::journal;
use super::name;
use crate::output::{Failure, plain};
use crate::settings::Place;

/// Who is told how far it is.
pub(super) type Telling<'t> = &'t mut (dyn FnMut(Progress) + Send);

/// What there is to move. Changes nothing.
pub(super) fn looked(place: &Place, runtime: &Runtime) -> Result<Survey, Failure> {
    match place {
        Place::Directory(path) => Sqlite::survey(path).map_err(failed)?.ok_or_else(|| nothing(path)),
        Place::Redis(url, options, _) => {
            let store = seen(url, options, runtime)?;
            nobody_uses(&store, url, runtime)?;
            let there = runtime.block_on(store.survey()).map_err(failed)?;
            there.ok_or_else(|| nobody(url))
        }
    }
}

/// A server as it is, before anything is said to it.
fn seen(url: &str, options: &RedisOptions, runtime: &Runtime) -> Result<Redis, Failure> {
    let options = RedisOptions { known: Some(journal::note_of(url)?), ..options.clone() };
    runtime.block_on(Redis::look_at(url, options)).map(|opened| opened.store).map_err(failed)
}

fn nobody(url: &str) -> Failure {
    Failure::failed(format_args!(
        "nobody has ever kept effects in {}: are server, database and namespace right?",
        plain(url)
    ))
}

fn nothing(path: &Path) -> Failure {
    Failure::failed(format_args!("there is no journal in {}", path.display()))
}

/// Where it comes from.
pub(super) enum Left {
    File(Sqlite),
    Server(Box<Redis>, String),
}

impl Left {
    pub(super) fn open(place: &Place, runtime: &Runtime) -> Result<Self, Failure> {
        match place {
            Place::Directory(path) => {
                // Whatever was executing is in doubt from now on: its process is no more.
                let opened = Sqlite::leave(path, &Options::default()).map_err(failed)?;
                opened.map(|opened| Left::File(opened.store)).ok_or_else(|| nothing(path))
            }
            Place::Redis(url, options, _) => {
                // By the first word to it, it would be somebody's.
                if seen(url, options, runtime)?.is_new() {
                    return Err(nobody(url));
                }
                let store = server(url, options, runtime)?;
                nobody_uses(&store, url, runtime)?;
                Ok(Left::Server(Box::new(store), url.clone()))
            }
        }
    }

    pub(super) fn survey(&self, runtime: &Runtime) -> Result<Survey, Failure> {
        runtime.block_on(survey(self.store())).map_err(failed)
    }

    fn store(&self) -> &dyn Source {
        match self {
            Left::File(store) => store,
            Left::Server(store, _) => &**store,
        }
    }

    fn leaving(&self, runtime: &Runtime) -> Result<Leaving, Failure> {
        match self {
            Left::File(store) => Ok(store.leaving()),
            Left::Server(store, _) => runtime.block_on(store.leaving()).map_err(failed),
        }
    }

    /// Fills the other place, tells this one that it is not the journal any more, and trusts the other when nobody has used
    /// this one until then. What was moved, and whether the other may have forgotten.
    pub(super) fn moved(
        &self,
        to: &Place,
        runtime: &Runtime,
        progress: Telling<'_>,
    ) -> Result<(Moved, bool), Failure> {
        // Before anything is said to it: then it would always be true.
        let leaving = self.leaving(runtime)?;
        let filled = self.fill(to, leaving, runtime, progress)?;
        let moved = filled.moved();
        if !moved.finished {
            let mark = filled.mark();
            match self {
                Left::File(store) => runtime.block_on(store.moved_away(mark)).map_err(failed)?,
                Left::Server(store, _) => {
                    let gone = runtime.block_on(store.moved_away(mark, leaving)).map_err(failed)?;
                    self.unused(&filled, (leaving, &gone), to, runtime, progress)?;
                }
            }
        }
        Ok((moved, filled.trust(runtime)?))
    }

    fn fill(
        &self,
        to: &Place,
        leaving: Leaving,
        runtime: &Runtime,
        progress: Telling<'_>,
    ) -> Result<Full, Failure> {
        match to {
            Place::Directory(path) => {
                let filled = Sqlite::fill(path, self.store(), leaving, progress);
                runtime.block_on(filled).map(Full::File).map_err(failed)
            }
            Place::Redis(url, options, _) => {
                if leaving.moved.is_some() {
                    // Before it is opened, which would make it one that is used.
                    self.was_moved(url, options, leaving, runtime)?;
                }
                // What is not noted on this machine is not noted by a move: whoever serves from there finds out by itself.
                let note = journal::note_of(url)?;
                let options = RedisOptions {
                    known: note.exists().then_some(note),
                    rearm: Rearm::ByHand,
                    ..(**options).clone()
                };
                let opened = runtime.block_on(Redis::open(url, options)).map_err(failed)?;
                let target = opened.store;
                self.is_not(&target, url, runtime)?;
                nobody_uses(&target, url, runtime)?;
                let run = runtime.block_on(target.run());
                let moved = runtime.block_on(target.fill(self.store(), leaving, progress)).map_err(failed)?;
                Ok(Full::Server(Box::new(target), moved, run))
            }
        }
    }

    /// Refuses a server that is not the one this was moved to before. Changes nothing there.
    fn was_moved(
        &self,
        url: &str,
        options: &RedisOptions,
        leaving: Leaving,
        runtime: &Runtime,
    ) -> Result<(), Failure> {
        let options = RedisOptions { known: Some(journal::note_of(url)?), ..options.clone() };
        let opened = runtime.block_on(Redis::look_at(url, options)).map_err(failed)?;
        self.is_not(&opened.store, url, runtime)?;
        match leaving.moved == Some(opened.store.mark()) {
            true => Ok(()),
            false => Err(failed(elsewhere())),
        }
    }

    /// Refuses this very server under another address.
    fn is_not(&self, target: &Redis, url: &str, runtime: &Runtime) -> Result<(), Failure> {
        match self {
            Left::Server(store, here)
                if store.mark() == target.mark()
                    && runtime.block_on(async { store.run().await == target.run().await }) =>
            {
                let (there, here) = (plain(url), plain(here));
                Err(Failure::bad_input(format_args!("{there} is {here} by another name: name another place")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what was used while it was copied: nobody could keep gateways from a server. From here on it keeps them from
    /// what could happen twice itself.
    fn unused(
        &self,
        filled: &Full,
        (leaving, gone): (Leaving, &Gone),
        to: &Place,
        runtime: &Runtime,
        progress: Telling<'_>,
    ) -> Result<(), Failure> {
        let Left::Server(store, url) = self else { return Ok(()) };
        let unused =
            nobody_uses(store, url, runtime).and_then(|()| filled.compare(&**store, runtime, progress));
        let Err(why) = unused else { return Ok(()) };
        let stays = leaving.moved.is_none() && runtime.block_on(store.stays(gone, leaving.forgot)).is_ok();
        let (here, there) = (plain(url), name(to));
        let stands = if stays && !leaving.forgot {
            "is the journal as before"
        } else {
            "says that it may have forgotten"
        };
        Err(Failure::failed(format_args!(
            "{why}: {here} may have been used while it was copied, so {there} is not to be trusted, and {here} {stands}: see \
             that nobody uses it, empty {there}, and move it again"
        )))
    }
}

/// Where it went: all of it is there, and nobody trusts it yet.
enum Full {
    File(Filled),
    Server(Box<Redis>, Moved, Run),
}

impl Full {
    fn moved(&self) -> Moved {
        match self {
            Full::File(filled) => filled.moved(),
            Full::Server(_, moved, _) => *moved,
        }
    }

    fn mark(&self) -> Mark {
        match self {
            Full::File(filled) => filled.mark(),
            Full::Server(store, ..) => store.mark(),
        }
    }

    fn compare(&self, from: &dyn Source, runtime: &Runtime, progress: Telling<'_>) -> Result<(), Failure> {
        let compared = match self {
            Full::File(filled) => runtime.block_on(filled.compare(from, progress)).map(drop),
            Full::Server(store, ..) => runtime.block_on(store.compare(from, progress)).map(drop),
        };
        compared.map_err(failed)
    }

    /// Whether it may have forgotten.
    fn trust(self, runtime: &Runtime) -> Result<bool, Failure> {
        let trusted = match self {
            Full::File(filled) => filled.trust(),
            Full::Server(store, _, run) => runtime.block_on(store.trust(&run)),
        };
        trusted.map_err(failed)
    }
}

/// A server that is trusted again by our word alone, not by the time that passes.
fn server(url: &str, options: &RedisOptions, runtime: &Runtime) -> Result<Redis, Failure> {
    let options = RedisOptions { known: journal::known(url)?, rearm: Rearm::ByHand, ..options.clone() };
    runtime.block_on(Redis::open(url, options)).map(|opened| opened.store).map_err(failed)
}

/// Refuses a server that gateways use.
fn nobody_uses(store: &Redis, url: &str, runtime: &Runtime) -> Result<(), Failure> {
    match runtime.block_on(store.members(GATEWAYS)).map_err(failed)? {
        0 => Ok(()),
        others => Err(Failure::failed(format_args!(
            "{} {} is in use by {others} gateways: stop them, and wait a quarter of a minute",
            Code::StateInUse,
            plain(url),
        ))),
    }
}

fn failed(error: StoreError) -> Failure {
    match error {
        StoreError::InUse(why) => Failure::failed(format_args!("{} {why}", Code::StateInUse)),
        error => Failure::failed(format_args!("{error}")),
    }
}
