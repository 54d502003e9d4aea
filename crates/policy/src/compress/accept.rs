//! What a reader says it reads (RFC 9110 §12.5.3), and what is chosen for it.

use super::Algorithm;

/// A weight in thousandths.
type Weight = u16;

/// What a reader reads, from its `Accept-Encoding`.
///
/// Without that header a reader reads plain bodies only: HTTP would let a server send it anything, and programs that
/// say nothing are mostly those that could not make sense of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accept {
    /// One for each of [`Algorithm::ALL`].
    coded: [Option<Weight>; Algorithm::ALL.len()],
    plain: Option<Weight>,
    /// `*`: what is not named.
    rest: Option<Weight>,
    others: bool,
}

impl Accept {
    /// Reads the values of every `Accept-Encoding` of a message. What cannot be understood is not accepted.
    pub fn read<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Self {
        let mut accept = Self::default();
        for item in values.into_iter().flat_map(|value| value.split(|byte| *byte == b',')) {
            let mut parts = item.split(|byte| *byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let Some(weight) = weight(parts) else { continue };
            let place = if let Some(algorithm) = Algorithm::named(name) {
                &mut accept.coded[algorithm as usize]
            } else if name.eq_ignore_ascii_case(b"identity") {
                &mut accept.plain
            } else if name == b"*" {
                &mut accept.rest
            } else {
                accept.others |= weight > 0 && !name.is_empty();
                continue;
            };
            // Said twice, the more careful word holds.
            *place = Some(place.map_or(weight, |before| before.min(weight)));
        }
        accept
    }

    /// Does it read this coding?
    pub fn reads(&self, algorithm: Algorithm) -> bool {
        self.weight(algorithm) > 0
    }

    /// Does it read plain bodies? Everybody does who does not say otherwise.
    pub fn reads_plain(&self) -> bool {
        self.plain.or(self.rest) != Some(0)
    }

    /// Does it read a coding that is none of ours?
    pub fn reads_others(&self) -> bool {
        self.others
    }

    /// The coding it likes best, the earlier of two that it likes equally; none where it likes plain bodies better, or
    /// reads none of these.
    pub fn choose(&self, algorithms: &[Algorithm]) -> Option<Algorithm> {
        let mut best = None;
        for algorithm in algorithms {
            let weight = self.weight(*algorithm);
            if weight > 0 && best.is_none_or(|(_, other)| weight > other) {
                best = Some((*algorithm, weight));
            }
        }
        let plain = self.plain.or(self.rest).unwrap_or(0);
        best.filter(|(_, weight)| *weight >= plain).map(|(algorithm, _)| algorithm)
    }

    fn weight(&self, algorithm: Algorithm) -> Weight {
        self.coded[algorithm as usize].or(self.rest).unwrap_or(0)
    }
}

impl Algorithm {
    /// A coding by its name in a header, whatever its case; `x-gzip` is gzip.
    pub fn named(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("x-gzip") {
            return Some(Algorithm::Gzip);
        }
        Algorithm::ALL.iter().copied().find(|algorithm| is(algorithm.as_str()))
    }
}

/// `q` among the parameters: 1 without one, none if it is not a weight.
fn weight<'p>(parameters: impl Iterator<Item = &'p [u8]>) -> Option<Weight> {
    for parameter in parameters {
        let parameter = parameter.trim_ascii();
        if let [b'q' | b'Q', b'=', value @ ..] = parameter {
            return thousandths(value);
        }
    }
    Some(1000)
}

/// `0`, `0.5`, `1.000`: at most three digits after the point, and never above one.
fn thousandths(text: &[u8]) -> Option<Weight> {
    let (whole, digits) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |place: usize| Weight::from(digits.get(place).map_or(0, |digit| digit - b'0'));
    let weight = Weight::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2);
    (weight <= 1000).then_some(weight)
}
