//! Known tricks, and one who plays them while we look.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Component;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;

/// A directory with a file and a folder in it, and one beside it that nobody may see.
struct Home {
    directory: tempfile::TempDir,
    base: Base,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("inside");
        std::fs::create_dir_all(inside.join("folder")).unwrap();
        std::fs::create_dir(directory.path().join("outside")).unwrap();
        std::fs::write(directory.path().join("outside/secret.txt"), "canary").unwrap();
        std::fs::write(inside.join("a.txt"), "a").unwrap();
        std::fs::write(inside.join("folder/b.txt"), "b").unwrap();
        let base = Base::open(&inside).unwrap();
        Self { directory, base }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn secret(&self) -> String {
        std::fs::read_to_string(self.at("outside/secret.txt")).unwrap()
    }
}

fn relative(text: &str) -> Relative {
    text.parse().unwrap()
}

fn trouble<T>(result: Result<T, PathError>) -> Trouble {
    result.err().unwrap().trouble
}

#[test]
fn what_is_inside_is_read_and_written_and_nothing_is_left_over() {
    let home = Home::new();
    let rules = Rules::new();
    assert_eq!(home.base.read(&relative("folder/b.txt"), &rules).unwrap(), b"b");
    home.base.write(&relative("folder/b.txt"), &rules, b"new").unwrap();
    assert_eq!(home.base.read(&relative("folder/b.txt"), &rules).unwrap(), b"new");
    assert_eq!(trouble(home.base.write_new(&relative("a.txt"), &rules, b"x")), Trouble::Exists);
    home.base.write_new(&relative("c.txt"), &rules, b"c").unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&home.at("inside/c.txt").metadata().unwrap());
    assert_eq!(mode & 0o7777, 0o600);
    drop(home.base.begin(&relative("never.txt"), &rules).unwrap());
    let inner = home.base.make(&relative("made")).unwrap();
    inner.write(&relative("d.txt"), &rules, b"d").unwrap();
    assert_eq!(trouble(home.base.make(&relative("made"))), Trouble::Exists);
    assert_eq!(
        trouble(home.base.write(&relative("made"), &rules, b"x")),
        Trouble::Failed,
        "a directory stays"
    );
    home.base.remove(&relative("c.txt")).unwrap();
    assert_eq!(trouble(home.base.remove(&relative("c.txt"))), Trouble::Missing);
    let mut names: Vec<_> =
        std::fs::read_dir(home.at("inside")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.txt", "folder", "made"]);
}

/// Ways to say elsewhere, as they are known from lists of such.
const TRICKS: [&str; 40] = [
    "../outside/secret.txt",
    "folder/../../outside/secret.txt",
    "./../outside/secret.txt",
    "folder/./../../outside/secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/root/etc/passwd",
    "/dev/fd/0",
    "..",
    ".",
    "",
    "/",
    "a.txt/",
    "a.txt/..",
    "folder//b.txt",
    "..\\outside\\secret.txt",
    "folder\\..\\..\\outside",
    "C:\\windows\\win.ini",
    "\\\\server\\share",
    "a.txt\0.png",
    "a\r\nb.txt",
    "a\u{202e}txt.exe",
    "\u{feff}a.txt",
    "%2e%2e/outside/secret.txt",
    "%2e%2e%2foutside%2fsecret.txt",
    "..%2foutside",
    "..%252foutside",
    "%c0%ae%c0%ae/outside",
    "..;/outside/secret.txt",
    "....//outside/secret.txt",
    "...",
    "\u{ff0e}\u{ff0e}/outside/secret.txt",
    "\u{2025}/outside/secret.txt",
    "~/secret.txt",
    "~root/.ssh/id_rsa",
    "file:///etc/passwd",
    "$HOME/secret.txt",
    "`id`",
    "|cat a.txt",
    "CON",
];

#[test]
fn no_known_trick_leads_out() {
    let home = Home::new();
    for rules in [Rules::new(), Rules::new().follow_links_inside()] {
        for trick in TRICKS {
            let Ok(path) = trick.parse::<Relative>() else { continue };
            assert_eq!(trouble(home.base.read(&path, &rules)), Trouble::Missing, "{trick}");
            let written = home.base.write(&path, &rules, b"x");
            // A strange name is a name: it is inside, or has no folder to be in.
            assert!(written.is_ok() || trouble(written) == Trouble::Missing, "{trick}");
            let _ = home.base.remove(&path);
        }
    }
    assert!("../x".parse::<Relative>().is_err() && "%2e%2e/x".parse::<Relative>().is_ok());
    assert_eq!(home.secret(), "canary");
    assert_eq!(std::fs::read_dir(home.directory.path()).unwrap().count(), 2);
}

