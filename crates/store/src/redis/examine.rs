//! Looks a server over: what it says about itself, whether it is the memory we knew, and what follows from that.

use std::time::Duration;

use redis::{Cmd, Value};
use seawall_core::effect::Stamp;
use seawall_core::store::{Promise, StoreError};
use tokio::time::{Instant, sleep};

use super::check::{Check, Concern, Says, Seen, Wants, Weight};
use super::live::{Live, checked};
use super::moving::Noted;
use super::scripts::{SHARDS, STANDING};
use super::shared::{Looked, Shared};
use super::standing::{self, Incarnation, Mode, NOBODY, Standing, View};
use super::{Rearm, note, wire};

/// A first start somewhere else is over in a few round trips; what looks like a loss is looked at again after this.
const AGAIN: Duration = Duration::from_millis(20);

/// Looks the server over and publishes what was found. An error where it cannot be used, or not reached.
pub(super) async fn look(shared: &Shared, live: &Live) -> Result<(), StoreError> {
    let mut looked = shared.looked.lock().await;
    let (seen, now) = says(shared, live, looked.evicted).await?;
    let mut anew = looked.run.as_ref().is_some_and(|run| *run != seen.run);
    if anew && looked.from_note {
        let held = read(shared, live).await?;
        let first = held.first().and_then(|stored| Standing::read(stored));
        if first.map(|standing| standing.incarnation) != looked.known {
            // Whatever happened to the memory that was noted is seen by its name, or was seen by somebody and ended.
            shared.forget_grants();
            anew = false;
        }
    }
    let forgot = anew && !remembers(shared, live, seen.promise, now).await?;
    let (standing, moved) = settle(shared, live, looked.known, forgot, now).await?;
    if forgot {
        shared.forget_grants();
    }
    looked.from_note = false;
    publish(shared, &mut looked, seen, (standing, moved), now);
    Ok(())
}

/// Notes the last grants for whoever comes next: nobody asks any more.
pub(super) async fn part(shared: &Shared) {
    let mut looked = shared.looked.lock().await;
    if let (Some(path), Some(run)) = (&shared.options.known, looked.run.clone())
        && !looked.from_note
        && !shared.looking
    {
        // What was noted at the last look still holds.
        let _ = note::write(path, &mut looked, &run, shared.grants());
    }
}

/// A person trusts the server again.
pub(super) async fn rearm(shared: &Shared, live: &Live) -> Result<(), StoreError> {
    // What nobody has noticed yet is noticed first.
    look(shared, live).await?;
    let held = read(shared, live).await?;
    write(shared, live, &standing::rearmed(&held, Mode::Armed)).await?;
    look(shared, live).await
}

/// Marks every part as one that may have forgotten: what is there is not all there should be, or not any more.
/// `anew` dates a loss that is known already from now.
pub(super) async fn lose(shared: &Shared, live: &Live, anew: bool) -> Result<(), StoreError> {
    look(shared, live).await?;
    let (held, known) = (read(shared, live).await?, shared.looked.lock().await.known);
    let now = match &shared.time {
        Some(time) => time.now(),
        None => server_time(shared, live).await?,
    };
    let changes = if anew { standing::lost_again(&held, now) } else { standing::lost(&held, known, now) };
    write(shared, live, &changes).await?;
    look(shared, live).await
}

async fn server_time(shared: &Shared, live: &Live) -> Result<Stamp, StoreError> {
    let said = live.batch(shared, &[command(&["TIME"])], deadline(shared)).await?;
    let said = said.into_iter().next().unwrap_or_default();
    stamp(&checked(said)?)
        .ok_or_else(|| StoreError::Unavailable("the server does not speak like Redis".into()))
}

fn command(words: &[&str]) -> Cmd {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command
}

fn deadline(shared: &Shared) -> Instant {
    Instant::now() + shared.options.timeout
}

