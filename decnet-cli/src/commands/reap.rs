use decnet_engine::ReapOptions;
use decnet_topology::InstanceId;

use crate::{
    command_error::CommandError, confirm::confirm_or_refuse, context::Context, exit::Exit, globals::EngineFlags,
    interrupt, text,
};

/// Remove Docker resources left by deleted or torn-down mazes.
///
/// Resources of others are never touched. Running containers are removed only after a confirmation, because an older copy of the
/// database does not know the mazes that were deployed since.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet reap --dry-run\n  \
                        decnet reap")]
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
    let engine = context.engine(EngineFlags::default()).await?;
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
        for line in report.lines(!dry_run) {
            context.output.line(line)?;
        }
        if report.orphans.is_empty() {
            context.output.note("nothing to reap");
        }
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
