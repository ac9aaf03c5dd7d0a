//! The stream between the visitor and the SSH library, after both identifications were exchanged.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use super::hassh::{Start, start};

/// A connection whose library believes that it exchanges the identifications itself.
pub(super) struct Wrapped<S, R> {
    stream: S,
    /// The visitor's line, which the library reads first.
    visitor: Vec<u8>,
    /// The bytes of the server's line that the library still writes. They were sent already.
    own: usize,
    /// The visitor's bytes up to the algorithm lists, which are not encrypted.
    packets: Option<Vec<u8>>,
    report: R,
    /// Its sender goes away at the end of the conversation, which may come before the library's end.
    end: oneshot::Receiver<()>,
    /// The end has come. A receiver must not be polled again after its result.
    is_over: bool,
    is_shut: bool,
}

impl<S, R> Wrapped<S, R> {
    /// Wraps a stream. `visitor` is the line of the visitor, and `own` the length of the server's line.
    pub(super) fn new(stream: S, visitor: Vec<u8>, own: usize, report: R, end: oneshot::Receiver<()>) -> Self {
        Self {
            stream,
            visitor,
            own,
            packets: Some(Vec::new()),
            report,
            end,
            is_over: false,
            is_shut: false,
        }
    }

    /// Fails once the conversation has ended. The library waits for each of these steps without any other end.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_over = self.is_over || Pin::new(&mut self.end).poll(cx).is_ready();
        if self.is_over {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin, R: Fn(&Start, &[u8])> Wrapped<S, R> {
    /// Looks for the algorithm lists. Fails if there can be none.
    fn observe(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        let Some(packets) = &mut self.packets else {
            return Ok(());
        };
        packets.extend_from_slice(bytes);
        let found = start(packets);
        if found == Start::Partial {
            return Ok(());
        }
        if found == Start::Other {
            // The library reads only a few bytes at first. More of them say more of the visitor.
            let mut more = [0; 1024];
            let mut more = ReadBuf::new(&mut more);
            let _ = Pin::new(&mut self.stream).poll_read(cx, &mut more);
            packets.extend_from_slice(more.filled());
        }
        (self.report)(&found, packets);
        self.packets = None;
        match found {
            Start::Other => Err(io::ErrorKind::InvalidData.into()),
            _ => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin, R: Fn(&Start, &[u8]) + Unpin> AsyncRead for Wrapped<S, R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A server that closes a connection does not wait for the visitor. The library would.
        if self.is_shut {
            return Poll::Ready(Ok(()));
        }
        self.check(cx)?;
        if !self.visitor.is_empty() {
            let count = self.visitor.len().min(buf.remaining());
            buf.put_slice(&self.visitor[..count]);
            self.visitor.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.observe(read, cx))
    }
}

impl<S: AsyncWrite + Unpin, R: Unpin> AsyncWrite for Wrapped<S, R> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        if self.own > 0 && !bytes.is_empty() {
            let count = self.own.min(bytes.len());
            self.own -= count;
            return Poll::Ready(Ok(count));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut = true;
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn the_end_of_the_conversation_ends_each_step() {
        let (near, _far) = duplex(4);
        let (running, end) = oneshot::channel();
        let mut wrapped = Wrapped::new(near, Vec::new(), 0, |_: &Start, _: &[u8]| {}, end);
        let mut wrapped = Pin::new(&mut wrapped);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(
            wrapped.as_mut().poll_write(&mut cx, b"12345678"),
            Poll::Ready(Ok(4))
        ));
        assert!(wrapped.as_mut().poll_write(&mut cx, b"5678").is_pending());
        drop(running);
        for _ in 0..2 {
            let mut buffer = [0; 8];
            let mut buffer = ReadBuf::new(&mut buffer);
            let ends = [
                wrapped.as_mut().poll_write(&mut cx, b"5678").map_ok(|_| ()),
                wrapped.as_mut().poll_flush(&mut cx),
                wrapped.as_mut().poll_read(&mut cx, &mut buffer),
            ];
            for end in ends {
                let Poll::Ready(Err(error)) = end else {
                    panic!("{end:?}")
                };
                assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
            }
        }
        assert!(matches!(wrapped.as_mut().poll_shutdown(&mut cx), Poll::Ready(Err(_))));
    }
}
