//! An open SMTP relay: Postfix that accepts mail of anyone to anyone. It records each mail and sends none.

use super::{
    context::Context,
    dialogue::Dialogue,
    smtp::{self, Kind},
};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    smtp::start(context, Kind::Relay)
}
