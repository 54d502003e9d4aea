//! Every error names its place, its key, and what to write.

use super::{UP, said};

#[track_caller]
pub(super) fn wrong(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|line| format!("error {line}")).collect();
    let errors: Vec<String> = said(text).into_iter().filter(|line| line.starts_with("error ")).collect();
    assert_eq!(errors, expected, "{text}");
}

#[test]
fn slips_of_the_pen_are_named_with_their_nearest_word() {
    wrong(
        "lisen = 'x'",
        &[
            "f:1:1: lisen: unknown key `lisen`, write `listen` (known keys: version, listen, admin, hosts, callers, anomaly, tls, \
             admin_tls, admin_token, admin_tokens, state, fleet, effects, vault, reload, defaults, upstream, route, logs, otlp, health, alert, channel, job, carbon)",
        ],
    );
    wrong(
        "[upstream.a]\nurl = 'https://a'\nprovider = 'opnai'",
        &[
            "f:3:12: upstream.a.provider: unknown value \"opnai\", write \"openai\" (one of: http, openai, anthropic, \
           stripe, binance)",
        ],
    );
    wrong(
        "[defaults.retry]\nattemps = 2",
        &[
            "f:2:1: defaults.retry.attemps: unknown key `attemps`, write `attempts` (known keys: attempts, strategy, \
           base, cap, multiplier, jitter, budget, floor, adaptive)",
        ],
    );
    wrong("[upstream.a]", &["f:1:1: upstream.a.url: `url` is missing, write `url = …` in this table"]);
}

#[test]
fn callers_are_watched_and_limited_within_ranges() {
    wrong(
        &format!("{UP}[anomaly]\nslot = '10ms'"),
        &["f:3:8: anomaly.slot: 10ms is out of range, write \"1s\" to \"1h\""],
    );
    wrong(
        &format!("{UP}[anomaly]\nmode = 'block'"),
        &["f:3:8: anomaly.mode: unknown value \"block\", write one of: off, watch"],
    );
    wrong(
        &format!("{UP}[callers.ann]\nkey = 'env:ANN'\ntenant = 'The Shop'"),
        &["f:4:10: callers.ann.tenant: \"The Shop\" cannot be a name, write a name of a-z, 0-9, _ and -"],
    );
    let inspect =
        |table: &str| format!("{UP}[route.r]\nmatch = {{ path = '/up/x' }}\ninspect = {{ {table} }}");
    wrong(
        &inspect("mode = 'ban'"),
        &["f:4:20: route.r.inspect.mode: unknown value \"ban\", write one of: shadow, alert, limit, block"],
    );
    wrong(
        &inspect("mode = 'limit', limit = { for = '30d' }"),
        &["f:4:45: route.r.inspect.limit.for: 2592000s is out of range, write \"1s\" to \"7d\""],
    );
}

#[test]
fn several_errors_are_said_at_once() {
    wrong(
        "listen = '7070'\n[defaults]\ndeadline = 60\n[upstream.a]\nurl = 'nonsense'\n",
        &[
            "f:1:10: listen: \"7070\" has no address: write \"127.0.0.1:7070\"",
            "f:3:12: defaults.deadline: expected a duration like \"20s\", found integer 60",
            "f:5:7: upstream.a.url: is not a URL: write \"https://host/path\"",
        ],
    );
}

#[test]
fn a_version_of_another_time_is_refused_before_anything_else() {
    wrong("version = 2\nnonsense = 1", &["f:1:11: version: version 2 is not known, write version = 1"]);
    wrong("version = '1'", &["f:1:11: version: expected a whole number, found string, write version = 1"]);
}

