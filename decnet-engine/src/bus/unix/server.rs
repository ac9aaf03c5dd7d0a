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

/// How much may wait for one connection.
const BOUND: Bound = Bound {
    items: 4096,
    bytes: 8 << 20,
};
/// How many connections there may be at a time.
const CONNECTIONS: usize = 512;
/// How many patterns one connection may follow.
const PATTERNS: usize = 256;
/// How many answers may wait for one connection.
const ANSWERS: usize = 64;
/// How long a connection may take to say hello, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to hear our goodbye.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the server rests when it cannot accept: no file descriptors are left.
const REST: Duration = Duration::from_millis(100);

/// Serves a bus on a Unix socket.
///
/// The socket is made with mode 0660 and given to the group `decnet` where that exists. A stale socket is taken over; one that is
/// served is not. It is removed when the server is dropped.
#[derive(Debug)]
pub struct Server {
    socket: Socket,
    listener: UnixListener,
}

impl Server {
    /// Makes the socket. Its folder must be there. Must be called within a tokio runtime.
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

    /// Returns where the socket is.
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Serves until told to stop, then says goodbye to everyone.
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
                            attend(stream, &hub, &stop).await;
                        } else {
                            let (_, writer) = stream.into_split();
                            let mut writer = FramedWrite::new(writer, FrameCodec::default());
                            say_goodbye(&mut writer, format!("there are {CONNECTIONS} connections already")).await;
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(REST).await;
                }
            }
        }
        // Whoever connects from now on is told at once that nobody serves.
        drop(self);
        connections.join_all().await;
    }
}

/// All who follow.
#[derive(Debug, Default)]
struct Hub(Mutex<Vec<Arc<Follower>>>);

/// One connection, as the others see it.
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

/// Why a connection ends.
enum End {
    /// Nobody is there any more, or said goodbye.
    Gone,
    /// They are told why.
    Told(String),
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Truncated => Self::Gone,
            FrameError::Body { ref source, .. } => Self::Told(format!("{error}: {source}")),
            error => Self::Told(error.to_string()),
        }
    }
}

/// Serves one connection to its end.
async fn attend(stream: UnixStream, hub: &Hub, stop: &CancellationToken) {
    let (reader, writer) = stream.into_split();
    let mut reader = FramedRead::new(reader, FrameCodec::default());
    let mut writer = FramedWrite::new(writer, FrameCodec::default());
    let follower = hub.join();
    let (answers, mut waiting) = mpsc::channel(ANSWERS);
    // Reading goes on while writing waits: who does not take what they follow can still publish, and holds up nobody.
    let end = tokio::select! {
        biased;
        () = stop.cancelled() => End::Told("the bus closes".into()),
        end = listen(&mut reader, hub, &follower, &answers) => end,
        error = speak(&mut writer, &follower, &mut waiting) => error.into(),
    };
    hub.leave(&follower);
    if let End::Told(reason) = end {
        tracing::debug!(%reason, "a connection was closed");
        say_goodbye(&mut writer, reason).await;
    }
}

type Reader = FramedRead<OwnedReadHalf, FrameCodec>;
type Writer = FramedWrite<OwnedWriteHalf, FrameCodec>;

/// Does what a connection asks for until it ends.
async fn listen(reader: &mut Reader, hub: &Hub, follower: &Follower, answers: &mpsc::Sender<Frame>) -> End {
    let greeted = tokio::time::timeout(PATIENCE, greet(reader)).await;
    let hello = match greeted {
        Ok(Ok(hello)) => hello,
        Ok(Err(end)) => return end,
        Err(_) => return End::Told("no HELLO came".into()),
    };
    let mut answer = hello;
    loop {
        // Who asks and asks is heard again when the answers are taken; who never reads is not waited for.
        if let Some(answer) = answer.take()
            && answers.send_timeout(answer, PATIENCE).await.is_err()
        {
            return End::Told("the answers are not read".into());
        }
        let frame = match reader.next().await {
            None => return End::Gone,
            Some(Err(error)) => return error.into(),
            Some(Ok(frame)) => frame,
        };
        match obey(frame, hub, follower) {
            Ok(next) => answer = next,
            Err(end) => return end,
        }
    }
}

/// Waits for the greeting and returns ours.
async fn greet(reader: &mut Reader) -> Result<Option<Frame>, End> {
    let frame = reader.next().await.ok_or(End::Gone)??;
    if frame.verb != Verb::Hello {
        return Err(End::Told(format!("{} came before HELLO", frame.verb)));
    }
    if frame.args != PROTOCOL {
        return Err(End::Told(format!(
            "protocol {:?} is not known; this bus speaks {PROTOCOL}",
            frame.args
        )));
    }
    let Hello { name } = frame.read()?;
    tracing::debug!(%name, "connected");
    let name = concat!("decnet ", env!("CARGO_PKG_VERSION")).into();
    Ok(Some(Frame::new(Verb::Hello, PROTOCOL, &Hello { name })?))
}

/// Does what a frame asks for and returns the answer.
fn obey(frame: Frame, hub: &Hub, follower: &Follower) -> Result<Option<Frame>, End> {
    match frame.verb {
        Verb::Pub => {
            let topic = frame.read::<Envelope>()?.topic();
            if topic != frame.args {
                return Err(End::Told(format!(
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
            // What it says is of no account, but JSON it must be.
            frame.read::<Box<RawValue>>()?;
            let pattern = Pattern::new(&frame.args).map_err(|error| End::Told(error.to_string()))?;
            let mut patterns = follower.patterns.lock().unwrap_or_else(PoisonError::into_inner);
            if frame.verb == Verb::Unsub {
                patterns.retain(|other| *other != pattern);
                return Ok(None);
            }
            if !patterns.contains(&pattern) {
                if patterns.len() == PATTERNS {
                    return Err(End::Told(format!("at most {PATTERNS} patterns may be followed")));
                }
                patterns.push(pattern);
            }
            Ok(Some(frame))
        }
        Verb::Bye => Err(End::Gone),
        verb @ (Verb::Hello | Verb::Evt) => Err(End::Told(format!("{verb} makes no sense here"))),
    }
}

/// Sends what waits for a connection, answers first, until that fails.
async fn speak(writer: &mut Writer, follower: &Follower, answers: &mut mpsc::Receiver<Frame>) -> FrameError {
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
            // More waits: it goes out together.
            Ok(()) if !follower.backlog.is_empty() => Ok(()),
            Ok(()) => SinkExt::<&Frame>::flush(writer).await,
            Err(error) => Err(error),
        };
        if let Err(error) = flushed {
            return error;
        }
    }
}

/// Says why the connection is closed, to whoever still listens.
async fn say_goodbye(writer: &mut Writer, reason: String) {
    if let Ok(bye) = Frame::new(Verb::Bye, "", &Bye { reason }) {
        // It ends either way.
        let _ = tokio::time::timeout(FAREWELL, writer.send(&bye)).await;
    }
}
