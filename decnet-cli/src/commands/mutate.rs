mod payload;

use clap::builder::PossibleValuesParser;
use decnet_engine::{Engine, EngineError, EnqueuedMutation, Operation, Submitted};
use decnet_topology::{
    Mutation, MutationError, MutationRow, MutationState, Name, NewMutation, RepoError, Status, StoredTopology,
    TopologyRow, Version,
};
use serde_json::json;

use self::payload::Payload;
use super::plan;
use crate::{
    command_error::CommandError, context::Context, exit::Exit, interrupt, lookup, number::whole,
    progress::ProgressReporter, text,
};

const EXAMPLES: &str = "Examples:
  decnet mutate corp add_lan --name vault
  decnet mutate corp add_decky --name safe --lan vault --services smb,ssh --wait
  decnet mutate corp update_decky --decky jump-01 --forwards-l3 --plan
  decnet mutate corp update_decky '{\"decky\": \"jump-01\", \"x\": 40}'
  decnet mutate corp --now web-01";

const KEYS: &str = "Keys (those in brackets are optional):
  add_lan       name [subnet is_dmz x y]
  remove_lan    name
  add_decky     name lan [services service_config archetype persona
                forwards_l3 ip x y]
  attach_decky  decky lan [ip forwards_l3 force]
  detach_decky  decky lan
  remove_decky  decky
  update_decky  decky [patch {service_config archetype persona forwards_l3}
                services x y force]
  update_lan    name [patch {name subnet is_dmz} x y]
A flag for a key of the patch sets it there, except --name, which selects the LAN.";

/// Change a maze, running or not.
///
/// A pending maze is edited directly. A change to a running maze is checked and queued, and applied by `decnet watch`, or by this command
/// with --wait. The exit status is 3 if the change is refused or rejected (nothing was changed), and with --wait 1 if it failed (it is
/// stored, but Docker does not match yet).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{KEYS}\n\n{EXAMPLES}"))]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// The operation.
    #[arg(value_parser = PossibleValuesParser::new(Mutation::OPS), required_unless_present = "now")]
    op: Option<String>,
    /// The payload as JSON; its keys may be given as flags instead.
    #[arg(value_name = "JSON")]
    body: Option<String>,
    /// The payload as flags.
    #[command(flatten)]
    payload: Payload,
    /// Give this decky other services now, as the `shuffle` that applies to it says.
    #[arg(long, value_name = "DECKY", conflicts_with_all = ["op", "Payload", "force"])]
    now: Option<Name>,
    /// Wait until the change is applied, and apply it unless another process does.
    #[arg(long, conflicts_with = "plan")]
    wait: bool,
    /// Only print the plan, and the containers that it would restart or recreate.
    #[arg(long)]
    plan: bool,
    /// Allow the decky's running container to be recreated.
    #[arg(long)]
    force: bool,
    /// Change the maze only if it still has this version.
    #[arg(long, value_name = "NUMBER", value_parser = whole::<u64>)]
    expected_version: Option<u64>,
    /// The author of the change, for the audit trail [default: the user].
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

/// Changes a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        topology,
        op,
        body,
        payload,
        now,
        wait,
        plan,
        force,
        expected_version,
        actor,
    } = arguments;
    let given = match op {
        Some(op) => {
            let payload = payload.read(&op, body.as_deref(), force)?;
            Some(Mutation::from_value(&json!({ "op": op, "payload": payload }))?)
        }
        None => None,
    };
    let engine = context.engine_on_demand().await?;
    let row = lookup::find(engine.repo().as_ref(), &topology).await?;
    let mut expected = expected_version.map(Version::new);
    let new = match (given, now) {
        (Some(mutation), _) => NewMutation::new(mutation),
        (None, Some(decky)) => {
            let stored = engine.repo().load(row.id).await?;
            // The new services were drawn for this version of the decky.
            expected = expected.or(Some(stored.row.version));
            engine.shuffle_of(&stored, &decky)?
        }
        (None, None) => return Err(CommandError::Usage("name an operation, or a decky with --now".into())),
    };
    if plan {
        return show_plan(context, &engine, &row, new.mutation, expected).await;
    }
    let new = new.actor(actor.or_else(user));
    let submitted = if wait {
        let cancel = interrupt::catch_with_message("interrupted: finishing started work; the rest stays queued")?;
        let reporter = ProgressReporter::start(&engine, context.output);
        let submitted = engine.submit_and_wait(row.id, new, expected, None, &cancel).await;
        reporter.end().await;
        submitted?
    } else {
        engine.submit(row.id, new, expected).await?
    };
    match submitted {
        Submitted::Edited(stored) => say_edited(context, &stored),
        Submitted::Enqueued(mutation) if wait => say_done(context, &engine, &mutation).await,
        Submitted::Enqueued(queued) => say_enqueued(context, &row, &queued),
        _ => Ok(Exit::Done),
    }
}

