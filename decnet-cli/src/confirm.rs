//! Asks for confirmation on a terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{command_error::CommandError, output::Output, text};

/// Asks on a terminal. Without a terminal, the command is refused.
pub(crate) fn confirm_or_refuse(output: Output, what: &str) -> Result<(), CommandError> {
    if can_ask(output) {
        ask(what)
    } else {
        Err(CommandError::Unconfirmed { what: what.into() })
    }
}

/// Returns whether there is a terminal to ask on.
pub(crate) fn can_ask(output: Output) -> bool {
    !output.json && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on a terminal. The command is refused unless the answer is yes.
pub(crate) fn ask(what: &str) -> Result<(), CommandError> {
    let mut stderr = io::stderr().lock();
    // If the question cannot be printed, the answer is no.
    let _ = write!(stderr, "{}? [y/N] ", text::one_line(what)).and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(CommandError::Unconfirmed { what: what.into() })
    }
}
