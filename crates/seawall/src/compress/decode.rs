//! The way in: pieces of a bounded size, a bounded whole, and an end that is really one.

use flate2::{Decompress, FlushDecompress, Status};

use super::{Algorithm, Bounds, Error, PIECE};

/// The window of deflate: what may be referred back to.
const WINDOW_BITS: u8 = 15;

/// Decompresses a body that comes in pieces, within [`Bounds`]. Costs about 50 KiB of memory while it lives, whatever
/// the body says of itself.
///
/// A gzip body may be several, one after the other, as the format allows; they count as one. A deflate body may come
/// with the wrapping of zlib, as it should, or without it, as some servers send it.
#[derive(Debug)]
pub struct Decoder {
    algorithm: Algorithm,
    bounds: Bounds,
    state: State,
    coded: u64,
    decoded: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing was read, or the one byte that does not tell the two kinds of deflate apart.
    Fresh(Option<u8>),
    Inside(Decompress),
    /// One gzip body has ended, and another may follow.
    Between,
    Over,
    Failed(Error),
}

impl Decoder {
    /// At the beginning of a body.
    pub fn new(algorithm: Algorithm, bounds: Bounds) -> Self {
        Self { algorithm, bounds, state: State::Fresh(None), coded: 0, decoded: 0 }
    }

    /// Reads on in `coded` and appends at most [`PIECE`] bytes to `out`; says how much it took. It has given
    /// all it can when it neither takes nor appends anything: until then call it again, with what it left.
    ///
    /// # Errors
    /// See [`Error`]; nothing was appended then, and it stays the answer.
    pub fn decode(&mut self, coded: &[u8], out: &mut Vec<u8>) -> Result<usize, Error> {
        let begun = out.len();
        self.step(coded, out).inspect_err(|error| {
            out.truncate(begun);
            self.state = State::Failed(error.clone());
        })
    }

    /// Was that the whole body? To be asked when no more of it comes.
    ///
    /// # Errors
    /// [`Error::Truncated`] if more had to come: every coding says where it ends. And the error it has met before.
    pub fn finish(&self) -> Result<(), Error> {
        match &self.state {
            State::Between | State::Over => Ok(()),
            State::Fresh(_) | State::Inside(_) => Err(Error::Truncated),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Bytes read and bytes given so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.coded, self.decoded)
    }

    fn step(&mut self, coded: &[u8], out: &mut Vec<u8>) -> Result<usize, Error> {
        let (begun, mut read) = (out.len(), 0);
        loop {
            let rest = &coded[read..];
            let given = out.len() - begun;
            match &mut self.state {
                State::Failed(error) => return Err(error.clone()),
                State::Over if !rest.is_empty() => {
                    return Err(Error::Broken("something follows its end".into()));
                }
                State::Over => return Ok(read),
                State::Fresh(_) | State::Between if rest.is_empty() => return Ok(read),
                State::Fresh(first) if self.algorithm == Algorithm::Deflate => {
                    let byte = rest[0];
                    read += 1;
                    self.coded += 1;
                    match first.take() {
                        None => *first = Some(byte),
                        Some(first) => self.begin_deflate([first, byte], out)?,
                    }
                }
                State::Fresh(_) | State::Between => {
                    self.state = State::Inside(Decompress::new_gzip(WINDOW_BITS));
                }
                State::Inside(inner) => {
                    // One more than is left, so that one too many is seen.
                    let left = usize::try_from(self.bounds.room(self.decoded)).unwrap_or(usize::MAX);
                    let room = (PIECE - given.min(PIECE)).min(left.saturating_add(1));
                    if room == 0 {
                        return Ok(read);
                    }
                    let (taken, over) = inflate(inner, rest, out, room)?;
                    read += taken;
                    self.coded += taken as u64;
                    self.decoded += (out.len() - begun - given) as u64;
                    self.hold_bounds()?;
                    if over {
                        self.state = match self.algorithm {
                            Algorithm::Gzip => State::Between,
                            Algorithm::Deflate => State::Over,
                        };
                    } else if taken == 0 && out.len() - begun == given {
                        return Ok(read);
                    }
                }
            }
        }
    }

    /// With the wrapping of zlib the first two bytes are a header with a check in it.
    fn begin_deflate(&mut self, head: [u8; 2], out: &mut Vec<u8>) -> Result<(), Error> {
        let wrapped = head[0] & 0x8f == 8 && u16::from_be_bytes(head).is_multiple_of(31);
        let mut inner = Decompress::new(wrapped);
        let before = out.len();
        // Two bytes hold one literal at most, and are always taken.
        let (_, over) = inflate(&mut inner, &head, out, 16)?;
        self.decoded += (out.len() - before) as u64;
        self.hold_bounds()?;
        self.state = if over { State::Over } else { State::Inside(inner) };
        Ok(())
    }

    fn hold_bounds(&self) -> Result<(), Error> {
        if self.bounds.are_passed(self.coded, self.decoded) {
            return Err(Error::Swollen { coded: self.coded, decoded: self.decoded });
        }
        Ok(())
    }
}

/// Appends at most `room` bytes; says how much was taken, and whether that was the end.
fn inflate(
    inner: &mut Decompress,
    coded: &[u8],
    out: &mut Vec<u8>,
    room: usize,
) -> Result<(usize, bool), Error> {
    let (read, written, begun) = (inner.total_in(), inner.total_out(), out.len());
    out.resize(begun + room, 0);
    let status = inner.decompress(coded, &mut out[begun..], FlushDecompress::None);
    let given = usize::try_from(inner.total_out() - written).unwrap_or(room).min(room);
    out.truncate(begun + given);
    let taken = usize::try_from(inner.total_in() - read).unwrap_or(coded.len()).min(coded.len());
    match status {
        Ok(status) => Ok((taken, status == Status::StreamEnd)),
        Err(error) if error.needs_dictionary().is_some() => {
            Err(Error::Broken("it needs a dictionary nobody sent".into()))
        }
        Err(error) => Err(Error::Broken(error.message().unwrap_or("it makes no sense").to_owned().into())),
    }
}
