//! Ctrl-C, SIGTERM and SIGHUP. The first signal cancels the operation, which undoes its changes or finishes its output; the last
//! one exits immediately.

use std::io::{self, IsTerminal as _};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{command_error::CommandError, exit::Exit, output::say};

/// Catches signals from now on.
///
/// Commands that change nothing do not call this: a signal ends them immediately.
pub(crate) fn catch() -> Result<CancellationToken, CommandError> {
    catch_with_message("interrupted: finishing started steps, then undoing this run")
}

/// Catches signals from now on, and prints a message at the first.
pub(crate) fn catch_with_message(message: &'static str) -> Result<CancellationToken, CommandError> {
    const WARNING: &str =
        "still working: exiting now may leave resources on Docker; interrupt again to exit immediately";
    catch_until_exit(message, Some(WARNING))
}

/// Catches signals from now on, for a command that leaves nothing behind. The first one prints a message, and the second one exits
/// immediately.
pub(crate) fn catch_to_finish(message: &'static str) -> Result<CancellationToken, CommandError> {
    catch_until_exit(message, None)
}

/// Catches signals: the first one cancels and prints a message, the next one prints a warning if there is one, and the last one exits.
fn catch_until_exit(message: &'static str, warning: Option<&'static str>) -> Result<CancellationToken, CommandError> {
    let mut signals = Signals::new()?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        signals.next().await;
        cancel.cancel();
        if io::stderr().is_terminal() {
            // The terminal has printed `^C`, perhaps after a bar.
            say("");
        }
        say(message);
        if let Some(warning) = warning {
            signals.next().await;
            say(warning);
        }
        signals.next().await;
        std::process::exit(Exit::Interrupted.code().into());
    });
    Ok(token)
}

/// The signals that end a command.
pub(crate) struct Signals {
    interrupts: Signal,
    terminations: Signal,
    hangups: Option<Signal>,
}

impl Signals {
    /// Catches these signals from now on.
    pub(crate) fn new() -> Result<Self, CommandError> {
        let caught = |kind| signal(kind).map_err(CommandError::Signals);
        Ok(Self {
            interrupts: caught(SignalKind::interrupt())?,
            terminations: caught(SignalKind::terminate())?,
            hangups: match std::fs::read_to_string("/proc/self/status") {
                // Under nohup(1), SIGHUP does not stop the command.
                Ok(status) if ignores(&status, HANGUP) => None,
                _ => Some(caught(SignalKind::hangup())?),
            },
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupts.recv() => {}
            _ = self.terminations.recv() => {}
            Some(_) = async { Some(self.hangups.as_mut()?.recv().await) } => {}
        }
    }
}

/// The number of SIGHUP.
const HANGUP: u32 = 1;

/// Returns whether a process ignores a signal, given its status as `/proc` prints it.
fn ignores(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_ignored_from_the_start_is_detected() {
        let status = |mask: &str| format!("Name:\tdecnet\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n");
        assert!(ignores(&status("0000000000001001"), HANGUP));
        assert!(!ignores(&status("0000000000001000"), HANGUP));
        assert!(!ignores("", HANGUP));
    }
}
