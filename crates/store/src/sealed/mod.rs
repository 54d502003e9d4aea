//! Results that nobody reads who has only the store: sealed before they are remembered, opened when they are given again.
//!
//! | bytes | |
//! |---|---|
//! | 4 | the layout, `ff 73 77 01`: no text begins so |
//! | 12 | the nonce |
//! | … | the result under AES-256-GCM, and 16 bytes that prove it |
//!
//! Each effect has a key of its own, drawn from the store's, and its name is proved along: a result that is moved to
//! another effect opens there no more than a forged one. The nonce is drawn from effect and result, so that the same word
//! said twice is the same bytes, and a store knows it for the same; and no two results share one.
//!
//! Sealed are results, and nothing else: labels, fingerprints, states, and the reasons of doubts stay readable.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use seawall_core::effect::{Answer, Done, Finding, Key, Operation, Outcome, Record, Resolution, State};
use seawall_core::secret::Secret;
use seawall_core::store::{Asked, Page, Promise, Store, StoreError, Swept, Told, Wanted};

/// What sealed bytes begin with.
const LAYOUT: [u8; 4] = [0xff, b's', b'w', 1];

/// What results are sealed with. Clones are the same.
#[derive(Clone)]
pub struct SealKey {
    effects: hmac::Key,
    nonces: hmac::Key,
}

impl SealKey {
    /// The key a secret stands for. Refuses one of less than 32 bytes: it could be guessed by whoever has the store.
    pub fn new(secret: &Secret) -> Result<Self, String> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < 32 {
            let message =
                "is shorter than 32 characters: keep something like the output of `openssl rand -hex 32`";
            return Err(message.to_owned());
        }
        let root = hmac::Key::new(HMAC_SHA256, bytes);
        let drawn = |what: &str| hmac::Key::new(HMAC_SHA256, hmac::sign(&root, what.as_bytes()).as_ref());
        Ok(Self {
            effects: drawn("seawall: results of effects"),
            nonces: drawn("seawall: nonces of results"),
        })
    }

    fn of(&self, effect: Key) -> Option<LessSafeKey> {
        let own = hmac::sign(&self.effects, effect.as_bytes());
        UnboundKey::new(&AES_256_GCM, own.as_ref()).ok().map(LessSafeKey::new)
    }

    /// A result as it is remembered.
    fn seal(&self, effect: Key, result: &[u8]) -> Option<Arc<[u8]>> {
        let mut drawn = hmac::Context::with_key(&self.nonces);
        drawn.update(effect.as_bytes());
        drawn.update(result);
        let drawn = drawn.sign();
        let nonce: [u8; NONCE_LEN] = *drawn.as_ref().first_chunk()?;
        let mut body = result.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.of(effect)?.seal_in_place_append_tag(nonce_used, proved(effect), &mut body).ok()?;
        Some([&LAYOUT, &nonce[..], &body].concat().into())
    }

    /// The result; none where it was not sealed by this key, for this effect, or is no longer what it was.
    fn open(&self, effect: Key, sealed: &[u8]) -> Option<Arc<[u8]>> {
        let rest = sealed.strip_prefix(&LAYOUT)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let result = self.of(effect)?.open_in_place(nonce, proved(effect), &mut body).ok()?;
        Some((&*result).into())
    }
}

/// What is proved along with a result.
fn proved(effect: Key) -> Aad<[u8; 20]> {
    let mut all = [0; 20];
    all[..4].copy_from_slice(&LAYOUT);
    all[4..].copy_from_slice(effect.as_bytes());
    Aad::from(all)
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A store whose results are sealed. What was remembered without, or under another key, is as one that is not kept: how
/// the effect ended stays known, and it does not run again.
#[derive(Debug)]
pub struct Sealed {
    store: Arc<dyn Store>,
    key: SealKey,
}

impl Sealed {
    /// Seals the results of a store.
    pub fn new(store: Arc<dyn Store>, key: SealKey) -> Self {
        Self { store, key }
    }

    /// The same operation, its result sealed; none where that cannot be done.
    fn sealed(&self, operation: Operation) -> Option<Operation> {
        let effect = operation.key();
        let seal = |result: Option<Arc<[u8]>>| match result {
            Some(result) => self.key.seal(effect, &result).map(Some),
            None => Some(None),
        };
        Some(match operation {
            Operation::Complete { key, token, outcome: Outcome::Ended(truth, result) } => {
                Operation::Complete { key, token, outcome: Outcome::Ended(truth, seal(result)?) }
            }
            Operation::Resolve { key, token, finding: Finding::Ended(truth, result) } => {
                Operation::Resolve { key, token, finding: Finding::Ended(truth, seal(result)?) }
            }
            Operation::Force { key, by, reason, resolution: Resolution::Ended(truth, result) } => {
                let resolution = Resolution::Ended(truth, seal(result)?);
                Operation::Force { key, by, reason, resolution }
            }
            other => other,
        })
    }
}

fn opened(key: &SealKey, effect: Key, answer: Answer) -> Answer {
    match answer {
        Answer::Replay(truth, Some(result)) => Answer::Replay(truth, key.open(effect, &result)),
        Answer::Found(Some(record)) => Answer::Found(Some(Box::new(shown(key, effect, *record)))),
        other => other,
    }
}

fn shown(key: &SealKey, effect: Key, mut record: Record) -> Record {
    if let State::Done(Done { result, .. }) = &mut record.state {
        *result = result.take().and_then(|sealed| key.open(effect, &sealed));
    }
    record
}

impl Store for Sealed {
    fn ask(&self, operation: Operation) -> Asked<'_, Told> {
        let effect = operation.key();
        let Some(operation) = self.sealed(operation) else {
            let why = "a result could not be sealed".to_owned();
            return Box::pin(std::future::ready(Err(StoreError::Broken(why))));
        };
        let asked = self.store.ask(operation);
        Box::pin(async move {
            let Told { answer, notes } = asked.await?;
            Ok(Told { answer: opened(&self.key, effect, answer), notes })
        })
    }

    fn sweep(&self, limit: usize) -> Asked<'_, Swept> {
        self.store.sweep(limit)
    }

    fn list(&self, wanted: Wanted) -> Asked<'_, Page> {
        let asked = self.store.list(wanted);
        Box::pin(async move {
            let mut page = asked.await?;
            page.records =
                page.records.into_iter().map(|(key, record)| (key, shown(&self.key, key, record))).collect();
            Ok(page)
        })
    }

    fn promise(&self) -> Promise {
        self.store.promise()
    }

    fn doubted(&self) -> Option<String> {
        self.store.doubted()
    }

    fn settle(&self) -> Asked<'_, ()> {
        self.store.settle()
    }

    fn backup(&self, path: &Path) -> Asked<'_, ()> {
        self.store.backup(path)
    }
}

#[cfg(test)]
mod tests;
