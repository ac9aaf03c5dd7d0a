//! Random draws that are the same on every platform.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// 2^53: every multiple of its inverse between 0 and 1 is a number that `f64` can hold.
const TWO_TO_53: f64 = 9_007_199_254_740_992.0;

/// A stream of random draws for one entity of one maze.
///
/// ```
/// use decnet_topology::RandomStream;
///
/// let draws = |ordinal| RandomStream::new(7, "example", ordinal).below(1000);
/// assert_eq!(draws(0), draws(0));
/// assert_ne!(draws(0), draws(1));
/// ```
#[derive(Debug, Clone)]
pub struct RandomStream {
    seed: u64,
    kind: &'static str,
    ordinal: u64,
    /// How many words were skipped before the first one that matters.
    passed: u64,
    /// None until a word matters: many draws have only one possible result.
    words: Option<ChaCha8Rng>,
}

impl RandomStream {
    /// Opens the stream of one entity. The kind must not contain a zero byte.
    pub fn new(seed: u64, kind: &'static str, ordinal: u64) -> Self {
        Self {
            seed,
            kind,
            ordinal,
            passed: 0,
            words: None,
        }
    }

    fn word(&mut self) -> u64 {
        let open = || {
            let mut words = ChaCha8Rng::from_seed(key(self.seed, self.kind, self.ordinal));
            // The position is counted in 32-bit words.
            words.set_word_pos(2 * u128::from(self.passed));
            words
        };
        self.words.get_or_insert_with(open).next_u64()
    }

    /// Skips a word.
    fn pass(&mut self) {
        match &mut self.words {
            Some(words) => {
                words.next_u64();
            }
            None => self.passed += 1,
        }
    }

    /// Draws one of the numbers below the bound, all with the same probability; 0 if the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        if bound == 1 {
            self.pass();
            return 0;
        }
        loop {
            let word = self.word();
            // Fewer words are dropped than the bound, so most draws need no second division.
            if word <= u64::MAX - bound || word <= u64::MAX - surplus(bound) {
                return word % bound;
            }
        }
    }

    /// Draws one of the numbers from `low` to `high`, both included; `low` if `high` is less.
    pub fn between(&mut self, low: u8, high: u8) -> u8 {
        let drawn = self.below(u64::from(high.saturating_sub(low)) + 1);
        // The draw is at most `high - low`, so nothing is truncated.
        low.saturating_add(u8::try_from(drawn).unwrap_or(u8::MAX))
    }

    /// Draws the index of an element of a list of that length; 0 if it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        // The draw is below a length, so nothing is truncated.
        usize::try_from(self.below(len as u64)).unwrap_or(usize::MAX)
    }

    /// Draws whether an event with that probability happens. It uses one word even if the outcome is certain.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the product with a power of two is exact, clamped, and the truncation is the specified floor"
    )]
    pub fn chance(&mut self, probability: f64) -> bool {
        let threshold = (probability.clamp(0.0, 1.0) * TWO_TO_53) as u64;
        if threshold == 0 || threshold == 1 << 53 {
            self.pass();
            return threshold != 0;
        }
        self.word() >> 11 < threshold
    }
}

fn key(seed: u64, kind: &str, ordinal: u64) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"decnet.rng/1\0")
        .chain_update(seed.to_be_bytes())
        .chain_update(kind)
        .chain_update([0])
        .chain_update(ordinal.to_be_bytes())
        .finalize()
        .into()
}

/// Returns 2^64 modulo the bound, without 65 bits.
fn surplus(bound: u64) -> u64 {
    (u64::MAX % bound + 1) % bound
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_streams_are_pinned() {
        let words = |seed, kind, ordinal| {
            let mut stream = RandomStream::new(seed, kind, ordinal);
            [stream.word(), stream.word()]
        };
        let pinned = [
            words(0, "a", 0),
            words(1, "a", 0),
            words(0, "b", 0),
            words(0, "a", 1),
            words(u64::MAX, "a", u64::MAX),
        ];
        // Computed by another implementation of the description above.
        let expected = [
            [0xe58c_c722_5353_1655, 0x0f70_c6f4_64c0_c214],
            [0x8222_c0b7_37e7_e2f9, 0x80da_6b39_c616_91df],
            [0x48a9_2eb5_fcf1_cf68, 0xa29a_cc53_10da_c7a5],
            [0x4265_f70f_bcfa_fe1c, 0xe45f_b457_0bc9_4057],
            [0x4a1d_364e_2afe_dc4a, 0x1ae9_c70e_ca89_7909],
        ];
        assert_eq!(pinned, expected);
    }

    #[test]
    fn a_certain_draw_still_uses_its_word() {
        let mut stream = RandomStream::new(4, "test", 0);
        let mut words = stream.clone();
        stream.below(1);
        stream.between(6, 6);
        stream.chance(0.0);
        stream.chance(1.0);
        assert!(stream.words.is_none());
        assert_eq!(Some(stream.word()), (0..5).map(|_| words.word()).last());
    }

    #[test]
    fn a_bounded_draw_gives_all_numbers_below_the_bound_and_no_others() {
        let mut stream = RandomStream::new(1, "test", 0);
        for bound in 1..=8_u64 {
            let drawn: BTreeSet<u64> = (0..400).map(|_| stream.below(bound)).collect();
            assert!(drawn.into_iter().eq(0..bound));
        }
        let drawn: BTreeSet<u8> = (0..400).map(|_| stream.between(3, 7)).collect();
        assert!(drawn.into_iter().eq(3..=7));
        assert_eq!((stream.below(0), stream.between(5, 2), stream.index(0)), (0, 5, 0));
    }

    #[test]
    fn a_bound_that_does_not_divide_the_words_is_unbiased() {
        // Three quarters of the words: without dropping, the lower third would come twice as often.
        let bound = 3 << 62;
        let mut stream = RandomStream::new(2, "test", 0);
        let low = (0..3000).filter(|_| stream.below(bound) < 1 << 62).count();
        assert!((850..1150).contains(&low), "{low} of 3000 in the lower third");
    }

    #[test]
    fn probabilities_are_met_and_certain_outcomes_always_happen() {
        let mut stream = RandomStream::new(3, "test", 0);
        let mut count = |probability| (0..2000).filter(|_| stream.chance(probability)).count();
        assert_eq!(count(0.0), 0);
        assert_eq!(count(1.0), 2000);
        assert_eq!(count(f64::NAN), 0);
        assert!((400..600).contains(&count(0.25)));
    }
}
