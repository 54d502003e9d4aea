//! The published sample uses everything that can be written, and the template of `init` only what is built.

use super::{good, said};
use crate::settings::{draw, read::load};
use seawall_config::{Format, load_str};

const SAMPLE: &str = include_str!("sample.toml");

#[test]
fn the_published_sample_is_good_and_says_what_is_not_built_yet() {
    assert_eq!(
        said(SAMPLE),
        [
            "warning f:18:22: upstream.openai.auth.bearer: SW0029 there is no vault at ./seawall-state/vault, make one with \
             `seawall vault init`",
            "warning f:29:1: route.chat.model: SW0090 not available yet: every target gets the caller's model, remove it to \
             serve",
            "warning f:40:21: route.orders.unknown.probe: is asked without a credential: callers' own are not remembered, and \
             exchange has none, write upstream.exchange.auth if it wants one",
            "warning f:49:12: channel.ops.secret: SW0029 there is no vault at ./seawall-state/vault, make one with `seawall \
             vault init`",
            "warning f:51:6: job.train: SW0090 not available yet: commands are not supervised, remove it to serve",
            "warning f:53:2: carbon: SW0090 not available yet: carbon intensities are not read, remove it to serve",
        ]
    );
}

#[test]
fn each_route_is_drawn_in_the_order_a_call_passes_it() {
    let loaded = good(SAMPLE);
    let (routes, upstreams) = draw(&loaded.settings);
    let told: Vec<String> = routes
        .iter()
        .map(|drawn| format!("{} {} {:?} {}", drawn.name, drawn.method, drawn.to, drawn.effects))
        .collect();
    assert_eq!(told, ["chat POST [\"openai\", \"backup\"] billable", "orders POST [\"exchange\"] once"]);
    assert_eq!(
        routes[0].pipeline,
        "deadline 1m → cache (1m, stale if an error 1h) → each of 2 targets → retry ×3 (500ms..5s, budget 20%) → breaker (5 in a row or 50% of 20 in 30s) → \
         limit 500/min (wait 10s) → limit 60/min per x-user burst 60 (wait 10s) → bulkhead 32 (wait 10s) → \
         attempt (connect 10s, first byte 30s) → call"
    );
    let adaptive = "[upstream.a]\nurl = 'https://a'\nlimits = [{ concurrent = 32, adaptive = { algorithm = 'aimd', max = 90 } }]";
    let drawn = &draw(&good(adaptive).settings).1[0].pipeline;
    assert!(drawn.contains(" → bulkhead 1..90 by aimd (wait 10s) → "), "{drawn}");
    let names: Vec<&str> = upstreams.iter().map(|drawn| drawn.name.as_str()).collect();
    assert_eq!(names, ["backup", "exchange", "openai"]);
    let coded = good("[upstream.a]\nurl = 'https://a'\ncompress = { requests = true }");
    assert!(draw(&coded.settings).1[0].pipeline.ends_with("→ call, requests and answers compressed"));
    let off = good("[upstream.a]\nurl = 'https://a'\nretry = 'off'\nbreaker = 'off'");
    assert_eq!(
        draw(&off.settings).1[0].pipeline,
        "deadline 1m → attempt (connect 10s, first byte 30s) → call"
    );
    let counting = good(
        "[upstream.a]\nurl = 'https://a'\nretry = 'off'\nbreaker = { mode = 'metrics-only', consecutive = 0, \
         window = '100 calls', failures = 10, slow = '2s', open_cap = '5m', recover = 'manual', sample = 10, ramp = '30s' }",
    );
    assert_eq!(
        draw(&counting.settings).1[0].pipeline,
        "deadline 1m → breaker (metrics-only: 10 in 100 calls or 50% of 20 in 100 calls or 50% of 20 over 2s in 100 calls) → \
         attempt (connect 10s, first byte 30s) → call"
    );
}

#[test]
fn the_same_tree_can_be_written_as_json_and_yaml() {
    let json = r#"{"upstream": {"a": {"url": "https://a", "limits": [{"concurrent": 2}]}}}"#;
    let yaml = "upstream:\n  a:\n    url: https://a\n    limits:\n      - concurrent: 2\n";
    let toml = "[upstream.a]\nurl = 'https://a'\nlimits = [{ concurrent = 2 }]";
    let read = |text: &str, format| {
        let tree = load_str(text, "f", format, None, [("", ""); 0]).unwrap();
        format!("{:?}", load(tree).unwrap().0.settings)
    };
    assert_eq!(read(json, Format::Json), read(toml, Format::Toml));
    assert_eq!(read(yaml, Format::Yaml), read(toml, Format::Toml));
}

#[test]
fn the_template_is_good_and_nothing_is_odd_about_it() {
    assert_eq!(said(include_str!("../../commands/init.toml")), [] as [&str; 0]);
}

#[test]
fn every_line_of_the_template_that_is_commented_out_can_be_used() {
    let template = include_str!("../../commands/init.toml");
    let settings = [
        "# auth ",
        "# [upstream",
        "# url ",
        "# to ",
        "# retry ",
        "# [profile",
        "# deadline ",
        "# [health",
        "# http ",
        "# critical",
        "# disk ",
    ];
    let all: Vec<&str> = template
        .lines()
        .map(|line| match settings.iter().any(|setting| line.starts_with(setting)) {
            true => &line[2..],
            false => line,
        })
        .collect();
    let told = said(&all.join("\n"));
    assert!(
        told.iter().all(
            |line| line.starts_with("warning ") && line.contains(" SW0029 ") || line.contains(" SW0029 ")
        ),
        "{told:#?}"
    );
    assert_eq!(told.len(), 2, "both secrets are named, and neither is here: {told:#?}");
}
