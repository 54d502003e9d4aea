//! Where keys come from, and how they are changed.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::fernet::Key;

fn generated() -> (Key, String) {
    let key = Key::generate().unwrap();
    let text = key.text().expose().to_owned();
    (key, text)
}

/// An environment of one variable.
fn only<'v>(variable: &'v str, value: &'v str) -> impl Fn(&str) -> Option<String> + 'v {
    move |name| (name == variable).then(|| value.to_owned())
}

fn with(environment: &dyn Fn(&str) -> Option<String>) -> Sources<'_> {
    Sources { key_file: None, environment }
}

#[test]
fn a_key_from_the_environment_makes_no_file_and_another_key_opens_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/vault");
    let (key, text) = generated();
    let environment = only(KEY_VARIABLE, &text);
    let (mut vault, made) = Vault::init(&path, &with(&environment), monday()).unwrap();
    assert_eq!((made, key_file_of(&path).exists()), (None, false));
    vault.set(&name("a"), &secret("value"), Terms::default(), monday()).unwrap();
    let token = vault.export(&name("a"), monday()).unwrap();
    assert_eq!(&**key.open(&token).unwrap(), b"value");

    let other = generated().1;
    let why = Vault::open(&path, &with(&only(KEY_VARIABLE, &other))).unwrap_err();
    assert_eq!(why.trouble, Trouble::WrongKey);
    assert!(why.to_string().starts_with("the key in SEAWALL_VAULT_KEY does not open the vault "), "{why}");
    let why = Vault::open(&path, &beside()).unwrap_err();
    assert_eq!(why.trouble, Trouble::NoKey);
    assert!(
        why.to_string().ends_with("needs its key: set SEAWALL_VAULT_KEY, or name a file with --key-file")
    );
    let why = Vault::open(&path, &with(&only(KEY_VARIABLE, "hunter2"))).unwrap_err();
    assert!(why.to_string().contains("is not a Fernet key") && !why.to_string().contains("hunter2"), "{why}");
    assert_eq!(Vault::init(&path, &with(&environment), monday()).unwrap_err().trouble, Trouble::Exists);
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let home = Home::new();
    let file = key_file_of(&home.path);
    for mode in [0o640, 0o604, 0o644, 0o620, 0o666, 0o610] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let why = home.fails();
        assert_eq!(why.trouble, Trouble::NoKey);
        assert!(why.to_string().ends_with(&format!("(mode 0{mode:o}): run chmod 600 on it")), "{why}");
    }
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
    home.open();
}

#[test]
fn what_is_no_key_file_is_refused_at_once() {
    let home = Home::new();
    let fifo = home.path.with_file_name("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let (empty, large) = (home.path.with_file_name("empty"), home.path.with_file_name("large"));
    disk::replace(&empty, b" \n", true).unwrap();
    disk::replace(&large, &vec![b'x'; 70_000], true).unwrap();
    for (file, part) in [
        (fifo, "not a plain file"),
        (empty, "holds no key"),
        (large, "larger than"),
        ("/dev/zero".into(), "not a plain file"),
        (home.path.with_file_name("none"), "cannot be read"),
    ] {
        let sources = Sources { key_file: Some(file), environment: &|_| None };
        let why = Vault::open(&home.path, &sources).unwrap_err();
        assert!(why.to_string().contains(part) && why.trouble == Trouble::NoKey, "{why}");
    }
}

#[test]
fn systemd_hands_a_key_over() {
    let directory = tempfile::tempdir().unwrap();
    let (_, text) = generated();
    // As systemd leaves it where an access list is in use: the group bits are the list's mask.
    std::fs::write(directory.path().join(CREDENTIAL), &text).unwrap();
    std::fs::set_permissions(directory.path().join(CREDENTIAL), PermissionsExt::from_mode(0o440)).unwrap();
    let folder = directory.path().to_str().unwrap().to_owned();
    let environment = only("CREDENTIALS_DIRECTORY", &folder);
    let path = directory.path().join("vault");
    let (vault, made) = Vault::init(&path, &with(&environment), monday()).unwrap();
    assert_eq!((made, vault.key_place()), (None, &Place::Credential(directory.path().join(CREDENTIAL))));
    Vault::open(&path, &with(&environment)).unwrap();
}

#[test]
fn a_passphrase_opens_what_it_made_and_its_parameters_are_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let good = only(PASSPHRASE_VARIABLE, "brown horses seldom drink green tea");
    let weak = only(PASSPHRASE_VARIABLE, "password1");
    assert_eq!(Vault::init(&path, &with(&weak), monday()).unwrap_err().trouble, Trouble::Refused);
    assert!(!path.exists());
    let (mut vault, _) = Vault::init(&path, &with(&good), monday()).unwrap();
    vault.set(&name("a"), &secret("value"), Terms::default(), monday()).unwrap();
    let vault = Vault::open(&path, &with(&good)).unwrap();
    assert_eq!(vault.get(&name("a"), monday()).unwrap().expose(), "value");
    assert_eq!(Vault::open(&path, &with(&weak)).unwrap_err().trouble, Trouble::WrongKey);
    let text = std::fs::read_to_string(&path).unwrap();
    for part in ["\"kind\": \"passphrase\"", "\"memory_kib\": 65536", "\"passes\": 3", "\"lanes\": 4"] {
        assert!(text.contains(part), "{text}");
    }
    for (from, to) in
        [("65536", "4294967295"), ("\"passes\": 3", "\"passes\": 0"), ("\"lanes\": 4", "\"lanes\": 9999")]
    {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let why = Vault::open(&path, &with(&good)).unwrap_err();
        assert!(why.to_string().contains("Argon2id parameters make no sense"), "{why}");
    }
}

