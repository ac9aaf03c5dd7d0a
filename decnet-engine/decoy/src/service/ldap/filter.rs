//! Search filters (RFC 4511, section 4.5.1.7): how they read (RFC 4515), and which entries match.

use std::fmt;

use super::{
    super::wire::ber::{BerError, Element},
    directory::Entry,
};

/// A filter. Values are the bytes of the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Equal(String, Vec<u8>),
    /// The attribute, the start, what is between, and the end.
    Substrings(String, Vec<u8>, Vec<Vec<u8>>, Vec<u8>),
    /// An order or a likeness: the sign and the value.
    Compare(String, &'static str, Vec<u8>),
    Present(String),
    /// A rule, an attribute and a value.
    Rule(String, String, Vec<u8>),
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Filter {
    /// Reads a filter.
    pub(super) fn parse(element: &Element<'_>) -> Result<Self, BerError> {
        if element.tag == 0x87 {
            return Ok(Self::Present(text(element.content)));
        }
        let mut fields = element.elements()?;
        Ok(match element.tag {
            0xa0 | 0xa1 => {
                let mut parts = Vec::new();
                while !fields.is_empty() {
                    parts.push(Self::parse(&fields.element()?)?);
                }
                if element.tag == 0xa0 {
                    Self::And(parts)
                } else {
                    Self::Or(parts)
                }
            }
            0xa2 => Self::Not(Box::new(Self::parse(&fields.element()?)?)),
            0xa4 => {
                let attribute = text(fields.octets()?);
                let mut pieces = fields.sequence()?;
                let (mut start, mut between, mut end) = (Vec::new(), Vec::new(), Vec::new());
                while !pieces.is_empty() {
                    let piece = pieces.element()?;
                    match piece.tag {
                        0x80 => start = piece.content.to_vec(),
                        0x82 => end = piece.content.to_vec(),
                        _ => between.push(piece.content.to_vec()),
                    }
                }
                Self::Substrings(attribute, start, between, end)
            }
            0xa9 => {
                let (mut rule, mut attribute, mut value) = (String::new(), String::new(), Vec::new());
                while !fields.is_empty() {
                    let field = fields.element()?;
                    match field.tag {
                        0x81 => rule = text(field.content),
                        0x82 => attribute = text(field.content),
                        0x83 => value = field.content.to_vec(),
                        _ => {}
                    }
                }
                Self::Rule(rule, attribute, value)
            }
            tag => {
                let attribute = text(fields.octets()?);
                let value = fields.octets()?.to_vec();
                match tag {
                    0xa3 => Self::Equal(attribute, value),
                    0xa5 => Self::Compare(attribute, ">=", value),
                    0xa6 => Self::Compare(attribute, "<=", value),
                    0xa8 => Self::Compare(attribute, "~=", value),
                    _ => return Err(BerError::Unexpected(tag)),
                }
            }
        })
    }

    /// Returns whether an entry matches. Letters match in upper and lower case.
    pub(super) fn matches(&self, entry: &Entry) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(entry)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(entry)),
            Self::Not(part) => !part.matches(entry),
            Self::Present(attribute) => !entry.values(attribute).is_empty(),
            Self::Equal(attribute, value) => {
                let values = entry.values(attribute);
                values.iter().any(|own| own.eq_ignore_ascii_case(value))
            }
            Self::Substrings(attribute, start, between, end) => {
                let values = entry.values(attribute);
                values.iter().any(|own| contains(own, start, between, end))
            }
            Self::Compare(attribute, sign, value) => entry.values(attribute).iter().any(|own| {
                let (own, value) = (order(own), order(value));
                match *sign {
                    ">=" => own >= value,
                    "<=" => own <= value,
                    _ => own == value,
                }
            }),
            Self::Rule(rule, attribute, value) => {
                let Ok(wanted) = text(value).parse::<i64>() else {
                    return false;
                };
                let values = entry.values(attribute);
                let mut numbers = values.iter().filter_map(|own| text(own).parse::<i64>().ok());
                match rule.as_str() {
                    // Those of Active Directory: all of the bits, and any of them.
                    "1.2.840.113556.1.4.803" => numbers.any(|own| own & wanted == wanted),
                    "1.2.840.113556.1.4.804" => numbers.any(|own| own & wanted != 0),
                    _ => false,
                }
            }
        }
    }
}

/// Returns a value that has the order of numbers, or that of letters.
fn order(value: &[u8]) -> (Option<i64>, Vec<u8>) {
    (text(value).parse().ok(), value.to_ascii_lowercase())
}