#[test]
fn doors_that_are_open_to_all_are_refused() {
    wrong(
        &format!("listen = '0.0.0.0:7070'\nadmin = '[::]:7071'\n{UP}"),
        &[
            "f:1:10: listen: SW0028 0.0.0.0 can be reached from outside, and nobody is asked for a key, write a loopback \
             address such as \"127.0.0.1:7070\", or add callers",
            "f:2:9: admin: SW0028 :: can be reached from outside, and nobody is asked for a key, write a loopback \
             address such as \"127.0.0.1:7071\", or add admin_token",
        ],
    );
    wrong(
        &format!("listen = '127.0.0.1:7071'\n{UP}"),
        &[
            "f:1:10: listen: listen and admin are the same port 7071, write two addresses that differ, such as \
           \"127.0.0.1:7070\" and \"127.0.0.1:7071\"",
        ],
    );
    wrong(
        "admin = 'localhost'",
        &["f:1:9: admin: \"localhost\" is not an address: write \"127.0.0.1:7070\""],
    );
}

const INSIDE: &str = "a user or password inside a URL is refused: write state = { url = \"redis://host:6379/0\", password = \
                      \"vault:redis\" }";

#[test]
fn a_redis_that_cannot_be_spoken_to_is_refused() {
    let tls = "url = 'rediss://h'";
    wrong("state = { user = 'ann' }", &["f:1:9: state.url: `url` is missing, write `url = …` in this table"]);
    wrong(
        &format!("state = {{ {tls}, user = 'ann' }}"),
        &[
            "f:1:38: state.user: a user without a password is nobody, write password = \"vault:redis\" beside it",
        ],
    );
    wrong(
        &format!("state = {{ {tls}, certificate = 'c.pem' }}"),
        &[
            "f:1:45: state.certificate: a certificate without its key proves nothing, write key = \"file:PATH\" beside it",
        ],
    );
    wrong(
        &format!("state = {{ {tls}, key = 'env:SET' }}"),
        &[
            "f:1:37: state.key: a key without its certificate is of no use, write certificate = PATH beside it",
        ],
    );
    wrong(
        "state = { url = 'redis://h', ca = 'ca.pem' }",
        &["f:1:17: state.url: certificates are of use with TLS only, write a rediss:// url, or remove them"],
    );
}

#[test]
fn secrets_in_the_open_are_refused_and_not_repeated() {
    let refused = "a literal key is refused: write vault:NAME, env:NAME or file:PATH";
    wrong(
        "[upstream.a]\nurl = 'https://u:hunter2@a'\nauth = { bearer = 'hunter2' }",
        &[
            "f:2:7: upstream.a.url: a user or password inside a URL is refused: write `auth = { … }` beside it",
            &format!("f:3:19: upstream.a.auth.bearer: {refused}"),
        ],
    );
    wrong("admin_token = 'hunter2'", &[&format!("f:1:15: admin_token: {refused}")]);
    wrong("callers.ana = 'hunter2'", &[&format!("f:1:15: callers.ana: {refused}")]);
    wrong("state = 'redis://:hunter2@host/0'", &[&format!("f:1:9: state: {INSIDE}")]);
    wrong("state = { url = 'rediss://ann:hunter2@host/0' }", &[&format!("f:1:17: state.url: {INSIDE}")]);
    wrong(
        "state = { url = 'redis://host/0', password = 'hunter2' }",
        &[&format!("f:1:46: state.password: {refused}")],
    );
}

#[test]
fn what_nobody_else_can_have_is_not_shared() {
    let message = "the state is a directory, which one process owns: nobody else can share what is in it, write state = \
                   \"redis://host:6379/0?namespace=prod\", or remove it";
    let up = "[upstream.a]\nurl = 'https://a'\nlimits = [{ requests = '5/s' }]";
    wrong(&format!("{up}\nshare = ['limits', 'breaker']"), &[&format!("f:4:9: upstream.a.share: {message}")]);
    wrong(
        &format!("[defaults]\nshare = ['breaker']\n{up}\n[upstream.b]\nurl = 'https://b'"),
        &[&format!("f:2:9: upstream.a.share: {message}")],
    );
    let redis = "state = 'redis://h'";
    wrong(
        &format!("{redis}\n{up}\nshare = ['breaker']\nbreaker.window = '100 calls'"),
        &[
            "f:6:18: upstream.a.breaker.window: 100 calls of several processes have no order, write a time, like \"30s\"",
        ],
    );
    wrong(
        &format!("{redis}\n{up}\nshare = ['limit']"),
        &["f:5:10: upstream.a.share[0]: unknown value \"limit\", write \"limits\" (one of: limits, breaker)"],
    );
    wrong(
        &format!("{redis}\nfleet.members = 0\n{up}"),
        &["f:2:17: fleet.members: 0 is out of range, write 1 to 100000"],
    );
}

