//! Lets time pass over records nobody asks about.

use std::str::from_utf8;
use std::sync::atomic::Ordering;

use redis::Value;
use seawall_core::effect::{Key, Stamp};
use seawall_core::store::{StoreError, Swept};

use super::live::checked;
use super::scripts::SHARDS;
use super::wire::{self, Said};
use super::{Redis, examine};

/// Records looked at in one round.
const ROUND: usize = 1000;
/// Of one part, so that a part with many does not keep the others waiting.
const OF_ONE: usize = 100;

/// One round trip says which parts have anything due; only those are asked for it.
pub(super) async fn sweep(redis: &Redis, limit: usize) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    while swept.changed < limit {
        let before = swept.changed;
        let keys = due(redis, (limit - before).min(ROUND)).await?;
        let (numbers, steps): (Vec<_>, Vec<_>) = keys.iter().map(|key| redis.shared.due(*key)).unzip();
        for (number, value) in numbers.into_iter().zip(redis.batch(steps).await?) {
            match checked(value)? {
                Value::BulkString(reply) if wire::number(&reply) == Some(number) => {
                    match wire::said(&reply) {
                        Some(Said::Passed { changed, label, notes }) => {
                            swept.changed += usize::from(changed);
                            swept.notes.extend(notes.into_iter().map(|note| (label.clone(), note)));
                        }
                        _ => {
                            return Err(StoreError::Unreadable(
                                "a sweep was answered in unknown words".into(),
                            ));
                        }
                    }
                }
                _ => return Err(StoreError::Unavailable("answers are out of step".into())),
            }
        }
        if swept.changed == before {
            break;
        }
    }
    Ok(swept)
}

/// At most `limit` records that are due.
async fn due(redis: &Redis, limit: usize) -> Result<Vec<Key>, StoreError> {
    let names = &redis.shared.names;
    let first = |shard: usize| {
        let mut command = redis::cmd("ZRANGE");
        command.arg(names.index(shard)).arg(0).arg(0).arg("WITHSCORES");
        command
    };
    let mut looks = vec![redis::cmd("TIME")];
    looks.extend((0..SHARDS).map(first));
    let mut said = redis.batch(looks).await?.into_iter();
    let told = said.next().map(checked).transpose()?.and_then(|time| examine::stamp(&time));
    let now = redis.shared.time.as_ref().map(crate::time::Time::now).or(told);
    let now = now.ok_or_else(|| StoreError::Unavailable("the server does not tell the time".into()))?;
    let mut parts = Vec::new();
    for (shard, value) in said.enumerate() {
        if soonest(&checked(value)?).is_some_and(|soonest| soonest <= now) {
            parts.push(shard);
        }
    }
    let turn = redis.turn.fetch_add(1, Ordering::Relaxed) % SHARDS;
    let begin = parts.partition_point(|shard| *shard < turn);
    parts.rotate_left(begin);
    parts.truncate(limit);
    let range = |shard: &usize| {
        let mut command = redis::cmd("ZRANGE");
        command.arg(names.index(*shard)).arg("-inf").arg(now.0).arg("BYSCORE");
        command.arg("LIMIT").arg(0).arg(OF_ONE.min(limit));
        command
    };
    let mut keys = Vec::new();
    for value in redis.batch(parts.iter().map(range).collect()).await? {
        keys.extend(members(&checked(value)?));
    }
    keys.truncate(limit);
    Ok(keys)
}

fn soonest(value: &Value) -> Option<Stamp> {
    let Value::Array(pair) = value else { return None };
    let [_, Value::BulkString(score)] = pair.as_slice() else { return None };
    let score: f64 = from_utf8(score).ok()?.parse().ok()?;
    // Whole, and below 2^53.
    Some(Stamp(score as u64))
}

/// The keys in an answer.
pub(super) fn members(value: &Value) -> Vec<Key> {
    let Value::Array(members) = value else { return Vec::new() };
    let key = |member: &Value| match member {
        Value::BulkString(bytes) => bytes.as_slice().try_into().ok().map(Key::from_bytes),
        _ => None,
    };
    members.iter().filter_map(key).collect()
}
