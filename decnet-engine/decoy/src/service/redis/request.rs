//! Requests of RESP and inline requests, read as `networking.c` of redis 7.0 reads them.

use crate::service::dialogue::Input;

/// The maximum length of an inline request, and of a line with a length.
const LINE: usize = 64 * 1024;
/// How many bytes of one argument are kept.
const ARGUMENT: usize = 16 * 1024;
/// How many bytes of all arguments are kept.
const ARGUMENTS: usize = 64 * 1024;
/// How many arguments are kept.
const COUNT: usize = 256;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// More bytes are needed.
    Incomplete,
    /// No arguments, which real redis ignores.
    Empty,
    /// The arguments.
    Arguments(Vec<Vec<u8>>),
    /// A protocol error, after which the connection closes.
    Error(Vec<u8>),
}

/// Reads requests. It keeps the part of a request that has arrived.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The number of arguments that are still to come.
    missing: usize,
    /// The number of bytes that the current argument lacks, with its line end.
    lacking: Option<usize>,
    arguments: Vec<Vec<u8>>,
    kept: usize,
    /// Whether the bytes of the current argument are not kept, because it is one too many.
    is_skipped: bool,
}

impl Reader {
    /// Takes the next request from `input`. A visitor who has not logged in may send only small ones.
    pub(super) fn next(&mut self, input: &mut Input, is_admitted: bool) -> Request {
        if self.missing == 0 {
            match input.bytes().first() {
                None => return Request::Incomplete,
                Some(b'*') => {}
                Some(_) => return inline(input),
            }
            let Some(line) = line(input) else {
                return too_long(input, "too big mbulk count string");
            };
            match number(line.get(1..).unwrap_or_default()) {
                None => return error("invalid multibulk length"),
                Some(count) if count > i64::from(i32::MAX) => return error("invalid multibulk length"),
                Some(count) if count > 10 && !is_admitted => return error("unauthenticated multibulk length"),
                Some(count) if count <= 0 => return Request::Empty,
                Some(count) => self.missing = usize::try_from(count).unwrap_or_default(),
            }
            self.kept = 0;
        }
        while self.missing > 0 {
            if self.lacking.is_none() {
                match input.bytes().first() {
                    None => return Request::Incomplete,
                    Some(b'$') => {}
                    Some(_) if line_length(input).is_none() => return too_long(input, "too big bulk count string"),
                    Some(other) => {
                        let shown = if matches!(other, b'\r' | b'\n') { b' ' } else { *other };
                        return Request::Error([b"Protocol error: expected '$', got '", &[shown][..], b"'"].concat());
                    }
                }
                let Some(line) = line(input) else {
                    return too_long(input, "too big bulk count string");
                };
                match number(line.get(1..).unwrap_or_default()) {
                    Some(length) if (0..=512 * 1024 * 1024).contains(&length) => {
                        if length > 16384 && !is_admitted {
                            return error("unauthenticated bulk length");
                        }
                        self.lacking = Some(usize::try_from(length).unwrap_or_default() + 2);
                    }
                    _ => return error("invalid bulk length"),
                }
                self.is_skipped = self.arguments.len() >= COUNT;
                if !self.is_skipped {
                    self.arguments.push(Vec::new());
                }
            }
            let lacking = self.lacking.unwrap_or_default();
            let bytes = input.take(lacking);
            // The last two bytes are the line end. Real redis does not look at them.
            let content = lacking.saturating_sub(2).min(bytes.len());
            if let Some(argument) = self.arguments.last_mut().filter(|_| !self.is_skipped) {
                let room = ARGUMENT.saturating_sub(argument.len()).min(ARGUMENTS - self.kept);
                let new = bytes.get(..content.min(room)).unwrap_or_default();
                argument.extend_from_slice(new);
                self.kept += new.len();
            }
            if bytes.len() < lacking {
                self.lacking = Some(lacking - bytes.len());
                return Request::Incomplete;
            }
            self.lacking = None;
            self.missing -= 1;
        }
        Request::Arguments(std::mem::take(&mut self.arguments))
    }
}

fn error(text: &str) -> Request {
    Request::Error(format!("Protocol error: {text}").into_bytes())
}

fn too_long(input: &Input, text: &str) -> Request {
    if input.bytes().len() > LINE {
        error(text)
    } else {
        Request::Incomplete
    }
}

/// Returns the position of a byte. As in the C code, nothing is found after a zero byte.
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    let at = bytes.iter().position(|byte| *byte == wanted || *byte == 0)?;
    (bytes.get(at) == Some(&wanted)).then_some(at)
}

/// Returns the length of the first line without its end, if the line and its end are there.
fn line_length(input: &Input) -> Option<usize> {
    find(input.bytes(), b'\r').filter(|at| at + 2 <= input.bytes().len())
}

fn line(input: &mut Input) -> Option<Vec<u8>> {
    let length = line_length(input)?;
    let mut line = input.take(length + 2);
    line.truncate(length);
    Some(line)
}

/// Reads a decimal number in its only spelling.
fn number(digits: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == digits).then_some(number)
}

fn inline(input: &mut Input) -> Request {
    let Some(end) = find(input.bytes(), b'\n') else {
        return too_long(input, "too big inline request");
    };
    let line = input.take(end + 1);
    let line = line.get(..end).unwrap_or_default();
    match split(line.strip_suffix(b"\r").unwrap_or(line)) {
        None => error("unbalanced quotes in request"),
        Some(arguments) if arguments.is_empty() => Request::Empty,
        Some(mut arguments) => {
            arguments.truncate(COUNT);
            Request::Arguments(arguments)
        }
    }
}

