//! The answers to statements.

use super::message::{Fault, message};

/// A column: its name and the number of its type.
pub(super) type Column = (String, u32);
pub(super) const TEXT: u32 = 25;
pub(super) const NAME: u32 = 19;
pub(super) const INT4: u32 = 23;
pub(super) const VOID: u32 = 2278;

/// The answer to a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Columns, rows and the tag of the command.
    Rows(Vec<Column>, Vec<Vec<String>>, String),
    /// A command without rows.
    Done(String),
    Error(Fault),
}

impl Answer {
    pub(super) fn rows(columns: Vec<Column>, rows: Vec<Vec<String>>) -> Self {
        let tag = format!("SELECT {}", rows.len());
        Self::Rows(columns, rows, tag)
    }

    /// Returns `RowDescription` or `NoData`.
    pub(super) fn description(&self) -> Vec<u8> {
        let Self::Rows(columns, ..) = self else {
            return message(b'n', &[]);
        };
        let mut body = u16::try_from(columns.len()).unwrap_or_default().to_be_bytes().to_vec();
        for (name, kind) in columns {
            let size: i16 = match *kind {
                NAME => 64,
                INT4 | VOID => 4,
                _ => -1,
            };
            // Neither table nor column; no modifier; text.
            body.extend(
                [
                    name.as_bytes(),
                    &[0; 7],
                    &kind.to_be_bytes(),
                    &size.to_be_bytes(),
                    &[0xff; 4],
                    &[0, 0],
                ]
                .concat(),
            );
        }
        message(b'T', &body)
    }

    /// Returns the messages. The simple protocol describes the rows, too.
    pub(super) fn encode(&self, describes: bool, version: &str) -> Vec<u8> {
        let done = |tag: &str| message(b'C', format!("{tag}\0").as_bytes());
        match self {
            Self::Error(fault) => fault.encode("ERROR", version),
            Self::Done(tag) => done(tag),
            Self::Rows(_, rows, tag) => {
                let mut bytes = if describes { self.description() } else { Vec::new() };
                for row in rows {
                    let mut body = u16::try_from(row.len()).unwrap_or_default().to_be_bytes().to_vec();
                    for value in row {
                        body.extend(u32::try_from(value.len()).unwrap_or_default().to_be_bytes());
                        body.extend(value.as_bytes());
                    }
                    bytes.extend(message(b'D', &body));
                }
                bytes.extend(done(tag));
                bytes
            }
        }
    }
}

pub(super) fn syntax(near: &str, position: usize) -> Answer {
    let end = near
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|end| *end > 0);
    let near = near.get(..end.unwrap_or(near.len())).unwrap_or_default();
    let text = format!("syntax error at or near \"{near}\"");
    Answer::Error(Fault::at("42601", &text, "scan.l", 1188, "scanner_yyerror").position(position))
}