/// Returns the user, as the author of a change.
pub(crate) fn user() -> Option<String> {
    std::env::var("USER").ok().filter(|user| !user.is_empty())
}

/// Shows the plan. A pending maze does not run, so Docker is not needed.
async fn show_plan(
    context: &Context,
    engine: &Engine,
    row: &TopologyRow,
    mutation: Mutation,
    expected: Option<Version>,
) -> Result<Exit, CommandError> {
    let (status, intent) = (row.status, row.intent);
    if status != Status::Pending && !row.takes_mutations() {
        let name = row.name.clone();
        return Err(RepoError::NotEditable { name, status, intent }.into());
    }
    engine.check_mutation(row.id, &mutation, expected).await?;
    if status == Status::Pending {
        let value = json!({ "steps": [], "restarts": [], "deleted_logs": [], "refusal": null });
        context.output.either(&value, || {
            format!("{} would be edited directly, because it is not running\n", row.name)
        })?;
        return Ok(Exit::Done);
    }
    let new = NewMutation::new(mutation);
    let prepared = engine.prepare(row.id, Operation::Mutate(new)).await?;
    let (plan, restarts) = (prepared.plan(), prepared.restarts());
    let refusal = prepared.refusal().map(ToString::to_string);
    if context.output.json {
        let logs = plan.deleted_logs();
        let value = json!({ "steps": plan, "restarts": restarts, "deleted_logs": logs, "refusal": refusal });
        context.output.json(&value)?;
    } else {
        plan::print_steps(context, plan)?;
        for container in &restarts {
            context.output.line(format!("{container} is recreated or restarted"))?;
        }
        context.output.note(match plan.steps().len() {
            0 => "nothing to do".into(),
            steps => format!(
                "{}, {} recreated or restarted",
                text::count(steps, "step", "steps"),
                text::count(restarts.len(), "container", "containers")
            ),
        });
    }
    let Some(refusal) = refusal else {
        return Ok(Exit::Done);
    };
    context.output.note(format!("the change would be rejected: {refusal}"));
    Ok(Exit::Invalid)
}

fn say_edited(context: &Context, stored: &StoredTopology) -> Result<Exit, CommandError> {
    context.output.either(&json!({ "topology": stored.row }), || {
        format!(
            "{} was edited and is at version {}\n",
            stored.row.name, stored.row.version
        )
    })?;
    Ok(Exit::Done)
}

fn say_enqueued(context: &Context, row: &TopologyRow, queued: &EnqueuedMutation) -> Result<Exit, CommandError> {
    let EnqueuedMutation {
        row: mutation,
        depends_on,
        ..
    } = queued;
    let value = json!({ "mutation": mutation, "depends_on": depends_on });
    context.output.either(&value, || {
        format!(
            "{} is queued for {} as {}\n",
            mutation.mutation.op(),
            row.name,
            mutation.id
        )
    })?;
    if !depends_on.is_empty() {
        let named: Vec<_> = depends_on.iter().map(ToString::to_string).collect();
        context.output.note(format!(
            "it is only valid after {} {}, which {} queued: if one of them is rejected, it is too",
            if depends_on.len() == 1 { "mutation" } else { "mutations" },
            named.join(", "),
            if depends_on.len() == 1 { "is" } else { "are" }
        ));
    }
    context
        .output
        .note("`decnet watch` applies it, `decnet mutations` shows its state; with --wait this command applies it");
    Ok(Exit::Done)
}

async fn say_done(context: &Context, engine: &Engine, mutation: &MutationRow) -> Result<Exit, CommandError> {
    let exit = match mutation.state {
        MutationState::Applied => Exit::Done,
        MutationState::Rejected => Exit::Invalid,
        _ => Exit::Failed,
    };
    context.output.either(&json!({ "mutation": mutation }), || {
        let reason = mutation.reason.as_deref().map(text::one_line).unwrap_or_default();
        let colon = if reason.is_empty() { "" } else { ": " };
        format!(
            "{} {} is {}{colon}{reason}\n",
            mutation.id,
            mutation.mutation.op(),
            mutation.state
        )
    })?;
    match mutation.state {
        MutationState::Rejected if needs_force(engine, mutation).await => context.output.note(
            "nothing was changed; --force allows the running container to be recreated, and --plan shows the steps first",
        ),
        MutationState::Rejected => context.output.note("nothing was changed"),
        MutationState::Failed => context
            .output
            .note("it is stored, but Docker does not match yet: `decnet watch` or `decnet reconcile` continues"),
        _ => {}
    }
    Ok(exit)
}

/// Returns whether a mutation was rejected because it lacks `force`. The row has the reason only as text, so it is checked again.
async fn needs_force(engine: &Engine, row: &MutationRow) -> bool {
    let checked = engine.check_mutation(row.topology, &row.mutation, None).await;
    matches!(checked, Err(EngineError::Mutation(MutationError::ForceRequired { .. })))
}
