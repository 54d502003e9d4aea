//! What a gateway is told to do.

use std::time::Duration;

use seawall::bulkhead::Adaptive;
use seawall_core::Effects;
use seawall_core::provider::Head;
use seawall_core::verdict::{Seen, Verdict};
use seawall_gateway::plan::Limit;
use seawall_signals::logs::Secrets;

use super::good;
use crate::settings::{Place, plan, ready};

fn secrets(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("k-123".to_owned()),
        "PAIR" => Some("ana:pw".to_owned()),
        "BROKEN" => Some("two\nlines".to_owned()),
        _ => None,
    }
}

#[test]
fn a_redis_is_spoken_to_as_somebody_and_nobody_hears_the_password() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----").unwrap();
    let loaded = good(&format!(
        "state = {{ url = 'rediss://cache:6380/0?namespace=prod', user = 'ann', password = 'env:KEY', ca = '{}' }}",
        file.path().display()
    ));
    let ready = ready(&loaded, &secrets, &Secrets::default());
    assert_eq!(ready.findings.0, []);
    assert_eq!(ready.plan.state, None);
    assert!(!format!("{:?}", ready.memory).contains("k-123"));
    let Place::Redis(url, options, _) = ready.memory.place else { panic!("it is a Redis") };
    assert_eq!(url, "rediss://cache:6380/0?namespace=prod");
    let password = options.password.as_ref().map(|password| password.expose().to_owned());
    assert_eq!((options.username.as_deref(), password.as_deref()), (Some("ann"), Some("k-123")));
    assert!(options.ca.is_some() && options.identity.is_none());
    let plain = good("state = 'valkey://127.0.0.1'");
    assert!(
        matches!(crate::settings::ready(&plain, &secrets, &Secrets::default()).memory.place, Place::Redis(url, ..) if url == "valkey://127.0.0.1")
    );
    let sent = good("state = { url = 'redis://cache', password = 'env:KEY' }");
    let said = crate::settings::tests::said("state = { url = 'redis://cache', password = 'env:SET' }");
    assert!(said.iter().any(|line| line.contains("state.url: the password is sent unencrypted")), "{said:?}");
    assert!(
        crate::settings::ready(&sent, &|_| None, &Secrets::default())
            .findings
            .stop(crate::settings::Purpose::Serve)
    );
}

#[test]
fn answers_are_sealed_by_a_key_that_is_long_enough_and_never_shown() {
    let sealed = good("effects.encrypt = 'env:SEAL'");
    let long = |_: &str| Some("hunter2-".repeat(4));
    let memory = ready(&sealed, &long, &Secrets::default()).memory;
    assert!(memory.seal.is_some() && !format!("{memory:?}").contains("hunter2"));
    assert!(ready(&good("version = 1"), &long, &Secrets::default()).memory.seal.is_none());
    let short = ready(&sealed, &|_| Some("hunter2".to_owned()), &Secrets::default());
    assert!(short.memory.seal.is_none() && short.findings.stop(crate::settings::Purpose::Serve));
    let said = short.findings.0[0].to_string();
    assert!(said.starts_with("f:1:19: effects.encrypt: SW0029 is shorter than 32 characters, "), "{said}");
    assert!(!said.contains("hunter2"));
}

