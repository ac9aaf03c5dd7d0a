use std::io::{self, IsTerminal as _};

use decnet_engine::{DeckyAnswer, Engine, Entered, ExecOptions};
use decnet_topology::{DeckyPart, TopologyId};

use crate::{
    attached::{attach, terminal_size},
    command_error::CommandError,
    context::Context,
    exit::Exit,
    lookup,
};

/// Run a command in a decky.
///
/// In a service with its own image, any program of the image runs. Built-in services have no programs; every decky has the verbs ping,
/// connect, resolve and routes, which are answered from its base. Without a command, what can be run is printed. The exit status is
/// that of the command. A program that cannot be run gives 126, and one that does not exist 127, as with `docker exec`. The verbs exit with
/// status 1 if the target does not answer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet exec corp web-01\n  \
                        decnet exec corp web-01 ping db-01\n  \
                        decnet exec corp web-01 connect 10.0.1.9 5432\n  \
                        decnet exec -it corp web-01.shop sh\n  \
                        decnet exec corp web-01.shop -- cat /var/log/shop.log > shop.log\n\n\
                        An intruder may have replaced any program in a container. With -t, its output controls the terminal; without it, \
                        control characters are printed as escapes. The command keeps running if decnet is interrupted.")]
pub(crate) struct Arguments {
    /// Pass stdin to the command.
    #[arg(long, short)]
    interactive: bool,
    /// Give the command a terminal.
    #[arg(long, short)]
    tty: bool,
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// The decky, or one of its services: web-01, web-01.shop.
    #[arg(value_name = "DECKY[.SERVICE]")]
    part: DeckyPart,
    /// The program and its arguments, or a verb and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs a command.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        interactive,
        tty,
        topology,
        part,
        command,
    } = arguments;
    let engine = context.engine_on_demand().await?;
    let id = lookup::find(engine.repo().as_ref(), &topology).await?.id;
    if command.is_empty() {
        return print_choices(context, &engine, id, &part).await;
    }
    if tty && interactive && !io::stdin().is_terminal() {
        let text = "stdin is not a terminal; -i alone passes a file or a pipe";
        return Err(CommandError::Usage(text.into()));
    }
    let options = ExecOptions::new(part, &command)
        .input(interactive)
        .terminal(tty.then(terminal_size));
    match engine.enter(id, options).await? {
        Entered::Answer(answer) => print_answer(context, &answer),
        Entered::Command(running) => attach(running, interactive, tty).await,
    }
}

/// Prints the answer of a decky.
fn print_answer(context: &Context, answer: &DeckyAnswer) -> Result<Exit, CommandError> {
    if context.output.json {
        context.output.json(answer)?;
    } else {
        for line in answer.describe() {
            context.output.line(line)?;
        }
    }
    Ok(if answer.is_success() { Exit::Done } else { Exit::Failed })
}

/// Prints what can be run.
async fn print_choices(
    context: &Context,
    engine: &Engine,
    id: TopologyId,
    part: &DeckyPart,
) -> Result<Exit, CommandError> {
    let choices = engine.exec_choices(id, part).await?;
    context.output.either(&choices, || {
        let verbs = choices.verbs.iter().map(|usage| format!("{} {usage}\n", part.decky));
        let programs = choices
            .services
            .iter()
            .map(|service| format!("{service} PROGRAM [ARGUMENT]...\n"));
        verbs.chain(programs).collect()
    })?;
    Ok(Exit::Done)
}
