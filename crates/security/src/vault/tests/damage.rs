//! Files that are cut, changed or something else, and two who write at once.

use super::*;

/// A vault with two entries, its bytes, and what opening it costs.
fn two() -> Home {
    let home = Home::new();
    let mut vault = home.open();
    vault.set(&name("a"), &secret("value a"), Terms::default(), monday()).unwrap();
    vault.set(&name("b"), &secret("value b"), until(monday() + DAY), monday()).unwrap();
    home
}

#[test]
fn a_file_that_was_cut_anywhere_is_refused_and_left_as_it_is() {
    let home = two();
    let whole = home.text();
    let mut vault = home.open();
    for end in (0..whole.len() - 1).step_by(7) {
        home.write(&whole[..end]);
        assert_eq!(home.fails().trouble, Trouble::Damaged, "cut at {end}");
        let why = vault.set(&name("c"), &secret("value"), Terms::default(), monday()).unwrap_err();
        assert_eq!((why.trouble, home.text().as_str()), (Trouble::Damaged, &whole[..end]));
    }
    home.write(&whole);
    assert_eq!(home.open().get(&name("a"), monday()).unwrap().expose(), "value a");
}

#[test]
fn whatever_character_is_changed_is_found() {
    let home = two();
    let whole = home.text();
    for (place, old) in whole.bytes().enumerate().filter(|(_, old)| !old.is_ascii_whitespace()) {
        let mut bytes = whole.clone().into_bytes();
        bytes[place] = if old == b'7' { b'8' } else { b'7' };
        home.write(bytes);
        let why = home.fails();
        let expected = [Trouble::Damaged, Trouble::WrongKey, Trouble::Newer, Trouble::NoKey];
        assert!(expected.contains(&why.trouble), "at {place}: {why}");
    }
}

#[test]
fn values_that_change_places_and_dates_that_move_are_found() {
    let home = two();
    let whole = home.text();
    let document: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let token =
        |name: &str| document["body"]["entries"][name]["versions"][0]["token"].as_str().unwrap().to_owned();
    let swapped = whole
        .replace(&token("a"), "A")
        .replace(&token("b"), &token("a"))
        .replace("\"A\"", &format!("{:?}", token("b")));
    for (changed, what) in [
        (swapped, "values"),
        (whole.replace("2026-03-02T", "2096-03-02T"), "dates"),
        (whole.replace("\"b\":", "\"c\":"), "names"),
        (whole.replace("\"generation\": 2", "\"generation\": 3"), "generation"),
    ] {
        assert_ne!(changed, whole, "{what}");
        home.write(changed);
        assert!(
            home.fails().to_string().contains("it was changed since seawall wrote it"),
            "{what}: {}",
            home.fails()
        );
    }
}

/// Even whoever holds the key and seals the file anew cannot pass one entry's token off as another's by mistake.
#[test]
fn a_token_is_bound_to_its_vault_its_name_and_its_version() {
    let home = two();
    let mut vault = home.open();
    let token = vault.body.entries[&name("a")].versions[0].token.clone();
    vault.body.entries.get_mut(&name("b")).unwrap().versions[0].token = token;
    assert!(
        vault.get(&name("b"), monday()).unwrap_err().to_string().contains("b, version 1, is another entry's")
    );
    vault.body.entries.get_mut(&name("a")).unwrap().versions[0].version = 2;
    assert_eq!(vault.get(&name("a"), monday()).unwrap_err().trouble, Trouble::Damaged);
    vault.body.entries.get_mut(&name("a")).unwrap().versions[0].version = 1;
    vault.body.id = "0".repeat(32);
    assert_eq!(vault.get(&name("a"), monday()).unwrap_err().trouble, Trouble::Damaged);
}

#[test]
fn what_is_no_vault_is_said_to_be_none() {
    let home = two();
    for (text, part) in [
        ("", "it is empty"),
        ("garbage", "line 1, column 1"),
        ("{}", "line 1"),
        ("[]", "line 1"),
        ("{\"seawall_vault\": 0}", "none there ever was"),
        ("{\"seawall_vault\": 1}", "line 1"),
        ("{\"seawall_vault\": -1}", "line 1"),
        ("\u{0}\u{0}\u{0}\u{0}", "line 1"),
        (&"[".repeat(100_000), "line 1"),
    ] {
        home.write(text);
        let why = home.fails();
        assert!(why.to_string().contains(part) && why.trouble == Trouble::Damaged, "{why}");
        assert!(why.to_string().ends_with("put a copy back in its place; nothing was written"), "{why}");
    }
    home.write("{\"seawall_vault\": 2, \"something\": \"new\"}");
    let why = home.fails();
    assert_eq!(why.trouble, Trouble::Newer);
    assert!(why.to_string().ends_with("has format 2, and this seawall knows 1: use a newer one"), "{why}");
    std::fs::remove_file(&home.path).unwrap();
    assert_eq!(home.fails().trouble, Trouble::NoVault);
    std::fs::create_dir(&home.path).unwrap();
    assert_eq!(home.fails().trouble, Trouble::Failed);
}

#[test]
fn of_many_who_write_at_once_nobody_loses_anything() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let home = &home;
            scope.spawn(move || {
                let mut vault = home.open();
                for turn in 0..10 {
                    let (one, value) = (name(&format!("w{writer}/{turn}")), format!("{writer} {turn}"));
                    vault.set(&one, &secret(&value), Terms::default(), monday()).unwrap();
                }
            });
        }
        // Readers wait for nobody and always see a whole vault.
        let mut seen = 0;
        while seen < 80 {
            let vault = home.open();
            let now = vault.names().count();
            assert!(now >= seen);
            seen = now;
        }
    });
    let vault = home.open();
    assert_eq!(vault.generation(), 80);
    for one in vault.names() {
        let value = vault.get(one, monday()).unwrap();
        assert_eq!(format!("w{}", value.expose().replace(' ', "/")), one.as_str());
    }
}

#[test]
fn a_vault_behind_a_link_is_replaced_where_it_is() {
    let home = two();
    let link = home.path.with_file_name("link");
    std::os::unix::fs::symlink(&home.path, &link).unwrap();
    let key = Sources { key_file: Some(key_file_of(&home.path)), environment: &|_| None };
    let mut vault = Vault::open(&link, &key).unwrap();
    vault.set(&name("c"), &secret("value c"), Terms::default(), monday()).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(home.open().get(&name("c"), monday()).unwrap().expose(), "value c");
}

#[test]
fn a_write_that_cannot_be_made_leaves_the_old_vault_and_nothing_beside_it() {
    let home = two();
    let mut vault = home.open();
    let before = home.text();
    vault.body.entries.get_mut(&name("a")).unwrap().versions[0].token = Some("x".repeat(17 << 20));
    let why = file::write(&home.path, &vault.body, &vault.ring, false, monday()).unwrap_err();
    assert_eq!(why.to_string(), "the vault would be larger than 16 MiB: take something out first");
    // A directory where the file should go.
    let other = home.path.with_file_name("other");
    std::fs::create_dir(&other).unwrap();
    vault.body.entries.clear();
    let why = file::write(&other, &vault.body, &vault.ring, false, monday()).unwrap_err();
    assert_eq!(why.trouble, Trouble::Failed);
    assert_eq!(home.text(), before);
    let there = std::fs::read_dir(home.path.parent().unwrap()).unwrap();
    let left = there.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
}
