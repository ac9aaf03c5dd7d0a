//! The failure of a command.

use std::error::Error;

use crate::protocol::{EXIT_FAILED, EXIT_USAGE};

/// The reason why a command failed, and its exit code.
pub(crate) struct Failure {
    pub(crate) context: &'static str,
    pub(crate) cause: String,
    pub(crate) code: u8,
}

impl Failure {
    /// Creates the failure of an operation.
    pub(crate) fn new(context: &'static str, cause: impl Into<Box<dyn Error>>) -> Self {
        Self {
            context,
            cause: chain(&*cause.into()),
            code: EXIT_FAILED,
        }
    }

    /// Sets the exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Creates the failure for invalid arguments or input.
    pub(crate) fn usage(context: &'static str, cause: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: EXIT_USAGE,
            ..Self::new(context, cause)
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
