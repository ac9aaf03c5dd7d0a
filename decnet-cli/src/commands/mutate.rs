mod payload;

use std::{sync::Arc, time::Duration};

use clap::builder::PossibleValuesParser;
use decnet_engine::{
    bus::local::LocalBus,
    engine::{Engine, EngineError, Operation, Submitted, submit},
};
use decnet_topology::{
    Intent, Mutation, MutationError, MutationState, Repo, RepoError, Status, StoredTopology, TopologyRow, Version,
    mutation::{self, Context as Rules},
    repo::{MutationRow, NewMutation},
};
use serde_json::json;

use self::payload::Payload;
use super::{list::Row, plan};
use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    interrupt, lookup,
    progress::ProgressReporter,
    text,
};

const EXAMPLES: &str = "Examples:
  decnet mutate corp add_lan --name vault
  decnet mutate corp add_decky --name safe --lan vault --services smb,ssh --wait
  decnet mutate corp update_decky '{\"decky\": \"jump-01\", \"patch\": {\"forwards_l3\": true}}' --plan";

const KEYS_AND_EXAMPLES: &str = "Keys, those in brackets may be left out:
  add_lan       name [subnet is_dmz x y]
  remove_lan    name
  add_decky     name lan [services service_config archetype forwards_l3 ip x y]
  attach_decky  decky lan [ip forwards_l3 force]
  detach_decky  decky lan
  remove_decky  decky
  update_decky  decky [patch {service_config archetype forwards_l3} services x y force]
  update_lan    name [patch {name subnet is_dmz} x y]
A flag for a key of the patch puts it there, but for --name, which says what LAN is meant.

Examples:
  decnet mutate corp add_lan --name vault
  decnet mutate corp add_decky --name safe --lan vault --services smb,ssh --wait
  decnet mutate corp update_decky '{\"decky\": \"jump-01\", \"patch\": {\"forwards_l3\": true}}' --plan";

/// How long to wait between two looks at a mutation that somebody else works on.
const PAUSE: Duration = Duration::from_millis(100);

/// Change a maze, whether or not it runs.
///
/// A pending maze is edited at once. For one that runs the change is queued, and made by `decnet watch`, or by this command with
/// --wait: then it leaves with 0 if the change is applied, with 3 if it is rejected (nothing was changed), and with 1 if it failed
/// (it is stored, and Docker does not follow yet).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = KEYS_AND_EXAMPLES)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    topology: String,
    /// What to do.
    #[arg(value_parser = PossibleValuesParser::new(Mutation::OPS))]
    op: String,
    /// The payload as JSON; its keys may be given as flags instead.
    #[arg(value_name = "JSON")]
    body: Option<String>,
    /// The payload as flags.
    #[command(flatten)]
    payload: Payload,
    /// Wait until it is made, and make it if nobody else does.
    #[arg(long, conflicts_with = "plan")]
    wait: bool,
    /// Only say what would be done, and which containers would be started again or made anew.
    #[arg(long)]
    plan: bool,
    /// Make the decky's running container anew where that is needed.
    #[arg(long)]
    force: bool,
    /// Change it only if it is still at this version.
    #[arg(long, value_name = "NUMBER")]
    expected_version: Option<u64>,
    /// Who wants it, for the audit trail [default: the user].
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
        wait,
        plan,
        force,
        expected_version,
        actor,
    } = arguments;
    let payload = payload.read(&op, body.as_deref(), force)?;
    let mutation = Mutation::from_value(&json!({ "op": op, "payload": payload })).map_err(EngineError::from)?;
    let repo = context.repo()?;
    let row = lookup::find(repo.as_ref(), &topology).await?;
    let expected = expected_version.map(Version::new);
    if plan {
        return show_plan(context, repo, &row, &mutation, expected).await;
    }
    let new =
        NewMutation::new(mutation).actor(actor.or_else(|| std::env::var("USER").ok().filter(|user| !user.is_empty())));
    let catalog = context.catalog()?;
    // Who cannot reach Docker has nothing queued that would then be made behind their back.
    let engine = if wait && takes_mutations(&row) {
        Some(context.engine(EngineWishes::default()).await?)
    } else {
        None
    };
    let bus = context.bus.connected().unwrap_or_else(|| Arc::new(LocalBus::default()));
    let submitted = submit(repo.as_ref(), &catalog, bus.as_ref(), row.id, new, expected).await?;
    match submitted {
        Submitted::Edited(stored) => say_edited(context, &stored),
        Submitted::Enqueued(row) if wait => {
            let engine = match engine {
                Some(engine) => engine,
                // It was pending a moment ago.
                None => context.engine(EngineWishes::default()).await?,
            };
            let done = wait_for(context, &engine, *row).await?;
            say_done(context, &done).await
        }
        Submitted::Enqueued(mutation) => say_enqueued(context, &row, &mutation),
        _ => Ok(Exit::Done),
    }
}

/// Tells whether the mutations of a topology are queued.
fn takes_mutations(row: &TopologyRow) -> bool {
    matches!(row.status, Status::Active | Status::Degraded) && row.intent == Some(Intent::Up)
}

