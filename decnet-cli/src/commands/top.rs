use crate::{command_error::CommandError, context::Context, exit::Exit, lookup, top};

/// Show a live view of mazes in the terminal: deckies, queue, events and visits.
///
/// Without a maze it lists all mazes, and enter opens one. The key `?` shows all keys. The states of deckies are read from Docker
/// every two seconds (less often in a large maze) and after each event. If Docker does not answer, they are `?`.
///
/// Everything that it shows, other commands print: `decnet show`, `decnet mutations`, `decnet events` and `decnet logs --follow`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet top\n  \
                        decnet top corp")]
pub(crate) struct Arguments {
    /// The maze: its name, its id, or the start of its id; all mazes if it is missing.
    topology: Option<String>,
}

/// Shows the view.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    top::check(context)?;
    let engine = context.engine_on_demand().await?;
    let only = match arguments.topology {
        Some(text) => Some(lookup::find(engine.repo().as_ref(), &text).await?),
        None => None,
    };
    top::run(context, only, &engine).await
}
