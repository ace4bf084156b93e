//! Ranges of numbers on the command line, with errors that name them.

use std::ops::RangeInclusive;

/// The most that `--seconds` may ask for: a year.
pub(super) const YEAR_S: u64 = 31_536_000;

/// A parser of decimal numbers in `range`; infinity and NaN are in none.
pub(super) fn number(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| {
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("it must be a number from {} to {}", range.start(), range.end()))
    }
}
