//! OBJECT IDENTIFIERs.

use std::{fmt, str::FromStr};

/// An OBJECT IDENTIFIER. The order is that of SNMP's GETNEXT.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Oid(Vec<u32>);

impl Oid {
    /// Returns the parts.
    pub(crate) fn parts(&self) -> &[u32] {
        &self.0
    }

    /// Returns this with more parts after it.
    pub(crate) fn with(&self, parts: &[u32]) -> Self {
        Self([&self.0, parts].concat())
    }
}

impl From<&[u32]> for Oid {
    fn from(parts: &[u32]) -> Self {
        Self(parts.to_vec())
    }
}

impl FromStr for Oid {
    type Err = std::num::ParseIntError;

    /// Parses numbers with dots between them, with or without a dot before them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('.').unwrap_or(text);
        text.split('.').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            write!(f, "{dot}{part}")?;
        }
        Ok(())
    }
}
