use std::collections::BTreeSet;

use super::super::routes::routes;
use super::*;

fn document() -> Value {
    routes().told().1
}

/// Every value under that key, wherever it stands.
fn found<'v>(value: &'v Value, key: &str, found_so_far: &mut Vec<&'v Value>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if name == key {
                    found_so_far.push(inner);
                }
                found(inner, key, found_so_far);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| found(inner, key, found_so_far)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = document();
    let mut references = Vec::new();
    found(&document, "$ref", &mut references);
    assert!(references.len() > 50, "{references:?}");
    for reference in references {
        let place = reference.as_str().and_then(|text| text.strip_prefix('#'));
        assert!(place.is_some_and(|place| document.pointer(place).is_some()), "{reference} leads nowhere");
    }
    let mut names = Vec::new();
    found(&document["paths"], "operationId", &mut names);
    let own: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
    assert_eq!(own.len(), names.len(), "{names:?}");
}

#[test]
fn what_is_written_and_may_be_left_out_is_not_required_and_the_rest_is() {
    let document = document();
    let required = |name: &str| {
        let mut keys: Vec<String> = document["components"]["schemas"][name]["required"]
            .as_array()
            .unwrap_or_else(|| panic!("{name}"))
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        keys.sort();
        keys
    };
    assert_eq!(required("Wish"), ["by", "reason"]);
    assert_eq!(required("Span"), ["for"]);
    assert_eq!(required("Decision"), ["outcome"]);
    assert_eq!(required("Breaker"), ["consecutive_failures", "name", "since_seconds", "state", "upstream"]);
    assert_eq!(
        required("Problem"),
        ["call", "certainty", "code", "detail", "policy", "status", "title", "type"]
    );
}

#[test]
fn a_lever_takes_who_and_why_and_says_how_it_refuses() {
    let document = document();
    let silence = &document["paths"]["/api/v1/alerts/{id}/silence"]["post"];
    let takes = silence["requestBody"]["content"]["application/json"]["schema"]["allOf"].to_string();
    for name in ["Wish", "Span"] {
        assert!(takes.contains(&format!("#/components/schemas/{name}")), "{takes}");
    }
    let refusals: Vec<&String> = silence["responses"].as_object().unwrap().keys().collect();
    assert_eq!(refusals, ["200", "400", "403", "404", "413", "415", "503"]);
    let reload = &document["paths"]["/api/v1/config/reload"]["post"]["responses"];
    assert!(reload["422"]["description"].as_str().unwrap().contains("SW0026"), "{reload}");
}

#[test]
fn every_route_of_the_router_is_described_and_every_described_one_is_routed() {
    // Its own list of paths is what the router shows of itself, with one for everything else.
    let shown = format!("{:?}", routes().served());
    let routed: BTreeSet<&str> =
        shown.split('"').filter(|text| text.starts_with('/') && !text.contains("__private")).collect();
    let document = document();
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(routed.len() > 40, "{shown}");
    assert_eq!(routed, described);
}
