//! Ctrl-C, SIGTERM and SIGHUP. The first one cancels the operation and lets it undo its changes, the third one exits immediately.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{command_error::CommandError, exit::Exit, output::say};

/// Catches signals from now on.
///
/// Commands that change nothing do not call this: a signal ends them immediately.
pub(crate) fn catch() -> Result<CancellationToken, CommandError> {
    catch_saying("interrupted: finishing started steps, then undoing this run")
}

/// Catches signals from now on, and prints a message at the first.
pub(crate) fn catch_saying(words: &'static str) -> Result<CancellationToken, CommandError> {
    let wrong = |source| CommandError::Signals { source };
    let mut interrupts = signal(SignalKind::interrupt()).map_err(wrong)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut hangups = match std::fs::read_to_string("/proc/self/status") {
        // Under nohup(1), SIGHUP does not stop the command.
        Ok(status) if ignores(&status, HANGUP) => None,
        _ => Some(signal(SignalKind::hangup()).map_err(wrong)?),
    };
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        for count in 1_u32.. {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
                () = next(hangups.as_mut()) => {}
            }
            match count {
                1 => {
                    cancel.cancel();
                    say(words);
                }
                2 => {
                    say(
                        "still working: exiting now may leave resources on Docker; interrupt again to exit immediately",
                    );
                }
                _ => std::process::exit(Exit::Interrupted.code().into()),
            }
        }
    });
    Ok(token)
}

/// The number of SIGHUP.
const HANGUP: u32 = 1;

/// Waits for a signal; waits forever if there is none.
async fn next(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

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
