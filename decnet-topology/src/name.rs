//! Names of things: LANs and deckies, topologies, services.

use std::{borrow::Borrow, cmp::Ordering, fmt, hash, iter, str::FromStr};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Says why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than allowed.
    #[error("a name has at most {max} characters, this one has {len}")]
    TooLong {
        /// Its length in characters.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// A character is not allowed where it stands.
    #[error("`{character}` at position {position} is not allowed in a name ({rule})")]
    Character {
        /// The character.
        character: char,
        /// Its place, from 1.
        position: usize,
        /// What is allowed.
        rule: &'static str,
    },
}

/// The name of a LAN or a decky: a DNS label of 1–63 letters, digits and inner hyphens (RFC 1123, section 2.1).
///
/// Names compare without case and print as they were written.
///
/// ```
/// use decnet_topology::Name;
/// let name: Name = "Web-01".parse()?;
/// assert_eq!(name, "web-01".parse()?);
/// assert_eq!(name.to_string(), "Web-01");
/// assert!("-web".parse::<Name>().is_err());
/// # Ok::<(), decnet_topology::NameError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(CompactString);

impl Name {
    const MAX: usize = 63;
    const RULE: &'static str = "letters, digits and inner hyphens";

    /// Checks the text and makes a name of it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if Self::is_label(text.as_bytes()) {
            Ok(Self(text.into()))
        } else {
            Err(Self::fault(text))
        }
    }

    fn is_label(text: &[u8]) -> bool {
        let hyphens = [text.first(), text.last()].contains(&Some(&b'-'));
        (1..=Self::MAX).contains(&text.len())
            && !hyphens
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    }

    /// Says why a text is no label.
    fn fault(text: &str) -> NameError {
        let len = text.chars().count();
        if len == 0 {
            return NameError::Empty;
        }
        let mut characters = (1..).zip(text.chars());
        let bad = characters.find(|&(position, character)| {
            let is_inner = position != 1 && position != len;
            !(character.is_ascii_alphanumeric() || character == '-' && is_inner)
        });
        match bad {
            Some((position, character)) => NameError::Character {
                character,
                position,
                rule: Self::RULE,
            },
            None => NameError::TooLong { len, max: Self::MAX },
        }
    }

    /// Returns the name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name in lower case: what two equal names have in common.
    pub fn to_lowercase(&self) -> String {
        self.0.as_str().to_ascii_lowercase()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl hash::Hash for Name {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
        state.write_u8(0xff);
    }
}

/// Counts up names: a prefix, and a number from 0 of at least so many digits.
#[derive(Debug)]
pub(crate) struct Numbered {
    next: String,
    /// How long the prefix is.
    digits: usize,
}

impl Numbered {
    /// Checks once that the prefix makes names with every number.
    pub(crate) fn new(prefix: &str, digits: usize) -> Result<Self, NameError> {
        Name::new(&format!("{prefix}{}", u64::MAX))?;
        Ok(Self {
            next: format!("{prefix}{:0digits$}", 0),
            digits: prefix.len(),
        })
    }

    fn step(&mut self) {
        let nines = self.next[self.digits..]
            .bytes()
            .rev()
            .take_while(|digit| *digit == b'9');
        let nines = nines.count();
        self.next.truncate(self.next.len() - nines);
        // Nothing but nines becomes a digit longer.
        let last = if self.next.len() > self.digits {
            self.next.pop()
        } else {
            None
        };
        let digit = last.and_then(|digit| digit.to_digit(10)).unwrap_or_default() + 1;
        self.next.extend(char::from_digit(digit, 10));
        self.next.extend(iter::repeat_n('0', nines));
    }
}

impl Iterator for Numbered {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        let name = Name(self.next.as_str().into());
        self.step();
        Some(name)
    }
}

/// The name of a topology: free text of 1–64 characters without control characters.
///
/// Names compare without case (Unicode lower case) and print as they were written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopologyName(Box<str>);

impl TopologyName {
    const MAX: usize = 64;

    /// Checks the text and makes a topology's name of it.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.trim().is_empty() {
            return Err(NameError::Empty);
        }
        let len = text.chars().count();
        if len > Self::MAX {
            return Err(NameError::TooLong { len, max: Self::MAX });
        }
        match text.chars().enumerate().find(|(_, character)| character.is_control()) {
            Some((at, character)) => Err(NameError::Character {
                character,
                position: at + 1,
                rule: "anything but control characters",
            }),
            None => Ok(Self(text.into())),
        }
    }

    /// Returns the name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name in lower case: what two equal names have in common.
    pub fn to_lowercase(&self) -> String {
        self.0.to_lowercase()
    }
}

impl PartialEq for TopologyName {
    fn eq(&self, other: &Self) -> bool {
        self.to_lowercase() == other.to_lowercase()
    }
}

impl Eq for TopologyName {}

/// The name of a service, as the catalogue spells it.
///
/// Any text may stand here: whether the service exists is for the validator to say, with the catalogue at hand.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceName(CompactString);

impl ServiceName {
    /// Takes the text as a service's name.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ServiceName {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Compares two texts as if both were in lower case, eight bytes at a time where both have so many.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
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

/// A text that compares like a [`Name`], whether or not it is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folded<'a>(pub(crate) &'a str);

impl PartialEq for Folded<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Folded<'_> {}

impl PartialOrd for Folded<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Folded<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl hash::Hash for Folded<'_> {
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

    /// Tells whether no two names are the same; they may be if it says no.
    pub(crate) fn all_differ(mut self) -> bool {
        self.0.sort_unstable();
        self.0.array_windows().all(|[one, other]| one != other)
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }
    )*};
}

macro_rules! checked {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }
    )*};
}

text!(Name, TopologyName, ServiceName);
checked!(Name, TopologyName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "A", "0", "a-b", "LAN-00", &"x".repeat(63)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-", "-a", "a-", "a b", "a.b", "a_b", "ä", "inner ", &"x".repeat(64)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_compare_without_case_and_order_as_their_lower_case() {
        let mut names: Vec<Name> = ["b", "A", "a-1", "B2"]
            .iter()
            .map(|text| text.parse().expect("name"))
            .collect();
        names.sort();
        let sorted: Vec<_> = names.iter().map(Name::as_str).collect();
        assert_eq!(sorted, ["A", "a-1", "b", "B2"]);
    }

    #[test]
    fn counted_names_are_those_of_their_numbers() {
        let names = Numbered::new("x-", 2).expect("names").take(1100);
        for (number, name) in names.enumerate() {
            assert_eq!(name.as_str(), format!("x-{number:02}"));
        }
        assert!(Numbered::new("-x", 2).is_err());
        assert!(Numbered::new(&"x".repeat(60), 2).is_err());
    }

    proptest! {
        #[test]
        fn texts_of_any_length_compare_as_their_lower_case(
            both in "[a-cA-C]{0,20}",
            one in "[aAbZz@\\[ä-]{0,20}",
            other in "[aAbZz@\\[ä-]{0,20}",
        ) {
            let (one, other) = (both.to_lowercase() + &one, both + &other);
            let expected = one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
            prop_assert_eq!(Folded(&one).cmp(&Folded(&other)), expected);
        }
    }
}
