//! The life of a value: put in, replaced, rotated, expired, revoked, counted.

use super::*;

#[test]
fn a_value_is_kept_for_whoever_opens_the_vault_next_and_is_nowhere_in_the_file() {
    let home = Home::new();
    let mut vault = home.open();
    let set = vault.set(&name("openai"), &secret("sk-canary-ä\nline"), Terms::default(), monday()).unwrap();
    assert_eq!(set, Set { version: 1, changed: true });
    assert_eq!(home.open().get(&name("openai"), monday()).unwrap().expose(), "sk-canary-ä\nline");
    assert!(!home.text().contains("canary"));
    assert!(!format!("{vault:?} {:?}", vault.list(monday())).contains("canary"));
    assert_eq!(disk::mode(&home.path).unwrap() & 0o7777, 0o600);
    assert_eq!(disk::mode(&key_file_of(&home.path)).unwrap() & 0o7777, 0o600);
}

#[test]
fn the_same_value_again_changes_nothing_and_another_replaces_it_at_once() {
    let home = Home::new();
    let mut vault = home.open();
    let openai = name("openai");
    vault.set(&openai, &secret("one"), Terms::default(), monday()).unwrap();
    let before = home.text();
    let again = vault.set(&openai, &secret("one"), Terms::default(), monday() + DAY).unwrap();
    assert_eq!((again, home.text()), (Set { version: 1, changed: false }, before));
    assert_eq!(vault.set(&openai, &secret("two"), Terms::default(), monday()).unwrap().version, 2);
    let accepted: Vec<_> = vault.accepted(&openai, monday()).unwrap();
    assert_eq!(accepted.iter().map(Secret::expose).collect::<Vec<_>>(), ["two"]);
    assert_eq!(home.text().matches("\"token\"").count(), 1, "the old value has left the file");
    let why = vault.set_new(&openai, &secret("three"), Terms::default(), monday()).unwrap_err();
    assert!(why.to_string().contains("replace it with --replace"), "{why}");
    assert!(!vault.set_new(&openai, &secret("two"), Terms::default(), monday()).unwrap().changed);
}

#[test]
fn during_a_rotation_both_values_are_accepted_and_never_more_than_two() {
    let home = Home::new();
    let mut vault = home.open();
    let hook = name("hook");
    let missing = vault.rotate(&hook, &secret("x"), DAY, Terms::default(), monday()).unwrap_err();
    assert_eq!(missing.trouble, Trouble::NoSuchName);
    vault.set(&hook, &secret("one"), Terms::default(), monday()).unwrap();
    let accepted = |vault: &Vault, now: SystemTime| {
        let values = vault.accepted(&hook, now).unwrap();
        values.iter().map(|value| value.expose().to_owned()).collect::<Vec<_>>()
    };
    vault.rotate(&hook, &secret("two"), DAY, Terms::default(), monday()).unwrap();
    assert_eq!(accepted(&vault, monday() + DAY - Duration::from_secs(1)), ["two", "one"]);
    assert_eq!(accepted(&vault, monday() + DAY), ["two"]);
    vault.rotate(&hook, &secret("three"), DAY * 9, Terms::default(), monday()).unwrap();
    assert_eq!(accepted(&vault, monday()), ["three", "two"]);
    assert_eq!(vault.get(&hook, monday()).unwrap().expose(), "three");
    let states: Vec<_> = vault.list(monday())[0].versions.iter().map(|version| version.state).collect();
    assert_eq!(states, [State::Current, State::Overlap, State::Replaced]);
}

#[test]
fn an_end_is_known_ahead_and_kept_to() {
    let home = Home::new();
    let mut vault = home.open();
    let strong = secret("7Qm2xVb9Lw4TzR1nKc8YpD3fGh6JsE5a");
    vault.set(&name("maps"), &strong, until(monday() + DAY * 90), monday()).unwrap();
    let worries = |vault: &Vault, day: u32| -> Vec<_> {
        vault.check(monday() + DAY * day).into_iter().map(|concern| (concern.worry, concern.wrong)).collect()
    };
    // A fifth of ninety days is eighteen.
    assert_eq!(worries(&vault, 71), []);
    assert_eq!(worries(&vault, 72), [(Worry::ExpiresSoon, false)]);
    assert_eq!(worries(&vault, 90), [(Worry::Expired, true)]);
    assert!(vault.get(&name("maps"), monday() + DAY * 89).is_ok());
    let why = vault.get(&name("maps"), monday() + DAY * 90).unwrap_err();
    assert_eq!(
        why.to_string(),
        "vault:maps expired on 2026-05-30T09:30:00Z: give it a new value with `seawall vault set maps`"
    );
    vault.expire(&name("maps"), None, monday() + DAY * 91).unwrap();
    assert_eq!(worries(&vault, 10_000), []);
    vault.expire(&name("maps"), Some(monday()), monday() + DAY).unwrap();
    assert_eq!(worries(&vault, 1), [(Worry::Expired, true)]);
    let past = vault.set(&name("x"), &secret("y"), until(monday()), monday()).unwrap_err();
    assert_eq!(past.to_string(), "2026-03-01T09:30:00Z has passed: name a later end");
}