#[test]
fn names_become_places_and_secrets_become_headers() {
    let loaded = good(
        "hosts = ['seawall:7070']\n\
         [upstream.a]\nurl = 'https://a/v1'\nprovider = 'openai'\nauth = { bearer = 'env:KEY' }\n\
         limits = [{ requests = '60/min', per = 'header:X-User', burst = 5 }, { concurrent = 3, adaptive = 'gradient' }]\n\
         [upstream.b]\nurl = 'http://127.0.0.1:9'\nauth = { header = 'X-Api-Key', value = 'env:KEY' }\nhttp2 = true\n\
         [upstream.c]\nurl = 'https://c'\nauth = { basic = 'env:PAIR' }\nerrors = 'anthropic'\n\
         [route.chat]\nmatch = { method = 'POST', path = '/a/chat' }\nto = ['c', 'a']\neffects = 'billable'\n\
         stream = { terminal = '[DONE]' }\nallow = ['seawall-deadline']\ncache = { ttl = '5s', stale_if_error = '1h', max_body = '64KiB' }\ndeadline = '9s'\n\
         attempt = { first_byte = '2s', escalate = 1.5 }\nretry.adaptive = true\n\
         [route.orders]\nmatch.path = '/b/orders'\neffects = 'once'",
    );
    let (plan, findings) = plan(&loaded, &secrets);
    assert_eq!(findings.0, []);
    assert_eq!(plan.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(plan.state.as_deref(), Some(std::path::Path::new("./seawall-state")));
    assert_eq!(plan.hosts, ["seawall:7070"]);

    let header = |index: usize| {
        let auth = plan.upstreams[index].auth.clone().unwrap();
        assert!(auth.value.is_sensitive());
        format!("{}: {}", auth.header, auth.value.to_str().unwrap())
    };
    assert_eq!(header(0), "authorization: Bearer k-123");
    assert_eq!(header(1), "x-api-key: k-123");
    assert_eq!(header(2), "authorization: Basic YW5hOnB3");
    assert!(!format!("{plan:?}").contains("k-123"));
    assert!(matches!(&plan.upstreams[0].limits[..], [
        Limit::Requests { quota, per: Some(per) }, Limit::Concurrent(3, Some(adaptive))
    ] if *adaptive == Adaptive::default() && quota.burst.is_some_and(|burst| burst.get() == 5) && per == "x-user"));
    assert!(plan.upstreams[1].http2_prior_knowledge && !plan.upstreams[0].http2_prior_knowledge);
    assert_eq!((plan.upstreams[0].provider.name(), plan.upstreams[0].dialect.name()), ("openai", "openai"));
    assert_eq!((plan.upstreams[2].provider.name(), plan.upstreams[2].dialect.name()), ("http", "anthropic"));

    let chat = &plan.routes[0];
    assert_eq!((&*chat.name, &chat.to[..], chat.effects), ("chat", &[2, 0][..], Some(Effects::Billable)));
    assert_eq!(chat.calling.deadline, Duration::from_secs(9));
    assert_eq!((chat.calling.attempt.escalate, chat.calling.retry.adaptive), (1.5, true));
    assert_eq!(chat.terminal.as_deref(), Some("[DONE]"));
    assert!(chat.allow.deadline && !chat.allow.effects);
    assert!(chat.calling.compress.is_off() && plan.upstreams[0].defaults.compress.is_off());
    let cache = chat.cache.unwrap();
    assert_eq!(
        (cache.life.ttl.as_secs(), cache.life.stale_if_error.as_secs(), cache.max_body),
        (5, 3600, 64 << 10)
    );
    assert!(cache.life.stale_while_revalidate.is_zero());
    let orders = &plan.routes[1];
    assert_eq!(orders.cache, None);
    assert_eq!((&orders.to[..], orders.effects, &orders.method), (&[1][..], Some(Effects::Once), &None));
}

#[test]
fn every_provider_is_wired_and_rules_stand_before_it() {
    let loaded = good(
        "[upstream.a]\nurl = 'https://a'\nprovider = 'binance'\n\
         rules = [{ status = 400, code = '-9000', as = 'too-early' }, { status = 400, again = false }]\n\
         [upstream.b]\nurl = 'https://b'\nprovider = 'stripe'\n\
         [upstream.c]\nurl = 'https://c'\nerrors = 'binance'",
    );
    let (plan, findings) = plan(&loaded, &secrets);
    assert_eq!(findings.0, []);
    let names = |index: usize| (plan.upstreams[index].provider.name(), plan.upstreams[index].dialect.name());
    assert_eq!(
        [names(0), names(1), names(2)],
        [("binance", "binance"), ("stripe", "stripe"), ("http", "binance")]
    );
    let seen = |code: i32| {
        let headers = http::HeaderMap::new();
        let body = format!(r#"{{"code": {code}, "msg": "?"}}"#);
        let status = http::StatusCode::BAD_REQUEST;
        plan.upstreams[0].provider.classify(&Head { status, headers: &headers, body: body.as_bytes() })
    };
    assert_eq!(seen(-9000), Verdict::of(Seen::TooEarly));
    assert_eq!(seen(-1007), Verdict::of(Seen::TimedOut).settled());
}

#[test]
fn secrets_that_cannot_be_sent_are_not_repeated() {
    let loaded = good(
        "[upstream.a]\nurl = 'https://a'\nauth = { bearer = 'env:BROKEN' }\n\
         [upstream.b]\nurl = 'https://b'\nauth = { basic = 'env:KEY' }",
    );
    let (_, findings) = plan(&loaded, &secrets);
    let said: Vec<String> = findings.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "f:3:19: upstream.a.auth.bearer: SW0029 holds characters a header cannot carry, such as a line break",
            "f:6:18: upstream.b.auth.basic: SW0029 is not of the form user:password",
        ]
    );
}

