//! The hours and days of the metrics in a state directory.

use std::io;
use std::path::Path;

use super::kept::Kept;
use crate::whole::{self, Found};

/// The file in a state directory.
pub const FILE: &str = "series.state";

/// What was kept in a directory, and what there is to say about it: a file that is not as it was written is set aside, under the
/// same name with `.broken`, and the one before it taken where that is whole.
///
/// # Examples
/// ```
/// let directory = tempfile::tempdir()?;
/// let (kept, troubles) = seawall_signals::series::open(directory.path());
/// assert!(troubles.is_empty());
/// seawall_signals::series::keep(directory.path(), &kept.save())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn open(directory: &Path) -> (Kept, Vec<String>) {
    let path = directory.join(FILE);
    let mut troubles = Vec::new();
    let aside = |why: String, then: &str| {
        let broken = path.with_extension("broken");
        let moved = std::fs::rename(&path, &broken);
        let where_to = moved.map_or_else(|_| String::new(), |()| format!(", is now {}", broken.display()));
        format!("{why}{where_to}: {then}")
    };
    let anew = "hours and days of the metrics begin anew";
    let bytes = match whole::read(&path) {
        Found::Nothing => return (Kept::default(), troubles),
        Found::Whole(bytes) => bytes,
        Found::Before(bytes, why) => {
            troubles.push(aside(why, "going on from the one before"));
            bytes
        }
        Found::Broken(why) => {
            troubles.push(aside(why, anew));
            return (Kept::default(), troubles);
        }
    };
    let kept = Kept::restored(&bytes).unwrap_or_else(|why| {
        troubles.push(aside(format!("{} {why}", path.display()), anew));
        Kept::default()
    });
    (kept, troubles)
}

/// Writes what [`Kept::save`] gave, whole or not at all, for its owner alone. Blocks until it is on the disk.
pub fn keep(directory: &Path, saved: &[u8]) -> io::Result<()> {
    whole::write(&directory.join(FILE), saved)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{STEP, Step};
    use super::*;
    use crate::metrics::{Registry, names};

    fn counted(kept: &Kept) -> Option<f64> {
        let found = kept.steps("seawall_job_failure_ratio", Step::Hour, 7200, 7200);
        found.first().map(|(_, steps)| steps.iter().map(|step| step.sum).sum())
    }

    fn some() -> Kept {
        let registry = Registry::new();
        names::JOB_FAILURE_RATIO.with(&registry, ["train"]).set(2.0);
        let mut kept = Kept::default();
        (0..90).for_each(|minute| kept.tick(minute * STEP, || registry.gather()));
        kept
    }

    #[test]
    fn what_was_kept_is_there_again_and_a_file_cut_anywhere_is_named_and_set_aside() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        assert!(open(home.path()).1.is_empty());
        keep(home.path(), &some().save()).unwrap();
        let (kept, troubles) = open(home.path());
        assert_eq!((counted(&kept), troubles.len()), (Some(180.0), 0));
        let good = fs::read(&path).unwrap();
        for cut in [0, 1, 64, 65, 80, good.len() / 2, good.len() - 1] {
            let _ = fs::remove_file(home.path().join("series.state.before"));
            fs::write(&path, &good[..cut]).unwrap();
            let (kept, troubles) = open(home.path());
            assert_eq!(counted(&kept), None, "{cut}");
            assert!(troubles[0].contains("series.state is not as it was written, is now "), "{troubles:?}");
            assert_eq!(fs::read(path.with_extension("broken")).unwrap(), &good[..cut]);
            assert!(open(home.path()).1.is_empty(), "said once");
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_set_aside_though_its_sum_is_right() {
        let home = tempfile::tempdir().unwrap();
        keep(home.path(), b"seawall series 2\nfrom tomorrow").unwrap();
        let (kept, troubles) = open(home.path());
        assert_eq!(counted(&kept), None);
        assert!(troubles[0].contains("is of another version"), "{troubles:?}");
    }

    #[cfg(unix)]
    #[test]
    fn it_is_for_its_owner_alone_and_a_disk_that_is_full_is_an_error() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        keep(home.path(), &some().save()).unwrap();
        assert_eq!(fs::metadata(home.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        // Every write to it fails for want of space.
        std::os::unix::fs::symlink("/dev/full", home.path().join("series.state.new")).unwrap();
        assert!(keep(home.path(), &some().save()).is_err());
        assert_eq!(counted(&open(home.path()).0), Some(180.0), "the one before stands");
    }
}