#[test]
fn two_keys_read_and_the_first_writes_until_the_old_one_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let ((_, old), (key, new)) = (generated(), generated());
    let (mut vault, _) = Vault::init(&path, &with(&only(KEY_VARIABLE, &old)), monday()).unwrap();
    vault.set(&name("a"), &secret("value"), Terms::default(), monday()).unwrap();
    let both = format!("{new},{old}");
    let mut vault = Vault::open(&path, &with(&only(KEY_VARIABLE, &both))).unwrap();
    assert_eq!(vault.get(&name("a"), monday()).unwrap().expose(), "value");
    let master = Master::Ring(both.parse().unwrap());
    vault.rekey(&master, Place::Variable(KEY_VARIABLE), monday()).unwrap();
    let vault = Vault::open(&path, &with(&only(KEY_VARIABLE, &new))).unwrap();
    assert_eq!(vault.get(&name("a"), monday()).unwrap().expose(), "value");
    assert_eq!(&**key.open(&vault.export(&name("a"), monday()).unwrap()).unwrap(), b"value");
    assert_eq!(Vault::open(&path, &with(&only(KEY_VARIABLE, &old))).unwrap_err().trouble, Trouble::WrongKey);
}

#[test]
fn a_key_file_is_rotated_and_whatever_moment_it_is_killed_a_key_opens_the_vault() {
    let home = Home::new();
    let mut vault = home.open();
    vault.set(&name("a"), &secret("value"), Terms::default(), monday()).unwrap();
    let file = key_file_of(&home.path);
    let (key_before, vault_before) = (std::fs::read(&file).unwrap(), home.text());
    let rotated = Vault::rotate_key_file(&home.path, &file, monday()).unwrap();
    assert_eq!(rotated.get(&name("a"), monday()).unwrap().expose(), "value");
    let key_after = std::fs::read_to_string(&file).unwrap();
    assert_eq!(key_after.lines().filter(|line| !line.starts_with('#')).count(), 1);
    assert_eq!(home.open().get(&name("a"), monday()).unwrap().expose(), "value");
    assert_eq!(
        vault.set(&name("a"), &secret("x"), Terms::default(), monday()).unwrap_err().trouble,
        Trouble::WrongKey
    );

    // The two moments in between, as the disk has them: both keys and the old vault, both keys and the new vault.
    let both = [key_after.as_bytes(), &key_before].concat();
    let vault_after = home.text();
    for text in [vault_before, vault_after] {
        home.write(text);
        disk::replace(&file, &both, false).unwrap();
        assert_eq!(home.open().get(&name("a"), monday()).unwrap().expose(), "value");
        Vault::rotate_key_file(&home.path, &file, monday()).unwrap();
        assert_eq!(home.open().get(&name("a"), monday()).unwrap().expose(), "value");
    }
}

#[test]
fn a_key_file_of_a_vault_that_is_gone_is_used_again() {
    let home = Home::new();
    let key = std::fs::read(key_file_of(&home.path)).unwrap();
    std::fs::remove_file(&home.path).unwrap();
    let (_, made) = Vault::init(&home.path, &beside(), monday()).unwrap();
    assert_eq!((made, std::fs::read(key_file_of(&home.path)).unwrap()), (None, key));
    home.open();
}
