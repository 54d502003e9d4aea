//! What is looked at every so often.

use std::time::Duration;

use seawall::health::system::Bounds;
use seawall_gateway::plan::health::Look;

use super::{UP, good, said};
use crate::settings::plan;

fn environment(name: &str) -> Option<String> {
    (name == "KEY").then(|| "k-123".to_owned())
}

#[test]
fn every_kind_of_look_can_be_written() {
    let loaded = good(
        "[health.page]\nhttp = 'https://a/healthz?deep=1'\ncontains = 'ok'\naccept = [401]\nauth = { bearer = 'env:KEY' }\n\
         every = '10s'\ntimeout = '2s'\nfailures = 5\nsuccesses = 1\ncritical = true\n\
         [health.models]\nai = 'https://api.openai.com/v1/models'\nauth = { header = 'x-api-key', value = 'env:KEY' }\n\
         [health.vectors]\nvector_store = 'qdrant'\nurl = 'http://127.0.0.1:6333'\ncollection = 'documents'\n\
         [health.grid]\ncarbon = 'https://api.example/now?zone=DE'\nvalue = '/carbonIntensity'\nat = '/datetime'\n\
         [health.queue]\ntcp = 'queue.example:5672'\n\
         [health.internet]\nonline = ['1.1.1.1:443', '9.9.9.9:443']\n\
         [health.name]\ndns = 'queue.example'\n\
         [health.host]\nping = '127.0.0.1'\n\
         [health.disk]\ndisk = '/'\nwarn = '70%'\n\
         [health.memory]\nmemory = true\nfail = '80%'\n\
         [health.cpu]\ncpu = true\n\
         [health.heat]\ntemperature = true\nwarn = '70C'\nfail = '90C'\n\
         [health.cards]\nnetwork = true\n\
         [health.gpu]\ngpu = true\n",
    );
    let (plan, findings) = plan(&loaded, &environment);
    assert_eq!(findings.0, []);
    assert_eq!(plan.health.len(), 14);
    let of = |name: &str| plan.health.iter().find(|check| &*check.name == name).unwrap();
    let page = of("page");
    let Some(Look::Http { get, contains, accept }) = &page.look else { panic!("{page:?}") };
    assert_eq!(
        (get.url.as_str(), contains.as_deref(), &accept[..]),
        ("https://a/healthz?deep=1", Some("ok"), &[401][..])
    );
    assert_eq!(get.auth.as_ref().unwrap().value.to_str().unwrap(), "Bearer k-123");
    assert_eq!((page.every, page.timeout), (Some(Duration::from_secs(10)), Some(Duration::from_secs(2))));
    assert_eq!((page.failures, page.successes, page.critical), (5, 1, true));
    let queue = of("queue");
    assert_eq!((queue.failures, queue.successes, queue.critical, queue.every), (3, 2, false, None));
    assert!(matches!(&of("internet").look, Some(Look::Tcp(to)) if to.len() == 2));
    let bounds = |name: &str| match &of(name).look {
        Some(Look::Disk(_, bounds) | Look::Memory(bounds) | Look::Temperature(bounds)) => *bounds,
        other => panic!("{other:?}"),
    };
    assert_eq!(bounds("disk"), Bounds { degraded: 0.7, unhealthy: 0.95 });
    assert_eq!(bounds("memory"), Bounds { degraded: 0.8, unhealthy: 0.8 }, "never degraded after unhealthy");
    assert_eq!(bounds("heat"), Bounds { degraded: 70.0, unhealthy: 90.0 });
    assert!(!format!("{plan:?}").contains("k-123"));
}

