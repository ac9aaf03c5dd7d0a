//! What commands write.

use super::shell::Shell;

/// The size after which a command, a line or one piece of the visitor's input gets no further answer.
pub(super) const MOST_OUTPUT: usize = 256 * 1024;

/// What a command writes.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) output: String,
    pub(super) errors: String,
    /// The shell ends.
    pub(super) ends: bool,
    pub(super) upload: Option<String>,
}

/// Returns how Bash starts its messages.
pub(super) fn complaint(shell: &Shell) -> String {
    match (shell.is_command, shell.is_interactive) {
        (true, _) => "bash: ".into(),
        (false, true) => "-bash: ".into(),
        (false, false) => format!("-bash: line {}: ", shell.lines),
    }
}

pub(super) fn failed(shell: &mut Shell, status: u32, errors: String) -> Own {
    shell.status = status;
    Own {
        errors,
        ..Own::default()
    }
}
