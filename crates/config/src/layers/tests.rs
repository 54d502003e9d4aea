//! What is laid over what.

use proptest::prelude::*;

use super::*;

const FILE: &str = "
listen = '127.0.0.1:7070'
retry = { attempts = 3, base = '500ms' }
list = [{ n = 1 }, { n = 2 }]
[upstream.openai]
url = 'https://api.openai.com'
[upstream.my-backup]
url = 'https://backup.example'
[profile.prod]
listen = '0.0.0.0:80'
retry = { attempts = 5 }
[profile.test.upstream.openai]
url = 'http://127.0.0.1:9'
";

fn load(profile: Option<&str>, environment: &[(&str, &str)]) -> Result<Node, String> {
    load_str(FILE, "f.toml", Format::Toml, profile, environment.iter().copied())
        .map_err(|why| why.to_string())
}

fn text(tree: &Node, path: &[&str]) -> String {
    let node = path.iter().fold(tree, |node, key| node.get(key).unwrap());
    format!("{:?} {}", node, node.origin)
}

fn int(tree: &Node, path: &[&str]) -> i64 {
    match path.iter().fold(tree, |node, key| node.get(key).unwrap()).value {
        Value::Int(number) => number,
        _ => panic!("an integer"),
    }
}

#[test]
fn without_a_profile_the_profiles_are_gone() {
    let tree = load(None, &[]).unwrap();
    assert!(tree.get("profile").is_none());
    assert_eq!(tree.get("listen").unwrap().as_str(), Some("127.0.0.1:7070"));
    assert_eq!(profiles(&parse(FILE, "f", Format::Toml).unwrap()), ["prod", "test"]);
}

#[test]
fn a_profile_is_laid_over_key_by_key() {
    let tree = load(Some("prod"), &[]).unwrap();
    assert_eq!(int(&tree, &["retry", "attempts"]), 5);
    assert!(text(&tree, &["retry", "base"]).ends_with("f.toml:3:32"), "{}", text(&tree, &["retry", "base"]));
    assert!(text(&tree, &["listen"]).ends_with("f.toml:10:10"));
    assert_eq!(tree.origin.to_string(), "f.toml:1:1");

    let tree = load(None, &[("SEAWALL_PROFILE", "test")]).unwrap();
    assert!(text(&tree, &["upstream", "openai", "url"]).contains("http://127.0.0.1:9"));
    // The one given wins over the environment, and an empty variable chooses nothing.
    assert_eq!(int(&load(Some("prod"), &[("SEAWALL_PROFILE", "test")]).unwrap(), &["retry", "attempts"]), 5);
    assert_eq!(int(&load(None, &[("SEAWALL_PROFILE", "")]).unwrap(), &["retry", "attempts"]), 3);
}

#[test]
fn an_unknown_profile_is_refused_with_those_that_exist() {
    assert_eq!(
        load(Some("prd"), &[]).unwrap_err(),
        "command line: profile: no profile \"prd\", choose one of: prod, test"
    );
    assert_eq!(
        load(None, &[("SEAWALL_PROFILE", "prd")]).unwrap_err(),
        "environment SEAWALL_PROFILE: profile: no profile \"prd\", choose one of: prod, test"
    );
    let bare = parse("a = 1", "f", Format::Toml).unwrap();
    assert!(
        select_profile(bare, Some("x"))
            .unwrap_err()
            .to_string()
            .ends_with("no profile \"x\", write [profile.x] first")
    );
}

#[test]
fn profiles_that_are_no_tables_are_refused() {
    for (file, expected) in [
        ("profile = 'prod'", "f:1:1: profile: expected a table of profiles"),
        ("[profile]\nprod = 1", "f:2:1: profile.prod: expected a table, write [profile.NAME]"),
        ("[profile.a.profile.b]", "f:1:12: profile.a.profile: a profile inside a profile is refused"),
    ] {
        let problem = select_profile(parse(file, "f", Format::Toml).unwrap(), None).unwrap_err();
        assert!(problem.to_string().starts_with(expected), "{problem}");
    }
}

