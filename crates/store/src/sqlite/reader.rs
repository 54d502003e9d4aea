//! The thread that reads: lists and copies, of one moment each, while the writer goes on.

use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use seawall_core::effect::Key;
use seawall_core::store::{Cursor, Page, StoreError, Wanted};
use tokio::sync::oneshot;

use super::queue::{Closing, Queue};
use super::row::COLUMNS;
use super::schema::{Journal, STATES};
use super::{Shared, copy, failed, statements};

/// Something to be looked at.
#[derive(Debug)]
pub(super) enum Look {
    List(Wanted, oneshot::Sender<Result<Page, StoreError>>),
    Walk(Option<Cursor>, usize, oneshot::Sender<Result<Page, StoreError>>),
    Backup(PathBuf, oneshot::Sender<Result<(), StoreError>>),
}

/// Serves the queue until it is closed and empty.
pub(super) fn serve(db: &Connection, shared: &Shared, queue: &Queue<Look>) {
    let _closing = Closing(queue);
    let mut looks = Vec::new();
    while queue.take(&mut looks, 0) {
        for look in looks.drain(..) {
            let broken = shared.broken().map_or(Ok(()), Err);
            // Whoever asked may have gone.
            let _ = match look {
                Look::List(wanted, to) => to.send(broken.and_then(|()| list(db, &wanted))).is_ok(),
                Look::Walk(after, limit, to) => {
                    to.send(broken.and_then(|()| walk(db, after.as_ref(), limit))).is_ok()
                }
                Look::Backup(path, to) => {
                    to.send(broken.and_then(|()| copy::backup(db, &path, shared.time.now()))).is_ok()
                }
            };
        }
    }
}

/// Unfinished states have an index; finished ones, and all at once, are gone through from end to end.
fn list(db: &Connection, wanted: &Wanted) -> Result<Page, StoreError> {
    // One moment for the records and their number.
    let moment = db.unchecked_transaction().map_err(failed)?;
    let counts = Journal::load(db)?.counts;
    let total = match wanted.state.as_deref() {
        None => counts.iter().sum(),
        Some(word) => STATES.iter().position(|state| *state == word).map_or(0, |place| counts[place]),
    };
    let (label, key) = wanted.after.as_ref().map_or((String::new(), Vec::new()), place);
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut words = vec![Value::Text(label), Value::Blob(key), Value::Integer(limit)];
    let fits = match wanted.state.as_deref() {
        None => "",
        Some(state) => {
            words.push(Value::Text(state.to_owned()));
            match state {
                "done" | "tombstone" => "state = ?4 AND",
                _ => "state = ?4 AND truth IS NULL AND",
            }
        }
    };
    let sql = format!(
        "SELECT {COLUMNS}, sum FROM effect WHERE {fits} (label, key) > (?1, ?2) ORDER BY label, key LIMIT ?3"
    );
    let mut query = db.prepare(&sql).map_err(failed)?;
    let mut rows = query.query(params_from_iter(words)).map_err(failed)?;
    let mut page = Page { total: u64::try_from(total).ok(), ..Page::default() };
    while let Some(row) = rows.next().map_err(failed)? {
        if page.records.len() == wanted.limit {
            page.next = page.records.last().map(|(key, record)| Cursor(format!("{} {key}", record.label)));
            break;
        }
        page.records.push(statements::read(row)?);
    }
    drop(rows);
    drop(query);
    moment.finish().map_err(failed)?;
    Ok(page)
}

/// All of them by key, which has an index.
fn walk(db: &Connection, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
    let after = match after {
        Some(cursor) => bytes(&cursor.0).ok_or_else(|| {
            StoreError::Unreadable(format!("{:?} is no place in a walk through this store", cursor.0))
        })?,
        None => Vec::new(),
    };
    let sql = format!("SELECT {COLUMNS}, sum FROM effect WHERE key > ?1 ORDER BY key LIMIT ?2");
    let mut query = db.prepare(&sql).map_err(failed)?;
    let words = [Value::Blob(after), Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX))];
    let mut rows = query.query(params_from_iter(words)).map_err(failed)?;
    let mut page = Page::default();
    while let Some(row) = rows.next().map_err(failed)? {
        page.records.push(statements::read(row)?);
    }
    if page.records.len() == limit {
        page.next = page.records.last().map(|(key, _)| Cursor(key.to_string()));
    }
    Ok(page)
}

/// Where a page ended: a label and a key. Any other text is a label to begin after.
fn place(cursor: &Cursor) -> (String, Vec<u8>) {
    let split = cursor.0.rsplit_once(' ');
    let known = split.and_then(|(label, hex)| Some((label.to_owned(), bytes(hex)?)));
    known.unwrap_or_else(|| (cursor.0.clone(), vec![0xff; 17]))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let number = (hex.len() == 32).then(|| u128::from_str_radix(hex, 16).ok()).flatten()?;
    Some(Key::from_bytes(number.to_be_bytes()).as_bytes().to_vec())
}
