use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::value::RawValue;
use tokio::{
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::{
    codec::{FramedRead, FramedWrite},
    sync::CancellationToken,
};

use super::{
    BindError, Frame, FrameCodec, FrameError, PROTOCOL, Verb,
    connection::{Bye, Hello, LAGGED, Lagged},
    socket::Socket,
};
use crate::{
    bus::{
        Pattern,
        backlog::{Backlog, Bound, Next},
    },
    event::Envelope,
};

/// How many frames are queued for one connection.
const BOUND: Bound = Bound {
    items: 4096,
    bytes: 8 << 20,
};
/// The maximum number of connections.
const CONNECTIONS: usize = 512;
/// The maximum number of patterns of one connection.
const PATTERNS: usize = 256;
/// How many answers are queued for one connection.
const ANSWERS: usize = 64;
/// The timeout for a connection to send `HELLO` and to accept an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout for sending `BYE`.
const BYE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the server waits after a failed accept, for instance when no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a bus on a Unix socket.
///
/// The socket has mode 0660 and belongs to the group `decnet` if that group exists. The server takes over a stale socket, but
/// not one that is served. Dropping the server removes the socket.
///
/// [`Server`] serves the socket. [`UnixBus`](crate::UnixBus) is a [`Bus`](crate::Bus) on it that reconnects when the server
/// restarts. [`Connection`](crate::Connection) is a single connection that reports when it ends.
///
/// # The protocol
///
/// Both sides send frames. A frame is a line `VERB[ args]` of at most 4096 bytes of UTF-8 with a line feed, then the length of
/// the body as four bytes, most significant first, then the body: JSON of at most 1 MiB.
///
/// | frame | from | body | meaning |
/// |---|---|---|---|
/// | `HELLO 1` | both, first | `{"name": …}` | introduces the sender; version 1 of the protocol |
/// | `PUB topic` | client | an envelope | publish this |
/// | `SUB pattern` | client | `{}` | subscribe; the server answers with the same frame when the subscription is active |
/// | `UNSUB pattern` | client | `{}` | unsubscribe |
/// | `EVT topic` | server | an envelope | a published event |
/// | `EVT lagged` | server | `{"lost": n}` | `n` events were lost here because this connection was read too slowly |
/// | `BYE` | both, last | `{"reason": …}` | why the connection is closed |
///
/// An invalid or unexpected frame closes its connection and no other.
#[derive(Debug)]
pub struct Server {
    socket: Socket,
    listener: UnixListener,
}

impl Server {
    /// Creates the socket. Its folder must exist. It must be called within a tokio runtime.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, BindError> {
        let path = path.as_ref();
        let (socket, listener) = Socket::bind(path)?;
        let failed = |source| BindError::Io {
            path: path.into(),
            source,
        };
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { socket, listener })
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Serves until `stop` is cancelled, then sends `BYE` to all connections.
    pub async fn serve(self, stop: CancellationToken) {
        let hub = Arc::new(Hub::default());
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (hub, stop) = (Arc::clone(&hub), stop.clone());
                    let place = Arc::clone(&room).try_acquire_owned();
                    connections.spawn(async move {
                        if let Ok(_place) = place {
                            serve_connection(stream, &hub, &stop).await;
                        } else {
                            let (_, writer) = stream.into_split();
                            let mut writer = FramedWrite::new(writer, FrameCodec::default());
                            send_bye(
                                &mut writer,
                                format!("the limit of {CONNECTIONS} connections is reached"),
                            )
                            .await;
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // From now on, connecting fails at once.
        drop(self);
        connections.join_all().await;
    }
}

/// All connections.
#[derive(Debug, Default)]
struct Hub(Mutex<Vec<Arc<Follower>>>);

/// One connection, as seen by the others.
#[derive(Debug)]
struct Follower {
    patterns: Mutex<Vec<Pattern>>,
    backlog: Backlog<Arc<Frame>>,
}

impl Hub {
    fn join(&self) -> Arc<Follower> {
        let follower = Arc::new(Follower {
            patterns: Mutex::default(),
            backlog: Backlog::new(BOUND),
        });
        let mut followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.push(Arc::clone(&follower));
        follower
    }

    fn leave(&self, follower: &Arc<Follower>) {
        let mut followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|other| !Arc::ptr_eq(other, follower));
    }

    fn publish(&self, frame: Frame) {
        let frame = Arc::new(frame);
        let followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for follower in followers.iter() {
            let patterns = follower.patterns.lock().unwrap_or_else(PoisonError::into_inner);
            if patterns.iter().any(|pattern| pattern.matches(&frame.args)) {
                follower.backlog.push(Arc::clone(&frame), frame.weight());
            }
        }
    }
}

/// The reason for the end of a connection.
enum End {
    /// The client disconnected or sent `BYE`.
    Gone,
    /// The server closes the connection with a reason.
    Closed(String),
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Truncated => Self::Gone,
            FrameError::Body { ref source, .. } => Self::Closed(format!("{error}: {source}")),
            error => Self::Closed(error.to_string()),
        }
    }
}

