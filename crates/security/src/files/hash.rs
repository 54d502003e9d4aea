//! Digests: of what is read, by several algorithms at once, and held to what was promised.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest as aws;

use crate::random::hex;

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// How a digest is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256 of FIPS 180-4.
    Sha256,
    /// SHA-512 of FIPS 180-4.
    Sha512,
    /// BLAKE3, 256 bits: the fastest here.
    Blake3,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Algorithm; 3] = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Blake3];

    /// How it is written before a digest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    const fn length(self) -> usize {
        match self {
            Algorithm::Sha512 => 64,
            Algorithm::Sha256 | Algorithm::Blake3 => 32,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A digest, written `sha256:9f86d0…`. Comparing takes the same time whatever differs.
///
/// ```
/// use seawall_security::files::{Algorithm, Digest, digest};
/// let digest = digest(&b"test"[..], Algorithm::Sha256)?;
/// assert_eq!(digest.to_string(), "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
/// assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// How it was computed.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.bytes)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && verify_slices_are_equal(&self.bytes, &other.bytes).is_ok()
    }
}

impl Eq for Digest {}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown: String = text.chars().take(24).collect();
            format!("{shown:?} is no digest: write sha256:, sha512: or blake3: and hexadecimal digits")
        };
        let (name, digits) = text.split_once(':').ok_or_else(wrong)?;
        let algorithm =
            Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).ok_or_else(wrong)?;
        if digits.len() != algorithm.length() * 2 {
            return Err(format!(
                "a {name} digest has {} digits, and this has {}",
                algorithm.length() * 2,
                digits.len()
            ));
        }
        let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[u8]| Some(digit(&pair[0])? << 4 | digit(&pair[1])?);
        let bytes =
            digits.as_bytes().chunks_exact(2).map(pair).collect::<Option<Vec<u8>>>().ok_or_else(wrong)?;
        Ok(Self { algorithm, bytes })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digest in the making.
pub struct Hasher(Work);

enum Work {
    Sha(Algorithm, aws::Context),
    // On the heap: its state is two kilobytes.
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Nothing yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Work::Sha(algorithm, aws::Context::new(&aws::SHA256)),
            Algorithm::Sha512 => Work::Sha(algorithm, aws::Context::new(&aws::SHA512)),
            Algorithm::Blake3 => Work::Blake3(Box::default()),
        })
    }

    /// More of it.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Work::Sha(_, context) => context.update(bytes),
            Work::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// All of it.
    pub fn finish(self) -> Digest {
        match self.0 {
            Work::Sha(algorithm, context) => Digest { algorithm, bytes: context.finish().as_ref().to_vec() },
            Work::Blake3(hasher) => {
                Digest { algorithm: Algorithm::Blake3, bytes: hasher.finalize().as_bytes().to_vec() }
            }
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

/// The digest of everything that can be read.
pub fn digest(reader: impl Read, algorithm: Algorithm) -> io::Result<Digest> {
    let mut digests = digests(reader, &[algorithm])?;
    Ok(digests.remove(0))
}

/// Several digests of everything that can be read, in one pass and 64 KiB of memory.
pub fn digests(mut reader: impl Read, algorithms: &[Algorithm]) -> io::Result<Vec<Digest>> {
    let mut hashers: Vec<Hasher> = algorithms.iter().map(|algorithm| Hasher::new(*algorithm)).collect();
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(hashers.into_iter().map(Hasher::finish).collect()),
            Ok(read) => hashers.iter_mut().for_each(|hasher| hasher.update(&piece[..read])),
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}

/// Passes on what it reads, and says at the end whether it was what was promised.
///
/// The end of the data is an error of kind `InvalidData` if it was not, and after that it is no end any more. What was
/// passed on before is not to be believed: write it where nobody looks ([`Writing`](crate::paths::Writing)), and finish
/// when this has ended well.
///
/// ```
/// use std::io::Read;
/// use seawall_security::files::{Algorithm, Verifying, digest};
/// let promised = digest(&b"model"[..], Algorithm::Blake3)?;
/// let mut text = String::new();
/// Verifying::new(&b"model"[..], promised.clone()).read_to_string(&mut text)?;
/// assert!(Verifying::new(&b"m0del"[..], promised).read_to_string(&mut text).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Verifying<R> {
    reader: R,
    hasher: Option<Hasher>,
    promised: Digest,
    good: bool,
}

impl<R: Read> Verifying<R> {
    /// Holds what is read to a digest.
    pub fn new(reader: R, promised: Digest) -> Self {
        let hasher = Some(Hasher::new(promised.algorithm));
        Self { reader, hasher, promised, good: false }
    }

    /// Whether all of it was read, and it was what was promised.
    pub fn is_good(&self) -> bool {
        self.good
    }
}

impl<R: Read> Read for Verifying<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            match &mut self.hasher {
                Some(hasher) => hasher.update(&buffer[..read]),
                // It had ended: whatever comes after that was not promised.
                None if read > 0 => self.good = false,
                None => {}
            }
            return Ok(read);
        }
        if let Some(hasher) = self.hasher.take() {
            self.good = hasher.finish() == self.promised;
        }
        match self.good {
            true => Ok(0),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("what was read is not {}: get it again, from somebody else", self.promised),
            )),
        }
    }
}
