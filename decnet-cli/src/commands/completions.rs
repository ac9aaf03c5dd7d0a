use clap_complete::Shell;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Print completions for a shell.
///
/// For bash: `decnet completions bash > /etc/bash_completion.d/decnet`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints completions.
pub(crate) fn run(arguments: &Arguments, mut grammar: clap::Command, context: &Context) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut grammar, "decnet", &mut script);
    context.output.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