#[test]
fn links_are_refused_or_followed_inside_and_never_out() {
    let home = Home::new();
    for (link, target) in [
        ("file", "a.txt"),
        ("up", "../outside/secret.txt"),
        ("absolute", home.at("outside/secret.txt").to_str().unwrap()),
        ("dir", "folder"),
        ("dirup", "../outside"),
        ("folder/back", "../a.txt"),
        ("chain", "up"),
        ("loop", "loop"),
        ("root", "/"),
        ("proc", "/proc/self/cwd"),
    ] {
        symlink(target, home.at("inside").join(link)).unwrap();
    }
    let (strict, inside) = (Rules::new(), Rules::new().follow_links_inside());
    let read = |path: &str, rules: &Rules| home.base.read(&relative(path), rules);
    for path in [
        "file",
        "up",
        "absolute",
        "dir/b.txt",
        "dirup/secret.txt",
        "folder/back",
        "chain",
        "loop",
        "root/etc/passwd",
        "proc/Cargo.toml",
    ] {
        assert_eq!(trouble(read(path, &strict)), Trouble::Link, "{path}");
    }
    assert_eq!(read("file", &inside).unwrap(), b"a");
    assert_eq!(read("dir/b.txt", &inside).unwrap(), b"b");
    assert_eq!(read("folder/back", &inside).unwrap(), b"a", "up, and still inside");
    for path in ["up", "absolute", "dirup/secret.txt", "chain", "loop", "root/etc/passwd"] {
        assert_eq!(trouble(read(path, &inside)), Trouble::Link, "{path}");
    }
    // Written through, or removed through: the link goes, what it led to stays.
    home.base.write(&relative("up"), &strict, b"mine").unwrap();
    assert_eq!((read("up", &strict).unwrap().as_slice(), home.secret().as_str()), (&b"mine"[..], "canary"));
    home.base.remove(&relative("absolute")).unwrap();
    for rules in [&strict, &inside] {
        assert_eq!(trouble(home.base.write(&relative("dirup/new.txt"), rules, b"x")), Trouble::Link);
    }
    assert_eq!((home.secret().as_str(), home.at("outside/new.txt").exists()), ("canary", false));
}

#[test]
fn what_is_no_plain_file_is_refused_at_once() {
    let home = Home::new();
    let inside = home.at("inside");
    rustix::fs::mkfifoat(rustix::fs::CWD, inside.join("fifo"), rustix::fs::Mode::from_raw_mode(0o600))
        .unwrap();
    let _socket = UnixListener::bind(inside.join("socket")).unwrap();
    for path in ["fifo", "socket", "folder"] {
        assert_eq!(trouble(home.base.read(&relative(path), &Rules::new())), Trouble::Special, "{path}");
    }
    assert_eq!(trouble(home.base.read(&relative("a.txt/b"), &Rules::new())), Trouble::Missing);
}

#[test]
fn extensions_sizes_and_other_names_are_kept_to() {
    let home = Home::new();
    let rules = Rules::new().extensions(["txt", "JSON"]).most(3);
    std::fs::write(home.at("inside/.txt"), "x").unwrap();
    std::fs::write(home.at("inside/B.TXT"), "abc").unwrap();
    std::fs::write(home.at("inside/large.txt"), "abcd").unwrap();
    std::fs::hard_link(home.at("outside/secret.txt"), home.at("inside/hard.txt")).unwrap();
    assert_eq!(home.base.read(&relative("B.TXT"), &rules).unwrap(), b"abc");
    for (path, expected) in [
        ("a.png", Trouble::Extension),
        ("a.txt.png", Trouble::Extension),
        ("a", Trouble::Extension),
        (".txt", Trouble::Extension),
        ("txt", Trouble::Extension),
        ("a.", Trouble::Extension),
        ("large.txt", Trouble::TooLarge),
        ("hard.txt", Trouble::OtherNames),
    ] {
        assert_eq!(trouble(home.base.read(&relative(path), &rules)), expected, "{path}");
    }
    let other = home.base.read(&relative("hard.txt"), &Rules::new().allow_other_names());
    assert_eq!(other.unwrap(), b"canary");
    assert_eq!(trouble(home.base.write(&relative("new.txt"), &rules, b"abcd")), Trouble::TooLarge);
    assert!(!home.at("inside/new.txt").exists());
    let why = home.base.read(&relative("a.png"), &rules).unwrap_err();
    assert_eq!(why.to_string(), "a.png has none of the extensions that are taken: json, txt");
}

