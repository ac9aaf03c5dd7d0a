//! Ctrl-C, SIGTERM and the end of the terminal: the first calls the operation off and lets it undo, the third leaves at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{command_error::CommandError, exit::Exit, output::say};

/// Catches interruptions from now on.
///
/// Commands that change nothing never call this: a signal ends them as it ends any program.
pub(crate) fn catch() -> Result<CancellationToken, CommandError> {
    catch_saying("interrupted: finishing what was begun, then undoing what this run did")
}

/// Catches interruptions from now on, and says so at the first.
pub(crate) fn catch_saying(words: &'static str) -> Result<CancellationToken, CommandError> {
    let wrong = |source| CommandError::Signals { source };
    let mut interrupts = signal(SignalKind::interrupt()).map_err(wrong)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut hangups = signal(SignalKind::hangup()).map_err(wrong)?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        for count in 1_u32.. {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
                _ = hangups.recv() => {}
            }
            match count {
                1 => {
                    cancel.cancel();
                    say(words);
                }
                2 => {
                    say("still at it: leaving now may leave resources on Docker; interrupt once more to leave at once");
                }
                _ => std::process::exit(Exit::Interrupted.code().into()),
            }
        }
    });
    Ok(token)
}
