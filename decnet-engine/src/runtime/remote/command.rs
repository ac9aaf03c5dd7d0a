//! A command over a connection: its input and output in frames.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::Bytes;
use decnet_topology::Name;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWrite, ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time,
};
use tokio_util::{
    codec::{FramedRead, FramedWrite},
    sync::PollSender,
};

use super::{faults, messages::CommandExit, streams};
use crate::{
    peer::{Frame, FrameCodec, FrameKind, PeerClient, PeerError, SILENCE},
    runtime::{CommandControl, CommandOutput, CommandOutputs, RunningCommand, RuntimeError, TerminalSize},
};

type Connection = TokioIo<Upgraded>;

/// How many pieces of input wait.
const WAITING: usize = 8;

/// The longest piece of input.
const PIECE: usize = 64 << 10;

/// Runs a command over a connection that the agent has accepted.
pub(super) fn over(upgraded: Upgraded, client: PeerClient, host: Name) -> RunningCommand {
    let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
    let (to_agent, frames) = mpsc::channel(WAITING);
    tokio::spawn(send(writer, frames));
    let (ended, exit) = watch::channel(None);
    RunningCommand {
        input: Box::pin(Input {
            sender: PollSender::new(to_agent.clone()),
            is_shut: false,
        }),
        output: output(reader, ended, client, host, to_agent.clone()),
        control: Arc::new(Control { to_agent, exit }),
    }
}

/// Sends frames until nobody makes any.
async fn send(writer: WriteHalf<Connection>, mut frames: mpsc::Receiver<Frame>) {
    let mut writer = FramedWrite::new(writer, FrameCodec::default());
    while let Some(frame) = frames.recv().await {
        if let Err(error) = writer.send(frame).await {
            tracing::debug!(%error, "the input of a command could not be sent");
            return;
        }
    }
    let _ = writer.close().await;
}

/// Reads the output. The exit code is published at its end.
fn output(
    reader: ReadHalf<Connection>,
    ended: watch::Sender<Option<Result<i64, RuntimeError>>>,
    client: PeerClient,
    host: Name,
    // Keeps the connection as long as the output is read.
    held: mpsc::Sender<Frame>,
) -> CommandOutputs {
    let state = Some((FramedRead::new(reader, FrameCodec::default()), ended, held));
    let next = move |state: Option<(FramedRead<_, FrameCodec>, watch::Sender<_>, _)>| {
        let (client, host) = (client.clone(), host.clone());
        async move {
            let (mut frames, ended, held) = state?;
            match piece(&client, &mut frames).await {
                Ok(Piece::Output(output)) => Some((Ok(output), Some((frames, ended, held)))),
                Ok(Piece::Exit(code)) => {
                    ended.send_replace(Some(code));
                    None
                }
                Err(error) => {
                    let error = faults::of(&host, client.generation(), error);
                    ended.send_replace(Some(Err(error.clone())));
                    Some((Err(error), None))
                }
            }
        }
    };
    stream::unfold(state, next).boxed()
}

enum Piece {
    Output(CommandOutput),
    Exit(Result<i64, RuntimeError>),
}

async fn piece(
    client: &PeerClient,
    frames: &mut FramedRead<ReadHalf<Connection>, FrameCodec>,
) -> Result<Piece, PeerError> {
    loop {
        let frame = time::timeout(SILENCE, frames.next()).await;
        let frame = frame.map_err(|_| streams::silent(client))?;
        let frame = frame.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        let Frame { kind, content } = frame.map_err(|error| streams::cut(client, &error))?;
        return Ok(match kind {
            FrameKind::Alive => continue,
            FrameKind::Item => Piece::Output(CommandOutput::Stdout(content.into())),
            FrameKind::Stderr => Piece::Output(CommandOutput::Stderr(content.into())),
            FrameKind::Error => return Err(streams::reported(client, &content)),
            FrameKind::End => {
                let exit: Result<CommandExit, _> = serde_json::from_slice(&content);
                Piece::Exit(exit.map_err(|error| client.unexpected(error.to_string()))?.code)
            }
            _ => return Err(client.unexpected("an unexpected kind of frame")),
        });
    }
}

/// The input of a command.
struct Input {
    sender: PollSender<Frame>,
    is_shut: bool,
}

impl Input {
    fn poll_send(&mut self, context: &mut Context<'_>, bytes: Bytes) -> Poll<io::Result<()>> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.sender.poll_reserve(context)).map_err(gone)?;
        Poll::Ready(self.sender.send_item(Frame::new(FrameKind::Input, bytes)).map_err(gone))
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let piece = &bytes[..bytes.len().min(PIECE)];
        ready!(self.poll_send(context, Bytes::copy_from_slice(piece)))?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(self.poll_send(context, Bytes::new()))?;
            self.is_shut = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Dropping the input ends it.
impl Drop for Input {
    fn drop(&mut self) {
        let Some(sender) = self.sender.get_ref().filter(|_| !self.is_shut).cloned() else {
            return;
        };
        let end = Frame::new(FrameKind::Input, Bytes::new());
        if let Err(mpsc::error::TrySendError::Full(end)) = sender.try_send(end)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { sender.send(end).await });
        }
    }
}

struct Control {
    to_agent: mpsc::Sender<Frame>,
    exit: watch::Receiver<Option<Result<i64, RuntimeError>>>,
}

#[async_trait]
impl CommandControl for Control {
    async fn resize(&self, size: TerminalSize) -> Result<(), RuntimeError> {
        // A command that has ended has no terminal.
        let _ = self.to_agent.send(Frame::json(FrameKind::Resize, &size)).await;
        Ok(())
    }

    async fn exit_code(&self) -> Result<i64, RuntimeError> {
        let exit = self.exit.borrow().clone();
        exit.unwrap_or_else(|| {
            Err(RuntimeError::Conflict {
                reason: "the command still runs, or its output was not read to the end".into(),
            })
        })
    }
}
