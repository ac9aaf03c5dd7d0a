use std::{fmt, io};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};
use tokio_util::codec::{Decoder, Encoder};

/// The maximum length of a header in bytes, without its line feed.
pub(super) const MAX_HEADER: usize = 4096;
/// The maximum length of a body in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;

/// The size of the body's length field in bytes.
const LENGTH: usize = 4;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Introduces the sender.
    Hello,
    /// Publishes an event.
    Pub,
    /// Begins a subscription.
    Sub,
    /// Ends a subscription.
    Unsub,
    /// Delivers an event.
    Evt,
    /// Closes the connection.
    Bye,
}

impl Verb {
    const ALL: [Self; 6] = [Self::Hello, Self::Pub, Self::Sub, Self::Unsub, Self::Evt, Self::Bye];

    /// Returns the word used on the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "HELLO",
            Self::Pub => "PUB",
            Self::Sub => "SUB",
            Self::Unsub => "UNSUB",
            Self::Evt => "EVT",
            Self::Bye => "BYE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The verb.
    pub(super) verb: Verb,
    /// The rest of the header after the verb. May be empty.
    pub(super) args: String,
    /// The body, which should be JSON.
    pub(super) body: Bytes,
}

/// Reports an invalid frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The header is too long.
    #[error("a header of more than {MAX_HEADER} bytes")]
    HeaderTooLong,
    /// The header is not UTF-8.
    #[error("a header that is not UTF-8")]
    NotUtf8,
    /// The header holds a control character.
    #[error("a header with the control character {character:?}")]
    ControlCharacter {
        /// The character.
        character: char,
    },
    /// The verb is unknown.
    #[error("unknown verb {verb:?}")]
    UnknownVerb {
        /// The verb.
        verb: String,
    },
    /// The body is too long.
    #[error("a body of {length} bytes; at most {MAX_BODY} are allowed")]
    BodyTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The connection ended within a frame.
    #[error("the connection ended within a frame")]
    Truncated,
    /// The body is not JSON or does not fit the verb.
    #[error("the body of {verb} is invalid")]
    Body {
        /// The verb.
        verb: Verb,
        /// The cause.
        source: serde_json::Error,
    },
}

impl Frame {
    /// Creates a frame whose body is a value as JSON.
    pub(super) fn new(verb: Verb, args: impl Into<String>, body: &impl Serialize) -> Result<Self, FrameError> {
        let body = serde_json::to_vec(body).map_err(|source| FrameError::Body { verb, source })?;
        Ok(Self {
            verb,
            args: args.into(),
            body: body.into(),
        })
    }

    /// Parses the body.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, FrameError> {
        let verb = self.verb;
        serde_json::from_slice(&self.body).map_err(|source| FrameError::Body { verb, source })
    }

    /// Returns the approximate size in bytes.
    pub(super) fn weight(&self) -> usize {
        self.args.len() + self.body.len()
    }
}

/// Decodes and encodes frames. It buffers at most one frame.
#[derive(Debug, Default)]
pub(super) struct FrameCodec {
    /// The header of a frame whose body is not complete.
    header: Option<(Verb, String)>,
    /// How many bytes were searched for the end of the header.
    searched: usize,
}

impl FrameCodec {
    fn header(&mut self, bytes: &mut BytesMut) -> Result<Option<(Verb, String)>, FrameError> {
        let window = bytes.len().min(MAX_HEADER + 1);
        let fresh = bytes.get(self.searched..window).unwrap_or_default();
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.searched = window;
            return if window > MAX_HEADER {
                Err(FrameError::HeaderTooLong)
            } else {
                Ok(None)
            };
        };
        let line = bytes.split_to(self.searched + end);
        bytes.advance(1);
        self.searched = 0;
        let line = std::str::from_utf8(&line).map_err(|_| FrameError::NotUtf8)?;
        if let Some(character) = line.chars().find(|character| character.is_control()) {
            return Err(FrameError::ControlCharacter { character });
        }
        let (word, args) = line.split_once(' ').unwrap_or((line, ""));
        let verb = Verb::ALL.into_iter().find(|verb| verb.as_str() == word);
        let verb = verb.ok_or_else(|| FrameError::UnknownVerb {
            // Long enough to recognize the verb.
            verb: word.chars().take(32).collect(),
        })?;
        Ok(Some((verb, args.into())))
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if self.header.is_none() {
            self.header = self.header(bytes)?;
        }
        let (Some(_), Some(length)) = (&self.header, bytes.first_chunk::<LENGTH>()) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_BODY {
            return Err(FrameError::BodyTooLong { length });
        }
        let Some(body) = bytes.get(LENGTH..LENGTH + length) else {
            return Ok(None);
        };
        // Copy the body, so that a small frame does not keep the whole buffer alive.
        let body = Bytes::copy_from_slice(body);
        bytes.advance(LENGTH + length);
        Ok(self.header.take().map(|(verb, args)| Frame { verb, args, body }))
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(bytes)? {
            Some(frame) => Ok(Some(frame)),
            None if bytes.is_empty() && self.header.is_none() => Ok(None),
            None => Err(FrameError::Truncated),
        }
    }
}