/// Serves one connection until it ends.
async fn serve_connection(stream: UnixStream, hub: &Hub, stop: &CancellationToken) {
    let (reader, writer) = stream.into_split();
    let mut reader = FramedRead::new(reader, FrameCodec::default());
    let mut writer = FramedWrite::new(writer, FrameCodec::default());
    let follower = hub.join();
    let (answers, mut waiting) = mpsc::channel(ANSWERS);
    // It reads while writes wait: a client that does not read its events can still publish, and blocks nobody.
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => End::Closed("the bus closes".into()),
        end = read_requests(&mut reader, hub, &follower, &answers) => end,
        error = write_frames(&mut writer, &follower, &mut waiting) => error.into(),
    };
    hub.leave(&follower);
    if let End::Closed(reason) = end {
        tracing::debug!(%reason, "a connection was closed");
        send_bye(&mut writer, reason).await;
    }
}

type Reader = FramedRead<OwnedReadHalf, FrameCodec>;
type Writer = FramedWrite<OwnedWriteHalf, FrameCodec>;

/// Handles the requests of a connection until it ends.
async fn read_requests(reader: &mut Reader, hub: &Hub, follower: &Follower, answers: &mpsc::Sender<Frame>) -> End {
    let greeted = tokio::time::timeout(TIMEOUT, greet(reader)).await;
    let hello = match greeted {
        Ok(Ok(hello)) => hello,
        Ok(Err(end)) => return end,
        Err(_) => return End::Closed("HELLO is missing".into()),
    };
    let mut answer = hello;
    loop {
        // A client that reads its answers slowly is slowed down; one that never reads them is disconnected.
        if let Some(answer) = answer.take()
            && answers.send_timeout(answer, TIMEOUT).await.is_err()
        {
            return End::Closed("the client does not read its answers".into());
        }
        let frame = match reader.next().await {
            None => return End::Gone,
            Some(Err(error)) => return error.into(),
            Some(Ok(frame)) => frame,
        };
        match handle(frame, hub, follower) {
            Ok(next) => answer = next,
            Err(end) => return end,
        }
    }
}

/// Waits for `HELLO` and returns ours.
async fn greet(reader: &mut Reader) -> Result<Option<Frame>, End> {
    let frame = reader.next().await.ok_or(End::Gone)??;
    if frame.verb != Verb::Hello {
        return Err(End::Closed(format!("{} came before HELLO", frame.verb)));
    }
    if frame.args != PROTOCOL {
        return Err(End::Closed(format!(
            "protocol {:?} is not supported; this bus uses {PROTOCOL}",
            frame.args
        )));
    }
    let Hello { name } = frame.read()?;
    tracing::debug!(%name, "connected");
    let name = concat!("decnet ", env!("CARGO_PKG_VERSION")).into();
    Ok(Some(Frame::new(Verb::Hello, PROTOCOL, &Hello { name })?))
}

/// Handles a frame and returns the answer.
fn handle(frame: Frame, hub: &Hub, follower: &Follower) -> Result<Option<Frame>, End> {
    match frame.verb {
        Verb::Pub => {
            let topic = frame.read::<Envelope>()?.topic();
            if topic != frame.args {
                return Err(End::Closed(format!(
                    "the envelope's topic is {topic:?}, not {:?}",
                    frame.args
                )));
            }
            hub.publish(Frame {
                verb: Verb::Evt,
                ..frame
            });
            Ok(None)
        }
        Verb::Sub | Verb::Unsub => {
            // The content is ignored, but it must be JSON.
            frame.read::<Box<RawValue>>()?;
            let pattern = Pattern::new(&frame.args).map_err(|error| End::Closed(error.to_string()))?;
            let mut patterns = follower.patterns.lock().unwrap_or_else(PoisonError::into_inner);
            if frame.verb == Verb::Unsub {
                patterns.retain(|other| *other != pattern);
                return Ok(None);
            }
            if !patterns.contains(&pattern) {
                if patterns.len() == PATTERNS {
                    return Err(End::Closed(format!("a connection has at most {PATTERNS} patterns")));
                }
                patterns.push(pattern);
            }
            Ok(Some(frame))
        }
        Verb::Bye => Err(End::Gone),
        verb @ (Verb::Hello | Verb::Evt) => Err(End::Closed(format!("{verb} is not valid here"))),
    }
}

/// Writes queued frames to a connection, answers first, until a write fails.
async fn write_frames(writer: &mut Writer, follower: &Follower, answers: &mut mpsc::Receiver<Frame>) -> FrameError {
    loop {
        let next = tokio::select! {
            biased;
            Some(answer) = answers.recv() => Next::Item(Arc::new(answer)),
            Some(next) = follower.backlog.next() => next,
            else => return FrameError::Truncated,
        };
        let frame = match next {
            Next::Item(frame) => Ok(frame),
            Next::Lost(lost) => Frame::new(Verb::Evt, LAGGED, &Lagged { lost }).map(Arc::new),
        };
        let sent = match frame {
            Ok(frame) => writer.feed(&*frame).await,
            Err(error) => Err(error),
        };
        let flushed = match sent {
            // Flush once, after the last queued frame.
            Ok(()) if !follower.backlog.is_empty() => Ok(()),
            Ok(()) => SinkExt::<&Frame>::flush(writer).await,
            Err(error) => Err(error),
        };
        if let Err(error) = flushed {
            return error;
        }
    }
}

/// Sends the reason for closing the connection.
async fn send_bye(writer: &mut Writer, reason: String) {
    if let Ok(bye) = Frame::new(Verb::Bye, "", &Bye { reason }) {
        // The connection ends even if this fails.
        let _ = tokio::time::timeout(BYE_TIMEOUT, writer.send(&bye)).await;
    }
}
