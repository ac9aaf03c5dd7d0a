//! Streams of frames: items, errors, and signs of life. A stream that ends without [`FrameKind::End`] was cut.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec};

/// The longest frame, in bytes. A log line, a packet and a piece of an archive are shorter.
const LONGEST_FRAME: usize = 16 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A sign of life.
    Alive = 0,
    /// An item of the stream; what a command prints on its standard output.
    Item = 1,
    /// The error that ends the stream, as JSON.
    Error = 2,
    /// The end.
    End = 3,
    /// What a command prints on its standard error.
    Stderr = 4,
    /// Input of a command. The input ends with an empty one.
    Input = 5,
    /// The size of the terminal of a command, as JSON.
    Resize = 6,
}

impl FrameKind {
    const ALL: [Self; 7] = [
        Self::Alive,
        Self::Item,
        Self::Error,
        Self::End,
        Self::Stderr,
        Self::Input,
        Self::Resize,
    ];
}

/// A piece of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) content: Bytes,
}

impl Frame {
    pub(crate) fn new(kind: FrameKind, content: impl Into<Bytes>) -> Self {
        Self {
            kind,
            content: content.into(),
        }
    }

    /// Makes a frame whose content is JSON.
    pub(crate) fn json(kind: FrameKind, value: &impl serde::Serialize) -> Self {
        Self::new(kind, serde_json::to_vec(value).unwrap_or_default())
    }

    /// Writes it, for the body of an answer.
    pub(crate) fn to_bytes(&self) -> io::Result<Bytes> {
        let mut bytes = BytesMut::new();
        FrameCodec::default().encode(self.clone(), &mut bytes)?;
        Ok(bytes.freeze())
    }
}

/// Reads and writes frames: a length in four bytes, the kind in one byte, the content.
#[derive(Debug)]
pub(crate) struct FrameCodec(LengthDelimitedCodec);

impl Default for FrameCodec {
    fn default() -> Self {
        let codec = LengthDelimitedCodec::builder()
            .max_frame_length(LONGEST_FRAME)
            .new_codec();
        Self(codec)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, from: &mut BytesMut) -> io::Result<Option<Frame>> {
        let Some(mut bytes) = self.0.decode(from)? else {
            return Ok(None);
        };
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "an unknown kind of frame");
        if bytes.is_empty() {
            return Err(invalid());
        }
        let kind = bytes.split_to(1)[0];
        let kind = FrameKind::ALL.into_iter().find(|known| *known as u8 == kind);
        Ok(Some(Frame::new(kind.ok_or_else(invalid)?, bytes.freeze())))
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: Frame, to: &mut BytesMut) -> io::Result<()> {
        let mut bytes = BytesMut::with_capacity(1 + frame.content.len());
        bytes.extend_from_slice(&[frame.kind as u8]);
        bytes.extend_from_slice(&frame.content);
        self.0.encode(bytes.freeze(), to)
    }
}

/// The frames of an answer.
#[derive(Debug)]
pub(crate) struct Frames {
    body: Incoming,
    codec: FrameCodec,
    read: BytesMut,
}

impl Frames {
    pub(crate) fn new(body: Incoming) -> Self {
        Self {
            body,
            codec: FrameCodec::default(),
            read: BytesMut::new(),
        }
    }
}

impl Stream for Frames {
    type Item = io::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame>>> {
        loop {
            let Self { codec, read, body } = &mut *self;
            if let Some(frame) = codec.decode(read).transpose() {
                return Poll::Ready(Some(frame));
            }
            let mut next = body.frame();
            match ready!(Pin::new(&mut next).poll(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        read.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_in_any_pieces() {
        let frames = FrameKind::ALL.map(|kind| Frame::new(kind, vec![7; kind as usize * 100]));
        let mut bytes = BytesMut::new();
        for frame in &frames {
            bytes.extend_from_slice(&frame.to_bytes().expect("written"));
        }
        let (mut codec, mut read, mut found) = (FrameCodec::default(), BytesMut::new(), Vec::new());
        for byte in bytes {
            read.extend_from_slice(&[byte]);
            found.extend(codec.decode(&mut read).expect("frames"));
        }
        assert_eq!(found, frames);
    }

    #[test]
    fn unknown_empty_and_too_long_frames_are_errors() {
        for bytes in [&[0, 0, 0, 1, 99][..], &[0, 0, 0, 0], &[255, 0, 0, 0, 1]] {
            let error = FrameCodec::default().decode(&mut BytesMut::from(bytes));
            error.expect_err("refused");
        }
        let long = Frame::new(FrameKind::Item, vec![0; LONGEST_FRAME]);
        long.to_bytes().expect_err("too long");
    }
}
