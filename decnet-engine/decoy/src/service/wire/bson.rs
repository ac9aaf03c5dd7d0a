//! BSON documents (bsonspec.org, version 1.1).

use std::fmt::Write as _;

use super::cursor::Cursor;

/// How deep documents can be nested. Deeper ones are not read.
const DEPTH: usize = 20;
/// How many elements a document has, with those of its inner documents. Further ones are not read.
const ELEMENTS: usize = 2000;

/// A document: names and values in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Document(pub(crate) Vec<(String, Value)>);

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Double(f64),
    String(String),
    Document(Document),
    Array(Vec<Self>),
    Binary(Vec<u8>),
    ObjectId([u8; 12]),
    Bool(bool),
    /// Milliseconds since 1970.
    Date(i64),
    Null,
    Int32(i32),
    Int64(i64),
    /// A value of a type that is not needed: the type.
    Other(u8),
}

impl Value {
    /// Returns the text of a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }
}

impl Document {
    /// Adds an element.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.0.push((name.into(), value));
        self
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.with(name, Value::String(text.into()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns an inner document.
    pub(crate) fn document(&self, name: &str) -> Option<&Self> {
        match self.get(name)? {
            Value::Document(document) => Some(document),
            _ => None,
        }
    }

    /// Reads a document, which starts with its length.
    pub(crate) fn read(cursor: &mut Cursor) -> Option<Self> {
        read(cursor, 0, &mut 0)
    }

    /// Returns the bytes of the document.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.0 {
            write(name, value, &mut body);
        }
        finish(&body)
    }

    /// Returns the document as JSON for people. It stops after about `most` bytes.
    pub(crate) fn show(&self, most: usize) -> String {
        let mut text = String::new();
        show(&Value::Document(self.clone()), most, &mut text);
        text
    }
}

fn finish(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 5).unwrap_or(u32::MAX);
    [&length.to_le_bytes(), body, &[0]].concat()
}

fn read(cursor: &mut Cursor, depth: usize, elements: &mut usize) -> Option<Document> {
    let length = usize::try_from(cursor.u32_le()?).ok()?.checked_sub(4)?;
    let mut inner = Cursor::new(cursor.bytes(length)?);
    let mut document = Document::default();
    loop {
        let kind = inner.u8()?;
        if kind == 0 {
            return inner.rest().is_empty().then_some(document);
        }
        *elements += 1;
        if depth >= DEPTH || *elements > ELEMENTS {
            return None;
        }
        let name = String::from_utf8_lossy(inner.until_zero()?).into_owned();
        document.0.push((name, value(kind, &mut inner, depth, elements)?));
    }
}

fn value(kind: u8, cursor: &mut Cursor, depth: usize, elements: &mut usize) -> Option<Value> {
    let number = |cursor: &mut Cursor| Some(i64::from_le_bytes(cursor.bytes(8)?.try_into().ok()?));
    Some(match kind {
        0x01 => Value::Double(f64::from_le_bytes(cursor.bytes(8)?.try_into().ok()?)),
        0x02 | 0x0d | 0x0e => {
            let length = usize::try_from(cursor.u32_le()?).ok()?;
            let text = cursor.bytes(length)?.strip_suffix(&[0])?;
            Value::String(String::from_utf8_lossy(text).into_owned())
        }
        0x03 => Value::Document(read(cursor, depth + 1, elements)?),
        0x04 => Value::Array(
            read(cursor, depth + 1, elements)?
                .0
                .into_iter()
                .map(|(_, value)| value)
                .collect(),
        ),
        0x05 => {
            let length = usize::try_from(cursor.u32_le()?).ok()?;
            cursor.u8()?;
            Value::Binary(cursor.bytes(length)?.to_vec())
        }
        0x06 | 0x0a => Value::Null,
        0x07 => Value::ObjectId(cursor.bytes(12)?.try_into().ok()?),
        0x08 => Value::Bool(cursor.u8()? != 0),
        0x09 => Value::Date(number(cursor)?),
        0x0b => {
            cursor.until_zero()?;
            cursor.until_zero()?;
            Value::Other(kind)
        }
        0x10 => Value::Int32(i32::from_le_bytes(cursor.bytes(4)?.try_into().ok()?)),
        0x11 => {
            number(cursor)?;
            Value::Other(kind)
        }
        0x12 => Value::Int64(number(cursor)?),
        0x13 => {
            cursor.bytes(16)?;
            Value::Other(kind)
        }
        0x7f | 0xff => Value::Other(kind),
        _ => return None,
    })
}

