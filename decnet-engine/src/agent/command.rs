//! Commands in containers, over connections that change their protocol.

use std::io;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::IntoResponse as _,
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWriteExt as _, ReadHalf},
    time,
};
use tokio_util::{
    codec::{FramedRead, FramedWrite},
    sync::CancellationToken,
};

use super::shared::{Agent, Answer};
use crate::{
    fleet::secure::read,
    http::problem::Problem,
    peer::{ALIVE, Frame, FrameCodec, FrameKind, LONGEST},
    runtime::{
        CommandOutput, CommandRequest, RunningCommand,
        remote::messages::{COMMAND_PROTOCOL, CommandExit},
    },
};

type Frames = FramedRead<ReadHalf<TokioIo<Upgraded>>, FrameCodec>;

/// Starts a command and takes over the connection.
pub(super) async fn run(State(shared): Agent, mut request: Request) -> Answer {
    let asked = request.headers().get(header::UPGRADE);
    let is_asked = asked.is_some_and(|protocol| protocol == COMMAND_PROTOCOL);
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>().filter(|_| is_asked) else {
        let detail = format!("a command needs `Upgrade: {COMMAND_PROTOCOL}`");
        return Err(Problem::new("upgrade_needed", detail));
    };
    let command: CommandRequest = read(request, LONGEST).await?;
    let running = shared.runtime().run_command(command).await?;
    let stop = shared.stop.clone();
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => converse(running, upgraded, stop).await,
            Err(error) => tracing::debug!(%error, "the connection of a command was lost"),
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, COMMAND_PROTOCOL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// Carries the input and the output of a command until it ends, or the master disconnects.
async fn converse(running: RunningCommand, upgraded: Upgraded, stop: CancellationToken) {
    let RunningCommand {
        mut input,
        mut output,
        control,
    } = running;
    let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
    let mut writer = FramedWrite::new(writer, FrameCodec::default());
    let (mut frames, resized) = (Frames::new(reader, FrameCodec::default()), control.clone());
    let take = async move {
        while let Some(frame) = frames.next().await {
            let Frame { kind, content } = frame?;
            match kind {
                FrameKind::Input if content.is_empty() => input.shutdown().await?,
                FrameKind::Input => input.write_all(&content).await?,
                FrameKind::Resize => {
                    if let Ok(size) = serde_json::from_slice(&content) {
                        let _ = resized.resize(size).await;
                    }
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
            input.flush().await?;
        }
        Ok::<(), io::Error>(())
    };
    let give = async {
        loop {
            let frame = tokio::select! {
                piece = output.next() => match piece {
                    Some(Ok(CommandOutput::Stdout(bytes))) => Frame::new(FrameKind::Item, bytes),
                    Some(Ok(CommandOutput::Stderr(bytes))) => Frame::new(FrameKind::Stderr, bytes),
                    Some(Err(error)) => Frame::json(FrameKind::Error, &error),
                    None => {
                        let code = control.exit_code().await;
                        Frame::json(FrameKind::End, &CommandExit { code })
                    }
                },
                () = time::sleep(ALIVE) => Frame::new(FrameKind::Alive, Vec::new()),
            };
            let is_last = matches!(frame.kind, FrameKind::Error | FrameKind::End);
            writer.send(frame).await?;
            if is_last {
                return writer.close().await;
            }
        }
    };
    let mut take = std::pin::pin!(take);
    let mut give = std::pin::pin!(give);
    let mut is_taking = true;
    loop {
        tokio::select! {
            taken = &mut take, if is_taking => {
                is_taking = false;
                // The master is gone. After an error, it may only be that the command has closed its input, and it may print more.
                if taken.is_ok() {
                    return;
                }
            }
            given = &mut give => {
                if let Err(error) = given {
                    tracing::debug!(%error, "the output of a command could not be sent");
                }
                return;
            }
            () = stop.cancelled() => return,
        }
    }
}
