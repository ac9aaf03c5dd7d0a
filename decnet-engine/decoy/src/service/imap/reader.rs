//! The commands of IMAP (RFC 3501, section 9): lines, literals and the words in them.

use crate::service::{
    dialogue::Input,
    wire::line::{Lines, Taken},
};

/// Reads commands.
#[derive(Debug)]
pub(super) struct Reader {
    lines: Lines,
    /// The command so far. Literals are in it as quoted strings.
    text: Vec<u8>,
    /// The number of bytes of the command so far, as the visitor sent them.
    bytes: usize,
    /// The bytes of a literal that are missing.
    missing: Option<usize>,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    Partial,
    Command(Vec<u8>),
    /// The visitor waits for leave to send a literal.
    Wait,
    /// The start of a line that is too long.
    TooLong(Vec<u8>),
    TooLarge,
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    pub(super) is_list: bool,
}

impl Reader {
    /// Reads lines of at most `most` bytes.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            lines: Lines::new(most),
            text: Vec::new(),
            bytes: 0,
            missing: None,
        }
    }

    /// Takes the next command. A command with literals has at most `most` bytes in all.
    pub(super) fn take(&mut self, input: &mut Input, most: usize) -> Read {
        loop {
            if let Some(missing) = self.missing.take() {
                let bytes = input.take(missing);
                for byte in &bytes {
                    if matches!(byte, b'"' | b'\\') {
                        self.text.push(b'\\');
                    }
                    self.text.push(*byte);
                }
                let left = missing.saturating_sub(bytes.len());
                if left > 0 {
                    self.missing = Some(left);
                    return Read::Partial;
                }
                self.text.push(b'"');
            }
            let line = match self.lines.take(input) {
                Taken::Line(line) => line,
                Taken::Partial => return Read::Partial,
                Taken::TooLong(start) => return Read::TooLong(start),
            };
            let room = most.saturating_sub(self.bytes);
            if self.bytes > 0 && line.len() > room {
                return Read::TooLarge;
            }
            let Some((start, size, waits)) = literal(&line) else {
                self.bytes = 0;
                self.text.extend(line);
                return Read::Command(std::mem::take(&mut self.text));
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > room.saturating_sub(line.len()) {
                return Read::TooLarge;
            }
            self.bytes = self.bytes.saturating_add(line.len()).saturating_add(size);
            self.text.extend_from_slice(start);
            self.text.push(b'"');
            self.missing = Some(size);
            if waits {
                return Read::Wait;
            }
        }
    }
}

/// Splits off the size of a literal at the end of a line. Also returns whether the visitor waits.
fn literal(line: &[u8]) -> Option<(&[u8], u64, bool)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let (start, size) = inner.split_at(open);
    let size = std::str::from_utf8(size.get(1..)?).ok()?;
    let number = size.strip_suffix('+').unwrap_or(size);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (start, number.parse().unwrap_or(u64::MAX), number == size))
}

/// Splits text into words: atoms, quoted strings and lists. Returns none if a quote or a bracket is open.
pub(super) fn words(text: &[u8]) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    loop {
        while bytes.next_if(|byte| *byte == b' ').is_some() {}
        let mut word = Word {
            bytes: Vec::new(),
            is_list: false,
        };
        match bytes.peek() {
            None => return Some(words),
            Some(b'"') => {
                bytes.next();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => word.bytes.push(bytes.next()?),
                        byte => word.bytes.push(byte),
                    }
                }
            }
            Some(first) => {
                word.is_list = *first == b'(';
                let (mut depth, mut is_quoted) = (0_usize, false);
                while let Some(byte) = bytes.next_if(|byte| depth > 0 || is_quoted || *byte != b' ') {
                    match byte {
                        b'"' => is_quoted = !is_quoted,
                        b'(' | b'[' if !is_quoted => depth = depth.saturating_add(1),
                        b')' | b']' if !is_quoted => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    word.bytes.push(byte);
                }
                if depth > 0 || is_quoted {
                    return None;
                }
            }
        }
        words.push(word);
    }
}

impl Word {
    /// Returns the word in upper case.
    pub(super) fn upper(&self) -> String {
        String::from_utf8_lossy(&self.bytes).to_ascii_uppercase()
    }

    /// Returns the words in a list, or the word itself.
    pub(super) fn items(&self) -> Vec<Word> {
        let inner = self.bytes.strip_prefix(b"(").and_then(|rest| rest.strip_suffix(b")"));
        match inner.filter(|_| self.is_list) {
            Some(inner) => words(inner).unwrap_or_default(),
            None => vec![self.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Option<Vec<String>> {
        let split = words(text.as_bytes())?;
        Some(
            split
                .iter()
                .map(|word| String::from_utf8(word.bytes.clone()).unwrap())
                .collect(),
        )
    }

    #[test]
    fn words_are_atoms_quoted_strings_and_lists() {
        let some = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(
            split(r#"a "b \"c" (d "e)" (f)) g"#),
            some(&["a", "b \"c", "(d \"e)\" (f))", "g"])
        );
        assert_eq!(
            split("BODY[HEADER.FIELDS (A B)] x"),
            some(&["BODY[HEADER.FIELDS (A B)]", "x"])
        );
        assert_eq!(split("\"\" *"), some(&["", "*"]));
        assert_eq!(split("\"a"), None);
        assert_eq!(split("(a"), None);
        assert_eq!(words(b"(a (b c) d)").unwrap()[0].items().len(), 3);
    }

    #[test]
    fn literals_become_quoted_strings() {
        let mut reader = Reader::new(100);
        let mut input = Input::from(&b"a LOGIN {3}\r\n"[..]);
        assert_eq!(reader.take(&mut input, 100), Read::Wait);
        input.push(b"b\"");
        assert_eq!(reader.take(&mut input, 100), Read::Partial);
        input.push(b"\n {1+}\r\nx\r\n");
        assert_eq!(
            reader.take(&mut input, 100),
            Read::Command(b"a LOGIN \"b\\\"\n\" \"x\"".to_vec())
        );
        assert_eq!(reader.take(&mut Input::from(&b"a {101}\r\n"[..]), 100), Read::TooLarge);
        assert_eq!(
            reader.take(&mut Input::from(&b"a {99999999999999999999999}\r\n"[..]), 100),
            Read::TooLarge
        );
    }

    #[test]
    fn a_command_of_many_small_literals_is_too_large() {
        for many in ["{0+}\r\n", "{1+}\r\n\"", "aaaaaaaaaaaaaaaaa{0+}\r\n"] {
            let mut reader = Reader::new(100);
            let mut input = Input::from(many.repeat(1000).as_bytes());
            assert_eq!(reader.take(&mut input, 100), Read::TooLarge, "{many}");
            assert!(reader.text.len() <= 200, "{}", reader.text.len());
        }
        let mut reader = Reader::new(100);
        let mut input = Input::from(&[b"a {50+}\r\n", &[b'b'; 50][..], &[b'c'; 60], b"\r\n"].concat()[..]);
        assert_eq!(reader.take(&mut input, 100), Read::TooLarge);
    }
}
