//! A scripted outage, followed from its cause to its end by the doors an operator has: the story of a call, commands, the
//! board, the metrics, and what a receiver is told. At every station all of them say the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use seawall_core::secret::Secret;
use seawall_e2e::binary::{Seawall, binary, configured_with};
use seawall_e2e::eventually;
use seawall_signals::alerts::channel::Key;
use seawall_testkit::client::{self, Answer};
use seawall_testkit::{Reply, Upstream};
use serde_json::Value;
use tempfile::TempDir;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A seawall that serves, and everything an operator can ask of it.
struct Stage {
    binary: PathBuf,
    home: TempDir,
    seawall: Seawall,
    hook: Upstream,
}

impl Stage {
    /// One upstream called `up`, more tables, and a receiver that is told of alerts at once.
    async fn start(up: &Upstream, more: &str) -> Option<Self> {
        let binary = binary()?;
        let hook = Upstream::start(Reply::status(204)).await.unwrap();
        let channel = format!(
            "[channel.ops]\nwebhook = \"{}/hooks/seawall\"\nsecret = \"file:hook\"\n\
             delivery = {{ batch = \"0s\", cooldown = \"0s\" }}\n",
            hook.url()
        );
        let home = configured_with(&up.url(), "127.0.0.1:0", "./state", &format!("{more}{channel}"));
        std::fs::write(home.path().join("hook"), SECRET).unwrap();
        let seawall = Seawall::start(&binary, &home).await;
        Some(Self { binary, home, seawall, hook })
    }

    async fn call(&self, path: &str) -> Answer {
        client::get(&self.seawall.url(path)).await.unwrap()
    }