#[test]
fn upstreams_that_cannot_be_are_refused() {
    let url = "url = 'https://a'";
    wrong(
        &format!("[upstream.Open_AI]\n{url}"),
        &[
            "f:1:1: upstream.Open_AI: \"Open_AI\" cannot be the first segment of a path, write a name of a-z, 0-9, _ and -",
        ],
    );
    wrong(
        &format!("[upstream.fetch]\n{url}"),
        &["f:1:1: upstream.fetch: paths under /fetch/ mean something else, write another name"],
    );
    wrong(
        &format!("[upstream.a]\n{url}\nlimits = [{{ requests = '1/s', burst = 0 }}]"),
        &[
            "f:3:39: upstream.a.limits[0].burst: expected a whole number from 1 to 4294967295, found integer 0",
        ],
    );
    wrong(
        &format!("[upstream.a]\n{url}\nlimits = [{{ requests = '0/s' }}]"),
        &["f:3:24: upstream.a.limits[0].requests: \"0/s\" lets nothing through: write at least \"1/min\""],
    );
    wrong(
        &format!("[upstream.a]\n{url}\nlimits = [{{ requests = '5/s', per = 'user' }}]"),
        &[
            "f:3:37: upstream.a.limits[0].per: \"user\" is nothing a limit is counted by: write \"header:x-user\"",
        ],
    );
    wrong(
        &format!("[upstream.a]\n{url}\nlimits = [{{ requests = '5/s', concurrent = 3 }}]"),
        &[
            "f:3:11: upstream.a.limits[0]: is not one limit: write { requests = \"500/min\" } or { concurrent = 32 }, \
           each in braces of its own",
        ],
    );
    let adaptive = |limit: &str| format!("[upstream.a]\n{url}\nlimits = [{limit}]");
    wrong(
        &adaptive("{ concurrent = 8, adaptive = 'vegas' }"),
        &["f:3:40: upstream.a.limits[0].adaptive: unknown value \"vegas\", write one of: gradient, aimd"],
    );
    wrong(
        &adaptive("{ concurrent = 8, adaptive = { min = 9 } }"),
        &[
            "f:3:48: upstream.a.limits[0].adaptive.min: 9 is out of range, write 1 to 8, which is where it begins",
        ],
    );
    wrong(
        &adaptive("{ requests = '5/s', adaptive = 'aimd' }"),
        &[
            "f:3:11: upstream.a.limits[0]: adaptive is for calls at once: write { concurrent = 32, adaptive = \"gradient\" }",
        ],
    );
    wrong(
        &format!("[upstream.a]\n{url}\nauth = {{ header = 'x-api-key' }}"),
        &[
            "f:3:8: upstream.a.auth: is not one credential: write { bearer = \"env:NAME\" }, { basic = \"env:NAME\" } or \
           { header = \"x-api-key\", value = \"env:NAME\" }",
        ],
    );
}

#[test]
fn a_proxy_is_an_http_address_and_its_password_a_reference() {
    let with = |proxy: &str| format!("[upstream.a]\nurl = 'https://a'\nproxy = {proxy}");
    wrong(
        &with("{ url = 'https://p:1' }"),
        &["f:3:17: upstream.a.proxy.url: a proxy is spoken to over http, write \"http://host:port\""],
    );
    wrong(
        &with("{ url = 'http://p:1/x' }"),
        &["f:3:17: upstream.a.proxy.url: a proxy has no path, write \"http://host:port\""],
    );
    wrong(
        &with("{ url = 'http://p:1', auth = 'ann:hunter2' }"),
        &["f:3:38: upstream.a.proxy.auth: a literal key is refused: write vault:NAME, env:NAME or file:PATH"],
    );
}

