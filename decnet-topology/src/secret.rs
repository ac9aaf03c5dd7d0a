//! The secret of an installation.

use std::{fmt, str::FromStr};

/// 32 random bytes that belong to one store, drawn when the store was created. Keys, certificates and versions of the deckies
/// derive from it, so nobody who knows a maze can predict them. It is printed as 64 hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct InstallationSecret([u8; 32]);

impl InstallationSecret {
    /// Makes the secret of its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Logs must not have the secret.
impl fmt::Debug for InstallationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationSecret(…)")
    }
}

impl fmt::Display for InstallationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reports text that is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 64 hex digits")]
pub struct InvalidSecret;

impl InvalidSecret {
    /// Returns a stable code for programs.
    pub const fn code(self) -> &'static str {
        "invalid_secret"
    }
}

impl FromStr for InstallationSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidSecret);
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| InvalidSecret)?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_parsed_as_it_prints_and_never_logged() {
        let secret = InstallationSecret::new(std::array::from_fn(|at| u8::try_from(at * 7).unwrap_or_default()));
        assert_eq!(secret.to_string().parse(), Ok(secret.clone()));
        assert!(!format!("{secret:?}").contains("07"));
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(text.parse::<InstallationSecret>(), Err(InvalidSecret), "{text}");
        }
    }
}