fn contains(own: &[u8], start: &[u8], between: &[Vec<u8>], end: &[u8]) -> bool {
    let own = own.to_ascii_lowercase();
    let Some(mut rest) = own.strip_prefix(start.to_ascii_lowercase().as_slice()) else {
        return false;
    };
    for piece in between.iter().map(|piece| piece.to_ascii_lowercase()) {
        let Some(place) = rest.windows(piece.len().max(1)).position(|window| window == piece) else {
            return false;
        };
        rest = rest.get(place + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(&end.to_ascii_lowercase())
}

/// Writes a value as RFC 4515 does.
fn write_value(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '*' | '(' | ')' | '\\' | '\0' => write!(f, "\\{:02x}", u32::from(character))?,
                _ => write!(f, "{character}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\{byte:02x}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        match self {
            Self::And(parts) | Self::Or(parts) => {
                f.write_str(if matches!(self, Self::And(_)) { "&" } else { "|" })?;
                for part in parts {
                    write!(f, "{part}")?;
                }
            }
            Self::Not(part) => write!(f, "!{part}")?,
            Self::Present(attribute) => write!(f, "{attribute}=*")?,
            Self::Equal(attribute, value) => {
                write!(f, "{attribute}=")?;
                write_value(f, value)?;
            }
            Self::Compare(attribute, sign, value) => {
                write!(f, "{attribute}{sign}")?;
                write_value(f, value)?;
            }
            Self::Substrings(attribute, start, between, end) => {
                write!(f, "{attribute}=")?;
                write_value(f, start)?;
                for piece in between {
                    f.write_str("*")?;
                    write_value(f, piece)?;
                }
                f.write_str("*")?;
                write_value(f, end)?;
            }
            Self::Rule(rule, attribute, value) => {
                write!(f, "{attribute}:{rule}:=")?;
                write_value(f, value)?;
            }
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::wire::ber::{Reader, Writer, tag};

    fn read(write: impl FnOnce(&mut Writer)) -> Filter {
        let mut writer = Writer::new();
        write(&mut writer);
        Filter::parse(&Reader::new(&writer.finish()).element().unwrap()).unwrap()
    }

    fn entry() -> Entry {
        let mut entry = Entry::new("cn=bob,dc=corp,dc=local".into());
        entry
            .add("cn", "bob")
            .add("objectClass", "person")
            .add("userAccountControl", "66048");
        entry
    }

    #[test]
    fn filters_read_as_they_were_typed_and_match_entries() {
        let equal = |w: &mut Writer, attribute: &str, value: &str| {
            w.inside(0xa3, |w| _ = w.octets(attribute).octets(value));
        };
        for (filter, typed, matches) in [
            (read(|w| _ = w.element(0x87, b"objectClass")), "(objectClass=*)", true),
            (read(|w| equal(w, "CN", "BOB")), "(CN=BOB)", true),
            (read(|w| equal(w, "cn", "a*)")), "(cn=a\\2a\\29)", false),
            (
                read(|w| {
                    w.inside(0xa0, |w| {
                        equal(w, "objectclass", "person");
                        w.inside(0xa2, |w| equal(w, "cn", "bob"));
                    });
                }),
                "(&(objectclass=person)(!(cn=bob)))",
                false,
            ),
            (
                read(|w| {
                    w.inside(0xa4, |w| {
                        w.octets("cn");
                        w.inside(tag::SEQUENCE, |w| {
                            _ = w.element(0x80, b"b").element(0x81, b"o").element(0x82, b"b");
                        });
                    });
                }),
                "(cn=b*o*b)",
                true,
            ),
            (
                read(|w| {
                    w.inside(0xa9, |w| {
                        w.element(0x81, b"1.2.840.113556.1.4.803")
                            .element(0x82, b"userAccountControl");
                        w.element(0x83, b"512");
                    });
                }),
                "(userAccountControl:1.2.840.113556.1.4.803:=512)",
                true,
            ),
            (
                read(|w| _ = w.inside(0xa5, |w| _ = w.octets("userAccountControl").octets("9"))),
                "(userAccountControl>=9)",
                true,
            ),
            (read(|w| _ = w.inside(0xa1, |_| ())), "(|)", false),
        ] {
            assert_eq!(filter.to_string(), typed);
            assert_eq!(filter.matches(&entry()), matches, "{typed}");
        }
    }
}
