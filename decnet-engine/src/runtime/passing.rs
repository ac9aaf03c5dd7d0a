//! Streams of a runtime that lives only as long as they do.

use std::sync::Arc;

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc;

use super::{Runtime, RuntimeError};

/// Opens a stream of a runtime that has to be found first. The stream keeps the runtime.
pub(crate) fn passed<'a, T: Send + 'a>(
    runtime: impl Future<Output = Result<Arc<dyn Runtime>, RuntimeError>> + Send + 'a,
    open: impl for<'r> FnOnce(&'r dyn Runtime) -> BoxStream<'r, Result<T, RuntimeError>> + Send + 'a,
) -> BoxStream<'a, Result<T, RuntimeError>> {
    let (sender, mut receiver) = mpsc::channel(1);
    // It runs while the stream is read, and ends with it.
    let work = async move {
        let runtime = match runtime.await {
            Ok(runtime) => runtime,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        let mut items = open(runtime.as_ref());
        while let Some(item) = items.next().await {
            if sender.send(item).await.is_err() {
                return;
            }
        }
    };
    let worked = stream::once(work).filter_map(async |()| None);
    stream::select(stream::poll_fn(move |context| receiver.poll_recv(context)), worked).boxed()
}
