//! A signed POST for each alert of a notice.

use bytes::Bytes;
use seawall_core::clock::wall_now;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use super::http::Client;
use super::{Channel, Delivering, Key};
use crate::alerts::{Item, Kind, Notice, timestamp};

pub(super) struct Webhook {
    pub(super) client: Client,
    pub(super) key: Option<Key>,
}

/// The body, as it is published.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    rule: &'a str,
    id: &'a str,
    state: &'static str,
    severity: &'static str,
    since: String,
    value: Option<f64>,
    summary: &'a str,
    why: &'a str,
    labels: &'a BTreeMap<String, String>,
    group: &'a str,
}

/// What is posted about one alert.
pub(super) fn body(notice: &Notice, item: &Item) -> Vec<u8> {
    let state = match item.kind {
        Kind::Active | Kind::Reminder => "active",
        Kind::Resolved => "resolved",
        Kind::Test => "test",
    };
    let body = Body {
        kind: format!("alert.{}", item.kind),
        timestamp: timestamp(notice.at),
        data: Data {
            rule: &item.rule,
            id: &item.id,
            state,
            severity: item.severity.as_str(),
            since: timestamp(item.since),
            value: item.value,
            summary: &item.summary,
            why: &item.why,
            labels: &item.labels,
            group: &notice.group,
        },
    };
    // Texts and numbers: nothing in it cannot be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

impl Channel for Webhook {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
        Box::pin(async move {
            let mut answer = String::new();
            for (place, item) in notice.items.iter().enumerate() {
                // The same alert of the same notice has the same id, however often it comes.
                let id = match notice.items.len() {
                    1 => notice.id.clone(),
                    _ => format!("{}-{place}", notice.id),
                };
                let body = body(notice, item);
                let second = wall_now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let mut headers = vec![("webhook-id", id.clone()), ("webhook-timestamp", second.to_string())];
                if let Some(key) = &self.key {
                    headers.push(("webhook-signature", key.sign(&id, second, &body)));
                }
                answer = self.client.post(&headers, Bytes::from(body)).await?.as_u16().to_string();
            }
            Ok(answer)
        })
    }

    fn kind(&self) -> &'static str {
        "webhook"
    }
}
