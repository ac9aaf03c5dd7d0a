use std::{io, path::Path, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::net::{
    UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::{Frame, FrameCodec, FrameError, PROTOCOL, Verb};
use crate::{
    bus::{
        Pattern, Received,
        backlog::{Backlog, Bound},
    },
    event::Envelope,
};

/// The timeout for an answer of the server.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How many events that arrive before a subscription is confirmed are kept.
const EARLY: Bound = Bound {
    items: 4096,
    bytes: usize::MAX,
};
/// The topic of the server's report of lost events.
pub(super) const LAGGED: &str = "lagged";

/// The body of `HELLO`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) name: String,
}

/// The body of `BYE`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bye {
    pub(super) reason: String,
}

/// The body of `EVT lagged`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lagged {
    pub(super) lost: u64,
}

/// An empty body.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

/// Reports why a connection to a bus ended or was never made.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionError {
    /// The socket is not served, or permission is denied.
    #[error("could not connect to the bus")]
    #[strum(serialize = "bus_unreachable")]
    Unreachable {
        /// The cause.
        source: io::Error,
    },
    /// The connection failed.
    #[error("the connection to the bus failed")]
    #[strum(serialize = "bus_failed")]
    Failed {
        /// The cause.
        source: io::Error,
    },
    /// An event is too large for the bus: see the limits of the protocol.
    #[error("too large for the bus: {reason}")]
    #[strum(serialize = "too_large_for_bus")]
    TooLarge {
        /// The size and the limit.
        reason: String,
    },
    /// The server sent an invalid frame.
    #[error("invalid frame from the bus: {reason}")]
    #[strum(serialize = "invalid_frame")]
    Invalid {
        /// What is invalid.
        reason: String,
        /// The cause, if the body is invalid.
        source: Option<serde_json::Error>,
    },
    /// The server sent an unexpected frame.
    #[error("unexpected frame from the bus: {verb} {args:?}")]
    #[strum(serialize = "unexpected_frame")]
    Unexpected {
        /// The verb.
        verb: &'static str,
        /// The arguments.
        args: String,
    },
    /// The server closed the connection with a reason.
    #[error("the bus closed the connection: {reason}")]
    #[strum(serialize = "bus_refused")]
    Refused {
        /// The reason.
        reason: String,
    },
    /// The connection ended.
    #[error("the connection ended")]
    #[strum(serialize = "bus_ended")]
    Ended,
    /// The server did not answer in time.
    #[error("the bus did not answer within {} s", TIMEOUT.as_secs())]
    #[strum(serialize = "bus_timeout")]
    TimedOut,
}

impl ConnectionError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl From<FrameError> for ConnectionError {
    fn from(error: FrameError) -> Self {
        let reason = error.to_string();
        match error {
            FrameError::Io(source) => Self::Failed { source },
            FrameError::Truncated => Self::Ended,
            FrameError::Body { source, .. } => Self::Invalid {
                reason,
                source: Some(source),
            },
            FrameError::HeaderTooLong
            | FrameError::BodyTooLong { .. }
            | FrameError::NotUtf8
            | FrameError::ControlCharacter { .. }
            | FrameError::UnknownVerb { .. } => Self::Invalid { reason, source: None },
        }
    }
}

/// One connection to a bus on a Unix socket.
#[derive(Debug)]
pub struct Connection {
    reader: FramedRead<OwnedReadHalf, FrameCodec>,
    writer: FramedWrite<OwnedWriteHalf, FrameCodec>,
    early: Backlog<Envelope>,
}

