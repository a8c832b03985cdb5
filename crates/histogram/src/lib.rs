//! Percentiles of many whole numbers in little memory: how long runs take, and what they use.
//!
//! Invariants:
//! - A percentile is never less than the number that stands there, and at most a sixteenth more. The least and the
//!   greatest number are exact.
//! - It has at most [`MAX_BUCKETS`] buckets, however many numbers it is given, and only those that hold any.
//!
//! An agent keeps three of these for each check on the node. The histograms of libraries take their buckets at once: HdrHistogram
//! with the same precision some twenty kilobytes each, where a check's numbers lie in a dozen buckets.

use std::collections::BTreeMap;

/// Of each power of two there are this many buckets, as a power of two itself.
const PRECISION: u32 = 4;
/// Greater numbers are counted as this one: microseconds of twelve days, a terabyte, the most fuel that a run can have.
const GREATEST: u64 = (1 << 40) - 1;
/// Buckets that there are at most.
pub const MAX_BUCKETS: usize = (40 - PRECISION as usize + 1) << PRECISION;

/// How many numbers there were of about each size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: BTreeMap<u16, u64>,
    count: u64,
    sum: u64,
    least: u64,
    greatest: u64,
}

impl Histogram {
    /// Adds a number.
    pub fn record(&mut self, number: u64) {
        let number = number.min(GREATEST);
        *self.buckets.entry(bucket(number)).or_default() += 1;
        self.least = if self.count == 0 {
            number
        } else {
            self.least.min(number)
        };
        self.greatest = self.greatest.max(number);
        self.count += 1;
        self.sum = self.sum.saturating_add(number);
    }

    /// How many numbers there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What they add up to.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The least number; 0 if there was none.
    pub fn least(&self) -> u64 {
        self.least
    }

    /// The greatest number; 0 if there was none.
    pub fn greatest(&self) -> u64 {
        self.greatest
    }

    /// The number that so many percent are not above, from 0 to 100; 0 if there was none.
    pub fn percentile(&self, percent: f64) -> u64 {
        let rank = (percent / 100.0 * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (&bucket, &count) in &self.buckets {
            seen += count;
            if seen >= rank {
                return last_of(bucket).clamp(self.least, self.greatest);
            }
        }
        self.greatest
    }
}

/// The bucket of a number: small numbers have their own each.
fn bucket(number: u64) -> u16 {
    let octave = number.max(1).ilog2().saturating_sub(PRECISION);
    let within = number >> octave;
    // At most MAX_BUCKETS, by GREATEST.
    ((u64::from(octave) << PRECISION) + within) as u16
}

/// The greatest number of a bucket.
fn last_of(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let octave = (bucket >> PRECISION).saturating_sub(1);
    let within = bucket - (octave << PRECISION);
    ((within + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_are_exact_and_none_is_nothing() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50.0), histogram.greatest()), (0, 0));
        for number in 1..=20 {
            histogram.record(number);
        }
        assert_eq!(
            (histogram.least(), histogram.greatest(), histogram.count()),
            (1, 20, 20)
        );
        assert_eq!((histogram.percentile(50.0), histogram.percentile(100.0)), (10, 20));
        assert_eq!((histogram.percentile(0.0), histogram.sum()), (1, 210));
    }

    proptest! {
        #[test]
        fn a_percentile_is_not_less_and_hardly_more(mut numbers in prop::collection::vec(0..u64::MAX, 1..200), shift in 0..64_u32,
                                                    percent in 0.0..100.0_f64) {
            let mut histogram = Histogram::default();
            for number in &mut numbers {
                *number = (*number >> shift).min(GREATEST);
                histogram.record(*number);
            }
            numbers.sort_unstable();
            let rank = (percent / 100.0 * numbers.len() as f64).ceil().max(1.0) as usize;
            let exact = numbers[rank - 1];
            let found = histogram.percentile(percent);
            prop_assert!(found >= exact && found <= exact + exact / 16, "{found} for {exact}");
            prop_assert!(histogram.buckets.len() <= MAX_BUCKETS);
            prop_assert!(histogram.buckets.keys().all(|&bucket| usize::from(bucket) < MAX_BUCKETS));
        }
    }
}