#[test]
fn a_directory_that_was_moved_is_still_the_one_that_was_opened() {
    let home = Home::new();
    std::fs::rename(home.at("inside"), home.at("moved")).unwrap();
    symlink(home.at("outside"), home.at("inside")).unwrap();
    assert_eq!(home.base.read(&relative("a.txt"), &Rules::new()).unwrap(), b"a");
    assert_eq!(trouble(home.base.read(&relative("secret.txt"), &Rules::new())), Trouble::Missing);
}

/// Ends the attack, also when a test fails in the middle of it.
struct Ends<'o>(&'o AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Somebody else's hands on the directory: files and folders become links, pipes and files again, as fast as they can.
fn attack(home: &Home, over: &AtomicBool) {
    let (inside, outside) = (home.at("inside"), home.at("outside"));
    let put = |name: &str, make: &dyn Fn(&Path)| {
        let temporary = home.at("temporary");
        let _ = std::fs::remove_file(&temporary).or_else(|_| std::fs::remove_dir_all(&temporary));
        make(&temporary);
        let target = inside.join(name);
        // Links and files replace each other in one step; a folder has to go first.
        if std::fs::rename(&temporary, &target).is_err() {
            let _ = std::fs::remove_dir_all(&target).or_else(|_| std::fs::remove_file(&target));
            let _ = std::fs::rename(&temporary, &target);
        }
    };
    while !over.load(Ordering::Relaxed) {
        put("x", &|path| symlink(outside.join("secret.txt"), path).unwrap());
        put("x", &|path| std::fs::write(path, "fine").unwrap());
        put("x", &|path| {
            rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        });
        put("d", &|path| symlink(&outside, path).unwrap());
        put("d", &|path| {
            std::fs::create_dir(path).unwrap();
            std::fs::write(path.join("secret.txt"), "fine").unwrap();
        });
    }
}

#[test]
fn a_racing_attacker_gains_nothing() {
    const TURNS: u32 = 1500;
    let home = Home::new();
    let over = AtomicBool::new(false);
    let (mut reads, mut refusals, mut naive) = (0u32, 0u32, 0u32);
    std::thread::scope(|scope| {
        let _ends = Ends(&over);
        scope.spawn(|| attack(&home, &over));
        for turn in 0..TURNS {
            let strict = turn % 2 == 0;
            let rules = if strict { Rules::new() } else { Rules::new().follow_links_inside() };
            for path in ["x", "d/secret.txt"] {
                match home.base.read(&relative(path), &rules) {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"fine", "{path}");
                        reads += 1;
                    }
                    Err(_) => refusals += 1,
                }
            }
            // Whoever looks first and opens later loses this race.
            let path = home.at("inside/d/secret.txt");
            let looked = path
                .parent()
                .is_some_and(|parent| parent.symlink_metadata().is_ok_and(|found| found.is_dir()));
            if turn % 16 == 0 {
                std::thread::yield_now();
            }
            naive += u32::from(looked && std::fs::read(&path).is_ok_and(|bytes| bytes == b"canary"));
            if turn % 8 == 0 {
                let _ = home.base.write(&relative("x"), &rules, b"fine");
                let _ = home.base.write(&relative("d/new.txt"), &rules, b"fine");
                let _ = home.base.remove(&relative("d/secret.txt"));
            }
        }
    });
    assert_eq!(home.secret(), "canary");
    let names: Vec<_> =
        std::fs::read_dir(home.at("outside")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret.txt"]);
    println!("{reads} reads, {refusals} refusals; looking first lost {naive} times");
    assert!(reads > 0 && refusals > 0, "the race was one: {reads} read, {refusals} refused");
}

proptest! {
    /// Law: whatever the text, it is refused, or the file it names lies below the directory by every reckoning.
    #[test]
    fn every_path_that_is_read_stays_below(text in "([a-z.%~/\\\\:\\x00é ]|\\.\\./|//){0,12}") {
        let base = Path::new("/base");
        if let Ok(path) = text.parse::<Relative>() {
            let mut depth = 0i32;
            for part in base.join(path.to_path()).components().skip(2) {
                depth += if part == Component::ParentDir { -1 } else { 1 };
                prop_assert!(depth > 0);
            }
            prop_assert_eq!(path.folders().count() + 1, path.as_str().split('/').count());
        }
    }
}
