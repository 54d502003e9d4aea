use super::*;
use crate::alerts::channel::local::{Console, Log};
use crate::alerts::channel::{email, slack};

#[test]
fn a_slack_message_keeps_to_its_limits_and_says_nothing_in_slacks_own_tongue() {
    let message = slack::message(&one());
    assert_eq!(message["text"], "[critical] exchange_down:exchange is active");
    let blocks = message["blocks"].as_array().unwrap();
    let kinds: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["header", "section", "context"]);
    let text = blocks[1]["text"]["text"].as_str().unwrap();
    assert!(text.contains("breaker_open{upstream='exchange'} &gt; 0 holds (1)"), "{text}");
    assert!(text.contains("since 2027-01-15T08:00:00Z"));

    let many: Vec<Item> = (0..1000)
        .map(|n| Item { summary: "<!channel> & é".repeat(2000), ..item(Kind::Active, &format!("a{n}")) })
        .collect();
    let message = slack::message(&notice(many));
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    assert!(blocks.iter().all(|block| block["text"]["text"].as_str().unwrap_or("").chars().count() <= 3000));
    assert!(!message.to_string().contains("<!channel>"), "nobody is called by a label");
    assert_eq!(blocks[21]["text"]["text"], "and 980 more");
    assert_eq!(message["text"], "[critical] exchange_down: 1000 active");
}

#[test]
fn a_mail_is_text_and_html_and_what_it_is_about_cannot_write_html() {
    let wild = Item { summary: "<script>alert(1)</script> \"&".to_owned(), ..item(Kind::Active, "x") };
    let both = notice(vec![wild, item(Kind::Resolved, "y")]);
    let html = email::html(&both);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;&amp;") && !html.contains("<script"));
    assert!(!html.contains("http") && !html.contains("<img"), "nothing is fetched when it is opened");
    let text = email::text(&both);
    assert!(text.contains("[critical] x is active\r\n  <script>alert(1)</script>"), "{text}");
    assert!(text.contains("[resolved] y is over\r\n") && text.ends_with("notice 0190-a\r\n"), "{text}");
    assert_eq!(both.headline(), "[critical] exchange_down: 1 active, 1 resolved");
}

#[tokio::test]
async fn the_console_gets_a_line_and_the_file_an_object_for_each_alert() {
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = said.clone();
    let console = Console { say: Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned())) };
    let both = notice(vec![item(Kind::Reminder, "x"), item(Kind::Resolved, "y")]);
    console.deliver(&both).await.unwrap();
    assert_eq!(said.lock().unwrap().len(), 2);
    let first =
        "[critical] x is still active: the exchange is down; breaker_open{upstream='exchange'} > 0 holds (1)";
    assert_eq!(said.lock().unwrap()[0], first);

    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("alerts.jsonl");
    let log = Log { path: path.clone() };
    log.deliver(&both).await.unwrap();
    log.deliver(&one()).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["alert.reminder", "alert.resolved", "alert.active"]);
    let nowhere = Log { path: home.path().join("no/such/directory") };
    assert!(nowhere.deliver(&one()).await.unwrap_err().why.starts_with("the file cannot be written"));
}
