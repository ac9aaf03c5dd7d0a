use decnet_engine::{DeployOptions, Engine, EngineError, LostHost, Operation, Plan, Prepared};
use decnet_topology::TopologyId;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, globals::EngineFlags, lookup};

/// Show the plan of a deploy.
///
/// With --down, show the plan of a teardown. Changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet plan corp\n  \
                        decnet plan corp --down\n  \
                        decnet plan corp --json")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// Show the plan of a teardown.
    #[arg(long)]
    down: bool,
}

/// Shows a plan.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let (engine, row) = lookup::engine(context, &arguments.topology, EngineFlags::default()).await?;
    let operation = if arguments.down {
        Operation::Teardown { force: false }
    } else {
        Operation::Deploy(DeployOptions::default())
    };
    let prepared = engine.prepare(row.id, operation).await?;
    print(context, &prepared)?;
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
    print(context, &prepared)?;
    require_permitted(&prepared)?;
    Ok(Exit::Done)
}

/// Refuses a plan that recreates running containers without `--force`.
pub(crate) fn require_permitted(prepared: &Prepared) -> Result<(), CommandError> {
    match prepared.refusal() {
        Some(refusal) => Err(EngineError::from(refusal.clone()).into()),
        None => Ok(()),
    }
}

/// Prints the steps of a plan, one line each.
fn print(context: &Context, prepared: &Prepared) -> Result<(), CommandError> {
    let (plan, unseen) = (prepared.plan(), prepared.unseen());
    if context.output.json {
        let mut value = json!({ "steps": plan, "deleted_logs": plan.deleted_logs() });
        if !unseen.is_empty() {
            value["unseen"] = json!(unseen);
        }
        if !prepared.given_up().is_empty() {
            value["given_up"] = json!(prepared.given_up());
        }
        return context.output.json(&value);
    }
    print_steps(context, plan)?;
    let partly = if unseen.is_empty() || !plan.steps().is_empty() {
        ""
    } else {
        " on the hosts that answer"
    };
    for line in unseen {
        context.output.note(line);
    }
    context.output.note(format!("{}{partly}", plan.summary()));
    warn_of_lost(context, prepared.given_up());
    Ok(())
}

/// Warns of hosts that left the fleet, and that may still have a part of a maze.
pub(crate) fn warn_of_lost(context: &Context, hosts: &[LostHost]) {
    for host in hosts {
        context.output.note(format!(
            "warning: {host}; on that host, `decnet agent --state FOLDER --orphan-after 1m` removes it"
        ));
    }
}

/// Prints the steps, and a warning about the logs that they delete.
pub(crate) fn print_steps(context: &Context, plan: &Plan) -> Result<(), CommandError> {
    for step in plan.steps() {
        context.output.line(step.to_string())?;
    }
    if let Some(warning) = plan.deleted_logs_text() {
        context.output.note(warning);
    }
    Ok(())
}
