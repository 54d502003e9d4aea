//! What runs, but perhaps not as meant; and what is well written and not built yet.

use super::{UP, read, said};
use crate::settings::Purpose;

#[track_caller]
fn odd(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|line| format!("warning {line}")).collect();
    assert_eq!(said(text), expected, "{text}");
}

#[test]
fn schedules_that_do_not_fit_are_odd() {
    odd(
        "[upstream.a]\nurl = 'https://a'\ndeadline = '1s'\nattempt.first_byte = '400ms'\n\
         retry = { attempts = 5, base = '300ms', jitter = 'none' }",
        &[
            "f:5:9: upstream.a.retry: 5 attempts may pause 4.5s in all, and the deadline is 1s: the last ones are not made, \
           write fewer attempts, a lower cap, or a longer deadline",
        ],
    );
    odd(
        "[upstream.a]\nurl = 'https://a'\ndeadline = '20s'",
        &[
            "f:3:12: upstream.a.deadline: one attempt may take 30s, which is all of the deadline of 20s, write \
           attempt.first_byte below the deadline, so that a retry fits",
        ],
    );
    odd(&format!("{UP}upstream.up.deadline = '60s'"), &[]);
}

#[test]
fn limits_that_never_hold_anything_back_are_odd() {
    let limits = |limits: &str| format!("[upstream.a]\nurl = 'https://a'\nlimits = {limits}");
    let pointless = |place: &str, index: u32, first: u32| {
        format!(
            "{place}: upstream.a.limits[{index}]: never holds anything back: limits[{first}] is always reached first, \
             remove one of them"
        )
    };
    odd(&limits("[{ requests = '5/s' }, { requests = '1000/min' }]"), &[&pointless("f:3:33", 1, 0)]);
    odd(&limits("[{ concurrent = 9 }, { concurrent = 3 }]"), &[&pointless("f:3:11", 0, 1)]);
    odd(&limits("[{ concurrent = 9 }, { concurrent = 9 }]"), &[&pointless("f:3:31", 1, 0)]);
    odd(
        &limits("[{ concurrent = 9, adaptive = 'aimd' }, { concurrent = 9 }]"),
        &[&pointless("f:3:50", 1, 0)],
    );
    odd(&limits("[{ concurrent = 3 }, { concurrent = 9, adaptive = 'aimd' }]"), &[]);
    odd(
        &limits("[{ requests = '5/s' }, { requests = '6/s', per = 'header:x' }]"),
        &[&pointless("f:3:33", 1, 0)],
    );
    odd(&limits("[{ requests = '10/s' }, { requests = '500/min' }]"), &[]);
    odd(&limits("[{ requests = '5/s', per = 'header:x' }, { requests = '6/s' }]"), &[]);
    odd(&limits("[{ requests = '500/min' }, { requests = '500/min', burst = 10 }]"), &[]);
}

#[test]
fn credentials_that_go_astray_are_odd() {
    odd(
        "[upstream.a]\nurl = 'http://a.example'\nauth = { bearer = 'env:SET' }",
        &["f:2:7: upstream.a.url: the credential of auth is sent unencrypted, write an https URL"],
    );
    odd("[upstream.a]\nurl = 'http://127.0.0.1:1'\nauth = { bearer = 'env:SET' }", &[]);
    odd(
        &format!("{UP}[upstream.b]\nurl = 'https://b'\n[route.r]\nmatch.path = '/up/**'\nto = ['up', 'b']"),
        &[
            "f:6:6: route.r.to: the caller's credentials are sent to \"up\" alone, and \"b\" has none of its own, write \
           upstream.b.auth",
        ],
    );
    odd(&format!("{UP}[route.r]\nmatch.path = '/**'\nto = ['up']"), &[]);
    odd(
        &format!("{UP}[upstream.b]\nurl = 'https://b'\n[route.r]\nmatch.path = '/b/**'\nto = ['up']"),
        &[
            "f:5:14: route.r.match.path: its path begins with the upstream \"b\", which it does not call, write a path under \
           /up/, or add \"b\" to `to`",
        ],
    );
}

#[test]
fn a_gateway_nobody_can_call_through_is_odd() {
    odd(
        "version = 1",
        &[
            "f:1:1: upstream: no upstream is named: every call is answered 404, write [upstream.NAME] with a url",
        ],
    );
}

