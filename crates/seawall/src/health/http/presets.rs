//! Probes for kinds of services: what to ask for, and what the answer must be like.

use std::time::Duration;

use ::http::Response;
use seawall_core::clock::wall_now;
use seawall_core::units::format_duration;
use seawall_policy::Invalid;
pub use seawall_policy::health::VectorStore;
use serde_json::Value;

use super::super::check::{Finding, Measured};
use super::moment::parse;
use super::{Get, Http, LONGEST};

/// Of grams of carbon dioxide a kilowatt-hour more has never been seen: pure lignite makes about 1100.
const DIRTIEST: f64 = 2000.0;

/// Asks a provider of language models which models it has: that costs nothing, and shows that the key is good.
///
/// `url` is where it lists them, such as `https://api.openai.com/v1/models`; credentials go in by [`Http::header`]. Where
/// the answer is a list, an empty one is degraded. For one model, ask for `…/v1/models/NAME` instead: a model that is not
/// offered any more is unhealthy.
pub fn models(client: impl Get, url: &str) -> Result<Http, Invalid> {
    Ok(Http::get(client, url)?.of_kind("ai").expects(|answer| {
        let body = match json(answer) {
            Ok(body) => body,
            Err(finding) => return finding,
        };
        let list = ["data", "models"].iter().find_map(|key| body.get(*key)?.as_array());
        match list {
            Some(list) if list.is_empty() => Finding::degraded("it lists no models"),
            Some(_) => Finding::healthy(),
            None if ["id", "name"].iter().any(|key| body.get(*key).is_some_and(Value::is_string)) => {
                Finding::healthy()
            }
            None => Finding::degraded("its answer is neither a list of models nor a model"),
        }
    }))
}

/// Where a store says whether it is ready, and where it says how a collection is, if it does.
const fn pages(store: VectorStore) -> (&'static str, Option<&'static str>) {
    match store {
        VectorStore::Qdrant => ("/readyz", Some("/collections/")),
        VectorStore::Weaviate => ("/v1/.well-known/ready", Some("/v1/schema/")),
        VectorStore::Chroma => ("/api/v2/heartbeat", None),
        VectorStore::Milvus => ("/healthz", None),
        VectorStore::Elastic => ("/_cluster/health", Some("/_cluster/health/")),
    }
}

/// Asks a store of vectors whether it is ready, or how one collection is: no vector is searched for. `base` is its URL
/// without a path. A collection it does not have is unhealthy; one that says *yellow* is degraded, *red* unhealthy.
///
/// Refuses a collection where the store has no such page, and a name that would change the path.
pub fn vector_store(
    client: impl Get,
    store: VectorStore,
    base: &str,
    collection: Option<&str>,
) -> Result<Http, Invalid> {
    let (ready, pages) = pages(store);
    let path = match (collection, pages) {
        (None, _) => ready.to_owned(),
        (Some(name), Some(page)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                let message = format!("{name:?} is no collection: write letters, digits, -, _ and .");
                return Err(Invalid::new("collection", message));
            }
            format!("{page}{name}")
        }
        (Some(_), None) => {
            let message = format!("{store} does not say how a collection is: leave it out");
            return Err(Invalid::new("collection", message));
        }
    };
    let probe = Http::get(client, &format!("{}{path}", base.trim_end_matches('/')))?.of_kind("vector-store");
    let tells = collection.is_some() || store == VectorStore::Elastic;
    Ok(if tells { probe.expects(colour) } else { probe })
}

/// The colour of a cluster or a collection. One that says none is as good as its status.
fn colour(answer: &Response<Vec<u8>>) -> Finding {
    let body = match json(answer) {
        Ok(body) => body,
        Err(finding) => return finding,
    };
    let said = body.pointer("/result/status").or_else(|| body.get("status")).and_then(Value::as_str);
    match said {
        Some("yellow" | "grey") => Finding::degraded("it says that it is yellow"),
        Some("red") => Finding::unhealthy("it says that it is red"),
        _ => Finding::healthy(),
    }
}

/// Asks a provider of carbon intensity for its present value. `value` is where in its JSON that is, as a pointer such as
/// `/carbonIntensity`; it must be a number from 0 to 2000, in grams a kilowatt-hour. `at` is where it says for which moment
/// (RFC 3339), and how old that may be: an old value is degraded, for it is better than none.
///
/// ```
/// use std::time::Duration;
/// use seawall::health::http::{GetError, carbon};
///
/// let client = |_request| async { Err(GetError::new("no network")) };
/// let url = "https://api.electricitymap.org/v3/carbon-intensity/latest?zone=DE";
/// let probe = carbon(client, url, "/carbonIntensity", Some(("/datetime", Duration::from_secs(7200))));
/// assert!(probe.is_ok());
/// ```
pub fn carbon(
    client: impl Get,
    url: &str,
    value: impl Into<String>,
    at: Option<(&str, Duration)>,
) -> Result<Http, Invalid> {
    let value = pointer("value", value.into())?;
    let at = at.map(|(at, oldest)| Ok((pointer("at", at.to_owned())?, oldest))).transpose()?;
    Ok(Http::get(client, url)?.of_kind("carbon").expects(move |answer| {
        let body = match json(answer) {
            Ok(body) => body,
            Err(finding) => return finding,
        };
        let Some(grams) = body.pointer(&value).and_then(Value::as_f64) else {
            return Finding::unhealthy(format_args!("its answer has no number at {value}"));
        };
        if !(0.0..=DIRTIEST).contains(&grams) {
            return Finding::unhealthy(format_args!("it says {grams} g/kWh, which cannot be"));
        }
        let measured = Measured { value: grams, unit: "g/kWh", limit: None };
        age(&body, at.as_ref()).unwrap_or(Finding::healthy()).measured(measured)
    }))
}

/// What is wrong with the age of a value, if anything is.
fn age(body: &Value, at: Option<&(String, Duration)>) -> Option<Finding> {
    let (at, oldest) = at?;
    let Some(moment) = body.pointer(at).and_then(Value::as_str).and_then(parse) else {
        return Some(Finding::degraded(format_args!("its answer has no moment at {at}")));
    };
    // A moment still to come is as fresh as can be: forecasts bear the end of their hour.
    let age = wall_now().duration_since(moment).unwrap_or_default();
    (age > *oldest).then(|| {
        let (age, oldest) = (Duration::from_secs(age.as_secs()), format_duration(*oldest));
        Finding::degraded(format_args!("its value is {} old, more than {oldest}", format_duration(age)))
    })
}

fn pointer(key: &'static str, pointer: String) -> Result<String, Invalid> {
    if pointer.starts_with('/') {
        return Ok(pointer);
    }
    Err(Invalid::new(key, format!("{pointer:?} is no JSON pointer: write \"/data/0/value\"")))
}

fn json(answer: &Response<Vec<u8>>) -> Result<Value, Finding> {
    if answer.body().len() >= LONGEST {
        return Err(Finding::degraded("its answer is longer than 1 MiB, and was not read"));
    }
    serde_json::from_slice(answer.body()).map_err(|_| Finding::unhealthy("its answer is not JSON"))
}
