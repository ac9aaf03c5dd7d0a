use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The hardware address of an interface. It is written as six pairs of hex digits: `00:50:56:ab:cd:ef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

/// Reports a text that is not a hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedMac;

impl MalformedMac {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_mac"
    }
}

impl fmt::Display for MalformedMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hardware address is six pairs of hex digits, like 00:50:56:ab:cd:ef")
    }
}

impl std::error::Error for MalformedMac {}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, two, three, four, five, six] = self.0;
        write!(f, "{one:02x}:{two:02x}:{three:02x}:{four:02x}:{five:02x}:{six:02x}")
    }
}

impl FromStr for Mac {
    type Err = MalformedMac;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && !pair.starts_with('+'));
            *byte = u8::from_str_radix(pair.ok_or(MalformedMac)?, 16).map_err(|_| MalformedMac)?;
        }
        match pairs.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(MalformedMac),
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = MalformedMac;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let mac = Mac([0, 0x50, 0x56, 0xab, 0xcd, 0xef]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("00:50:56:AB:cd:EF".parse(), Ok(mac));
        for wrong in [
            "",
            "00:50:56:ab:cd",
            "00:50:56:ab:cd:ef:00",
            "0:50:56:ab:cd:ef",
            "00-50-56-ab-cd-ef",
            "+0:50:56:ab:cd:ef",
            "00:50:56:ab:cd:eg",
        ] {
            assert_eq!(wrong.parse::<Mac>(), Err(MalformedMac), "{wrong}");
        }
    }
}
