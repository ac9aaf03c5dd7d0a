//! Messages of the wire protocol.

use crate::service::{
    dialogue::Input,
    wire::{
        bson::{Document, Value},
        cursor::Cursor,
    },
};

const REPLY: i32 = 1;
const QUERY: i32 = 2004;
const MSG: i32 = 2013;
/// The maximum length of a message that is read.
const MOST: usize = 60 * 1024;

/// What came from the visitor.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Incomplete,
    /// Something that makes the real server close the connection.
    Wrong,
    Whole(Query),
}

/// A command.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    id: i32,
    /// Whether it came in `OP_QUERY`, which is answered by `OP_REPLY`.
    pub(super) is_legacy: bool,
    pub(super) wants_answer: bool,
    pub(super) database: String,
    pub(super) body: Document,
    /// The number of documents that came beside the body.
    pub(super) documents: usize,
}

/// Takes the next message from the input.
pub(super) fn next(input: &mut Input) -> Message {
    let mut cursor = Cursor::new(input.bytes());
    let Some(length) = cursor.u32_le() else {
        return Message::Incomplete;
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(16..=MOST).contains(&length) {
        return Message::Wrong;
    }
    if input.bytes().len() < length {
        return Message::Incomplete;
    }
    let message = input.take(length);
    read(&message).map_or(Message::Wrong, Message::Whole)
}

fn read(message: &[u8]) -> Option<Query> {
    let mut cursor = Cursor::new(message);
    cursor.bytes(4)?;
    let mut number = || Some(i32::from_le_bytes(cursor.bytes(4)?.try_into().ok()?));
    let (id, _, code) = (number()?, number()?, number()?);
    match code {
        QUERY => {
            cursor.bytes(4)?;
            let collection = String::from_utf8_lossy(cursor.until_zero()?).into_owned();
            cursor.bytes(8)?;
            let body = Document::read(&mut cursor)?;
            // The command of a query can be inside of it.
            let body = body
                .document("$query")
                .or_else(|| body.document("query"))
                .cloned()
                .unwrap_or(body);
            let database = collection.strip_suffix(".$cmd")?.to_owned();
            Some(Query {
                id,
                is_legacy: true,
                wants_answer: true,
                database,
                body,
                documents: 0,
            })
        }
        MSG => {
            let flags = cursor.u32_le()?;
            if flags & 0xfffc != 0 {
                return None;
            }
            if flags & 1 != 0 {
                // The checksum is not checked.
                let rest = cursor.rest();
                cursor = Cursor::new(rest.get(..rest.len().checked_sub(4)?)?);
            }
            let (mut body, mut documents) = (None, 0);
            while let Some(kind) = cursor.u8() {
                match kind {
                    0 if body.is_none() => body = Some(Document::read(&mut cursor)?),
                    1 => {
                        let length = usize::try_from(cursor.u32_le()?).ok()?.checked_sub(4)?;
                        let mut section = Cursor::new(cursor.bytes(length)?);
                        section.until_zero()?;
                        while !section.rest().is_empty() {
                            Document::read(&mut section)?;
                            documents += 1;
                        }
                    }
                    _ => return None,
                }
            }
            let body = body?;
            let database = body.get("$db").and_then(Value::as_str)?.to_owned();
            Some(Query {
                id,
                is_legacy: false,
                wants_answer: flags & 2 == 0,
                database,
                body,
                documents,
            })
        }
        _ => None,
    }
}

/// Returns the answer to a command as a message.
pub(super) fn encode(document: &Document, id: i32, query: &Query) -> Vec<u8> {
    let (code, head): (i32, &[u8]) = if query.is_legacy {
        // The server can await data; no cursor; from 0; one document.
        (REPLY, &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
    } else {
        (MSG, &[0; 5])
    };
    let body = document.encode();
    let length = i32::try_from(16 + head.len() + body.len()).unwrap_or(i32::MAX);
    let header = [length, id, query.id, code].map(i32::to_le_bytes).concat();
    [&header, head, &body].concat()
}

/// Returns the answer about an error.
pub(super) fn error(text: &str, code: i32, name: &str) -> Document {
    Document::default()
        .with("ok", Value::Double(0.0))
        .text("errmsg", text)
        .with("code", Value::Int32(code))
        .text("codeName", name)
}

/// Adds the mark of success.
pub(super) fn ok(document: Document) -> Document {
    document.with("ok", Value::Double(1.0))
}
