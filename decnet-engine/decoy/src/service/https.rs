//! TODO.

use super::{context::Context, dialogue::Dialogue, plain};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    plain::new(context)
}
pub(super) fn certificate_name(context: &Context) -> String {
    context.persona().fqdn()
}