#[test]
fn a_past_of_nothing_is_refused() {
    let told = "f:1:15: reload.keep: 0 versions cannot be kept, write a number from 1 to 1000";
    wrong(&format!("reload.keep = 0\n{UP}"), &[told]);
    let told = "f:1:16: reload.watch: 2s is out of range, write \"5s\" to \"10m\"";
    wrong(&format!("reload.watch = '2s'\n{UP}"), &[told]);
}

#[test]
fn times_that_contradict_each_other_are_refused() {
    wrong(
        "[defaults.retry]\nattempts = 11",
        &["f:2:12: defaults.retry.attempts: 11 is out of range, write 1 to 10"],
    );
    wrong(
        "[defaults.retry]\nbase = '2s'\ncap = '1s'",
        &["f:3:7: defaults.retry.cap: 1s is less than base 2s, write at least \"2s\""],
    );
    // The cap is our own default here: the base is what was written.
    wrong(
        &format!("{UP}[upstream.up.retry]\nbase = '10s'"),
        &["f:3:8: upstream.up.retry.base: cap 5s is less than base 10s, write a cap too, at least \"10s\""],
    );
    wrong(
        "[upstream.a]\nurl = 'https://a'\ndeadline = '1s'\nretry = { base = '1s' }",
        &[
            "f:4:18: upstream.a.retry.base: the first pause of 1s is as long as the deadline of 1s, write a shorter base, a \
           longer deadline, or retry = \"off\"",
        ],
    );
    wrong(
        "[defaults]\ndeadline = '0s'",
        &["f:2:12: defaults.deadline: a deadline of zero gives nothing a chance, write at least \"1ms\""],
    );
    wrong(
        &format!("{UP}[upstream.up.attempt]\nidle = '0s'"),
        &["f:3:8: upstream.up.attempt.idle: zero gives nothing a chance, write at least \"1ms\""],
    );
}

#[test]
fn a_slip_in_the_defaults_is_named_once_however_many_inherit_it() {
    wrong(
        "[defaults.breaker]\nopen = '0s'\n[upstream.a]\nurl = 'https://a'\n[upstream.b]\nurl = 'https://b'\n[route.r]\nmatch.path = '/a/x'",
        &["f:2:8: defaults.breaker.open: the pause is out of range, write \"1ms\" to \"1d\""],
    );
}

#[test]
fn a_window_is_a_time_or_a_number_of_calls() {
    let breaker = |options: &str| format!("{UP}[upstream.up.breaker]\n{options}");
    wrong(
        &breaker("window = '100'"),
        &[
            "f:3:10: upstream.up.breaker.window: \"100\" has no unit: write \"100s\", or count calls: \"100 calls\"",
        ],
    );
    wrong(
        &breaker("window = '2000 calls'"),
        &[
            "f:3:10: upstream.up.breaker.window: 2000 calls are out of range, write \"1 call\" to \"1024 calls\"",
        ],
    );
    wrong(
        &breaker("failures = 10\nwindow = '5 calls'"),
        &["f:3:12: upstream.up.breaker.failures: 10 failures never fit into 5 calls, write 5 or fewer"],
    );
}

