//! Deleting as well as a program can, and saying how well that was.

use std::fmt;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use serde::Serialize;

use crate::paths::{Base, PathError, Relative, Rules, Trouble};

/// Why what was overwritten may still be somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caveat {
    /// A disk with flash memory writes elsewhere and keeps the old cells for as long as it likes. Whether it is one cannot
    /// be known for certain, so this always holds.
    WearLevelling,
    /// Backups, snapshots, swap, and whoever copied the file. This always holds.
    Copies,
    /// The file system writes changes elsewhere and leaves the old blocks until they are needed.
    CopyOnWrite,
    /// The file system is on another machine, which does as it likes.
    Remote,
    /// The file had other names, which still lead to its blocks; they were overwritten, and are not gone.
    OtherNames,
}

impl Caveat {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Caveat::WearLevelling => "a disk with flash memory may keep the old cells",
            Caveat::Copies => "backups, snapshots, swap and copies still have it",
            Caveat::CopyOnWrite => {
                "this file system writes changes elsewhere and keeps the old blocks for a while"
            }
            Caveat::Remote => "the file was on another machine, which may keep it",
            Caveat::OtherNames => {
                "the file has other names, which still exist; what they lead to was overwritten"
            }
        }
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was done, and what that is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deleted {
    /// Bytes that were overwritten, once, with random ones, and brought to the disk.
    pub overwritten: u64,
    /// Why they may still be somewhere; never empty.
    pub caveats: Vec<Caveat>,
}

/// Overwrites a file with random bytes, brings that to the disk, and takes its name away.
///
/// This is the best a program can do, and it is a best effort: see [`Caveat`], which the answer names. What must be gone
/// for certain should never have been on the disk in the clear: [`Erasable`](super::Erasable).
///
/// Refuses links and whatever is no plain file. One pass: more are a superstition about disks of the eighties.
pub fn delete(base: &Base, path: &Relative) -> Result<Deleted, PathError> {
    let rules = Rules::new().most(u64::MAX).allow_other_names();
    let mut file = base.writable(path, &rules)?;
    let failed =
        |why: &io::Error| PathError::new(Trouble::Failed, format!("{path} cannot be overwritten: {why}"));
    let metadata = file.metadata().map_err(|why| failed(&why))?;
    let mut caveats = vec![Caveat::WearLevelling, Caveat::Copies];
    caveats.extend(caveat_of(&file));
    if cap_std::fs::MetadataExt::nlink(&metadata) > 1 {
        caveats.push(Caveat::OtherNames);
    }
    let overwritten = metadata.len();
    overwrite(&mut file, overwritten).map_err(|why| failed(&why))?;
    base.remove_this(path, &file)?;
    Ok(Deleted { overwritten, caveats })
}

fn overwrite(file: &mut cap_std::fs::File, length: u64) -> io::Result<()> {
    const PIECE: usize = 64 << 10;
    let mut piece = vec![0; PIECE];
    let mut left = length;
    file.seek(SeekFrom::Start(0))?;
    while left > 0 {
        let take = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        getrandom::fill(&mut piece[..take]).map_err(|_| io::Error::other(crate::NoRandomness))?;
        file.write_all(&piece[..take])?;
        left -= take as u64;
    }
    file.sync_all()
}

#[cfg(target_os = "linux")]
fn caveat_of(file: &impl AsFd) -> Option<Caveat> {
    // Of linux/magic.h, and of the file systems themselves.
    const BTRFS: i64 = 0x9123_683e;
    const ZFS: i64 = 0x2fc1_2fc1;
    const BCACHEFS: i64 = 0xca45_1a4e_u32 as i64;
    const OVERLAY: i64 = 0x794c_7630;
    const F2FS: i64 = 0xf2f5_2010_u32 as i64;
    const XFS: i64 = 0x5846_5342;
    const NFS: i64 = 0x6969;
    const SMB2: i64 = 0xfe53_4d42_u32 as i64;
    const CIFS: i64 = 0xff53_4d42_u32 as i64;
    const FUSE: i64 = 0x6573_5546;
    const CEPH: i64 = 0x00c3_6400;
    let kind = rustix::fs::fstatfs(file).ok()?.f_type;
    match kind as i64 {
        // XFS only where blocks are shared, which cannot be seen from here.
        BTRFS | ZFS | BCACHEFS | OVERLAY | F2FS | XFS => Some(Caveat::CopyOnWrite),
        NFS | SMB2 | CIFS | FUSE | CEPH => Some(Caveat::Remote),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn caveat_of(_: &impl AsFd) -> Option<Caveat> {
    // APFS, and whatever else: better one caveat too many.
    Some(Caveat::CopyOnWrite)
}
