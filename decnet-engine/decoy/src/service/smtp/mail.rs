//! The bytes of a mail as they arrive. Only their digest and their start are kept.

use crate::service::{dialogue::Input, wire::digest::Digest};

/// The number of bytes of a mail that are reported.
const START: usize = 1024;

/// A mail.
#[derive(Debug, Default)]
pub(super) struct Mail {
    digest: Digest,
    start: Vec<u8>,
    /// Where `DATA` is in its line; none for `BDAT`.
    place: Option<Place>,
}

/// The place in the lines of `DATA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and a CR.
    DotReturn,
    Line,
}

impl Mail {
    /// Starts a mail that ends with a dot.
    pub(super) fn data() -> Self {
        Self {
            place: Some(Place::LineStart),
            ..Self::default()
        }
    }

    /// Starts a mail in chunks.
    pub(super) fn chunks() -> Self {
        Self::default()
    }

    /// Returns whether the mail ends with a dot.
    pub(super) fn is_data(&self) -> bool {
        self.place.is_some()
    }

    /// Returns the number of bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.digest.bytes()
    }

    /// Takes bytes up to the dot. Returns whether the mail is complete.
    pub(super) fn take(&mut self, input: &mut Input) -> bool {
        let Some(mut place) = self.place else {
            return true;
        };
        let mut content = Vec::with_capacity(input.bytes().len());
        let mut end = None;
        for (at, byte) in input.bytes().iter().enumerate() {
            place = match (place, byte) {
                (Place::LineStart, b'.') => Place::Dot,
                // Postfix 3.7 also ends a mail at lines that end with a bare LF.
                (Place::Dot | Place::DotReturn, b'\n') => {
                    end = Some(at.saturating_add(1));
                    break;
                }
                (Place::Dot, b'\r') => Place::DotReturn,
                (before, byte) => {
                    if before == Place::DotReturn {
                        content.push(b'\r');
                    }
                    content.push(*byte);
                    if *byte == b'\n' { Place::LineStart } else { Place::Line }
                }
            };
        }
        self.place = Some(place);
        self.add(&content);
        input.take(end.unwrap_or(usize::MAX));
        end.is_some()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.digest.add(bytes);
        let room = START.saturating_sub(self.start.len());
        self.start.extend(bytes.iter().take(room));
    }

    /// Returns the start and the digest.
    pub(super) fn end(self) -> (Vec<u8>, Digest) {
        (self.start, self.digest)
    }
}

/// The rest of a chunk of `BDAT`.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) count: u64,
    pub(super) is_last: bool,
    rest: u64,
}

impl Chunk {
    pub(super) fn new(count: u64, is_last: bool) -> Self {
        Self {
            count,
            is_last,
            rest: count,
        }
    }

    /// Takes bytes for a mail. Returns whether the chunk is complete.
    pub(super) fn take(&mut self, input: &mut Input, mail: Option<&mut Mail>) -> bool {
        let bytes = input.take(usize::try_from(self.rest).unwrap_or(usize::MAX));
        self.rest = self.rest.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(mail) = mail {
            mail.add(&bytes);
        }
        self.rest == 0
    }
}
