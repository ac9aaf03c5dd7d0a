use super::{Name, NameError};

/// Generates numbered names: a prefix, and a number from 0 with a minimum number of digits.
#[derive(Debug)]
pub(crate) struct Numbered {
    prefix: String,
    digits: usize,
    next: u64,
}

impl Numbered {
    /// Checks once that the prefix gives valid names with every number.
    pub(crate) fn new(prefix: &str, digits: usize) -> Result<Self, NameError> {
        Name::new(&format!("{prefix}{}", u64::MAX))?;
        Ok(Self {
            prefix: prefix.into(),
            digits,
            next: 0,
        })
    }
}

impl Iterator for Numbered {
    type Item = Name;

    fn next(&mut self) -> Option<Name> {
        let (prefix, digits, number) = (&self.prefix, self.digits, self.next);
        self.next += 1;
        Some(Name(compact_str::format_compact!("{prefix}{number:0digits$}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_names_equal_formatted_ones() {
        let names = Numbered::new("x-", 2).expect("names").take(1100);
        for (number, name) in names.enumerate() {
            assert_eq!(name.as_str(), format!("x-{number:02}"));
        }
        assert!(Numbered::new("-x", 2).is_err());
        assert!(Numbered::new(&"x".repeat(60), 2).is_err());
    }
}