/// Splits a line at spaces. Quotes and escapes are those of `sdssplitargs`.
fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let mut arguments = Vec::new();
    let mut rest = line;
    loop {
        while let Some((first, more)) = rest.split_first().filter(|(first, _)| is_space(**first)) {
            let _ = first;
            rest = more;
        }
        if rest.is_empty() {
            return Some(arguments);
        }
        let mut argument = Vec::new();
        let mut quote = None;
        while let Some((&first, more)) = rest.split_first() {
            rest = more;
            match (quote, first) {
                (None, byte) if is_space(byte) => break,
                (None, b'"' | b'\'') => quote = Some(first),
                (Some(mark), byte) if byte == mark => {
                    if rest.first().is_some_and(|next| !is_space(*next)) {
                        return None;
                    }
                    quote = None;
                    break;
                }
                (Some(b'"'), b'\\') => {
                    let (byte, taken) = unescape(rest);
                    argument.push(byte);
                    rest = rest.get(taken..).unwrap_or_default();
                }
                (Some(b'\''), b'\\') if rest.first() == Some(&b'\'') => {
                    argument.push(b'\'');
                    rest = rest.get(1..).unwrap_or_default();
                }
                (_, byte) => argument.push(byte),
            }
        }
        if quote.is_some() {
            return None;
        }
        if arguments.len() < COUNT {
            arguments.push(argument);
        }
    }
}

/// Returns the byte after a backslash, and how many bytes it takes.
fn unescape(rest: &[u8]) -> (u8, usize) {
    let hex = |at: usize| rest.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    match rest.first() {
        Some(b'x') => match (hex(1), hex(2)) {
            (Some(high), Some(low)) => (u8::try_from(high * 16 + low).unwrap_or_default(), 3),
            _ => (b'x', 1),
        },
        Some(b'n') => (b'\n', 1),
        Some(b'r') => (b'\r', 1),
        Some(b't') => (b'\t', 1),
        Some(b'b') => (8, 1),
        Some(b'a') => (7, 1),
        Some(other) => (*other, 1),
        None => (b'\\', 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], is_admitted: bool) -> Request {
        Reader::default().next(&mut Input::from(bytes), is_admitted)
    }

    fn arguments(list: &[&[u8]]) -> Request {
        Request::Arguments(list.iter().map(|argument| argument.to_vec()).collect())
    }

    #[test]
    fn requests_are_read_as_redis_reads_them() {
        for (bytes, request) in [
            (&b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n"[..], arguments(&[b"GET", b"x"])),
            (b"get  \"a\\x41 b\" 'c\\'d'\r\n", arguments(&[b"get", b"aA b", b"c'd"])),
            (b"QUIT", Request::Incomplete),
            (b"foo\0bar\n", Request::Incomplete),
            (b"\r\n", Request::Empty),
            (b"*-1\r\n", Request::Empty),
            (b"set \"a\r\n", error("unbalanced quotes in request")),
            (b"foo 'a'b\r\n", error("unbalanced quotes in request")),
            (b"*abc\r\n", error("invalid multibulk length")),
            (b"*2\r\n:4\r\n", error("expected '$', got ':'")),
            (b"*2\r\n$x\r\n", error("invalid bulk length")),
            (b"*2\r\n$600000000\r\n", error("invalid bulk length")),
            (b"*11\r\n", error("unauthenticated multibulk length")),
            (b"*2\r\n$20000\r\n", error("unauthenticated bulk length")),
            (&vec![b'A'; LINE], Request::Incomplete),
            (&vec![b'A'; LINE + 1], error("too big inline request")),
            (&vec![b'*'; LINE + 1], error("too big mbulk count string")),
        ] {
            assert_eq!(read(bytes, false), request, "{:?}", bytes.get(..bytes.len().min(30)));
        }
        assert_eq!(read(b"*99999999\r\n", true), Request::Incomplete);
    }

    #[test]
    fn arguments_that_are_too_many_are_skipped() {
        let mut kept = vec![b"MGET".to_vec()];
        kept.resize(COUNT, b"k".to_vec());
        let bytes = [&b"*300\r\n$4\r\nMGET\r\n"[..], &b"$1\r\nk\r\n".repeat(299)].concat();
        assert_eq!(read(&bytes, true), Request::Arguments(kept.clone()));
        let bytes = [&b"MGET"[..], &b" k".repeat(299), b"\r\n"].concat();
        assert_eq!(read(&bytes, true), Request::Arguments(kept));
    }

    #[test]
    fn little_of_a_long_value_is_kept() {
        let mut reader = Reader::default();
        assert_eq!(
            reader.next(
                &mut Input::from(&b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1000000\r\n"[..]),
                true
            ),
            Request::Incomplete
        );
        for _ in 0..1000 {
            let mut input = Input::from(&[b'v'; 1000][..]);
            assert_eq!(reader.next(&mut input, true), Request::Incomplete);
            assert!(input.bytes().is_empty());
        }
        assert_eq!(
            reader.next(&mut Input::from(&b"\r\n"[..]), true),
            arguments(&[b"SET", b"x", &[b'v'; ARGUMENT]])
        );
    }
}