fn write(name: &str, value: &Value, body: &mut Vec<u8>) {
    let (kind, content): (u8, Vec<u8>) = match value {
        Value::Double(number) => (0x01, number.to_le_bytes().into()),
        Value::String(text) => {
            let length = u32::try_from(text.len() + 1).unwrap_or(u32::MAX);
            (0x02, [&length.to_le_bytes(), text.as_bytes(), &[0]].concat())
        }
        Value::Document(document) => (0x03, document.encode()),
        Value::Array(values) => {
            let mut inner = Vec::new();
            for (at, value) in values.iter().enumerate() {
                write(&at.to_string(), value, &mut inner);
            }
            (0x04, finish(&inner))
        }
        Value::Binary(bytes) => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            (0x05, [&length.to_le_bytes()[..], &[0], bytes].concat())
        }
        Value::ObjectId(id) => (0x07, id.to_vec()),
        Value::Bool(flag) => (0x08, vec![u8::from(*flag)]),
        Value::Date(time) => (0x09, time.to_le_bytes().into()),
        Value::Null | Value::Other(_) => (0x0a, Vec::new()),
        Value::Int32(number) => (0x10, number.to_le_bytes().into()),
        Value::Int64(number) => (0x12, number.to_le_bytes().into()),
    };
    body.push(kind);
    body.extend(name.bytes().filter(|byte| *byte != 0));
    body.push(0);
    body.extend(content);
}

fn show(value: &Value, most: usize, text: &mut String) {
    if text.len() > most {
        return;
    }
    let _ = match value {
        Value::Double(number) => write!(text, "{number}"),
        Value::String(string) => write!(text, "{string:?}"),
        Value::Document(document) => {
            text.push('{');
            for (at, (name, value)) in document.0.iter().enumerate() {
                if text.len() > most {
                    break;
                }
                let _ = write!(text, "{}{name}: ", if at == 0 { "" } else { ", " });
                show(value, most, text);
            }
            write!(text, "}}")
        }
        Value::Array(values) => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if text.len() > most {
                    break;
                }
                text.push_str(if at == 0 { "" } else { ", " });
                show(value, most, text);
            }
            write!(text, "]")
        }
        Value::Binary(bytes) => write!(text, "<{} bytes>", bytes.len()),
        Value::ObjectId(_) => write!(text, "<id>"),
        Value::Bool(flag) => write!(text, "{flag}"),
        Value::Date(time) => write!(text, "<{time} ms>"),
        Value::Null => write!(text, "null"),
        Value::Int32(number) => write!(text, "{number}"),
        Value::Int64(number) => write!(text, "{number}"),
        Value::Other(kind) => write!(text, "<type {kind}>"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Document> {
        Document::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn the_examples_of_the_specification_are_read_and_written() {
        let hello = b"\x16\0\0\0\x02hello\0\x06\0\0\0world\0\0";
        assert_eq!(read(hello), Some(Document::default().text("hello", "world")));
        let list = b"\x31\0\0\0\x04BSON\0\x26\0\0\0\x020\0\x08\0\0\0awesome\0\x011\0\x33\x33\x33\x33\x33\x33\x14\x40\x102\0\xc2\x07\0\0\0\0";
        let values = vec![Value::String("awesome".into()), Value::Double(5.05), Value::Int32(1986)];
        let document = Document::default().with("BSON", Value::Array(values));
        assert_eq!(read(list), Some(document.clone()));
        assert_eq!(document.encode(), list);
        assert_eq!(document.show(100), "{BSON: [\"awesome\", 5.05, 1986]}");
    }

    #[test]
    fn wrong_lengths_and_deep_nesting_are_refused() {
        for bytes in [
            &b""[..],
            b"\x05\0\0\0",
            b"\x03\0\0\0\0",
            b"\x16\0\0\0\x02hello\0\xff\xff\xff\xffworld\0\0",
            b"\x06\0\0\0\0\0",
            b"\x0c\0\0\0\x63a\0\0\0\0\0\0",
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        let mut deep = Document::default();
        for _ in 0..DEPTH {
            deep = Document::default().with("a", Value::Document(deep));
        }
        assert_eq!(read(&deep.encode()), Some(deep.clone()));
        assert_eq!(
            read(&Document::default().with("a", Value::Document(deep)).encode()),
            None
        );
    }
}
