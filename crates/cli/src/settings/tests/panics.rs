//! Whatever a panic, or a debug print left behind, could show of what a process holds.

use super::read;
use crate::settings::ready;
use seawall_signals::logs::Secrets;

const CANARY: &str = "canary7Qm2xVb9Lw4TzR1nKc8Y";

/// A configuration with a secret in every place there is for one.
const EVERYWHERE: &str = "
admin_token = 'env:A'
state = { url = 'rediss://h', user = 'ann', password = 'env:D' }
effects.encrypt = 'env:LONG'
callers.ann = 'env:C'
[admin_tokens.eve]
token = 'env:B'
[upstream.a]
url = 'https://a'
auth = { bearer = 'env:E' }
proxy = { url = 'http://proxy:3128', auth = 'env:PAIR' }
[upstream.b]
url = 'https://b'
auth = { basic = 'env:PAIR' }
[upstream.c]
url = 'https://c'
auth = { header = 'x-api-key', value = 'env:F' }
[health.c]
http = 'https://c/ready'
auth = { header = 'x-api-key', value = 'env:G' }
[alert.down]
when = 'events_dropped_total > 0'
severity = 'error'
send = ['hook', 'slack', 'mail']
[channel.hook]
webhook = 'https://hooks.example/x'
secret = 'env:HOOK'
[channel.slack]
slack = 'env:URL'
[channel.mail]
email = 'ops@example.com'
smtp = 'smtp.example.com'
user = 'ann'
password = 'env:H'
[otlp]
endpoint = 'https://collector.example'
headers = { authorization = 'env:I' }
";

fn secret(name: &str) -> Option<String> {
    Some(match name {
        "PAIR" => format!("ann:{CANARY}"),
        "LONG" => format!("{CANARY}{CANARY}"),
        "HOOK" => "whsec_Y2FuYXJ5N1FtMnhWYjlMdzRUelIxbktjOFk=".to_owned(),
        "URL" => format!("https://hooks.example/{CANARY}"),
        other => format!("{CANARY}{other}"),
    })
}

#[test]
fn a_panic_over_all_that_a_process_holds_shows_no_secret() {
    let (loaded, _) = read(EVERYWHERE).unwrap();
    let known = Secrets::default();
    let held = ready(&loaded, &secret, &known);
    assert_eq!(held.findings.0, [], "every secret could be had");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let what = (&held.plan, &held.memory, &held.findings, &loaded.settings, &known);
        panic!("{what:?} {what:#?}")
    }));
    let said = *panicked.unwrap_err().downcast::<String>().unwrap();
    assert!(said.len() > 2_000 && said.contains("collector.example"), "{said}");
    for spelled in [CANARY, "Y2FuYXJ5N1Ft", "YW5uOmNhbmFyeT", "Fubjpj", "hbm46Y2FuYXJ5"] {
        assert!(!said.contains(spelled), "{spelled} is in {said}");
    }
    let bytes: Vec<String> = CANARY.bytes().take(6).map(|byte| byte.to_string()).collect();
    assert!(!said.contains(&bytes.join(", ")), "its bytes are in {said}");
}
