use std::{cmp::Ordering, hash, iter};

/// Compares two texts as if both were in lower case, eight bytes at a time where both have so many.
pub(super) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    for (word, other_word) in iter::zip(one.as_chunks().0, other.as_chunks().0) {
        if word != other_word {
            let (word, other_word) = (lower(*word), lower(*other_word));
            if word != other_word {
                return word.cmp(&other_word);
            }
        }
    }
    let same = one.len().min(other.len()) / 8 * 8;
    let rest = |text| <[u8]>::iter(text).map(u8::to_ascii_lowercase);
    rest(&one[same..]).cmp(rest(&other[same..]))
}

/// Makes a number of eight bytes, with small letters for capital ones of ASCII.
const fn lower(bytes: [u8; 8]) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const TOP: u64 = EACH << 7;
    let word = u64::from_be_bytes(bytes);
    let low = word & !TOP;
    // Of each byte, the top bit says whether the low seven bits are at least `A`, and whether they are past `Z`.
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let past_z = low + EACH * (0x7f - b'Z' as u64);
    let capital = from_a & !past_z & !word & TOP;
    word | capital >> 2
}

/// A text that compares like a [`Name`](super::Name), whether or not it is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaseInsensitive<'a>(pub(crate) &'a str);

impl PartialEq for CaseInsensitive<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for CaseInsensitive<'_> {}

impl PartialOrd for CaseInsensitive<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CaseInsensitive<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl hash::Hash for CaseInsensitive<'_> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        for chunk in self.0.as_bytes().chunks(32) {
            let mut lower = [0_u8; 32];
            for (place, byte) in lower.iter_mut().zip(chunk) {
                *place = byte.to_ascii_lowercase();
            }
            state.write(&lower[..chunk.len()]);
        }
        state.write_u8(0xff);
    }
}

/// A number of each name, which names that differ in case only have in common, and others hardly ever.
///
/// It takes less time to sort the numbers than the names.
#[derive(Debug, Default)]
pub(crate) struct Sums(Vec<u64>);

impl Sums {
    pub(crate) fn add(&mut self, name: &str) {
        let sum = name.as_bytes().chunks(8).fold(0_u64, |sum, chunk| {
            let mut lower = [0; 8];
            for (place, byte) in lower.iter_mut().zip(chunk) {
                *place = byte.to_ascii_lowercase();
            }
            (sum.rotate_left(29) ^ u64::from_le_bytes(lower)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        self.0.push(sum);
    }

    /// Returns whether no two names are the same; they may be if it says no.
    pub(crate) fn all_differ(mut self) -> bool {
        self.0.sort_unstable();
        self.0.array_windows().all(|[one, other]| one != other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_of_any_length_compare_as_their_lower_case(
            both in "[a-cA-C]{0,20}",
            one in "[aAbZz@\\[ä-]{0,20}",
            other in "[aAbZz@\\[ä-]{0,20}",
        ) {
            let (one, other) = (both.to_lowercase() + &one, both + &other);
            let expected = one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
            prop_assert_eq!(CaseInsensitive(&one).cmp(&CaseInsensitive(&other)), expected);
        }
    }
}
