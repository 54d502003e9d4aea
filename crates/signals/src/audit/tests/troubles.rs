//! Files that are cut, replaced, deleted or torn, while it runs and while it does not.

use super::*;

fn told(home: &Path) -> (Trail, Arc<Told>) {
    let told = Arc::new(Told::default());
    let sink: Arc<dyn Sink> = told.clone();
    (Trail::open(home, Options::default(), Arc::new(SystemClock), Some(sink)).unwrap(), told)
}

fn heard(told: &Told) -> Vec<String> {
    told.0.lock().unwrap().drain(..).collect()
}

fn kinds(trail: &Trail) -> Vec<String> {
    trail.latest(10).into_iter().rev().map(|(record, _)| record.kind).collect()
}

#[test]
fn a_file_that_is_cut_replaced_or_deleted_while_it_runs_is_told_and_left() {
    let cut = |path: &Path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(100).unwrap();
    let replace = |path: &Path| {
        let text = fs::read(path).unwrap();
        fs::write(path.with_extension("new"), text).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    let delete = |path: &Path| fs::remove_file(path).unwrap();
    let grow = |path: &Path| {
        let mut text = fs::read(path).unwrap();
        text.extend_from_slice(b"x\n");
        fs::write(path, text).unwrap();
    };
    type Tampering<'a> = (&'a str, &'a dyn Fn(&Path));
    let tamperings: [Tampering<'_>; 4] = [
        ("was cut from", &cut),
        ("was replaced", &replace),
        ("was deleted", &delete),
        ("has 2 bytes that were not written here", &grow),
    ];
    for (word, tamper) in tamperings {
        let home = tempfile::tempdir().unwrap();
        let (trail, told) = told(home.path());
        trail.note(entry(1)).unwrap();
        trail.note(Entry::closed("lever.reset", "openai")).unwrap();
        tamper(&only_file(home.path()));
        trail.note(entry(3)).unwrap();
        assert_eq!(kinds(&trail), ["job.retry", "lever.reset", "audit.trouble", "job.retry"], "{word}");
        let heard = heard(&told);
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].contains(word), "{heard:?}");
        assert_eq!(trail.standing().troubles, 1);
        trail.note(entry(4)).unwrap();
        assert_eq!(trail.standing().troubles, 1, "told once");
        drop(trail);
        let report = verify(home.path()).unwrap();
        // A replacement of the same bytes takes nothing away.
        assert_eq!(report.is_sound(), word == "was replaced", "{word}: {report:?}");
        assert_eq!(report.last.unwrap().seq, 5);
    }
}

#[test]
fn a_checkpoint_that_is_deleted_while_it_runs_is_told_and_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let (trail, told) = told(home.path());
    trail.note(entry(1)).unwrap();
    fs::remove_file(home.path().join("head.json")).unwrap();
    trail.note(entry(2)).unwrap();
    assert_eq!(heard(&told), ["the checkpoint head.json was deleted while seawall was running"]);
    drop(trail);
    let report = verify(home.path()).unwrap();
    assert!(report.is_sound(), "nothing is missing: {report:?}");
    assert_eq!(report.entries, 3);
}

#[test]
fn the_end_of_a_file_that_is_removed_while_it_does_not_run_is_told_and_the_numbers_go_on() {
    let home = written(4, &Options::default());
    let path = only_file(home.path());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    assert_eq!(whats(home.path()), ["entries 3 to 4 are missing at the end"]);
    let (trail, told) = told(home.path());
    assert_eq!(heard(&told), ["entries 3 to 4 were removed while seawall was not running"]);
    trail.note(entry(6)).unwrap();
    let (last, _) = &trail.latest(1)[0];
    assert_eq!(last.seq, 6);
    drop(trail);
    assert_eq!(whats(home.path()), ["entries 3 to 4 are missing"]);
}

#[test]
fn all_files_removed_while_it_does_not_run_are_told() {
    let home = written(4, &Options::default());
    fs::remove_file(only_file(home.path())).unwrap();
    let (trail, told) = told(home.path());
    assert_eq!(heard(&told), ["entries 1 to 4 were removed while seawall was not running"]);
    assert_eq!(trail.latest(1)[0].0.seq, 5);
}