impl Connection {
    /// Connects. `name` describes this client to people.
    pub async fn open(path: impl AsRef<Path>, name: &str) -> Result<Self, ConnectionError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| ConnectionError::Unreachable { source })?;
        let (reader, writer) = stream.into_split();
        let mut connection = Self {
            reader: FramedRead::new(reader, FrameCodec::default()),
            writer: FramedWrite::new(writer, FrameCodec::default()),
            early: Backlog::new(EARLY),
        };
        let hello = Frame::new(Verb::Hello, PROTOCOL, &Hello { name: name.into() })?;
        let exchange = async {
            connection.send(&hello).await?;
            match connection.frame().await? {
                Frame { verb: Verb::Hello, .. } => Ok(()),
                Frame { verb, args, .. } => Err(ConnectionError::Unexpected {
                    verb: verb.as_str(),
                    args,
                }),
            }
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .map_err(|_| ConnectionError::TimedOut)??;
        Ok(connection)
    }

    /// Subscribes to the events whose topics match any of the patterns. After it returns, no event published from then on is
    /// missed.
    pub async fn subscribe(&mut self, patterns: &[Pattern]) -> Result<(), ConnectionError> {
        for pattern in patterns {
            let wanted = Frame::new(Verb::Sub, pattern.as_str(), &Nothing {})?;
            self.send(&wanted).await?;
        }
        let mut left = patterns.len();
        let confirm = async {
            while left > 0 {
                let frame = self.frame().await?;
                if frame.verb == Verb::Sub {
                    left -= 1;
                    continue;
                }
                match read(frame)? {
                    Some(Received::Event(envelope)) => self.early.push(envelope, 0),
                    Some(Received::Lagged(lost)) => self.early.lose(lost),
                    None => {}
                }
            }
            Ok(())
        };
        tokio::time::timeout(TIMEOUT, confirm)
            .await
            .map_err(|_| ConnectionError::TimedOut)?
    }

    /// Ends the subscription to a pattern. Events that are already on their way still arrive.
    pub async fn unsubscribe(&mut self, pattern: &Pattern) -> Result<(), ConnectionError> {
        let unwanted = Frame::new(Verb::Unsub, pattern.as_str(), &Nothing {})?;
        self.send(&unwanted).await
    }

    /// Publishes an event.
    pub async fn publish(&mut self, envelope: &Envelope) -> Result<(), ConnectionError> {
        let frame = Frame::new(Verb::Pub, envelope.topic(), envelope)?;
        self.send(&frame).await
    }

    /// Waits for the next item. The future is cancel-safe.
    pub async fn recv(&mut self) -> Result<Received, ConnectionError> {
        if let Some(early) = self.early.try_next() {
            return Ok(early.into());
        }
        loop {
            if let Some(received) = read(self.frame().await?)? {
                return Ok(received);
            }
        }
    }

    /// Sends `BYE` and closes the connection.
    pub async fn close(mut self) {
        let reason = "done".into();
        if let Ok(bye) = Frame::new(Verb::Bye, "", &Bye { reason }) {
            // The connection ends even if this fails.
            let _ = self.send(&bye).await;
        }
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), ConnectionError> {
        match self.writer.send(frame).await {
            Ok(()) => Ok(()),
            // A server that closed the connection may have sent a reason.
            Err(FrameError::Io(error)) => match self.bye_reason().await {
                Some(reason) => Err(ConnectionError::Refused { reason }),
                None => Err(FrameError::Io(error).into()),
            },
            Err(error @ (FrameError::HeaderTooLong | FrameError::BodyTooLong { .. })) => {
                let reason = error.to_string();
                Err(ConnectionError::TooLarge { reason })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn bye_reason(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(TIMEOUT, self.reader.next()).await {
                Ok(Some(Ok(frame))) if frame.verb == Verb::Bye => {
                    return frame.read::<Bye>().ok().map(|bye| bye.reason);
                }
                Ok(Some(Ok(_))) => {}
                Ok(None | Some(Err(_))) | Err(_) => return None,
            }
        }
    }

    async fn frame(&mut self) -> Result<Frame, ConnectionError> {
        let frame = self.reader.next().await.ok_or(ConnectionError::Ended)??;
        if frame.verb == Verb::Bye {
            let reason = frame.read::<Bye>()?.reason;
            return Err(ConnectionError::Refused { reason });
        }
        Ok(frame)
    }
}

/// Reads an event's frame. Returns none for the confirmation of a subscription and for an event of a later version.
fn read(frame: Frame) -> Result<Option<Received>, ConnectionError> {
    match (frame.verb, frame.args.as_str()) {
        (Verb::Sub, _) => Ok(None),
        (Verb::Evt, LAGGED) => Ok(Some(Received::Lagged(frame.read::<Lagged>()?.lost))),
        (Verb::Evt, topic) => match frame.read() {
            Ok(envelope) => Ok(Some(Received::Event(envelope))),
            Err(error) => {
                tracing::debug!(topic, %error, "ignored an unknown event");
                Ok(None)
            }
        },
        (verb, _) => Err(ConnectionError::Unexpected {
            verb: verb.as_str(),
            args: frame.args,
        }),
    }
}
