//! Several keys of one upstream.

use seawall_signals::logs::Secrets;

use super::errors::wrong;
use super::{good, read_with, said};
use crate::settings::{Purpose, ready};

fn with(keys: &str) -> String {
    format!("[upstream.a]\nurl = 'https://a'\nkeys = [{keys}]\n")
}

#[test]
fn each_has_a_name_a_weight_and_a_secret_nobody_sees() {
    let text = with(
        "{ name = 'team', bearer = 'env:ONE', weight = 3 }, { name = 'spare', header = 'X-Api-Key', value = 'env:TWO' }",
    );
    let loaded = good(&format!("{text}rest = {{ limited = '5s' }}"));
    let values = |name: &str| Some(format!("value-of-{name}"));
    let ready = ready(&loaded, &values, &Secrets::default());
    assert_eq!(ready.findings.0, []);
    let upstream = &ready.plan.upstreams[0];
    assert!(upstream.auth.is_none() && upstream.has_own_credential());
    let keys = upstream.keys.as_ref().unwrap();
    let told: Vec<(&str, u32, String)> = keys
        .keys
        .iter()
        .map(|key| {
            let (header, value) = (&key.credential.header, key.credential.value.to_str().unwrap());
            (&*key.name, key.weight.get(), format!("{header}: {value}"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("team", 3, "authorization: Bearer value-of-ONE".to_owned()),
            ("spare", 1, "x-api-key: value-of-TWO".to_owned()),
        ]
    );
    assert_eq!(keys.rest.limited.as_secs(), 5);
    assert_eq!(keys.rest.denied.as_secs(), 600);
    assert!(!format!("{:?}", ready.plan).contains("value-of"));
}

#[test]
fn what_is_wrong_with_a_key_is_said_at_its_place() {
    let one = |more: &str| with(&format!("{{ name = 'a', bearer = 'env:SET'{more} }}"));
    wrong(
        &with("{ name = 'a', bearer = 'hunter2' }"),
        &[
            "f:3:32: upstream.a.keys[0].bearer: a literal key is refused: write vault:NAME, env:NAME or file:PATH",
        ],
    );
    wrong(
        &with("{ name = 'a' }"),
        &[
            "f:3:9: upstream.a.keys[0]: is not one credential: write { bearer = \"env:NAME\" }, { basic = \"env:NAME\" } or \
             { header = \"x-api-key\", value = \"env:NAME\" }",
        ],
    );
    wrong(
        &with("{ name = 'A key', bearer = 'env:SET' }"),
        &["f:3:18: upstream.a.keys[0].name: \"A key\" cannot be a name, write a name of a-z, 0-9, _ and -"],
    );
    wrong(
        &with("{ name = 'a', bearer = 'env:SET' }, { name = 'a', bearer = 'env:LONG' }"),
        &["f:3:54: upstream.a.keys[1].name: \"a\" is the name of another key, write a name of its own"],
    );
    wrong(
        &one(", weight = 1001"),
        &["f:3:52: upstream.a.keys[0].weight: 1001 is out of range, write 1 to 1000"],
    );
    wrong(
        &format!("{}rest.denied = '0s'", one("")),
        &["f:4:15: upstream.a.rest.denied: 0s is out of range, write \"1s\" to \"7d\""],
    );
    wrong(
        &format!("{}auth = {{ bearer = 'env:LONG' }}", one("")),
        &[
            "f:3:8: upstream.a.keys: auth and keys both say which credential is sent, write the one of auth as one of keys, \
             or remove either",
        ],
    );
}

#[test]
fn what_does_nothing_is_odd_and_a_name_that_is_a_secret_is_refused() {
    let same = with("{ name = 'a', bearer = 'env:SET' }, { name = 'b', bearer = 'env:SET' }");
    assert_eq!(
        said(&same),
        [
            "warning f:3:45: upstream.a.keys[1]: is the same secret as another key: when one of them is refused, both are, \
             remove it, and give the other its weight"
        ]
    );
    let alone = "[upstream.a]\nurl = 'https://a'\nrest.denied = '5m'\n";
    assert_eq!(
        said(alone),
        [
            "warning f:3:1: upstream.a.rest: is not looked at: one key alone never rests, write keys, or remove it"
        ]
    );
    let named = good(&with("{ name = 'correct-horse-battery-staple', bearer = 'env:LONG' }"));
    let values = |_: &str| Some("correct-horse-battery-staple".to_owned());
    let ready = ready(&named, &values, &Secrets::default());
    assert!(ready.findings.stop(Purpose::Serve));
    let why = ready.findings.0[0].to_string();
    assert!(why.contains("keys[0].name: ") && why.contains("has a secret in it"), "{why}");
    assert!(!why.contains("horse"), "{why}");
    assert!(read_with(alone, None, &[]).is_ok());
}