/// Waits until a mutation is finished, and makes it where nobody else does.
async fn wait_for(context: &Context, engine: &Engine, mut row: MutationRow) -> Result<MutationRow, CommandError> {
    let cancel = interrupt::catch_saying("interrupted: finishing what was begun; the rest stays queued")?;
    let reporter = ProgressReporter::start(engine, context.output);
    let result = loop {
        match engine.drain(row.topology, &cancel).await {
            Ok(_) | Err(EngineError::Busy { .. }) => {}
            Err(error) => break Err(error.into()),
        }
        match engine.repo().mutation(row.id).await {
            Ok(seen) => row = seen,
            Err(error) => break Err(error.into()),
        }
        if row.finished_at.is_some() {
            break Ok(row);
        }
        if cancel.is_cancelled() {
            break Err(CommandError::StillQueued { mutation: row.id });
        }
        // Someone else is at it.
        tokio::time::sleep(PAUSE).await;
    };
    reporter.end().await;
    result
}

/// Shows what would be done. Of a maze that is pending nothing runs, and Docker is not asked.
async fn show_plan(
    context: &Context,
    repo: Arc<dyn Repo>,
    row: &TopologyRow,
    mutation: &Mutation,
    expected: Option<Version>,
) -> Result<Exit, CommandError> {
    let current = row.version;
    if let Some(expected) = expected.filter(|expected| *expected != current) {
        return Err(RepoError::VersionConflict { expected, current }.into());
    }
    let catalog = context.catalog()?;
    if row.status == Status::Pending {
        try_out(context, repo.as_ref(), row, mutation).await?;
        return context
            .output
            .either(
                &json!({ "steps": [], "restarts": [], "deleted_logs": [], "refusal": null }),
                || format!("{} would be edited at once: nothing of it runs\n", row.name),
            )
            .map(|()| Exit::Done);
    }
    if !takes_mutations(row) {
        let (status, intent) = (row.status, row.intent);
        return Err(RepoError::NotEditable { status, intent }.into());
    }
    let engine = context.engine_on(repo, catalog, EngineWishes::default()).await?;
    let new = NewMutation::new(mutation.clone());
    let prepared = engine.prepare(row.id, Operation::Mutate(new)).await?;
    let (plan, restarts) = (prepared.plan(), prepared.restarts());
    let refusal = prepared.refusal().map(ToString::to_string);
    if context.output.json {
        let logs = plan.deleted_logs();
        let value = json!({ "steps": plan, "restarts": restarts, "deleted_logs": logs, "refusal": refusal });
        context.output.json(&value)?;
    } else {
        plan::lines(context, plan)?;
        plan::warn_of_logs(context, plan);
        for container in &restarts {
            context
                .output
                .line(format!("{container} is started again or made anew"))?;
        }
        context.output.note(match plan.steps().len() {
            0 => "nothing to do".into(),
            steps => format!(
                "{}, {} made anew or started again",
                text::count(steps, "step", "steps"),
                text::count(restarts.len(), "container", "containers")
            ),
        });
    }
    let Some(refusal) = refusal else {
        return Ok(Exit::Done);
    };
    context.output.note(format!("it would be rejected: {refusal}"));
    Ok(Exit::Invalid)
}

/// Holds a mutation to the rules, as the maze is now, and changes nothing.
async fn try_out(
    context: &Context,
    repo: &dyn Repo,
    row: &TopologyRow,
    mutation: &Mutation,
) -> Result<(), CommandError> {
    let catalog = context.catalog()?;
    let stored = repo.load(row.id).await?;
    let claims = repo.claims(Some(row.id)).await?;
    let rules = Rules::of(&stored.row, &catalog, &claims);
    mutation::apply(&stored.topology, mutation, &rules).map_err(EngineError::from)?;
    Ok(())
}

fn say_edited(context: &Context, stored: &StoredTopology) -> Result<Exit, CommandError> {
    context
        .output
        .either(&json!({ "topology": Row::from(&stored.row) }), || {
            format!("{} is edited, and at version {}\n", stored.row.name, stored.row.version)
        })?;
    Ok(Exit::Done)
}

fn say_enqueued(context: &Context, row: &TopologyRow, mutation: &MutationRow) -> Result<Exit, CommandError> {
    context.output.either(&json!({ "mutation": mutation }), || {
        format!(
            "{} is queued for {} as {}\n",
            mutation.mutation.op(),
            row.name,
            mutation.id
        )
    })?;
    context
        .output
        .note("`decnet watch` makes it; --wait would have, `decnet mutations` tells how far it is");
    Ok(Exit::Done)
}

async fn say_done(context: &Context, mutation: &MutationRow) -> Result<Exit, CommandError> {
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
        MutationState::Rejected if wants_force(context, mutation).await => context.output.note(
            "nothing was changed; --force makes the running container anew, and with --plan shows first what that touches",
        ),
        MutationState::Rejected => context.output.note("nothing was changed"),
        MutationState::Failed => context
            .output
            .note("it is stored, but Docker does not follow yet: `decnet watch` or `decnet reconcile` goes on"),
        _ => {}
    }
    Ok(exit)
}

/// Tells whether a mutation that was rejected lacked `force`: the row has words for people only, so it is tried out again.
async fn wants_force(context: &Context, row: &MutationRow) -> bool {
    let tried = async {
        let repo = context.repo()?;
        let topology = repo.get(row.topology).await?;
        try_out(context, repo.as_ref(), &topology, &row.mutation).await
    };
    let lacked = tried.await.err();
    matches!(
        lacked,
        Some(CommandError::Engine(EngineError::Mutation(
            MutationError::ForceRequired { .. }
        )))
    )
}
