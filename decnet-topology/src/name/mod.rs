//! Names of things: LANs and deckies, topologies, services.

mod case_insensitive;
mod numbered;

use std::{
    borrow::{Borrow, Cow},
    cmp::Ordering,
    fmt, hash,
    str::FromStr,
};

use compact_str::CompactString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub(crate) use self::{case_insensitive::CaseInsensitive, numbered::Numbered};

/// The reason why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    #[strum(serialize = "empty_name")]
    Empty,
    /// The text is longer than allowed.
    #[error("a name has at most {max} characters, this one has {len}")]
    #[strum(serialize = "name_too_long")]
    TooLong {
        /// Its length in characters.
        len: usize,
        /// The largest number of characters.
        max: usize,
    },
    /// A character is not allowed at its position.
    #[error("`{character}` at position {position} is not allowed in a name ({rule})")]
    #[strum(serialize = "name_character")]
    Character {
        /// The character.
        character: char,
        /// Its position, from 1.
        position: usize,
        /// The allowed characters.
        rule: &'static str,
    },
}

impl NameError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
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

    /// Checks the text and creates a name from it.
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

    /// Returns the reason why a text is not a label.
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

    /// Returns the name in lower case; equal names have the same one.
    pub fn to_lowercase(&self) -> String {
        self.0.as_str().to_ascii_lowercase()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        CaseInsensitive(&self.0) == CaseInsensitive(&other.0)
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
        CaseInsensitive(&self.0).cmp(&CaseInsensitive(&other.0))
    }
}

impl hash::Hash for Name {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        CaseInsensitive(&self.0).hash(state);
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"})
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

    /// Checks the text and creates a topology name from it.
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

    /// Returns the name in lower case; equal names have the same one.
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
/// Any text is accepted: the validator checks it against the catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceName(CompactString);

impl ServiceName {
    /// Creates a service name from the text.
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
    fn names_compare_without_case_and_sort_by_their_lower_case() {
        let mut names: Vec<Name> = ["b", "A", "a-1", "B2"]
            .iter()
            .map(|text| text.parse().expect("name"))
            .collect();
        names.sort();
        let sorted: Vec<_> = names.iter().map(Name::as_str).collect();
        assert_eq!(sorted, ["A", "a-1", "b", "B2"]);
    }
}
