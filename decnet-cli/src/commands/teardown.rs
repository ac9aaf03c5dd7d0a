use std::io::{self, BufRead, IsTerminal, Write};

use decnet_engine::engine::Operation;

use super::{deploy, plan};
use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    interrupt, lookup,
    progress::ProgressReporter,
    text,
};

/// Take a maze down, whatever state it is in.
///
/// It is torn down only when nothing of it is left on Docker.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    topology: String,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask. Without a terminal nothing is asked anyway.
    #[arg(long, short)]
    yes: bool,
    /// How many containers are worked on at a time [default: twice the daemon's processors].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    max_workers: Option<u16>,
}

/// Takes a maze down.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let wishes = EngineWishes {
        max_workers: arguments.max_workers.map(usize::from),
        ..EngineWishes::default()
    };
    let engine = context.engine(wishes).await?;
    let row = lookup::find(engine.repo().as_ref(), &arguments.topology).await?;
    if arguments.dry_run {
        return plan::show(context, &engine, row.id, Operation::Teardown).await;
    }
    if !arguments.yes {
        let topology = engine.repo().load(row.id).await?.topology;
        let size = text::count(topology.deckies().len(), "decky", "deckies");
        confirm(
            context,
            &format!(
                "take down `{}` ({size}, {}), and delete the logs of its containers",
                row.name, row.status
            ),
        )?;
    }
    let cancel = interrupt::catch()?;
    let reporter = ProgressReporter::start(&engine, context.output);
    let result = engine.teardown(row.id, &cancel).await;
    reporter.end().await;
    deploy::say(context, &engine, result?).await
}

/// Asks on a terminal; elsewhere the command itself is the answer.
pub(crate) fn confirm(context: &Context, what: &str) -> Result<(), CommandError> {
    if context.output.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let mut stderr = io::stderr().lock();
    // A question that cannot be shown is not answered.
    let _ = write!(stderr, "{}? [y/N] ", text::one_line(what)).and_then(|()| stderr.flush());
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(CommandError::Unconfirmed { what: what.into() })
    }
}
