use clap_complete::Shell;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Print the completion script of a shell.
///
/// The script completes commands, flags and files, and the names of stored mazes, deckies, LANs and services.
///
/// bash: `decnet completions bash > /etc/bash_completion.d/decnet`, or `source <(decnet completions bash)` in `~/.bashrc`.
/// zsh: `source <(decnet completions zsh)` in `~/.zshrc`, after `compinit`.
/// fish: `decnet completions fish > ~/.config/fish/completions/decnet.fish`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet completions bash > /etc/bash_completion.d/decnet\n  \
                        decnet completions fish > ~/.config/fish/completions/decnet.fish")]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(
    arguments: &Arguments,
    completion: fn(Shell) -> String,
    context: &Context,
) -> Result<Exit, CommandError> {
    context.output.data(&completion(arguments.shell))?;
    Ok(Exit::Done)
}
