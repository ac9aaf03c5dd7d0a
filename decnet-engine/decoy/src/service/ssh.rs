//! SSH (RFC 4251 to 4254).
use super::{context::Context, event::Event};
use crate::protocol::EndReason;
#[expect(clippy::unused_async, reason = "it is not written yet")]
pub(super) async fn converse<S>(
    _stream: S,
    _context: Context,
    _report: impl Fn(Event) + Clone + Send + Sync + 'static,
) -> EndReason {
    EndReason::Ended
}
