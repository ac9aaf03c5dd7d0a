//! Replies of RESP 2 and 3.

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// A line such as `+OK`.
    Simple(String),
    /// An error: its code and text.
    Error(String),
    /// A number.
    Number(i64),
    /// A string of bytes.
    Bulk(Vec<u8>),
    /// Nothing.
    Nil,
    /// An array.
    Array(Vec<Self>),
    /// Keys and values, which are a plain array in RESP 2.
    Map(Vec<(Self, Self)>),
    /// Bytes as they are.
    Raw(Vec<u8>),
}

impl Reply {
    /// The maximum number of bytes of an answer to `EXEC` or `MGET`.
    pub(super) const MOST: usize = 256 * 1024;

    /// Returns an array of replies, or an error if they are too large together. Replies after that are not made.
    pub(super) fn bounded_array(replies: impl Iterator<Item = Self>) -> Self {
        let mut items = Vec::new();
        let mut size = 0_usize;
        for reply in replies {
            size = size.saturating_add(reply.size());
            if size > Self::MOST {
                return Self::error("OOM command not allowed when used memory > 'maxmemory'.");
            }
            items.push(reply);
        }
        Self::Array(items)
    }

    /// Returns about how many bytes are sent.
    fn size(&self) -> usize {
        match self {
            Self::Simple(text) | Self::Error(text) => text.len(),
            Self::Bulk(bytes) | Self::Raw(bytes) => bytes.len().saturating_add(8),
            Self::Number(_) | Self::Nil => 8,
            Self::Array(items) => items.iter().map(Self::size).sum::<usize>().saturating_add(8),
            Self::Map(pairs) => pairs.iter().map(|(key, value)| key.size() + value.size()).sum(),
        }
    }

    pub(super) fn ok() -> Self {
        Self::simple("OK")
    }

    pub(super) fn simple(text: &str) -> Self {
        Self::Simple(text.into())
    }

    pub(super) fn error(text: &str) -> Self {
        Self::Error(text.into())
    }

    pub(super) fn bulk(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// Reads a reply of the table: lines that are separated by `|`.
    pub(super) fn of_table(text: &str) -> Self {
        match text {
            "$-1" => Self::Nil,
            _ => Self::Raw(format!("{}\r\n", text.replace('|', "\r\n")).into_bytes()),
        }
    }

    /// Returns the bytes that are sent.
    pub(super) fn encode(&self, is_resp3: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(is_resp3, &mut bytes);
        bytes
    }

    fn write(&self, is_resp3: bool, bytes: &mut Vec<u8>) {
        let line = |mark: char, text: &str| format!("{mark}{}\r\n", text.replace(['\r', '\n'], " ")).into_bytes();
        match self {
            Self::Simple(text) => bytes.extend(line('+', text)),
            Self::Error(text) => bytes.extend(line('-', text)),
            Self::Number(number) => bytes.extend(line(':', &number.to_string())),
            Self::Bulk(content) => {
                bytes.extend(line('$', &content.len().to_string()));
                bytes.extend(content);
                bytes.extend(b"\r\n");
            }
            Self::Nil if is_resp3 => bytes.extend(b"_\r\n"),
            Self::Nil => bytes.extend(b"$-1\r\n"),
            Self::Array(items) => {
                bytes.extend(line('*', &items.len().to_string()));
                for item in items {
                    item.write(is_resp3, bytes);
                }
            }
            Self::Map(pairs) => {
                let (mark, count) = if is_resp3 {
                    ('%', pairs.len())
                } else {
                    ('*', pairs.len() * 2)
                };
                bytes.extend(line(mark, &count.to_string()));
                for (key, value) in pairs {
                    key.write(is_resp3, bytes);
                    value.write(is_resp3, bytes);
                }
            }
            Self::Raw(content) => bytes.extend(content),
        }
    }
}
