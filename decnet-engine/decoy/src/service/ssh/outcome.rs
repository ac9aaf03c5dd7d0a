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

impl Own {
    /// Returns whether it wrote so much that the command stops.
    pub(super) fn is_full(&self) -> bool {
        self.output.len().saturating_add(self.errors.len()) > MOST_OUTPUT
    }

    /// Cuts what is too long.
    pub(super) fn cut(&mut self) {
        for text in [&mut self.output, &mut self.errors] {
            text.truncate(text.floor_char_boundary(MOST_OUTPUT));
        }
    }
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
