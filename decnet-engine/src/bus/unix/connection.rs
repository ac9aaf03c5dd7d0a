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

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much may come before a subscription is confirmed and still be kept.
const EARLY: Bound = Bound {
    items: 4096,
    bytes: usize::MAX,
};
/// The topic under which the server says that events were lost.
pub(super) const LAGGED: &str = "lagged";

/// What `HELLO` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) name: String,
}

/// What `BYE` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bye {
    pub(super) reason: String,
}

/// What `EVT lagged` says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Lagged {
    pub(super) lost: u64,
}

/// What has nothing to say.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

/// Says why a connection to a bus ended, or was never made.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionError {
    /// Nobody serves the socket, or it may not be used.
    #[error("no bus answers")]
    #[strum(serialize = "bus_unreachable")]
    Unreachable {
        /// Why.
        source: io::Error,
    },
    /// The server said what is no frame, or did not take ours.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The server said what makes no sense here.
    #[error("the bus said {verb} {args:?} where it should not")]
    #[strum(serialize = "unexpected_frame")]
    Unexpected {
        /// The verb.
        verb: Verb,
        /// What followed it.
        args: String,
    },
    /// The server closed the connection and said why.
    #[error("the bus closed the connection: {reason}")]
    #[strum(serialize = "bus_refused")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The connection ended.
    #[error("the connection ended")]
    #[strum(serialize = "bus_ended")]
    Ended,
    /// The server did not answer in time.
    #[error("the bus did not answer within {} s", PATIENCE.as_secs())]
    #[strum(serialize = "bus_timeout")]
    TimedOut,
}

impl ConnectionError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frame(error) => error.code(),
            error => error.into(),
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
    /// Connects, and says under which name.
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
                Frame { verb, args, .. } => Err(ConnectionError::Unexpected { verb, args }),
            }
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| ConnectionError::TimedOut)??;
        Ok(connection)
    }

    /// Follows the events whose topics match any of the patterns. When it returns, none that is published from now on is missed.
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
        tokio::time::timeout(PATIENCE, confirm)
            .await
            .map_err(|_| ConnectionError::TimedOut)?
    }

    /// Follows a pattern no longer. What is on its way still comes.
    pub async fn unsubscribe(&mut self, pattern: &Pattern) -> Result<(), ConnectionError> {
        let unwanted = Frame::new(Verb::Unsub, pattern.as_str(), &Nothing {})?;
        self.send(&unwanted).await
    }

    /// Publishes an event.
    pub async fn publish(&mut self, envelope: &Envelope) -> Result<(), ConnectionError> {
        let frame = Frame::new(Verb::Pub, envelope.topic(), envelope)?;
        self.send(&frame).await
    }

    /// Waits for what is next. Nothing is lost if the future is dropped.
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

    /// Says goodbye.
    pub async fn close(mut self) {
        let reason = "done".into();
        if let Ok(bye) = Frame::new(Verb::Bye, "", &Bye { reason }) {
            // The connection ends either way.
            let _ = self.send(&bye).await;
        }
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), ConnectionError> {
        match self.writer.send(frame).await {
            Ok(()) => Ok(()),
            // A server that closed the connection may have said why.
            Err(FrameError::Io(error)) => match self.last_words().await {
                Some(reason) => Err(ConnectionError::Refused { reason }),
                None => Err(FrameError::Io(error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn last_words(&mut self) -> Option<String> {
        loop {
            match tokio::time::timeout(PATIENCE, self.reader.next()).await {
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

/// Reads what an event's frame says; none for the confirmation of a subscription, and for an event of a later version.
fn read(frame: Frame) -> Result<Option<Received>, ConnectionError> {
    match (frame.verb, frame.args.as_str()) {
        (Verb::Sub, _) => Ok(None),
        (Verb::Evt, LAGGED) => Ok(Some(Received::Lagged(frame.read::<Lagged>()?.lost))),
        (Verb::Evt, topic) => match frame.read() {
            Ok(envelope) => Ok(Some(Received::Event(envelope))),
            Err(error) => {
                tracing::debug!(topic, %error, "an event that this program does not know");
                Ok(None)
            }
        },
        (verb, _) => Err(ConnectionError::Unexpected { verb, args: frame.args }),
    }
}
