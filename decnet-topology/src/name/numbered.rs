use std::iter;

use super::{Name, NameError};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_names_are_those_of_their_numbers() {
        let names = Numbered::new("x-", 2).expect("names").take(1100);
        for (number, name) in names.enumerate() {
            assert_eq!(name.as_str(), format!("x-{number:02}"));
        }
        assert!(Numbered::new("-x", 2).is_err());
        assert!(Numbered::new(&"x".repeat(60), 2).is_err());
    }
}