#[test]
fn the_environment_wins_over_file_and_profile() {
    let tree = load(
        Some("prod"),
        &[
            ("SEAWALL__UPSTREAM__OPENAI__URL", "http://env"),
            ("SEAWALL__UPSTREAM__MY_BACKUP__URL", "http://env2"),
            ("SEAWALL__Retry__attempts", "7"),
            ("SEAWALL__NEW__Flag", "true"),
            ("SEAWALL__NEW__NUMBER", "1.5"),
            ("SEAWALL__NEW__LIST", "[1, 'a']"),
            ("SEAWALL__NEW__TABLE", "{ x = 1 }"),
            ("SEAWALL__NEW__TABLE__Y", "2"),
            ("SEAWALL__NEW__WORD", "30s"),
            ("SEAWALL__NEW__DATE", "2020-01-01"),
            ("SEAWALL__LIST__1__N", "9"),
            ("SEAWALL_ADMIN_TOKEN", "not ours"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert!(text(&tree, &["upstream", "openai", "url"]).contains("http://env"));
    assert!(
        text(&tree, &["upstream", "openai", "url"]).ends_with("environment SEAWALL__UPSTREAM__OPENAI__URL")
    );
    assert!(text(&tree, &["upstream", "my-backup", "url"]).contains("http://env2"));
    assert_eq!(int(&tree, &["retry", "attempts"]), 7);
    let expected = "flag = true\nnumber = 1.5\nlist = [1, 'a']\ntable = { x = 1, y = 2 }\nword = '30s'\ndate = '2020-01-01'";
    let new = tree.get("new").unwrap();
    assert!(new.same(&parse(expected, "f", Format::Toml).unwrap()), "{new:?}");
    let Value::Array(items) = &tree.get("list").unwrap().value else { panic!("a list") };
    assert_eq!(int(&items[1], &["n"]), 9);
    assert_eq!(tree.as_table().unwrap().len(), 5, "nothing else came in");
}

#[test]
fn where_a_string_was_it_stays_a_string() {
    let tree = load(None, &[("SEAWALL__LISTEN", "7070"), ("SEAWALL__RETRY__BASE", "[1]")]).unwrap();
    assert_eq!(tree.get("listen").unwrap().as_str(), Some("7070"));
    assert_eq!(tree.get("retry").unwrap().get("base").unwrap().as_str(), Some("[1]"));
}

#[test]
fn variables_that_fit_nowhere_are_refused_without_their_values() {
    for (name, expected) in [
        ("SEAWALL__", "the variable names no key"),
        ("SEAWALL__A____B", "the variable names no key"),
        ("SEAWALL__LISTEN__PORT", "listen.port: listen is a string, not a table, set it as a whole"),
        ("SEAWALL__LIST__2", "list.2: the list has items 0 to 1 only"),
        ("SEAWALL__LIST__X", "the list has items 0 to 1 only"),
        ("SEAWALL__PROFILE__PROD", "choose one with SEAWALL_PROFILE"),
    ] {
        let problem = load(None, &[(name, "hunter2")]).unwrap_err();
        assert!(
            problem.contains(expected) && problem.starts_with(&format!("environment {name}: ")),
            "{problem}"
        );
        assert!(!problem.contains("hunter2"));
    }
    let deep = format!("SEAWALL{}", "__A".repeat(100));
    assert!(load(None, &[(&deep, "1")]).unwrap_err().contains("nested too deep"));
    let both = load(None, &[("SEAWALL__LISTEN__X", "1"), ("SEAWALL__", "1")]).unwrap_err();
    assert_eq!(both.lines().count(), 2, "all of them are named");
}

#[test]
fn two_keys_that_differ_in_case_are_not_guessed_between() {
    let file = "Ab = 1\naB = 2";
    let load = |name: &str| load_str(file, "f", Format::Toml, None, [(name, "3")]);
    assert!(load("SEAWALL__AB").unwrap_err().to_string().contains("the name fits both `Ab` and `aB`"));
    assert_eq!(int(&load("SEAWALL__aB").unwrap(), &["aB"]), 3);
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_text_is_a_problem_only_under_our_prefix() {
    use std::os::unix::ffi::OsStringExt;
    let odd = || OsString::from_vec(vec![0xff]);
    assert!(load_str("", "f", Format::Toml, None, [("OTHER", odd())]).is_ok());
    let problem = load_str("", "f", Format::Toml, None, [("SEAWALL__A", odd())]).unwrap_err();
    assert_eq!(problem.to_string(), "environment SEAWALL__A: a: the value is not UTF-8 text");
    assert!(load_str("", "f", Format::Toml, None, [(odd(), odd())]).is_ok());
}

#[test]
fn a_file_is_read_by_the_format_its_name_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seawall.json");
    std::fs::write(&path, "{\"listen\": \"x\", \"profile\": {\"p\": {\"listen\": \"y\"}}}").unwrap();
    let none: [(&str, &str); 0] = [];
    let tree = load_file(&path, Some("p"), none).unwrap();
    assert_eq!(tree.get("listen").unwrap().as_str(), Some("y"));
    assert!(
        load_file(&folder.path().join("none"), None, none).unwrap_err().to_string().contains("no such file")
    );
}

proptest! {
    #[test]
    fn any_text_and_any_variables_load_or_are_refused(
        text in any::<String>(),
        profile in proptest::option::of(any::<String>()),
        environment in proptest::collection::vec(("(SEAWALL__)?[aA_1\\PC]{0,9}", any::<String>()), 0..6),
    ) {
        for format in [Format::Toml, Format::Json] {
            let _ = load_str(&text, "f", format, profile.as_deref(), environment.clone());
        }
    }

    #[test]
    fn any_variable_over_a_real_file_loads_or_is_refused_without_its_value(
        name in "SEAWALL__(LISTEN|RETRY|LIST|UPSTREAM|NEW)(__(0|1|N|ATTEMPTS|OPENAI|URL|)){0,4}",
        value in "hunter2[\\[\\]{}='\"0-9a-z,. \n]{0,20}",
    ) {
        if let Err(problem) = load(None, &[(&name, &value)]) {
            prop_assert!(!problem.contains("hunter2"), "{}", problem);
        }
    }
}
