//! Streams of an agent.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use serde_json::Map;
use tokio::time;

use crate::{
    peer::{Frame, FrameKind, Frames, PeerClient, PeerError, SILENCE},
    runtime::RuntimeError,
};

/// What a stream does next.
enum State<R> {
    Ask(R),
    Read(Frames),
    Ended,
}

/// Asks for a stream when it is first polled, and returns its items.
pub(super) fn items<R: Serialize + Send + Sync>(
    client: PeerClient,
    path: &'static str,
    request: R,
) -> impl Stream<Item = Result<Bytes, PeerError>> + Send {
    let next = move |mut state: State<R>| {
        let client = client.clone();
        async move {
            loop {
                state = match state {
                    State::Ask(request) => match client.open(path, &request).await {
                        Ok(response) => State::Read(Frames::new(response.into_body())),
                        Err(error) => return Some((Err(error), State::Ended)),
                    },
                    State::Read(mut frames) => match next(&client, &mut frames).await {
                        Ok(Some(item)) => return Some((Ok(item), State::Read(frames))),
                        Ok(None) => return None,
                        Err(error) => return Some((Err(error), State::Ended)),
                    },
                    State::Ended => return None,
                };
            }
        }
    };
    stream::unfold(State::Ask(request), next)
}

/// Returns the next item; none at the end.
async fn next(client: &PeerClient, frames: &mut Frames) -> Result<Option<Bytes>, PeerError> {
    loop {
        let frame = time::timeout(SILENCE, frames.next())
            .await
            .map_err(|_| silent(client))?;
        let frame = frame.unwrap_or_else(|| Err(std::io::ErrorKind::UnexpectedEof.into()));
        let Frame { kind, content } = frame.map_err(|error| cut(client, &error))?;
        match kind {
            FrameKind::Alive => {}
            FrameKind::Item => return Ok(Some(content)),
            FrameKind::End => return Ok(None),
            FrameKind::Error => return Err(reported(client, &content)),
            _ => return Err(client.unexpected("an unexpected kind of frame")),
        }
    }
}

pub(super) fn silent(client: &PeerClient) -> PeerError {
    PeerError::Unreachable {
        address: client.address().into(),
        reason: format!("nothing came for {SILENCE:?}"),
    }
}

pub(super) fn cut(client: &PeerClient, error: &std::io::Error) -> PeerError {
    PeerError::Unreachable {
        address: client.address().into(),
        reason: format!("the connection was cut: {error}"),
    }
}

/// Returns the error of the agent's runtime.
pub(super) fn reported(client: &PeerClient, content: &[u8]) -> PeerError {
    let Ok(error) = serde_json::from_slice::<RuntimeError>(content) else {
        return client.unexpected("an error that cannot be read");
    };
    PeerError::Refused {
        address: client.address().into(),
        problem: error.code().into(),
        reason: error.to_string(),
        members: Map::from_iter([("error".into(), serde_json::json!(error))]),
    }
}
