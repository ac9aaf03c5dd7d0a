use decnet_engine::plan::Plan;
use serde_json::json;

use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    lookup, text,
};

/// Show what a deploy would do now.
///
/// With --down, what a teardown would do. Touches nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    topology: String,
    /// What a teardown would do.
    #[arg(long)]
    down: bool,
}

/// Shows a plan.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let engine = context.engine(EngineWishes::default()).await?;
    let row = lookup::find(engine.repo().as_ref(), &arguments.topology).await?;
    let plan = if arguments.down {
        engine.plan_teardown(row.id).await?
    } else {
        engine.plan(row.id, None).await?
    };
    print(context, &plan)?;
    Ok(Exit::Done)
}

/// Prints the steps of a plan, a line each.
pub(crate) fn print(context: &Context, plan: &Plan) -> Result<(), CommandError> {
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
        (steps, some) => format!(
            "{}, {some} of them destructive: they need --force",
            text::count(steps, "step", "steps")
        ),
    });
    Ok(())
}

/// Says which logs a plan deletes.
pub(crate) fn warn_of_logs(context: &Context, plan: &Plan) {
    let containers: Vec<_> = plan.deleted_logs().into_iter().cloned().collect();
    if let Some(warning) = text::deleted_logs(&containers) {
        context.output.note(warning);
    }
}

/// Prints the steps alone.
pub(crate) fn lines(context: &Context, plan: &Plan) -> Result<(), CommandError> {
    for step in plan.steps() {
        context.output.line(step.to_string())?;
    }
    Ok(())
}