#[test]
fn routes_that_lead_nowhere_are_refused() {
    let route = |body: &str| format!("{UP}[route.r]\n{body}");
    wrong(
        &route("match.path = '/up/**'\nto = ['upp']"),
        &["f:4:7: route.r.to[0]: no upstream \"upp\", write \"up\""],
    );
    wrong(
        &route("match.path = '/other/**'\nto = ['up', 'elsewhere', 'up']"),
        &[
            "f:4:13: route.r.to[1]: no upstream \"elsewhere\", write one of: up",
            "f:4:26: route.r.to[2]: \"up\" is named twice, write each upstream once",
        ],
    );
    wrong(
        &route("match.path = '/u/**'"),
        &[
            "f:2:1: route.r.to: it says nobody to call, and its path begins with no upstream, write to = [\"up\"], or some of them",
        ],
    );
    wrong(
        &route("match = { method = 'post', path = '/up/**' }"),
        &["f:3:20: route.r.match.method: methods are upper case: write \"POST\""],
    );
    wrong(
        &route("match.path = 'up/**'"),
        &["f:3:14: route.r.match.path: \"up/**\" does not begin with a slash: write \"/up/**\""],
    );
    wrong(
        &route("match.path = '/up/**'\neffects = 'twice'"),
        &[
            "f:4:11: route.r.effects: unknown value \"twice\", write one of: repeatable, billable, guarded, once, auto",
        ],
    );
    wrong(
        &route("match.path = '/up/**'\nstream.terminal = ''"),
        &[
            "f:4:19: route.r.stream.terminal: an empty text ends no stream, write the data of the last event, such as \
           \"[DONE]\"",
        ],
    );
}

#[test]
fn routes_that_tie_are_refused_where_the_later_one_is() {
    let two =
        |first: &str, second: &str| format!("{UP}[route.b]\nmatch = {first}\n[route.a]\nmatch = {second}");
    wrong(
        &two("{ path = '/up/*/c' }", "{ path = '/up/b/*' }"),
        &[
            "f:5:18: route.a.match.path: ties with route.b (f:3:18), whose path is \"/up/*/c\", write one of them with \
           more exact segments, or with a method",
        ],
    );
    wrong(&two("{ path = '/up/*/c' }", "{ method = 'GET', path = '/up/b/*' }"), &[]);
    wrong(&two("{ method = 'POST', path = '/up/b' }", "{ method = 'GET', path = '/up/b' }"), &[]);
    wrong(&two("{ path = '/up/b' }", "{ path = '/up/c' }"), &[]);
    wrong(&two("{ path = '/up/**' }", "{ path = '/up/c' }"), &[]);
}

#[test]
fn what_is_wrong_with_an_alert_is_named_with_its_column_and_what_to_write() {
    let with = |alert: &str, channel: &str| {
        format!("[alert.down]\n{alert}\nsend = ['ops']\n[channel.ops]\n{channel}")
    };
    let (rule, hook) = ("when = 'breaker_open > 0'", "webhook = 'https://hook.example'");
    wrong(
        &with("when = 'breaker_open => 0'", hook),
        &["f:2:8: alert.down.when: column 14: unexpected \"=>\", write \">=\""],
    );
    wrong(
        &with(&format!("{rule}\nfor = '2d'"), hook),
        &["f:3:7: alert.down.for: 2d is longer than a day, write \"1d\" or less"],
    );
    wrong(
        &with("severity = 'error'", hook),
        &[
            "f:1:1: alert.down.when: there is no condition, and no built-in alert of that name, write when = \"…\", or write one \
           of: alerts_undelivered, attack_seen, audit_trouble, breaker_open, budget_nearly_spent, caller_unusual, calls_failing, calls_slow, \
           calls_timing_out, carbon_high, certificate_expiring, configuration_changed, configuration_rolled_back, effects_in_doubt, failure_foretold, health_failing, jobs_interrupted, \
           retries_exhausted, revocation_list_ended, strangers_refused",
        ],
    );
    wrong(
        &with(rule, "console = true\nlog = 'x'"),
        &[
            "f:6:7: channel.ops.log: one channel cannot be console and log, write one of webhook, slack, email, console, log",
        ],
    );
    wrong(
        &with(rule, "webhook = 'https://u:hunter2@hook.example'"),
        &[
            "f:5:11: channel.ops.webhook: a user or password inside a URL is refused: write \"https://host/path\"",
        ],
    );
}

