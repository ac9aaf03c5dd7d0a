//! Lines of text that end with CRLF or a bare LF, as servers on Unix read them.

use crate::service::dialogue::Input;

/// The state of reading lines.
#[derive(Debug)]
pub(crate) struct Lines {
    most: usize,
    is_skipping: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A line without its end.
    Line(Vec<u8>),
    /// The line is not complete yet.
    Partial,
    /// The start of a line that is longer than the limit. The rest of the line is skipped.
    TooLong(Vec<u8>),
}

impl Lines {
    /// Reads lines of at most `most` bytes, without their ends.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            most,
            is_skipping: false,
        }
    }

    /// Takes the next line.
    pub(crate) fn take(&mut self, input: &mut Input) -> Taken {
        if self.is_skipping {
            let Some(end) = newline(input.bytes()) else {
                input.take_all();
                return Taken::Partial;
            };
            input.take(end.saturating_add(1));
            self.is_skipping = false;
        }
        // The line may have a CR and an LF after its text.
        let window = input.bytes().get(..self.most.saturating_add(2));
        match newline(window.unwrap_or(input.bytes())) {
            Some(end) => {
                let mut line = input.take(end.saturating_add(1));
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                if line.len() > self.most {
                    line.truncate(self.most);
                    return Taken::TooLong(line);
                }
                Taken::Line(line)
            }
            None if window.is_some() => {
                self.is_skipping = true;
                Taken::TooLong(input.take(self.most))
            }
            None => Taken::Partial,
        }
    }
}

fn newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// Splits a line at its first space: a word in upper case, and the rest without the spaces around it.
pub(crate) fn word(line: &[u8]) -> (String, &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (first, rest) = line.split_at(end);
    (String::from_utf8_lossy(first).to_ascii_uppercase(), rest.trim_ascii())
}

/// Names the kind of input that does not belong on a port for lines of text.
pub(crate) fn foreign(input: &[u8]) -> &'static str {
    if input.starts_with(&[0x16, 3]) {
        "tls on a plain port"
    } else {
        "not this protocol"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_crlf_or_lf() {
        let mut lines = Lines::new(9);
        let mut input = Input::from(&b"one\r\ntwo\n\r\nfour\r"[..]);
        for line in ["one", "two", ""] {
            assert_eq!(lines.take(&mut input), Taken::Line(line.into()));
        }
        assert_eq!(lines.take(&mut input), Taken::Partial);
        input.push(b"\n");
        assert_eq!(lines.take(&mut input), Taken::Line(b"four".to_vec()));
    }

    #[test]
    fn the_rest_of_a_line_that_is_too_long_is_skipped() {
        for pieces in [&[&b"123456789\r\nab\n"[..]][..], &[b"1234567", b"8", b"9", b"\r\nab\n"]] {
            let mut lines = Lines::new(4);
            let mut input = Input::default();
            let mut taken = Vec::new();
            for piece in pieces {
                input.push(piece);
                loop {
                    match lines.take(&mut input) {
                        Taken::Partial => break,
                        other => taken.push(other),
                    }
                }
            }
            assert_eq!(taken, [Taken::TooLong(b"1234".to_vec()), Taken::Line(b"ab".to_vec())]);
        }
        assert_eq!(
            Lines::new(4).take(&mut Input::from(&b"12345\n"[..])),
            Taken::TooLong(b"1234".to_vec())
        );
        assert_eq!(
            Lines::new(4).take(&mut Input::from(&b"1234\r\n"[..])),
            Taken::Line(b"1234".to_vec())
        );
    }

    #[test]
    fn a_word_and_its_argument_are_split_at_spaces() {
        assert_eq!(word(b"user  bob smith \r"), ("USER".into(), &b"bob smith"[..]));
        assert_eq!(word(b"quit"), ("QUIT".into(), &b""[..]));
        assert_eq!(word(b""), (String::new(), &b""[..]));
    }
}