    /// What a command says on stdout.
    async fn run(&self, words: &[&str]) -> String {
        let mut command = tokio::process::Command::new(&self.binary);
        command.args(words).args(["--admin", &format!("http://{}", self.seawall.admin)]);
        let done = command.current_dir(self.home.path()).env_clear().output().await.unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    async fn page(&self, path: &str) -> String {
        let answer = client::get(&format!("http://{}{path}", self.seawall.admin)).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    async fn api(&self, path: &str) -> Value {
        serde_json::from_str(&self.page(&format!("/api/v1/{path}")).await).unwrap()
    }

    /// One thing of a list, by its name or its id.
    async fn one(&self, list: &str, name: &str) -> Value {
        let mut all = self.api(list).await;
        let named = |one: &&Value| one["id"] == name || one["name"] == name;
        let found = all[list].take();
        found.as_array().unwrap().iter().find(named).cloned().unwrap_or_default()
    }

    /// The sum of all series of a metric that begin like this.
    async fn metric(&self, begins: &str) -> f64 {
        let text = self.page("/metrics").await;
        let found = text.lines().filter(|line| line.starts_with(begins));
        found.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// What the receiver was told, each with a signature that holds: the kind of notice and the alert.
    fn told(&self) -> Vec<String> {
        let key = Key::parse(&Secret::new(SECRET.to_owned())).unwrap();
        let requests = self.hook.ledger().requests();
        // One that is still on its way is told a moment later.
        let read = requests.iter().filter(|request| request.body_complete).map(|request| {
            let header = |name: &str| request.header(name).unwrap_or_default();
            let second: u64 = header("webhook-timestamp").parse().unwrap();
            assert_eq!(header("webhook-signature"), key.sign(header("webhook-id"), second, &request.body));
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            format!("{} {}", body["type"].as_str().unwrap(), body["data"]["id"].as_str().unwrap())
        });
        read.collect()
    }

    /// Waits until the receiver was told of so many things, and everybody who counts them says so.
    async fn heard(&self, all: &[&str]) {
        let what = format!("the receiver is told {all:?}");
        eventually(&what, async || (self.told().len() >= all.len()).then_some(())).await;
        assert_eq!(self.told(), all);
        eventually("the notices are counted", async || {
            let counted =
                self.metric("seawall_alert_notices_total{channel=\"ops\",result=\"delivered\"}").await;
            let listed = self.api("alerts").await["channels"][0]["delivered"].as_f64()?;
            (counted == all.len() as f64 && listed == counted).then_some(())
        })
        .await;
    }

    async fn alert_is(&self, id: &str, state: &str) -> Value {
        eventually(&format!("{id} is {state}"), async || {
            Some(self.one("alerts", id).await).filter(|alert| alert["state"] == state)
        })
        .await
    }

    /// A breaker as the status, the metrics, a command and the board show it.
    async fn breaker_is(&self, name: &str, state: &str) {
        eventually(&format!("the breaker of {name} is {state}"), async || {
            (self.one("breakers", name).await["state"] == state).then_some(())
        })
        .await;
        for other in ["closed", "open"] {
            let metric =
                format!("seawall_breaker_state{{breaker=\"{name}\",upstream=\"{name}\",state=\"{other}\"}}");
            assert_eq!(self.metric(&metric).await, f64::from(other == state), "{metric}");
        }
        let open = format!("seawall_breaker_open{{breaker=\"{name}\",upstream=\"{name}\"}}");
        assert_eq!(self.metric(&open).await, f64::from(state == "open"));
        let listed = self.run(&["breakers"]).await;
        let row = listed.lines().find(|row| row.starts_with(&format!("{name} "))).unwrap();
        assert_eq!(row.split_whitespace().nth(1), Some(state), "{listed}");
        let first = self.page("/").await;
        assert!(first.contains(&format!("breaker </span>{state}")), "{first}");
    }

    /// The calls and the attempts of an upstream are as many wherever they are told, and as many as it had.
    async fn counts_agree(&self, name: &str, up: &Upstream) {
        let api = self.one("upstreams", name).await["total"].as_u64().unwrap();
        let board = self.api("board").await;
        let listed = board["upstreams"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert_eq!(listed["total"], api);
        let counted = self.metric(&format!("seawall_calls_total{{upstream=\"{name}\"")).await;
        assert_eq!(counted, api as f64);
        let attempts = self.metric(&format!("seawall_attempts_total{{upstream=\"{name}\"")).await;
        assert_eq!(attempts, up.ledger().requests().len() as f64);
        let page = self.page(&format!("/upstreams/{name}")).await;
        assert!(page.contains(&format!("<dt>Calls since the start</dt><dd>{api}</dd>")), "{page}");
        let rows = self.run(&["upstreams"]).await;
        let row = rows.lines().find(|row| row.starts_with(&format!("{name} "))).unwrap();
        assert_eq!(row.split_whitespace().nth(5), Some(api.to_string().as_str()), "{rows}");
    }

    async fn stop(mut self) {
        self.seawall.signal("-TERM").await;
        assert!(self.seawall.ended().await.success());
    }
}

/// Breakers that open soon and let nobody wait for long, and a rule over all of them.
const SOON: &str = "breaker = { consecutive = 3, open = \"1s\", successes = 1 }\nretry = { attempts = 2, base = \"10ms\" }\n";
const RULE: &str = "[alert.down]\nwhen = \"breaker_open > 0\"\nseverity = \"critical\"\nsend = [\"ops\"]\n\
                    summary = \"see the runbook, page 3\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_followed_from_its_cause_over_a_silence_to_its_end_by_every_door() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let spare = Upstream::start(Reply::ok("ok")).await.unwrap();
    let more = format!("{SOON}[upstream.spare]\nurl = \"{}\"\n{SOON}{RULE}", spare.url());
    let Some(stage) = Stage::start(&up, &more).await else { return };
    for _ in 0..4 {
        assert_eq!(stage.call("/up/v3/ticker").await.status, 200);
    }
    stage.breaker_is("up", "closed").await;
    assert!(stage.run(&["status"]).await.starts_with("healthy"));

    // The cause: what a caller has in hand leads to it.
    up.play(Reply::status(503));
    let failed = stage.call("/up/v3/ticker").await;
    assert_eq!(failed.status, 503);
    let id = failed.header("seawall-call").unwrap().to_owned();
    let story = stage.run(&["explain", &id]).await;
    assert!(story.contains("attempt 2 to up") && story.contains("503, overloaded"), "{story}");
    let told = stage.api(&format!("calls/{id}")).await;
    assert_eq!((&told["upstream"], &told["attempts"][1]["status"]), (&"up".into(), &503.into()), "{told}");
    let page = stage.page(&format!("/calls/{id}")).await;
    assert!(page.contains("attempt 2") && page.contains("503"), "{page}");

    // The breaker opens, and refuses by its code.
    stage.call("/up/v3/ticker").await;
    stage.breaker_is("up", "open").await;
    let refused = stage.call("/up/v3/ticker").await;
    assert_eq!(refused.status, 503);
    let id = refused.header("seawall-call").unwrap().to_owned();
    let story = stage.run(&["explain", &id]).await;
    let by_code = refused.header("content-type") == Some("application/problem+json");
    // Where the pause is over already it was a probe, which failed.
    assert!(!by_code || story.contains("refused by breaker: SW0004"), "{story}");
    let status = stage.run(&["status"]).await;
    assert!(!status.starts_with("healthy"), "{status}");

    // Somebody is told, once, and it is known that they were.
    stage.alert_is("down:up", "active").await;
    stage.heard(&["alert.active down:up"]).await;
    assert_eq!(stage.metric("seawall_alerts_active{severity=\"critical\"}").await, 1.0);
    let why = stage.run(&["alerts", "why", "down:up"]).await;
    assert!(why.contains("down:up is active") && why.contains("ops: told (204, "), "{why}");
    let page = stage.page("/alerts/down%3Aup").await;
    assert!(page.contains("ops: told (204, ") && page.contains("see the runbook, page 3"), "{page}");

    // A silence over the rule: what breaks meanwhile is seen by all who look, and told to nobody.
    let signed = ["--for", "1h", "--by", "ann", "--reason", "it is being mended"];
    stage.run(&[&["alerts", "silence", "down"], &signed[..]].concat()).await;
    spare.play(Reply::status(503));
    for _ in 0..2 {
        stage.call("/spare/x").await;
    }
    eventually("the second is watched", async || {
        let alert = stage.one("alerts", "down:spare").await;
        let why = alert["why"].to_string();
        (alert["state"] == "silenced" && why.contains("ops: not told: it is silenced")).then_some(())
    })
    .await;
    let why = stage.run(&["alerts", "why", "down:spare"]).await;
    assert!(why.contains("ops: not told: it is silenced"), "{why}");
    let listed = stage.run(&["alerts"]).await;
    assert_eq!(listed.matches("silenced by ann until ").count(), 2, "{listed}");
    let first = stage.page("/").await;
    assert_eq!(first.matches("silenced by ann until ").count(), 2, "{first}");
    assert_eq!(stage.metric("seawall_alerts_active{severity=\"critical\"}").await, 0.0);
    let written = stage.api("audit").await["audit"][0].clone();
    assert_eq!((&written["kind"], &written["subject"]), (&"lever.silence".into(), &"down".into()));

    // Both recover: a probe is let through, and the breakers close.
    up.play(Reply::ok("ok"));
    spare.play(Reply::ok("ok"));
    for name in ["up", "spare"] {
        eventually("a probe goes well", async || {
            (stage.call(&format!("/{name}/x")).await.status == 200).then_some(())
        })
        .await;
        stage.breaker_is(name, "closed").await;
        stage.alert_is(&format!("down:{name}"), "resolved").await;
    }
    assert_eq!(stage.told(), ["alert.active down:up"], "a silence hides the end as well");

    // The silence ends: who heard of the beginning hears of the end, and nobody of what was never told.
    let ended = ["alerts", "silence", "down", "--for", "0s", "--by", "ann", "--reason", "mended"];
    stage.run(&ended).await;
    stage.heard(&["alert.active down:up", "alert.resolved down:up"]).await;
    let why = stage.run(&["alerts", "why", "down:up"]).await;
    let stations = [
        "active: breaker_open > 0",
        "ops: told (204, ",
        "silenced for 1h by ann: it is being mended",
        "resolved: ",
        "its silence was ended by ann: mended",
        "ops: told (204, ",
    ];
    let mut rest = why.as_str();
    for station in stations {
        let (_, after) =
            rest.split_once(station).unwrap_or_else(|| panic!("{station:?} in its place: {why}"));
        rest = after;
    }
    eventually("it is well again", async || {
        stage.run(&["status"]).await.starts_with("healthy").then_some(())
    })
    .await;
    stage.counts_agree("up", &up).await;
    stage.counts_agree("spare", &spare).await;
    let opened =
        stage.metric("seawall_breaker_transitions_total{breaker=\"spare\",upstream=\"spare\",to=\"open\"}");
    assert_eq!(opened.await, 1.0);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_follows_from_another_alert_is_told_when_that_is_over_and_says_why_it_was_not() {
    let up = Upstream::start(Reply::ok("ok")).await.unwrap();
    let nowhere = seawall_e2e::Nowhere::new().unwrap();
    let address = nowhere.url().trim_start_matches("http://").to_owned();
    let more = format!(
        "{RULE}[health.queue]\ntcp = \"{address}\"\nevery = \"1s\"\nfailures = 1\nsuccesses = 1\n\
         [alert.queue_gone]\nwhen = \"health_status{{check='queue'}} < 1\"\nfor = \"2s\"\n\
         quiet_while = [\"down\"]\nsend = [\"ops\"]\n"
    );
    let Some(stage) = Stage::start(&up, &more).await else { return };
    let signed = ["--by", "ann", "--reason", "their database is being moved"];
    stage.run(&[&["breakers", "force-open", "up"], &signed[..]].concat()).await;
    stage.alert_is("down:up", "active").await;
    stage.alert_is("queue_gone:queue", "active").await;
    eventually("it is said why nobody is told", async || {
        let why = stage.run(&["alerts", "why", "queue_gone:queue"]).await;
        why.contains("not told while down:up is active").then_some(())
    })
    .await;
    stage.heard(&["alert.active down:up"]).await;
    let page = stage.page("/alerts/queue_gone%3Aqueue").await;
    assert!(page.contains("not told while down:up is active"), "{page}");
    assert!(stage.page("/").await.contains("queue_gone:queue"), "whoever looks sees it all the same");

    // The cause is gone and this is not: now it says something new.
    stage.run(&[&["breakers", "reset", "up"], &signed[..]].concat()).await;
    eventually("both are told", async || (stage.told().len() == 3).then_some(())).await;
    let mut told = stage.told();
    told.sort();
    assert_eq!(told, ["alert.active down:up", "alert.active queue_gone:queue", "alert.resolved down:up"]);
    let why = stage.run(&["alerts", "why", "queue_gone:queue"]).await;
    assert!(why.contains("down:up is over: this one is not"), "{why}");
    stage.stop().await;
    drop(nowhere);
}