#[test]
fn what_is_revoked_leaves_the_file_and_is_not_given() {
    let home = Home::new();
    let mut vault = home.open();
    let hook = name("hook");
    vault.set(&hook, &secret("one"), Terms::default(), monday()).unwrap();
    vault.rotate(&hook, &secret("two"), DAY, Terms::default(), monday()).unwrap();
    assert_eq!(vault.revoke(&hook, Some(7), monday()).unwrap_err().trouble, Trouble::NoSuchName);
    vault.revoke(&hook, Some(2), monday()).unwrap();
    assert_eq!(vault.get(&hook, monday()).unwrap().expose(), "one", "the one that is still accepted serves");
    vault.revoke(&hook, None, monday()).unwrap();
    assert!(vault.get(&hook, monday()).unwrap_err().to_string().contains("was revoked"));
    assert!(!home.text().contains("\"token\""));
    assert_eq!(vault.expire(&hook, None, monday()).unwrap_err().trouble, Trouble::NotValid);
    assert_eq!(vault.set(&hook, &secret("three"), Terms::default(), monday()).unwrap().version, 3);
    vault.forget(&hook, monday()).unwrap();
    assert_eq!(vault.forget(&hook, monday()).unwrap_err().trouble, Trouble::NoSuchName);
    assert_eq!(home.open().names().count(), 0);
}

#[test]
fn the_past_is_remembered_to_eight_versions() {
    let home = Home::new();
    let mut vault = home.open();
    for turn in 1..=20 {
        let value = secret(&format!("value {turn}"));
        assert_eq!(vault.set(&name("a"), &value, Terms::default(), monday()).unwrap().version, turn);
    }
    let versions: Vec<_> = vault.list(monday())[0].versions.iter().map(|version| version.version).collect();
    assert_eq!(versions, [20, 19, 18, 17, 16, 15, 14, 13]);
}

#[test]
fn uses_are_counted_beside_the_vault_and_lost_without_harm() {
    let home = Home::new();
    let mut vault = home.open();
    let (a, b) = (name("a"), name("b"));
    for one in [&a, &b] {
        vault.set(one, &secret("value"), Terms::default(), monday()).unwrap();
    }
    let before = home.text();
    vault.note_uses([&a, &a, &name("nobody")], monday()).unwrap();
    vault.note_uses([&a], monday() + DAY).unwrap();
    let listed = home.open().list(monday());
    let uses = listed[0].uses.unwrap();
    assert_eq!(
        (uses.count, uses.last(), uses.last_text().as_str()),
        (3, monday() + DAY, "2026-03-02T09:30:00Z")
    );
    assert_eq!((listed[1].uses, home.text()), (None, before));
    std::fs::write(disk::beside(&home.path, ".uses"), "garbage").unwrap();
    assert_eq!(vault.list(monday())[0].uses, None);
    vault.note_uses([&b], monday()).unwrap();
    assert_eq!(vault.list(monday())[1].uses.unwrap().count, 1);
}

#[test]
fn weak_values_are_named_until_somebody_accepts_them() {
    let home = Home::new();
    let mut vault = home.open();
    vault.set(&name("a"), &secret("password"), Terms::default(), monday()).unwrap();
    let concerns = vault.check(monday());
    assert!(concerns[0].wrong && concerns[0].worry == Worry::Weak, "{concerns:?}");
    assert!(!concerns[0].to_string().contains("\"password\""));
    let accepted = Terms { accept_weak: true, ..Terms::default() };
    assert!(vault.set(&name("a"), &secret("password"), accepted, monday()).unwrap().changed);
    assert_eq!(vault.check(monday()), []);
}

#[test]
fn values_that_cannot_be_kept_are_refused_and_nothing_changes() {
    let home = Home::new();
    let mut vault = home.open();
    let before = home.text();
    for value in [String::new(), "x".repeat(MAX_VALUE + 1)] {
        let why = vault.set(&name("a"), &secret(&value), Terms::default(), monday()).unwrap_err();
        assert_eq!(why.trouble, Trouble::Refused);
    }
    assert_eq!(home.text(), before);
    assert!(vault.set(&name("a"), &secret(&"x".repeat(MAX_VALUE)), Terms::default(), monday()).is_ok());
    for wrong in
        ["", "two words", "ä", "a:b", &"n".repeat(129), "sk-proj-0123456789abcdef", "ghp_0123456789abcdef"]
    {
        assert!(wrong.parse::<Name>().is_err(), "{wrong}");
    }
}

#[test]
fn a_name_that_is_not_there_says_what_to_run_and_what_is_there() {
    let home = Home::new();
    let mut vault = home.open();
    let said = |vault: &Vault| vault.get(&name("openai"), monday()).unwrap_err().to_string();
    assert!(said(&vault).ends_with("has no openai: put it in with `seawall vault set openai` (it is empty)"));
    for one in ["b", "a"] {
        vault.set(&name(one), &secret("value"), Terms::default(), monday()).unwrap();
    }
    assert!(said(&vault).ends_with("(it has a, b)"), "{}", said(&vault));
}