#[test]
fn a_check_of_an_upstreams_name_is_that_upstreams_and_asks_there_with_its_key() {
    let loaded = good(
        "[upstream.a]\nurl = 'https://a.example/v1'\nauth = { bearer = 'env:KEY' }\n\
         [upstream.b]\nurl = 'https://b.example'\nauth = { bearer = 'env:KEY' }\n\
         [upstream.c]\nurl = 'https://c.example'\n\
         [health.a]\nai = 'https://A.example:443/v1/models'\n\
         [health.b]\nhttp = 'https://status.example/b'\n\
         [health.c]\ncritical = true\nfailures = 1",
    );
    let (plan, findings) = plan(&loaded, &environment);
    assert_eq!(findings.0, []);
    let [a, b, c] = &plan.health[..] else { panic!("{:?}", plan.health) };
    assert!(matches!(&a.look, Some(Look::Models(get)) if get.auth.is_some()));
    assert!(
        matches!(&b.look, Some(Look::Http { get, .. }) if get.auth.is_none()),
        "a key is shown to nobody but its owner"
    );
    assert_eq!((&c.look, c.critical, c.failures), (&None, true, 1));
}

#[test]
fn what_cannot_be_looked_at_is_named_with_its_place() {
    let of = |text: &str| said(&format!("{UP}{text}"));
    for (text, line) in [
        ("[health.x]", "error f:2:1: health.x.http: there is nothing to look at, write one of http, ai, "),
        (
            "[health.x]\nhttp = 'https://a'\ncpu = true",
            "error f:4:7: health.x.cpu: one check cannot be http and cpu, ",
        ),
        (
            "[health.x]\ncpu = true\ncontains = 'a'",
            "error f:4:12: health.x.contains: belongs to http, remove it",
        ),
        ("[health.x]\ntcp = 'a'", "error f:3:7: health.x.tcp: \"a\" is no address, "),
        (
            "[health.x]\nhttp = 'https://u:hunter2@a'",
            "error f:3:8: health.x.http: a user or password inside a URL is ",
        ),
        (
            "[health.x]\nvector_store = 'qdrant'",
            "error f:2:1: health.x.url: nobody knows where the store is, ",
        ),
        ("[health.x]\nvector_store = 'pinecone'", "error f:3:16: health.x.vector_store: "),
        (
            "[health.x]\ncarbon = 'https://a'",
            "error f:2:1: health.x.value: nobody knows where the value is, ",
        ),
        (
            "[health.x]\ncpu = true\nwarn = '80C'",
            "error f:4:8: health.x.warn: is of another unit, write \"85%\"",
        ),
        (
            "[health.x]\ntemperature = true\nfail = '85%'",
            "error f:4:8: health.x.fail: is of another unit, write \"80C\"",
        ),
        (
            "[health.x]\ncpu = true\nwarn = '90%'\nfail = '80%'",
            "error f:5:8: health.x.fail: comes before warn, ",
        ),
        ("[health.x]\ncpu = true\nwarn = 'hot'", "error f:4:8: health.x.warn: "),
        (
            "[health.x]\ncpu = true\nevery = '1ms'",
            "error f:4:9: health.x.every: 1ms is out of range, write \"1s\" to ",
        ),
        ("[health.x]\ncpu = true\ntimeout = '1h'", "error f:4:11: health.x.timeout: 1h is out of range, "),
        (
            "[health.x]\ncpu = true\nfailures = 0",
            "error f:4:12: health.x.failures: 0 is out of range, write 1 to 1000",
        ),
        ("[health.X]\ncpu = true", "error f:2:1: health.X: \"X\" cannot be a name, "),
        ("[health.x]\nhttp = 'https://a'\naccept = [42]", "error f:4:10: health.x.accept: 42 is no status, "),
        ("[health.x]\nhttpp = 'https://a'", "error f:3:1: health.x.httpp: "),
        (
            "[health.x]\nhttp = 'http://far.example'\nauth = { bearer = 'env:SET' }",
            "warning f:3:8: health.x.http: the credential of auth is sent unencrypted, write an https URL",
        ),
    ] {
        let told = of(text);
        assert!(told.iter().any(|told| told.starts_with(line)), "{text}\n{told:#?}\n{line}");
        assert!(!told.join("").contains("hunter2"));
    }
    assert_eq!(of("[health.up]\nfailures = 2"), [] as [&str; 0]);
}
