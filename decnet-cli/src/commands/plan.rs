use decnet_engine::{DeployOptions, Engine, EngineError, Operation, Plan};
use decnet_topology::TopologyId;
use serde_json::json;

use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    lookup, text,
};

/// Show the plan of a deploy.
///
/// With --down, show the plan of a teardown. Changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// Show the plan of a teardown.
    #[arg(long)]
    down: bool,
}

/// Shows a plan.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let engine = context.engine(EngineWishes::default()).await?;
    let row = lookup::find(engine.repo().as_ref(), &arguments.topology).await?;
    let operation = if arguments.down {
        Operation::Teardown
    } else {
        Operation::Deploy(DeployOptions::default())
    };
    let prepared = engine.prepare(row.id, operation).await?;
    print(context, prepared.plan())?;
    if prepared.refusal().is_some() {
        context.output.note("`decnet deploy` needs --force for this plan");
    }
    Ok(Exit::Done)
}

/// Shows the plan of an operation, and fails like the operation itself.
pub(crate) async fn dry_run(
    context: &Context,
    engine: &Engine,
    id: TopologyId,
    operation: Operation,
) -> Result<Exit, CommandError> {
    let prepared = engine.prepare(id, operation).await?;
    print(context, prepared.plan())?;
    match prepared.refusal() {
        Some(refusal) => Err(EngineError::from(refusal.clone()).into()),
        None => Ok(Exit::Done),
    }
}

/// Prints the steps of a plan, one line each.
fn print(context: &Context, plan: &Plan) -> Result<(), CommandError> {
    if context.output.json {
        return context
            .output
            .json(&json!({ "steps": plan, "deleted_logs": plan.deleted_logs() }));
    }
    lines(context, plan)?;
    warn_of_logs(context, plan);
    let destructive = plan.steps().iter().filter(|step| step.destructive).count();
    context.output.note(match (plan.steps().len(), destructive) {
        (0, _) => "nothing to do".into(),
        (steps, 0) => text::count(steps, "step", "steps"),
        (steps, some) => format!("{}, {some} of them destructive", text::count(steps, "step", "steps")),
    });
    Ok(())
}

/// Prints the logs that a plan deletes.
pub(crate) fn warn_of_logs(context: &Context, plan: &Plan) {
    let containers: Vec<_> = plan.deleted_logs().into_iter().cloned().collect();
    if let Some(warning) = text::deleted_logs(&containers) {
        context.output.note(warning);
    }
}

/// Prints only the steps.
pub(crate) fn lines(context: &Context, plan: &Plan) -> Result<(), CommandError> {
    for step in plan.steps() {
        context.output.line(step.to_string())?;
    }
    Ok(())
}
