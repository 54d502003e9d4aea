//! The write-ahead log as it lies on the disk, looked at before SQLite sees it.
//!
//! SQLite takes a log up to the first frame that does not add up and drops the rest without a word. At the end of a log
//! that is right: a transaction was cut short by a loss of power, and nobody was told of it. In the middle it would forget
//! what was acknowledged. The two can be told apart, because each transaction is on the disk before the next one begins:
//! where a frame does not add up, and one whole transaction or more was begun after it was committed, the file has been
//! damaged.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use seawall_core::store::StoreError;

use super::unreachable;

const HEADER: usize = 32;
const FRAME: usize = 24;

/// Refuses a log that was damaged anywhere but in its last transaction. What is damaged there cannot be told from what
/// was never finished.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => std::io::BufReader::with_capacity(1 << 18, file),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreachable(path, &error)),
    };
    let damaged = |what: &str| StoreError::Unreadable(format!("{} {what}", path.display()));
    let mut header = [0; HEADER + FRAME];
    if !whole(&mut file, &mut header).map_err(|error| unreachable(path, &error))? {
        // Too short for a single frame: nothing was written to it yet.
        return Ok(());
    }
    let Some(mut sums) = Sums::of(&header) else {
        return Err(damaged("is not a log, though there is something in it"));
    };
    let salts: [u8; 8] = copied(&header[16..24]);
    let page = match word(&header, 8) {
        1 => 65_536,
        size @ 512..=32_768 if size.is_power_of_two() => size as usize,
        _ => return Err(damaged("has a page size that cannot be")),
    };
    let mut frame = vec![0; FRAME + page];
    frame[..FRAME].copy_from_slice(&header[HEADER..]);
    let mut more = whole(&mut file, &mut frame[FRAME..]).map_err(|error| unreachable(path, &error))?;
    // Of what comes after the first frame that does not add up: was a transaction committed there?
    let (mut adds_up, mut committed) = (true, false);
    while more {
        let ours = frame[8..16] == salts;
        if adds_up {
            sums.add(&frame[..8]);
            sums.add(&frame[FRAME..]);
            adds_up = ours && (word(&frame, 16), word(&frame, 20)) == sums.both;
        }
        if !adds_up && ours {
            if committed {
                return Err(damaged(
                    "is damaged in the middle: what was acknowledged after that would be lost",
                ));
            }
            committed = word(&frame, 4) != 0;
        }
        more = whole(&mut file, &mut frame).map_err(|error| unreachable(path, &error))?;
    }
    Ok(())
}

/// Fills `buffer`, or says that there was less than that.
fn whole(file: &mut impl Read, buffer: &mut [u8]) -> Result<bool, std::io::Error> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The running checksum of a log, as SQLite's file format describes it.
struct Sums {
    both: (u32, u32),
    big: bool,
}

impl Sums {
    /// As they stand after the header; none if that is no header, or does not add up itself.
    fn of(header: &[u8]) -> Option<Self> {
        let big = match word(header, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return None,
        };
        let mut sums = Self { both: (0, 0), big };
        sums.add(&header[..24]);
        (sums.both == (word(header, 24), word(header, 28))).then_some(sums)
    }

    fn add(&mut self, bytes: &[u8]) {
        let read = if self.big { u32::from_be_bytes } else { u32::from_le_bytes };
        let (mut first, mut second) = self.both;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(read(copied(&pair[..4]))).wrapping_add(second);
            second = second.wrapping_add(read(copied(&pair[4..]))).wrapping_add(first);
        }
        self.both = (first, second);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(copied(&bytes[at..at + 4]))
}

fn copied<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}
