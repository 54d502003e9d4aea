//! Who may come in, and by which door.

use super::UP;
use super::errors::wrong;

#[test]
fn callers_that_lead_nowhere_are_refused() {
    wrong(
        &format!("{UP}callers.Ann = 'env:LONG'"),
        &["f:2:15: callers.Ann: \"Ann\" cannot be a name, write a name of a-z, 0-9, _ and -"],
    );
    wrong(
        "callers.ann = 3",
        &["f:1:15: callers.ann: expected where a key is, like \"vault:ann\", or a table, found integer 3"],
    );
    wrong(
        "[callers.ann]",
        &[
            "f:1:1: callers.ann: nothing proves that it is this caller, write key = \"vault:NAME\", or certificate = \"NAME\"",
        ],
    );
    let ann = format!("{UP}[callers.ann]\nkey = 'env:LONG'\n");
    wrong(
        &format!("{ann}upstreams = ['ap']\nroutes = []"),
        &[
            "f:4:14: callers.ann.upstreams[0]: no upstream \"ap\", write \"up\"",
            "f:5:10: callers.ann.routes: an empty list lets it call nothing, name routes, or remove it",
        ],
    );
    wrong(
        &format!(
            "{ann}limits = [{{ requests = '5/s', per = 'header:x-user' }}, {{ concurrent = 2 }}, {{ concurrent = 3 }}]"
        ),
        &[
            "f:4:10: callers.ann.limits: calls at once are limited twice, write concurrent once",
            "f:4:37: callers.ann.limits[0].per: is counted for the caller as a whole, remove it, or write the limit on an upstream",
        ],
    );
}

#[test]
fn tls_that_cannot_be_spoken_is_refused() {
    wrong(
        &format!("{UP}callers.ann = {{ certificate = 'ann.example' }}"),
        &[
            "f:2:31: callers.ann.certificate: nobody is asked for a certificate, write tls.client_ca, or remove it",
        ],
    );
    wrong("tls = {}", &["f:1:7: tls.cert: `cert` is missing, write `cert = …` in this table"]);
    wrong(
        "admin_tls = { cert = 'c.pem', key = 'env:SET', crl = ['people.crl'] }",
        &[
            "f:1:54: admin_tls.crl: nobody is asked for a certificate that could have been taken back, write client_ca beside \
             it, or remove it",
        ],
    );
    wrong("admin_tls = {}", &["f:1:13: admin_tls.cert: `cert` is missing, write `cert = …` in this table"]);
    wrong(
        "tls = { cert = 'c.pem', key = 'k.pem' }",
        &["f:1:31: tls.key: a literal key is refused: write vault:NAME, env:NAME or file:PATH"],
    );
}

#[test]
fn keys_of_callers_that_can_be_guessed_are_refused() {
    let (loaded, _) = crate::settings::tests::read(&format!("{UP}callers.ann = 'env:SET'")).unwrap();
    let (_, findings) = crate::settings::plan(&loaded, &|_| Some("hunter2".to_owned()));
    let said: Vec<String> = findings.0.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("f:2:15: callers.ann: SW0029 the key has 7 characters, give it 16 to 4096"),
        "{said:?}"
    );
}
