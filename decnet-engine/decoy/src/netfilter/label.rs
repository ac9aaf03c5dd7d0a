//! The names and the comments of tables.

use super::{
    attribute::{Attribute, text},
    attributes::{NFTA_TABLE_NAME, NFTA_TABLE_USERDATA},
};
use crate::netlink::attributes;

/// The kind of a comment in the data that the kernel keeps for `nft`.
const COMMENT: u8 = 0;

/// The name of a table, and a comment, which `nft` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label<'a> {
    pub(crate) name: &'a str,
    /// Empty for none, with at most 253 bytes. The kernel keeps it since Linux 5.10.
    pub(crate) comment: &'a str,
}

impl Label<'_> {
    /// Returns the attributes of an object in a table with this label. The first attribute of every object is the name of its table.
    pub(super) fn under(self, mut attributes: Vec<Attribute>) -> Vec<Attribute> {
        if let Some(first) = attributes.first_mut() {
            *first = text(NFTA_TABLE_NAME, self.name);
        }
        attributes
    }

    /// Returns the attributes of a table with this label.
    pub(super) fn table(self, attributes: Vec<Attribute>) -> Vec<Attribute> {
        let mut attributes = self.under(attributes);
        if let Ok(length) = u8::try_from(self.comment.len() + 1)
            && length > 1
        {
            let data = [&[COMMENT, length], self.comment.as_bytes(), b"\0"].concat();
            attributes.push(Attribute::Value(NFTA_TABLE_USERDATA, data));
        }
        attributes
    }
}

/// A table of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundTable {
    pub(crate) name: String,
    /// Empty if it has none.
    pub(crate) comment: String,
}

impl FoundTable {
    /// Reads the attributes of a table.
    pub(super) fn read(received: &[u8]) -> Option<Self> {
        let find = |wanted| {
            let mut attributes = attributes(received);
            attributes.find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
        };
        let comment = find(NFTA_TABLE_USERDATA).and_then(comment);
        Some(Self {
            name: read_text(find(NFTA_TABLE_NAME)?)?,
            comment: comment.unwrap_or_default(),
        })
    }
}

/// Finds the comment in data for `nft`: a list of kind, length and value.
fn comment(mut data: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = data {
        let (value, after) = rest.split_at_checked(usize::from(*length))?;
        if *kind == COMMENT {
            return read_text(value);
        }
        data = after;
    }
    None
}

fn read_text(value: &[u8]) -> Option<String> {
    String::from_utf8(value.strip_suffix(b"\0")?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{MESSAGE_HEADER, Message};

    fn written(attributes: &[Attribute]) -> Vec<u8> {
        let mut message = Message::new(0, 0, 0);
        for attribute in attributes {
            attribute.write(&mut message);
        }
        message.finish()[MESSAGE_HEADER..].to_vec()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_comment_is_sent_as_nft_sends_it() {
        let label = Label {
            name: "t",
            comment: "hi",
        };
        #[rustfmt::skip]
        let expected = [
            6, 0, 1, 0, b't', 0, 0, 0,
            9, 0, 6, 0, 0, 3, b'h', b'i', 0, 0, 0, 0,
        ];
        let received = written(&label.table(vec![text(NFTA_TABLE_NAME, "other")]));
        assert_eq!(received, expected);
        let found = FoundTable {
            name: "t".into(),
            comment: "hi".into(),
        };
        assert_eq!(FoundTable::read(&received), Some(found));
        for length in 0..received.len() {
            // A truncated answer must not panic.
            let _ = FoundTable::read(&received[..length]);
        }
    }

    #[test]
    fn a_comment_is_found_among_other_data() {
        let data = |data: &[u8]| {
            let attributes = [
                text(NFTA_TABLE_NAME, "t"),
                Attribute::Value(NFTA_TABLE_USERDATA, data.to_vec()),
            ];
            FoundTable::read(&written(&attributes)).unwrap().comment
        };
        assert_eq!(data(&[7, 1, 9, 0, 3, b'h', b'i', 0]), "hi");
        assert_eq!(data(&[0, 9, b'h', 0]), "");
        assert_eq!(data(&[]), "");
        assert_eq!(data(b"decnet"), "");
    }
}