#[test]
fn alerts_are_sent_somewhere() {
    wrong(
        "[alert.down]\nwhen = 'x > 0'\nsend = ['opps']\n[channel.ops]\nwebhook = 'https://hook.example'",
        &["f:3:9: alert.down.send[0]: no channel \"opps\", write \"ops\""],
    );
    wrong(
        "[alert.down]\nwhen = 'x > 0'\nsend = ['ops']",
        &["f:3:9: alert.down.send[0]: no channel \"ops\", write [channel.ops] first"],
    );
}

#[test]
fn compression_that_does_nothing_or_refuses_everything_is_refused() {
    let with = |compress: &str| format!("[upstream.a]\nurl = 'https://a'\ncompress = {compress}");
    wrong(
        &with("'gzip'"),
        &[
            "f:3:12: upstream.a.compress: expected true, false, or a table like { requests = true }, found string \"gzip\"",
        ],
    );
    wrong(
        &with("{ algorithms = [] }"),
        &["f:3:27: upstream.a.compress.algorithms: names none, write [\"gzip\"], or compress = false"],
    );
    wrong(
        &with("{ algorithms = ['brotli'] }"),
        &["f:3:28: upstream.a.compress.algorithms[0]: unknown value \"brotli\", write one of: gzip, deflate"],
    );
    wrong(&with("{ level = 12 }"), &["f:3:22: upstream.a.compress.level: 12 is out of range, write 1 to 9"]);
    wrong(
        &with("{ max_decoded = '1B' }"),
        &["f:3:28: upstream.a.compress.max_decoded: 1B refuses every answer, write at least \"1KiB\""],
    );
}

#[test]
fn a_cache_that_keeps_nothing_or_too_much_is_refused() {
    let cache = |body: &str| format!("{UP}[route.r]\nmatch.path = '/up/**'\ncache = {{ {body} }}");
    wrong(
        &cache("ttl = '0s'"),
        &["f:4:17: route.r.cache.ttl: nothing is ever fresh, write at least \"1ms\""],
    );
    for size in ["0B", "17MiB"] {
        let told =
            format!("f:4:22: route.r.cache.max_body: {size} is out of range, write \"1B\" to \"16MiB\"");
        wrong(&cache(&format!("max_body = '{size}'")), &[&told]);
    }
    wrong(
        &cache("stale = '1h'"),
        &[
            "f:4:11: route.r.cache.stale: unknown key `stale`, known keys: ttl, stale_while_revalidate, stale_if_error, max_body",
        ],
    );
}

#[test]
fn rules_that_cannot_mean_anything_are_named_by_their_key() {
    let rules = |rules: &str| format!("[upstream.a]\nurl = 'https://a'\nrules = {rules}");
    wrong(
        &rules(
            "[{ status = 200, as = 'invalid' }, { status = 400 }, { at = 'x', equals = 'y', as = 'invalid' }]",
        ),
        &[
            "f:3:21: upstream.a.rules[0].status: 200 is no error: rules are about errors, write a status from 400 to 599",
            "f:3:44: upstream.a.rules[1]: says nothing of what it matches, write as = \"invalid\", retry_after = \"30s\" \
             or again = false",
            "f:3:69: upstream.a.rules[2].at: is no JSON pointer, write a place like \"/error/reason\"",
        ],
    );
    wrong(
        &rules("[{ status = 400, as = 'not-sent' }]"),
        &[
            "f:3:31: upstream.a.rules[0].as: unknown value \"not-sent\", write one of: rate-limited, too-early, \
             unavailable-for-now, server-error, timed-out, in-doubt, denied, invalid, quota-gone, banned, already-done",
        ],
    );
}

#[test]
fn tokens_of_the_admin_port_that_can_be_guessed_are_refused_without_being_repeated() {
    wrong(
        &format!("admin_token = 'env:SET'\n{UP}"),
        &[
            "f:1:15: admin_token: the token has 7 characters, give it 16 to 512, such as those of `openssl rand -hex 32`",
        ],
    );
    wrong(
        &format!("admin_token = 'env:TOKEN'\n{UP}[admin_tokens.ann]\ntoken = 'env:TOKEN'\n"),
        &["f:4:9: admin_tokens.ann.token: admin has the same token, give each their own"],
    );
}