/// What the server says about itself, and its time.
async fn says(shared: &Shared, live: &Live, evicted: Option<u64>) -> Result<(Seen, Stamp), StoreError> {
    let commands = [
        command(&["INFO"]),
        command(&["CONFIG", "GET", "maxmemory", "maxmemory-policy", "appendonly", "appendfsync"]),
        command(&["TIME"]),
    ];
    let mut said = live.batch(shared, &commands, deadline(shared)).await?.into_iter();
    let odd = || StoreError::Unavailable("the server does not speak like Redis".into());
    let (info, config, time) = (said.next(), said.next(), said.next());
    let info = text(&checked(info.ok_or_else(odd)?)?).ok_or_else(odd)?.to_owned();
    let now = match &shared.time {
        Some(time) => time.now(),
        None => stamp(&checked(time.ok_or_else(odd)?)?).ok_or_else(odd)?,
    };
    let config = config.unwrap_or_default();
    let pairs: Option<Vec<(&str, &str)>> = match &config {
        Value::Array(words) if !words.is_empty() => {
            words.chunks_exact(2).map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect()
        }
        _ => None,
    };
    let replicas = shared.options.wait.map_or(0, |wait| wait.replicas);
    let wants = Wants { replicas, memory_budget: shared.options.memory_budget, evicted };
    let seen = Says::new(&info, pairs.as_deref()).judged(wants);
    Ok((seen.map_err(|why| StoreError::Unavailable(format!("{}: {why}", shared.address)))?, now))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The time a server tells: seconds and microseconds.
pub(super) fn stamp(value: &Value) -> Option<Stamp> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.iter().map(|part| text(part)?.parse::<u64>().ok());
    let (seconds, micros) = (parts.next()??, parts.next()??);
    Some(Stamp(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
}

/// Does a server that was started anew, or is another one, still know the last grants we were told of? What servers lose
/// is the end of their history, so that the last ones stand for all before.
async fn remembers(shared: &Shared, live: &Live, promise: Promise, now: Stamp) -> Result<bool, StoreError> {
    if promise == Promise::Process {
        // What it kept, if anything, is a snapshot of some time ago.
        return Ok(false);
    }
    let grants: Vec<_> = shared.grants().into_iter().filter(|grant| grant.until > now).collect();
    let commands: Vec<_> =
        grants.iter().map(|grant| command(&["GET", &shared.names.record(grant.key)])).collect();
    let said = live.batch(shared, &commands, deadline(shared)).await?;
    let mut all = true;
    for (grant, value) in grants.iter().zip(said) {
        let kept = match checked(value)? {
            Value::BulkString(stored) => wire::record(&stored),
            _ => None,
        };
        all &= kept.is_some_and(|record| record.epoch >= grant.epoch);
    }
    Ok(all)
}

async fn read(shared: &Shared, live: &Live) -> Result<Vec<Vec<u8>>, StoreError> {
    let commands: Vec<_> =
        (0..SHARDS).map(|shard| command(&["GET", &shared.names.standing(shard)])).collect();
    let said = live.batch(shared, &commands, deadline(shared)).await?;
    said.into_iter()
        .map(|value| match checked(value)? {
            Value::BulkString(stored) => Ok(stored),
            _ => Ok(Vec::new()),
        })
        .collect()
}

/// Writes what parts should hold, each only if it still holds what was read.
async fn write(shared: &Shared, live: &Live, parts: &[(usize, Vec<u8>, Standing)]) -> Result<(), StoreError> {
    let change = |(shard, was, standing): &(usize, Vec<u8>, Standing)| {
        let mut command = redis::cmd("EVAL");
        command.arg(STANDING).arg(1).arg(shared.names.standing(*shard));
        command.arg(&was[..was.len().min(17)]).arg(standing.written());
        command
    };
    let commands: Vec<_> = parts.iter().map(change).collect();
    for value in live.batch(shared, &commands, deadline(shared)).await? {
        checked(value)?;
    }
    Ok(())
}

/// Brings the parts to rest: a first start is finished, a loss is written down everywhere, and ended when its time has
/// come. How they stand, and whether that is because everything was moved away.
async fn settle(
    shared: &Shared,
    live: &Live,
    known: Option<Incarnation>,
    forgot: bool,
    now: Stamp,
) -> Result<(Standing, bool), StoreError> {
    let mut held = read(shared, live).await?;
    if shared.looking {
        return Ok((seen(&held, known, forgot, now), false));
    }
    if forgot {
        write(shared, live, &standing::lost(&held, known, now)).await?;
        held = read(shared, live).await?;
    }
    let mut suspected = false;
    for _ in 0..8 {
        match standing::judge(&held, known, now) {
            View::Fresh => {
                let incarnation = Incarnation(fastrand::Rng::new().u128(..).to_be_bytes());
                let arming = Standing { mode: Mode::Arming, incarnation, lost: Stamp(0) };
                write(shared, live, &[(0, Vec::new(), arming)]).await?;
            }
            View::Change { loss: true, .. } if !suspected => {
                suspected = true;
                sleep(AGAIN).await;
            }
            View::Change { parts, .. } => write(shared, live, &parts).await?,
            View::Lost(standing) => {
                let over = standing.lost + shared.options.quarantine;
                // What was moved away is not lost: it is used elsewhere, perhaps at this moment. Only a person ends that.
                let moved = moved(shared, live, standing).await?;
                if moved || shared.options.rearm == Rearm::ByHand || now < over {
                    return Ok((standing, moved));
                }
                write(shared, live, &standing::rearmed(&held, Mode::Strict)).await?;
            }
            View::Armed(standing) => return Ok((standing, false)),
        }
        held = read(shared, live).await?;
    }
    Err(StoreError::Unavailable("what the server is trusted with keeps changing".into()))
}

/// Does it stand so because of a move?
async fn moved(shared: &Shared, live: &Live, standing: Standing) -> Result<bool, StoreError> {
    let said = live.batch(shared, &[command(&["GET", &shared.names.moving()])], deadline(shared)).await?;
    Ok(match checked(said.into_iter().next().unwrap_or_default())? {
        Value::BulkString(note) => Noted::read(&note, standing).is_some(),
        _ => false,
    })
}

/// How the parts stand, or would if they were brought to rest.
fn seen(held: &[Vec<u8>], known: Option<Incarnation>, forgot: bool, now: Stamp) -> Standing {
    let parts = match standing::judge(held, known, now) {
        View::Lost(standing) => return standing,
        View::Armed(standing) if !forgot => return standing,
        View::Armed(_) => standing::lost(held, known, now),
        View::Change { parts, .. } => parts,
        View::Fresh => Vec::new(),
    };
    let nobody = Standing { mode: Mode::Armed, incarnation: NOBODY, lost: Stamp(0) };
    parts.into_iter().next().map_or(nobody, |(_, _, standing)| standing)
}

fn publish(
    shared: &Shared,
    looked: &mut Looked,
    seen: Seen,
    (standing, moved): (Standing, bool),
    now: Stamp,
) {
    let mut concerns = seen.concerns;
    let ago = now.since(standing.lost).as_secs();
    match standing.mode {
        Mode::Lost if moved => {
            let text = "everything was moved from here to another place, or is being moved to here: effects that could happen \
                        twice begin here again when a person says so";
            concerns.push(Concern::refuse(Check::Forgotten, text.to_owned()));
        }
        Mode::Lost => {
            let after = match shared.options.rearm {
                Rearm::AfterQuarantine => {
                    let rest = now.until(standing.lost + shared.options.quarantine).as_secs();
                    format!(
                        "effects that could happen twice begin again in {rest} s, or when a person says so"
                    )
                }
                Rearm::ByHand => {
                    "effects that could happen twice begin again when a person says so".to_owned()
                }
            };
            let text = format!("the server lost what it had acknowledged, noticed {ago} s ago: {after}");
            concerns.push(Concern::refuse(Check::Forgotten, text));
        }
        Mode::Strict => {
            let text = format!(
                "the server lost what it had acknowledged, noticed {ago} s ago: wishes that may be older stay refused for \
                 as long as their record would have lived"
            );
            concerns.push(Concern::warn(Check::Forgotten, text));
        }
        Mode::Armed | Mode::Arming => {}
    }
    if !shared.looking && matches!(standing.mode, Mode::Armed | Mode::Strict) {
        looked.known = Some(standing.incarnation);
        if let Some(path) = &shared.options.known
            && let Err(error) = note::write(path, looked, &seen.run, shared.grants())
        {
            // Tried again at the next look.
            concerns.push(Concern::warn(Check::Known, format!("{}: {error}", path.display())));
        }
    }
    looked.run = Some(seen.run);
    looked.evicted = Some(seen.evicted);
    let refusing = |concern: &&Concern| {
        // What was lost is for the scripts to refuse, effect by effect.
        concern.weight == Weight::Refuse
            && concern.check != Check::Forgotten
            && !shared.options.acknowledged.contains(&concern.check)
    };
    let mut gate = shared.gate();
    gate.refusal = concerns.iter().find(refusing).map(|concern| format!("or may: {}", concern.text).into());
    gate.concerns = concerns;
    gate.promise = seen.promise;
    gate.standing = standing;
}