impl Encoder<&Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, bytes: &mut BytesMut) -> Result<(), FrameError> {
        let Frame { verb, args, body } = frame;
        if let Some(character) = args.chars().find(|character| character.is_control()) {
            return Err(FrameError::ControlCharacter { character });
        }
        let gap = usize::from(!args.is_empty());
        if verb.as_str().len() + gap + args.len() > MAX_HEADER {
            return Err(FrameError::HeaderTooLong);
        }
        let length = body.len();
        let too_long = || FrameError::BodyTooLong { length };
        let announced = u32::try_from(length).map_err(|_| too_long())?;
        if length > MAX_BODY {
            return Err(too_long());
        }
        bytes.put_slice(verb.as_str().as_bytes());
        if gap > 0 {
            bytes.put_u8(b' ');
        }
        bytes.put_slice(args.as_bytes());
        bytes.put_u8(b'\n');
        bytes.put_u32(announced);
        bytes.put_slice(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(frame: &Frame) -> BytesMut {
        let mut bytes = BytesMut::new();
        FrameCodec::default().encode(frame, &mut bytes).expect("a frame");
        bytes
    }

    fn frame(verb: Verb, args: &str, body: &'static [u8]) -> Frame {
        Frame {
            verb,
            args: args.into(),
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn a_frame_is_a_line_a_length_and_a_body() {
        let bytes = encoded(&frame(Verb::Pub, "topology.1.status", b"{}"));
        assert_eq!(&bytes[..], b"PUB topology.1.status\n\0\0\0\x02{}");
        assert_eq!(&encoded(&frame(Verb::Bye, "", b"{}"))[..], b"BYE\n\0\0\0\x02{}");
    }

    #[test]
    fn a_frame_that_arrives_byte_by_byte_is_decoded() {
        let frames = [
            frame(Verb::Hello, "1", b"{}"),
            frame(Verb::Sub, "a.>", b""),
            frame(Verb::Bye, "", b"[1]"),
        ];
        let mut codec = FrameCodec::default();
        let (mut buffer, mut decoded) = (BytesMut::new(), Vec::new());
        for byte in frames.iter().flat_map(encoded) {
            buffer.put_u8(byte);
            decoded.extend(codec.decode(&mut buffer).expect("frames"));
        }
        assert_eq!(decoded, frames);
        assert!(codec.decode_eof(&mut buffer).expect("the end").is_none());
    }

    #[test]
    fn an_invalid_frame_is_reported_with_the_reason() {
        let error = |bytes: &[u8]| {
            let mut bytes = BytesMut::from(bytes);
            FrameCodec::default()
                .decode_eof(&mut bytes)
                .expect_err("no frame")
                .to_string()
        };
        assert_eq!(error(b"PUT x\n\0\0\0\0"), "unknown verb \"PUT\"");
        assert_eq!(error(b"pub x\n\0\0\0\0"), "unknown verb \"pub\"");
        assert_eq!(error(b"\n\0\0\0\0"), "unknown verb \"\"");
        assert_eq!(error(b"PUB \xff\n\0\0\0\0"), "a header that is not UTF-8");
        assert_eq!(error(b"PUB a\tb\n"), "a header with the control character '\\t'");
        assert_eq!(
            error(b"PUB a\n\0\x10\0\x01"),
            "a body of 1048577 bytes; at most 1048576 are allowed"
        );
        assert_eq!(error(b"PUB a"), "the connection ended within a frame");
        assert_eq!(error(b"PUB a\n\0\0"), "the connection ended within a frame");
        assert_eq!(error(b"PUB a\n\0\0\0\x02{"), "the connection ended within a frame");
        assert_eq!(error(&[b'A'; 4097]), "a header of more than 4096 bytes");
    }

    #[test]
    fn the_longest_header_and_the_longest_body_are_accepted() {
        let args = "x".repeat(MAX_HEADER - 4);
        let longest = Frame {
            verb: Verb::Pub,
            args,
            body: vec![b' '; MAX_BODY].into(),
        };
        let mut bytes = encoded(&longest);
        assert_eq!(
            FrameCodec::default().decode(&mut bytes).expect("a frame"),
            Some(longest)
        );
        let mut bytes = BytesMut::new();
        let too_long = frame(Verb::Pub, &"x".repeat(MAX_HEADER - 3), b"");
        assert!(matches!(
            FrameCodec::default().encode(&too_long, &mut bytes),
            Err(FrameError::HeaderTooLong)
        ));
        assert!(bytes.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_decoded_or_refused_and_never_kept(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 0..40),
            prefix in "(HELLO|PUB|SUB|UNSUB|EVT|BYE)?( [a-z.*>]{0,20})?\n?",
        ) {
            let mut codec = FrameCodec::default();
            let mut buffer = BytesMut::from(prefix.as_bytes());
            for piece in pieces {
                buffer.extend_from_slice(&piece);
                loop {
                    match codec.decode(&mut buffer) {
                        Ok(Some(frame)) => prop_assert!(frame.body.len() <= MAX_BODY && frame.args.len() <= MAX_HEADER),
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(buffer.len() <= MAX_HEADER + 1 + LENGTH + MAX_BODY);
            }
        }
    }
}