#[test]
fn a_line_changed_while_it_does_not_run_is_told_at_the_next_start() {
    let home = written(3, &Options::default());
    let path = only_file(home.path());
    fs::write(&path, fs::read_to_string(&path).unwrap().replacen("train", "trial", 1)).unwrap();
    let (trail, told) = told(home.path());
    let heard = heard(&told);
    assert!(heard.len() == 1 && heard[0].contains(".jsonl:1: it was changed"), "{heard:?}");
    assert_eq!(trail.latest(1)[0].0.seq, 4, "in a file of its own");
    drop(trail);
    assert_eq!(files(home.path()).len(), 2);
    assert_eq!(whats(home.path()).len(), 1);
}

#[test]
fn a_torn_last_line_is_set_aside_and_told_and_the_chain_goes_on() {
    let home = written(2, &Options::default());
    let path = only_file(home.path());
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"seq\":3,\"ts\":\"20");
    fs::write(&path, text).unwrap();
    assert_eq!(whats(home.path()), ["it is torn: 17 bytes without an end of line"]);
    let (trail, told) = told(home.path());
    assert_eq!(heard(&told), ["the entry that was being written when the process ended was set aside"]);
    trail.note(entry(4)).unwrap();
    drop(trail);
    let report = verify(home.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.entries, report.files), (4, 1));
    assert_eq!(fs::read(home.path().join("torn-0.bin")).unwrap(), b"{\"seq\":3,\"ts\":\"20");
}

#[test]
fn a_kill_between_any_two_bytes_is_survived() {
    let home = written(3, &Options::default());
    let path = only_file(home.path());
    let whole = fs::read(&path).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // The checkpoint as it was when only the first entry was on the disk.
    let first = line::read(&whole[..second - 1]).unwrap().2;
    let mut head = head::Head::take(home.path()).unwrap().0;
    head.write(1, first).unwrap();
    drop(head);
    let checkpoint = fs::read(home.path().join("head.json")).unwrap();
    for length in second..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        fs::write(home.path().join("head.json"), &checkpoint).unwrap();
        let trail = open(home.path());
        trail.note(entry(9)).unwrap();
        drop(trail);
        let report = verify(home.path()).unwrap();
        assert!(report.is_sound(), "cut after {length}: {report:?}");
        for torn in fs::read_dir(home.path()).unwrap().flatten() {
            if torn.file_name().to_string_lossy().starts_with("torn") {
                fs::remove_file(torn.path()).unwrap();
            }
        }
    }
}

#[test]
fn what_cannot_be_written_is_refused_or_counted_as_its_class_says() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("audit");
    let (trail, told) = told(&directory);
    trail.note(entry(1)).unwrap();
    // Even root cannot write below what is no directory.
    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "in the way").unwrap();
    let refused = trail.note(Entry::closed("lever.reset", "openai")).unwrap_err();
    assert!(refused.to_string().starts_with("the audit trail cannot be written: "), "{refused}");
    assert_eq!(trail.standing().lost, 0, "it was refused, not lost");
    trail.note(entry(2)).unwrap();
    trail.note(entry(3)).unwrap();
    let standing = trail.standing();
    assert_eq!((standing.lost, standing.entries), (2, 1));
    assert!(standing.failing.is_some());
    assert_eq!(heard(&told).len(), 1, "told once, not with each");
    fs::remove_file(&directory).unwrap();
    trail.note(Entry::closed("lever.reset", "openai")).unwrap();
    assert_eq!(trail.standing().failing, None);
    drop(trail);
    assert_eq!(whats(&directory)[0], "entry 1 is missing");
}

#[test]
fn an_entry_that_is_too_long_is_refused_and_the_next_is_written() {
    let home = tempfile::tempdir().unwrap();
    let (trail, told) = told(home.path());
    let long = "x".repeat(20_000);
    let refused = trail.note(Entry::closed("lever.reset", "openai").because(long)).unwrap_err();
    assert!(refused.why.contains("longer than 16384 bytes"), "{refused}");
    trail.note(Entry::closed("lever.reset", "openai")).unwrap();
    assert_eq!((trail.standing().entries, trail.standing().failing), (1, None));
    assert!(heard(&told).is_empty());
}
