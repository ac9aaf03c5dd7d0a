//! Streams of the runtime: logs, archives, packets.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

use super::shared::{Agent, Answer};
use crate::{
    fleet::secure::read,
    peer::{ALIVE, FRAMES, Frame, FrameKind, LONGEST},
    runtime::{CopyRequest, LogRequest, RuntimeError, remote::messages::write_packet},
};

/// How many frames wait for a slow reader.
const WAITING: usize = 64;

/// Sends the log of a container.
pub(super) async fn log(State(shared): Agent, request: Request) -> Answer {
    let request: LogRequest = read(request, LONGEST).await?;
    let (runtime, stop) = (shared.runtime(), shared.stop.clone());
    Ok(respond(async move |sender| {
        let lines = runtime.container_log(request);
        let lines = lines.map(|line| line.map(|line| serde_json::to_vec(&line).unwrap_or_default().into()));
        forward(lines, sender, stop).await;
    }))
}

/// Sends a file or a folder of a container.
pub(super) async fn copy(State(shared): Agent, request: Request) -> Answer {
    let request: CopyRequest = read(request, LONGEST).await?;
    let (runtime, stop) = (shared.runtime(), shared.stop.clone());
    Ok(respond(async move |sender| {
        let pieces = runtime.copy_out(request);
        forward(pieces.map(|piece| piece.map(Bytes::from)), sender, stop).await;
    }))
}

/// Sends packets, after the name of the interface.
pub(super) async fn capture(State(shared): Agent, request: Request) -> Answer {
    let capture = shared.runtime().capture(read(request, LONGEST).await?).await?;
    let stop = shared.stop.clone();
    Ok(respond(async move |sender| {
        let interface = stream::iter([Ok(Bytes::from(capture.interface))]);
        let packets = capture
            .packets
            .map(|packet| packet.map(|packet| write_packet(&packet).into()));
        forward(interface.chain(packets), sender, stop).await;
    }))
}

/// Answers with the frames that a task makes. The task ends soon after the master has disconnected.
fn respond<F>(make: impl FnOnce(mpsc::Sender<Frame>) -> F + Send + 'static) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, mut frames) = mpsc::channel::<Frame>(WAITING);
    tokio::spawn(make(sender));
    let frames = stream::poll_fn(move |context| frames.poll_recv(context));
    let body = Body::from_stream(frames.map(|frame| frame.to_bytes()));
    ([("content-type", FRAMES)], body).into_response()
}

/// Sends the items of a stream and its end. If the agent stops, the stream is cut.
async fn forward(
    items: impl Stream<Item = Result<Bytes, RuntimeError>>,
    sender: mpsc::Sender<Frame>,
    stop: CancellationToken,
) {
    let mut items = std::pin::pin!(items);
    loop {
        let frame = tokio::select! {
            item = items.next() => match item {
                Some(Ok(item)) => Frame::new(FrameKind::Item, item),
                Some(Err(error)) => Frame::json(FrameKind::Error, &error),
                None => Frame::new(FrameKind::End, Bytes::new()),
            },
            () = time::sleep(ALIVE) => Frame::new(FrameKind::Alive, Bytes::new()),
            () = sender.closed() => return,
            () = stop.cancelled() => return,
        };
        let is_last = matches!(frame.kind, FrameKind::Error | FrameKind::End);
        if sender.send(frame).await.is_err() || is_last {
            return;
        }
    }
}
