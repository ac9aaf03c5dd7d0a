//! Packets and tokens of the server (MS-TDS, 2.2.7).

/// Returns tokens as packets of at most 4 096 bytes.
pub(super) fn packet(tokens: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = tokens.len().div_ceil(4088).max(1);
    for at in 0..count {
        let part = tokens
            .get(at * 4088..tokens.len().min((at + 1) * 4088))
            .unwrap_or_default();
        let length = u16::try_from(part.len() + 8).unwrap_or_default().to_be_bytes();
        let number = u8::try_from((at + 1) % 256).unwrap_or_default();
        bytes.extend([
            4,
            u8::from(at + 1 == count),
            length[0],
            length[1],
            0,
            if bytes.is_empty() && tokens.first() == Some(&0) {
                0
            } else {
                52
            },
            number,
            0,
        ]);
        bytes.extend(part);
    }
    bytes
}

/// Returns a text in UTF-16.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The tokens of an answer.
pub(super) struct Tokens {
    pub(super) bytes: Vec<u8>,
    /// Whether the client speaks TDS 7.2 or later, which has longer numbers.
    is_new: bool,
    server: String,
}

impl Tokens {
    pub(super) fn new(version: u32, server: &str) -> Self {
        Self {
            bytes: Vec::new(),
            is_new: version >= 0x7200_0000,
            server: server.into(),
        }
    }

    fn token(&mut self, kind: u8, body: &[u8]) {
        self.bytes.push(kind);
        self.bytes
            .extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend(body);
    }

    /// Writes a text with the number of its characters in a byte before it.
    fn short(text: &str) -> Vec<u8> {
        let text: String = text.chars().take(100).collect();
        let units = utf16(&text);
        [&[u8::try_from(units.len() / 2).unwrap_or_default()], &units[..]].concat()
    }

    fn message(&mut self, kind: u8, number: i32, state: u8, class: u8, text: &str) {
        let text: String = text.chars().take(1000).collect();
        let units = utf16(&text);
        let length = u16::try_from(units.len() / 2).unwrap_or_default();
        let line: &[u8] = if self.is_new { &[1, 0, 0, 0] } else { &[1, 0] };
        let body = [
            &number.to_le_bytes()[..],
            &[state, class],
            &length.to_le_bytes(),
            &units,
            &Self::short(&self.server),
            &[0],
            line,
        ]
        .concat();
        self.token(kind, &body);
    }

    pub(super) fn error(&mut self, number: i32, state: u8, class: u8, text: &str) {
        self.message(0xaa, number, state, class, text);
    }

    pub(super) fn info(&mut self, number: i32, state: u8, class: u8, text: &str) {
        self.message(0xab, number, state, class, text);
    }

    /// Reports a changed setting with its new and old value.
    pub(super) fn change(&mut self, kind: u8, new: &str, old: &str) {
        let body = [&[kind], &Self::short(new)[..], &Self::short(old)].concat();
        self.token(0xe3, &body);
    }

    /// Reports the collation `SQL_Latin1_General_CP1_CI_AS`.
    pub(super) fn collation(&mut self) {
        self.token(0xe3, &[7, 5, 0x09, 0x04, 0xd0, 0x00, 0x34, 0]);
    }

    pub(super) fn login(&mut self, tds: u32, major: u8, build: u16) {
        let name = Self::short("Microsoft SQL Server");
        let body = [&[1], &tds.to_be_bytes()[..], &name, &[major, 0], &build.to_be_bytes()].concat();
        self.token(0xad, &body);
    }

    pub(super) fn done(&mut self, status: u16, command: u16, rows: u32) {
        self.bytes.push(0xfd);
        self.bytes.extend(status.to_le_bytes());
        self.bytes.extend(command.to_le_bytes());
        self.bytes.extend(rows.to_le_bytes());
        if self.is_new {
            self.bytes.extend([0; 4]);
        }
    }

    /// Adds columns and rows of texts. A value that is not there is `NULL`.
    pub(super) fn table(&mut self, columns: &[String], rows: &[Vec<Option<String>>]) {
        self.bytes.push(0x81);
        self.bytes
            .extend(u16::try_from(columns.len()).unwrap_or_default().to_le_bytes());
        for column in columns {
            let user_type: &[u8] = if self.is_new { &[0; 4] } else { &[0; 2] };
            // A column that can be null: NVARCHAR of 4 000 characters.
            self.bytes.extend(
                [
                    user_type,
                    &[0x09, 0, 0xe7, 0x40, 0x1f, 0x09, 0x04, 0xd0, 0x00, 0x34],
                    &Self::short(column),
                ]
                .concat(),
            );
        }
        for row in rows {
            self.bytes.push(0xd1);
            for value in row {
                match value {
                    None => self.bytes.extend([0xff, 0xff]),
                    Some(value) => {
                        let value: String = value.chars().take(2000).collect();
                        let units = utf16(&value);
                        self.bytes
                            .extend(u16::try_from(units.len()).unwrap_or_default().to_le_bytes());
                        self.bytes.extend(units);
                    }
                }
            }
        }
    }
}