#[test]
fn certificates_are_read_from_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
    let loaded = good(&format!("[upstream.a]\nurl = 'https://a'\nca = '{}'", path.display()));
    let (plan, findings) = plan(&loaded, &secrets);
    assert_eq!(findings.0, []);
    assert_eq!(plan.upstreams[0].ca.as_deref(), Some(&b"-----BEGIN CERTIFICATE-----\n"[..]));
}

/// A file as it was written for the first release: nothing that came later is in it.
const FIRST: &str = "\
version = 1
listen  = '127.0.0.1:7070'
admin   = '127.0.0.1:7071'
state   = './seawall-state'

[defaults]
deadline = '60s'
attempt  = { connect = '10s', first_byte = '30s', idle = '30s' }
retry    = { attempts = 3, base = '500ms', cap = '5s', budget = '20%' }
breaker  = { consecutive = 5, window = '30s', failure_rate = '50%', open = '60s' }

[upstream.openai]
provider = 'openai'
url      = 'https://api.openai.com'
limits   = [{ requests = '500/min' }, { concurrent = 32 }]
queue    = { max = 200, wait = '10s' }

[route.chat]
match   = { method = 'POST', path = '/openai/v1/chat/**' }
effects = 'billable'
";

#[test]
fn a_file_of_the_first_release_still_loads_and_whatever_came_later_is_off() {
    let loaded = good(FIRST);
    let (plan, findings) = crate::settings::plan(&loaded, &|_| None);
    assert_eq!(findings.0, []);
    let (up, chat) = (&plan.upstreams[0], &plan.routes[0]);
    assert!(!up.learn, "nothing is learnt from a provider's headers");
    assert_eq!(up.shadow, seawall::pipeline::Shadow::NONE);
    let fixed = |limit: &&seawall_gateway::plan::Limit| {
        !matches!(limit, seawall_gateway::plan::Limit::Concurrent(_, Some(_)))
    };
    assert_eq!(up.limits.iter().filter(fixed).count(), 2, "no limit finds its own size");
    for calling in [&up.defaults, &chat.calling] {
        assert!(calling.compress.is_off() && !calling.retry.adaptive);
        assert!((calling.attempt.escalate - 1.0).abs() < f64::EPSILON);
    }
    assert_eq!(
        (&chat.cache, &chat.hedge, chat.allow),
        (&None, &None, seawall_gateway::plan::Allow::default())
    );
    assert_eq!(chat.effects, Some(Effects::Billable), "nothing is journalled that was not");
    assert_eq!(chat.once, seawall_gateway::plan::Once::default());
    assert_eq!((chat.once.keyed, &chat.once.probe), (None, &None));
}
