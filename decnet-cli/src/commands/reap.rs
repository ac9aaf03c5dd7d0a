use decnet_engine::{ReapOptions, ReapReport};
use decnet_topology::InstanceId;

use crate::{
    command_error::CommandError,
    confirm::confirm_or_refuse,
    context::{Context, EngineWishes},
    exit::Exit,
    interrupt, text,
};

/// Remove Docker resources left by deleted or torn-down mazes.
///
/// Resources of others are never touched. Running containers are removed only after a confirmation, because an older copy of the
/// database does not know the mazes that were deployed since.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Remove all resources of another, lost database, by its id. `decnet doctor` lists the ids.
    #[arg(long, value_name = "UUID")]
    instance: Option<InstanceId>,
    /// Only print the plan.
    #[arg(long)]
    dry_run: bool,
    /// Confirm that the other database is lost. With ids: confirm that running containers of these mazes may be removed.
    #[arg(long, short, value_name = "ID", num_args = 0.., value_delimiter = ',')]
    yes: Option<Vec<String>>,
}

/// Removes resources left by deleted or torn-down mazes.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments { instance, dry_run, yes } = arguments;
    let engine = context.engine(EngineWishes::default()).await?;
    let mut options = ReapOptions::default();
    if let Some(instance) = instance {
        options = options.instance(instance);
        if !dry_run && yes.is_none() {
            let what = format!("remove all resources of the database {instance} from Docker");
            confirm_or_refuse(context.output, &what)?;
        }
    }
    let cancel = interrupt::catch()?;
    options = options.running(yes.into_iter().flatten());
    let mut prepared = engine.prepare_reap(options.clone()).await?;
    if !dry_run {
        let kept = prepared.report().orphans.iter().filter(|orphan| orphan.kept);
        let mut confirmed = Vec::new();
        for orphan in kept {
            let running = text::count(orphan.running.len(), "running container", "running containers");
            let first = orphan.running.first().map(String::as_str).unwrap_or_default();
            let what = format!(
                "remove {running} (first: {first}) of the maze {}, which is not up in this database",
                orphan.prefix
            );
            confirm_or_refuse(context.output, &what).map_err(|_| CommandError::WouldStop { what })?;
            confirmed.push(orphan.prefix.clone());
        }
        if !confirmed.is_empty() {
            prepared = engine.prepare_reap(options.running(confirmed)).await?;
        }
    }
    let report = if dry_run {
        prepared.report().clone()
    } else {
        prepared.execute(&cancel).await?
    };
    if context.output.json {
        context.output.json(&report)?;
    } else {
        print(context, &report, dry_run)?;
    }
    if cancel.is_cancelled() {
        return Err(CommandError::ReapInterrupted);
    }
    if !dry_run && !report.is_clean() {
        let left: usize = report.orphans.iter().map(|orphan| orphan.left.len()).sum();
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
                (true, _) if orphan.kept => "keep   ",
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
