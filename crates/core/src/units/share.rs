//! Part of a whole, in percent: `"20%"`, `"0.5%"`.

use std::fmt;
use std::str::FromStr;

use super::{Decimal, shown};

/// Digits after the point of a percentage: with three before it they are the fifteen that f64 keeps.
const FINEST: u32 = 12;

/// A share from nothing (0 %) to all (100 %).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// A share of 0 to 1; `None` outside of that, or for NaN.
    pub fn new(of_one: f64) -> Option<Share> {
        // Adding zero turns -0.0 into 0.0, which would otherwise be written "-0%".
        (0.0..=1.0).contains(&of_one).then_some(Share(of_one + 0.0))
    }

    /// A share in whole percent; more than 100 is 100.
    pub const fn percent(percent: u8) -> Share {
        Share(if percent > 100 { 1.0 } else { percent as f64 / 100.0 })
    }

    /// The share as a number from 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let wrong = || format!("{} is not a share: write \"20%\"", shown(text));
        let (number, rest) = Decimal::lead(text).ok_or_else(wrong)?;
        match rest {
            "%" => {}
            "" => return Err(format!("{} has no unit: write \"20%\"", shown(text))),
            _ => return Err(wrong()),
        }
        // Finer ones could be read, but not written back in digits that f64 keeps.
        if number.scale > FINEST {
            return Err(format!("{} is finer than a share needs: write fewer digits", shown(text)));
        }
        if u128::from(number.digits) > 100 * 10u128.pow(number.scale) {
            return Err(format!("{} is more than all of it: write \"100%\" or less", shown(text)));
        }
        // One correctly rounded conversion: dividing by 100 afterwards would round twice, and 22.64 % would not be 0.2264.
        let of_one = format!("{}e-{}", number.digits, number.scale + 2);
        of_one.parse().ok().and_then(Share::new).ok_or_else(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        // 0.07 * 100.0 is not 7: take the first precision that reads back as the very same share.
        let shortest =
            (0..=17).map(|digits| format!("{percent:.digits$}%")).find(|text| text.parse() == Ok(*self));
        match shortest {
            Some(text) => f.write_str(&text),
            None => write!(f, "{percent}%"),
        }
    }
}

super::serde_as_text!(Share, "a share like \"20%\"");