#[test]
fn secrets_that_are_not_set_here_are_odd_to_check_and_stop_serving() {
    let text = "[upstream.a]\nurl = 'https://a'\nauth = { bearer = 'env:UNSET' }";
    odd(
        text,
        &[
            "f:3:19: upstream.a.auth.bearer: SW0029 the environment variable UNSET is not set, set it, or write file:PATH",
        ],
    );
    odd(
        "[upstream.a]\nurl = 'https://a'\nca = '/nonexistent/ca.pem'",
        &[
            "f:3:6: upstream.a.ca: SW0027 /nonexistent/ca.pem cannot be read: No such file or directory (os error 2)",
        ],
    );
    let (loaded, _) = read(text).unwrap();
    let (_, findings) = crate::settings::plan(&loaded, &|_| None);
    assert!(findings.stop(Purpose::Serve) && !findings.stop(Purpose::Check));
}

#[test]
fn what_must_not_happen_twice_is_journalled_and_its_tables_must_hold_together() {
    let route = |body: &str| format!("{UP}[route.r]\nmatch.path = '/up/**'\n{body}");
    odd(&route("effects = 'once'"), &[]);
    for body in ["effects = 'once'", "once = { keep = '1h' }", "once = { keyed = '24h' }"] {
        let (loaded, _) = read(&route(body)).unwrap();
        assert_eq!(loaded.settings.route["r"].served_as(), Some(seawall_core::Effects::Once), "{body}");
    }
    odd(
        &route("once = {}\nunknown = { probe = 'GET /x/{key}' }"),
        &[
            "f:5:21: route.r.unknown.probe: is asked without a credential: callers' own are not remembered, and up has none, \
             write upstream.up.auth if it wants one",
        ],
    );
    odd(
        &route("once = { keyed = '24h' }\nunknown = { probe = 'GET /x/{key}' }"),
        &[
            "f:5:11: route.r.unknown: is not asked: where the provider recognises the key, a doubt ends by sending it again, \
             remove it, or remove keyed",
        ],
    );
    odd(
        &route("effects = 'repeatable'\nonce = { keep = '1h' }"),
        &[
            "f:5:8: route.r.once: is not looked at: the effects of this route are \"repeatable\", write effects = \"once\"",
        ],
    );
}

#[test]
fn a_cache_in_front_of_what_must_happen_is_odd() {
    let route = |body: &str| format!("{UP}[route.r]\nmatch.path = '/up/**'\ncache = {{}}\n{body}");
    let said = said(&route("effects = 'once'"));
    assert_eq!(
        said[0],
        "warning f:4:9: route.r.cache: is not looked at: what must happen once is never answered from memory, remove it, \
         or write other effects"
    );
    let (loaded, _) = read(&route("effects = 'once'")).unwrap();
    assert_eq!(crate::settings::plan(&loaded, &|_| None).0.routes[0].cache, None);
    odd(
        &format!("{UP}[route.r]\nmatch = {{ path = '/up/**', method = 'PUT' }}\ncache = {{}}"),
        &[
            "f:4:9: route.r.cache: a PUT that is repeated is answered from memory and not done, remove it, or match GET",
        ],
    );
    odd(&route("stream = {}"), &[]);
}

#[test]
fn what_is_shared_in_vain_is_odd() {
    let up = "state = 'redis://h'\n[upstream.a]\nurl = 'https://a'\nshare = ['limits']";
    odd(
        &format!("{up}\nlimits = [{{ concurrent = 4 }}]"),
        &[
            "f:4:9: upstream.a.share: there is no limit to share: calls at once are each gateway's own, write a limit of \
             requests, or remove \"limits\"",
        ],
    );
    let limited = format!("{up}\nlimits = [{{ requests = '5/s' }}]");
    odd(&limited, &[]);
    odd(
        &format!("{limited}\nlearn = true"),
        &[
            "f:6:9: upstream.a.learn: the provider's pace is not shared: calls only wait while it says that nothing is left, \
             remove it, or do not share the limits",
        ],
    );
    odd(
        &format!("{limited}\n[route.r]\nmatch.path = '/a/**'\nhedge = {{}}"),
        &[
            "f:8:9: route.r.hedge: no second copy goes to \"a\": there is no time to ask for a limit that is shared, remove \
             it, or do not share the limits",
        ],
    );
    odd(
        &limited.replace("share = ['limits']", "").replacen("[up", "[defaults]\nshare = ['limits']\n[up", 1),
        &[],
    );
}

