//! Pages of records: part by part, and within a part by key. Labels are not kept in order: that would cost every run a
//! second index, for something people look at now and then.

use redis::Value;
use seawall_core::effect::{Key, Record};
use seawall_core::store::{Cursor, Page, StoreError, Wanted};

use super::live::checked;
use super::scripts::{SHARDS, shard_of};
use super::sweep::members;
use super::{Redis, wire};

/// Where the index keeps what is never due: doubts, then those for a person.
const IN_DOUBT: &str = "4503599627370496";
const QUARANTINED: &str = "4503599627370497";
/// Records fetched at once.
const AT_ONCE: usize = 500;

pub(super) async fn list(redis: &Redis, wanted: Wanted) -> Result<Page, StoreError> {
    let names = &redis.shared.names;
    let (from, to, exact) = match wanted.state.as_deref() {
        None => ("-inf", "+inf", true),
        Some("in-doubt") => (IN_DOUBT, IN_DOUBT, true),
        Some("quarantined") => (QUARANTINED, QUARANTINED, true),
        Some(_) => ("-inf", "(4503599627370496", false),
    };
    let count = |shard: usize| {
        let mut command = redis::cmd("ZCOUNT");
        command.arg(names.index(shard)).arg(from).arg(to);
        command
    };
    let mut counts = Vec::with_capacity(SHARDS);
    for value in redis.batch((0..SHARDS).map(count).collect()).await? {
        counts.push(match checked(value)? {
            Value::Int(count) => usize::try_from(count).unwrap_or(0),
            _ => 0,
        });
    }
    let total = exact.then(|| counts.iter().map(|count| *count as u64).sum());
    let after = wanted.after.map(|cursor| key(&cursor)).transpose()?;
    let mut shard = after.map_or(0, shard_of);
    let mut page = Page { total, ..Page::default() };
    while shard < SHARDS && page.records.len() <= wanted.limit && wanted.limit > 0 {
        // As many parts as may fill the page.
        let (begin, mut found) = (shard, 0);
        while shard < SHARDS && found <= wanted.limit {
            found += counts[shard];
            shard += 1;
        }
        let range = |shard: usize| {
            let mut command = redis::cmd("ZRANGE");
            command.arg(names.index(shard)).arg(from).arg(to).arg("BYSCORE");
            command
        };
        let filled = (begin..shard).filter(|shard| counts[*shard] > 0);
        let mut keys = Vec::new();
        for value in redis.batch(filled.map(range).collect()).await? {
            keys.extend(members(&checked(value)?));
        }
        keys.retain(|key| after.is_none_or(|after| place(*key) > place(after)));
        keys.sort_by_key(|key| place(*key));
        fetch(redis, &keys, wanted.state.as_deref(), wanted.limit, &mut page.records).await?;
    }
    // One more than was wanted tells that there are more.
    if page.records.len() > wanted.limit {
        page.records.truncate(wanted.limit);
        page.next = page.records.last().map(|(key, _)| Cursor(key.to_string()));
    }
    Ok(page)
}

/// Fetches records until there is one more than wanted.
async fn fetch(
    redis: &Redis,
    keys: &[Key],
    state: Option<&str>,
    limit: usize,
    records: &mut Vec<(Key, Record)>,
) -> Result<(), StoreError> {
    for keys in keys.chunks(AT_ONCE) {
        let get = |key: &Key| {
            let mut command = redis::cmd("GET");
            command.arg(redis.shared.names.record(*key));
            command
        };
        for (key, value) in keys.iter().zip(redis.batch(keys.iter().map(get).collect()).await?) {
            // What is not there has been finished and forgotten meanwhile.
            let Value::BulkString(stored) = checked(value)? else { continue };
            let record = wire::record(&stored).ok_or_else(|| {
                StoreError::Unreadable(format!("the record of {key} cannot be taken apart"))
            })?;
            if state.is_none_or(|state| record.state.as_str() == state) {
                records.push((*key, record));
            }
        }
        if records.len() > limit {
            return Ok(());
        }
    }
    Ok(())
}

fn place(key: Key) -> (usize, Key) {
    (shard_of(key), key)
}

fn key(cursor: &Cursor) -> Result<Key, StoreError> {
    let number = u128::from_str_radix(&cursor.0, 16)
        .map_err(|_| StoreError::Unreadable(format!("{:?} is no place in a list of this store", cursor.0)))?;
    Ok(Key::from_bytes(number.to_be_bytes()))
}
