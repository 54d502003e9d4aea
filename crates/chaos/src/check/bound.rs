//! What may be concluded from having found few, or none.

/// What the bound leaves open.
const DOUBT: f64 = 0.05;

/// With 95 % certainty a smaller share than this is of the kind that was found `found` times among `of` (Clopper and
/// Pearson's upper bound; where none was found, very nearly 3/`of`). None where nothing was looked at.
pub fn bound(found: usize, of: usize) -> Option<f64> {
    if of == 0 {
        return None;
    }
    if found >= of {
        return Some(1.0);
    }
    // The more there are, the less likely is it to find so few: the share at which that is one in twenty.
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        match at_most(found, of, middle) > DOUBT {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(high)
}

/// How likely it is to find at most so many among so many, each with that chance.
fn at_most(found: usize, of: usize, share: f64) -> f64 {
    if share <= 0.0 {
        return 1.0;
    }
    let (of, odds) = (of as f64, share.ln() - (-share).ln_1p());
    let mut term = of * (-share).ln_1p();
    let mut sum = term.exp();
    for place in 0..found {
        let place = place as f64;
        term += ((of - place) / (place + 1.0)).ln() + odds;
        sum += term.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_none_found_it_is_three_in_all() {
        let exact = |of: f64| 1.0 - DOUBT.powf(1.0 / of);
        for of in [1, 10, 1000, 250_000] {
            let found = bound(0, of).unwrap();
            assert!((found - exact(of as f64)).abs() < 1e-9, "{of}: {found}");
        }
        let three = bound(0, 100_000).unwrap() * 100_000.0;
        assert!((2.99..3.0).contains(&three), "{three}");
    }

    #[test]
    fn of_some_it_is_what_the_tables_say() {
        // Poisson's upper bounds, which it comes to where the share is small: 4.744 for one, 6.296 for two.
        for (found, expected) in [(1, 4.744), (2, 6.296), (10, 16.962)] {
            let many = bound(found, 1_000_000).unwrap() * 1e6;
            assert!((many - expected).abs() < 0.01, "{found}: {many}");
        }
        assert!((bound(1, 10).unwrap() - 0.3942).abs() < 1e-3);
        assert_eq!((bound(3, 3), bound(0, 0)), (Some(1.0), None));
    }
}