#[test]
fn a_data_port_without_a_name_is_odd_and_served() {
    let text = format!("listen = '0.0.0.0:7070'\ncallers.ann = 'env:LONG'\n{UP}");
    let clear = "listen: keys of callers, and all they send, can be read on the way, write tls = { cert = \"PATH\", key = \
                 \"file:PATH\" }";
    odd(
        &text,
        &[
            "f:1:10: listen: callers on other machines have no name for it that is accepted, write hosts = [\"NAME\"], the \
             name they call it by",
            &format!("f:1:10: {clear}"),
        ],
    );
    odd(&format!("hosts = ['seawall']\n{text}"), &[&format!("f:2:10: {clear}")]);
    let (loaded, findings) = read(&text).unwrap();
    assert!(!findings.stop(Purpose::Serve));
    let long = "0123456789abcdef0123";
    let (plan, findings) = crate::settings::plan(&loaded, &|_| Some(long.to_owned()));
    assert!(findings.0.is_empty(), "{findings:?}");
    assert_eq!(plan.callers.unwrap().whose(long.as_bytes()), Some(0));
}

#[test]
fn what_is_not_built_yet_is_named_at_its_place_and_stops_serving() {
    let text = "\
admin = '0.0.0.0:7071'
hosts = ['seawall']
admin_token = 'env:TOKEN'
state = 'redis://127.0.0.1:6379/0?namespace=prod'
[upstream.a]
url = 'https://a'
limits = [{ tokens = '90000/min' }]
[route.r]
match.path = '/a/**'
allow = ['seawall-effects', 'seawall-tenant']
";
    odd(
        text,
        &[
            &format!("f:1:9: {READ_ON_THE_WAY}"),
            "f:7:11: upstream.a.limits[0]: SW0090 not available yet: no tokens are counted, remove it to serve",
            "f:10:29: route.r.allow[1]: SW0090 not available yet: seawall-tenant is not listened to, remove it to serve",
        ],
    );
    let (_, findings) = read(text).unwrap();
    assert_eq!(findings.split(Purpose::Serve).0.len(), 2, "each of them stops serving");
}

/// Of an admin port that others reach without TLS.
const READ_ON_THE_WAY: &str = "admin: tokens, and all that is read and moved with them, can be read on the way, write \
                               admin_tls = { cert = \"PATH\", key = \"file:PATH\" }";

#[test]
fn the_admin_port_is_open_to_a_network_where_it_asks_for_tokens_and_names_are_names() {
    let up = "[upstream.a]\nurl = 'https://a'\n";
    let tokens = "admin_token = 'env:TOKEN'\nhosts = ['board.example']\n";
    let clear = format!("f:1:9: {READ_ON_THE_WAY}");
    let tls = "admin_tls = { cert = 'own.crt', key = 'file:own.key' }\n";
    for address in ["10.0.0.5:7071", "0.0.0.0:7071"] {
        odd(&format!("admin = '{address}'\n{tokens}{up}"), &[&clear]);
        let secured = said(&format!("admin = '{address}'\n{tls}{tokens}{up}"));
        assert!(!secured.iter().any(|line| line.contains("on the way")), "{secured:?}");
    }
    odd(&format!("admin = '127.0.0.1:7071'\n{tokens}{up}"), &[]);
    odd(
        &format!("admin = '10.0.0.5:7071'\n{up}[admin_tokens.ann]\ntoken = 'env:TOKEN'\nrole = 'operator'\n"),
        &[&clear],
    );
    odd(
        &format!("admin = '0.0.0.0:7071'\nadmin_token = 'env:TOKEN'\n{up}"),
        &[
            "f:1:9: admin: 0.0.0.0:7071 is every address of this machine, and none of them is a known name, write hosts = \
           [\"NAME\"] with the names and addresses it is asked by",
            &clear,
        ],
    );
    assert!(read(&format!("{up}[admin_tokens.'Ann Lee']\ntoken = 'env:TOKEN'\n")).is_err());
    assert!(read(&format!("{up}[admin_tokens.ann]\ntoken = 'env:TOKEN'\nrole = 'root'\n")).is_err());
}
