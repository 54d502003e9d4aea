//! A message of blocks to an incoming webhook of Slack.

use bytes::Bytes;
use serde_json::{Value, json};

use super::http::Client;
use super::{Channel, Delivering};
use crate::alerts::{Item, Kind, Notice, timestamp};

pub(super) struct Slack {
    pub(super) client: Client,
}

/// Slack takes fifty blocks, three thousand characters in each, and not much more than thirteen thousand in all.
const ALERTS: usize = 20;
const TEXT: usize = 500;
const HEADER: usize = 150;

/// The message.
pub(super) fn message(notice: &Notice) -> Value {
    let headline = notice.headline();
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": cut(&headline, HEADER), "emoji": true },
    })];
    for item in notice.items.iter().take(ALERTS) {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": section(item) } }));
    }
    if notice.items.len() > ALERTS {
        let more = format!("and {} more", notice.items.len() - ALERTS);
        blocks.push(json!({ "type": "section", "text": { "type": "plain_text", "text": more } }));
    }
    let foot = format!("seawall · {}", timestamp(notice.at));
    blocks.push(json!({ "type": "context", "elements": [{ "type": "plain_text", "text": foot }] }));
    json!({ "text": escaped(&cut(&headline, HEADER)), "blocks": blocks })
}

fn section(item: &Item) -> String {
    let sign = match item.kind {
        Kind::Resolved => ":white_check_mark:",
        Kind::Test => ":wave:",
        Kind::Active | Kind::Reminder => match item.severity {
            seawall_policy::alert::Severity::Info => ":information_source:",
            seawall_policy::alert::Severity::Warning => ":warning:",
            _ => ":rotating_light:",
        },
    };
    let text = |text: &str| escaped(&cut(text, TEXT));
    format!(
        "{sign} *{}*\n{}\n_{}_\nsince {}",
        text(&item.headline()),
        text(&item.summary),
        text(&item.why),
        timestamp(item.since)
    )
}

/// Slack reads three characters as its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Channel for Slack {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> Delivering<'a> {
        Box::pin(async move {
            let body = Bytes::from(message(notice).to_string());
            Ok(self.client.post(&[], body).await?.as_u16().to_string())
        })
    }

    fn kind(&self) -> &'static str {
        "slack"
    }
}
