use decnet_engine::engine::ReapReport;
use decnet_topology::InstanceId;

use super::teardown::confirm;
use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    interrupt, text,
};

/// Remove from Docker what mazes left that are no more.
///
/// They were deleted, or are torn down. What is not ours is never touched.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Everything of another database, by its id: one that was lost. `decnet doctor` lists them.
    #[arg(long, value_name = "UUID")]
    instance: Option<InstanceId>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Confirm that the other database is lost.
    #[arg(long, short)]
    yes: bool,
}

/// Removes what was left.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments { instance, dry_run, yes } = arguments;
    let engine = context.engine(EngineWishes::default()).await?;
    if let Some(instance) = instance
        && !dry_run
        && !yes
    {
        let what = format!("remove everything of the database {instance} from Docker");
        if context.output.json || !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            return Err(CommandError::Unconfirmed { what });
        }
        confirm(context, &what)?;
    }
    let cancel = interrupt::catch()?;
    let report = engine.reap(instance, dry_run, &cancel).await?;
    if context.output.json {
        context.output.json(&report)?;
    } else {
        print(context, &report, dry_run)?;
    }
    if cancel.is_cancelled() {
        return Err(CommandError::ReapInterrupted);
    }
    if !dry_run && !report.is_clean() {
        let left = report.orphans.iter().map(|orphan| orphan.left.len()).sum();
        return Err(CommandError::ReapIncomplete(format!(
            "{} left",
            text::count(left, "resource", "resources")
        )));
    }
    Ok(Exit::Done)
}

fn print(context: &Context, report: &ReapReport, dry_run: bool) -> Result<(), CommandError> {
    let output = context.output;
    for live in &report.live {
        output.line(format!("live     {live}"))?;
    }
    for orphan in &report.orphans {
        let prefix = if orphan.prefix.is_empty() {
            "(no id)"
        } else {
            &orphan.prefix
        };
        output.line(format!("orphan   {prefix}"))?;
        for found in &orphan.found {
            let word = match (dry_run, orphan.left.contains(found)) {
                (true, _) => "found  ",
                (_, true) => "left   ",
                _ => "removed",
            };
            output.line(format!("  {word} {found}"))?;
        }
        for error in &orphan.errors {
            output.line(format!("  error   {error}"))?;
        }
    }
    if report.orphans.is_empty() {
        output.note("nothing to reap");
    }
    Ok(())
}
