//! What is remembered of jobs: cells of text, one key each, changed by comparing.

use std::time::Duration;

use redis::Cmd;
use seawall_core::effect;
use seawall_core::job::{Cell, JobState, Key};
use seawall_core::store::{Asked, StoreError};

use super::Redis;
use super::scripts::Script;

/// A key of one part, as records have it: what a job is called may be long, and is nobody else's business.
fn hashed(key: &Key) -> effect::Key {
    match key {
        Key::Job(kind, id) => effect::Key::of("job", kind, id.as_bytes(), 0),
        Key::Type(kind) => effect::Key::of("job type", kind, b"", 0),
    }
}

/// Redis expires nothing later than this: 2230 years, as spans of effects.
const LONGEST: u64 = (1 << 46) - 1;

impl Redis {
    fn cell(&self, key: &Key, rest: [&[u8]; 3]) -> Asked<'_, Vec<u8>> {
        let key = hashed(key);
        let question = |digest: &str, number: [u8; 4]| {
            let mut command = redis::cmd("EVALSHA");
            command.arg(digest).arg(1).arg(self.shared.names.cell(key)).arg(&number);
            rest.iter().fold(&mut command, |command: &mut Cmd, part| command.arg(*part));
            command
        };
        self.raw(key, Script::Cell, question)
    }
}

impl JobState for Redis {
    fn read<'a>(&'a self, key: &'a Key) -> Asked<'a, Option<Cell>> {
        let asked = self.cell(key, [b"r", b"", b""]);
        Box::pin(async move {
            let held = asked.await?;
            let Some((version, text)) = held.split_first_chunk() else {
                return if held.is_empty() { Ok(None) } else { Err(damaged(key)) };
            };
            let text = String::from_utf8(text.to_vec()).map_err(|_| damaged(key))?;
            Ok(Some(Cell { version: u64::from_be_bytes(*version), text }))
        })
    }

    fn swap<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<u64>,
        text: String,
        keep: Duration,
    ) -> Asked<'a, bool> {
        let mut expect = vec![b'w'];
        expect.extend(expected.iter().flat_map(|version| version.to_be_bytes()));
        // Drawn anew, so that none comes twice though the server may have forgotten all of them.
        let mut new = fastrand::u64(..).to_be_bytes().to_vec();
        new.extend(text.as_bytes());
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST).to_string();
        let asked = self.cell(key, [&expect, &new, keep.as_bytes()]);
        Box::pin(async move {
            match asked.await?.as_slice() {
                b"y" => Ok(true),
                b"n" => Ok(false),
                _ => Err(damaged(key)),
            }
        })
    }
}

fn damaged(key: &Key) -> StoreError {
    StoreError::Unreadable(format!("what is remembered of {key} is damaged"))
}
