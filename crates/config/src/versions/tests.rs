//! What a version keeps, and what it does not survive unseen.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn kept(keep: u32) -> (TempDir, Versions) {
    let home = tempfile::tempdir().unwrap();
    let versions = Versions::at(home.path().join("state/versions"), keep);
    (home, versions)
}

fn deed(cause: Cause) -> Deed<'static> {
    Deed { cause, by: "ann", reason: "the limit was too low", generation: 3, again: None }
}

fn add(versions: &Versions, text: &str) -> Option<u64> {
    versions.keep(text, "seawall.toml", &deed(Cause::Lever), NOW).unwrap().map(|version| version.number)
}

#[test]
fn a_version_says_what_when_who_and_why_and_only_its_owner_reads_it() {
    let (_home, versions) = kept(50);
    assert_eq!(versions.list().unwrap(), Listing::default(), "nothing is made by looking");
    assert!(!versions.directory().exists());
    let now = NOW + Duration::from_millis(1_700_000_000_500);
    let version = versions.keep("a = 1\n", "seawall.toml", &deed(Cause::Lever), now).unwrap().unwrap();
    assert_eq!(version.sha256, "cb78bd8a17f7b751fe0d4663366dcbc257204033ef7ddd64b1f2969573b5b2e2");
    assert_eq!(
        (version.number, version.at.as_str(), version.cause.as_str(), version.by.as_str()),
        (1, "2023-11-14T22:13:20Z", "lever", "ann")
    );
    let again = versions.read(1).unwrap();
    assert_eq!((again.version, again.text.as_str()), (version, "a = 1\n"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(versions.directory()), mode(&versions.path(1))), (0o700, 0o600));
}

#[test]
fn only_what_differs_from_the_latest_is_kept_and_no_number_comes_twice() {
    let (_home, versions) = kept(2);
    assert_eq!(
        ["a", "a", "b", "a", "a", "c"].map(|text| add(&versions, text)),
        [Some(1), None, Some(2), Some(3), None, Some(4)]
    );
    let numbers: Vec<u64> = versions.list().unwrap().versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [4, 3], "the latest first, and no more than two");
    let gone = versions.read(1).unwrap_err();
    assert!(gone.to_string().starts_with("there is no version 1: there are 3 to 4"), "{gone}");
    // The same text in another spelling's file is another configuration.
    let yaml = versions.keep("c", "seawall.yaml", &deed(Cause::File), NOW).unwrap();
    assert_eq!(yaml.unwrap().number, 5);
}

#[test]
fn what_was_changed_cut_or_moved_is_named_and_left_as_it_is() {
    let (_home, versions) = kept(2);
    for text in ["first", "second", "third"] {
        add(&versions, text);
    }
    let text = fs::read_to_string(versions.path(2)).unwrap();
    fs::write(versions.path(2), text.replace("second", "sec0nd")).unwrap();
    let changed = versions.read(2).unwrap_err();
    assert!(changed.to_string().ends_with("was changed since it was kept"), "{changed}");
    fs::copy(versions.path(3), versions.path(7)).unwrap();
    assert!(versions.read(7).unwrap_err().to_string().ends_with("is another version's"));
    let listing = versions.list().unwrap();
    assert_eq!((listing.versions.len(), listing.damaged.len()), (1, 2), "{listing:?}");
    // What is damaged counts as a number, and is not thrown away.
    assert_eq!(add(&versions, "fourth"), Some(8));
    assert!(versions.path(2).exists() && versions.path(7).exists());
    for cut in [0, 1, 40] {
        let whole = fs::read(versions.path(8)).unwrap();
        fs::write(versions.path(8), &whole[..cut]).unwrap();
        assert!(matches!(versions.read(8), Err(VersionError::Damaged(_))), "{cut}");
        fs::write(versions.path(8), whole).unwrap();
    }
    assert_eq!(versions.latest().unwrap().text, "fourth");
}

#[test]
fn files_that_are_none_of_ours_are_left_alone_and_unfinished_ones_are_swept() {
    let (_home, versions) = kept(1);
    add(&versions, "a");
    for name in ["notes.txt", "1.json", "00000001.json.bak", "99999999999999999999999.json", ".seawall-x.tmp"]
    {
        fs::write(versions.directory().join(name), "x").unwrap();
    }
    fs::create_dir(versions.directory().join("00000009.json")).unwrap();
    assert_eq!(add(&versions, "b"), Some(10));
    assert!(!versions.directory().join(".seawall-x.tmp").exists());
    assert!(versions.directory().join("notes.txt").exists() && versions.directory().join("1.json").exists());
}

#[test]
fn two_that_keep_at_once_lose_nothing() {
    let (_home, versions) = kept(100);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let versions = &versions;
            scope.spawn(move || (0..10).for_each(|n| _ = add(versions, &format!("{thread} {n}"))));
        }
    });
    let listing = versions.list().unwrap();
    assert_eq!((listing.versions.len(), listing.versions[0].number, listing.damaged.len()), (40, 40, 0));
}

#[test]
fn a_text_is_replaced_in_one_step_with_its_rights_and_behind_its_link() {
    let home = tempfile::tempdir().unwrap();
    let (file, link) = (home.path().join("real.toml"), home.path().join("seawall.toml"));
    fs::write(&file, "a = 1").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    write_text(&link, "a = 2").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "a = 2");
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "nothing is left beside it");
    assert!(write_text(&home.path().join("none.toml"), "x").is_err());
}
