mod payload;

use std::{sync::Arc, time::Duration};

use clap::builder::PossibleValuesParser;
use decnet_engine::{
    bus::local::LocalBus,
    engine::{EngineError, MutationPreview, Submitted, submit},
};
use decnet_topology::{
    Mutation, MutationState, StoredTopology, TopologyRow, Version,
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
    progress::Teller,
    text,
};

/// How long to wait between two looks at a mutation that somebody else works on.
const PAUSE: Duration = Duration::from_millis(100);

/// Change a maze, whether or not it runs.
///
/// A pending maze is edited at once. For one that runs the change is queued, and made by `decnet watch`, or by this command with
/// --wait.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet mutate corp add_lan --name vault\n  \
                        decnet mutate corp add_decky --name safe --lan vault --services smb,ssh --wait\n  \
                        decnet mutate corp update_decky '{\"decky\": \"web-01\", \"patch\": {\"forwards_l3\": true}}' --plan")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    topology: String,
    /// What to do.
    #[arg(value_parser = PossibleValuesParser::new(Mutation::OPS))]
    op: String,
    /// The payload as JSON; its keys may be given as flags instead.
    #[arg(value_name = "JSON")]
    json: Option<String>,
    /// The payload as flags.
    #[command(flatten)]
    payload: Payload,
    /// Wait until it is made, and make it if nobody else does.
    #[arg(long, conflicts_with = "plan")]
    wait: bool,
    /// Only say what would be done, and which containers would be made anew.
    #[arg(long)]
    plan: bool,
    /// Make a running container anew where that is needed.
    #[arg(long)]
    force: bool,
    /// Change it only if it is at this version still.
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
        json,
        payload,
        wait,
        plan,
        force,
        expected_version,
        actor,
    } = arguments;
    let payload = payload.read(&op, json.as_deref(), force)?;
    let mutation = Mutation::from_value(&json!({ "op": op, "payload": payload })).map_err(EngineError::from)?;
    let repo = context.repo()?;
    let row = lookup::find(repo.as_ref(), &topology).await?;
    let expected = expected_version.map(Version::new);
    if plan {
        let engine = context
            .engine_on(repo, context.catalog()?, EngineWishes::default())
            .await?;
        let preview = engine.plan_mutation(row.id, &mutation).await?;
        return show_plan(context, &preview);
    }
    let new = NewMutation {
        mutation,
        actor: actor.or_else(|| std::env::var("USER").ok().filter(|user| !user.is_empty())),
    };
    let catalog = context.catalog()?;
    let bus = context.bus.connected().unwrap_or_else(|| Arc::new(LocalBus::default()));
    let submitted = submit(repo.as_ref(), &catalog, bus.as_ref(), row.id, new, expected).await?;
    match submitted {
        Submitted::Edited(stored) => say_edited(context, &stored),
        Submitted::Enqueued(row) if wait => {
            let done = wait_for(context, *row).await?;
            say_done(context, &done)
        }
        Submitted::Enqueued(mutation) => say_enqueued(context, &row, &mutation),
        _ => Ok(Exit::Done),
    }
}

/// Waits until a mutation is finished, and makes it where nobody else does.
async fn wait_for(context: &Context, mut row: MutationRow) -> Result<MutationRow, CommandError> {
    let engine = context.engine(EngineWishes::default()).await?;
    let cancel = interrupt::catch()?;
    let teller = Teller::start(&engine, context.output);
    let result = loop {
        match engine.drain(row.topology, &cancel).await {
            Ok(_) => {}
            Err(EngineError::Busy { .. }) => tokio::time::sleep(PAUSE).await,
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
    };
    teller.end().await;
    result
}

fn show_plan(context: &Context, preview: &MutationPreview) -> Result<Exit, CommandError> {
    if context.output.json {
        context.output.json(preview)?;
        return Ok(Exit::Done);
    }
    plan::print(context, &preview.plan)?;
    for container in &preview.restarts {
        context
            .output
            .note(format!("{container} is started again or made anew"));
    }
    if let Some(refusal) = &preview.refusal {
        context.output.note(format!("without --force it is refused: {refusal}"));
    }
    Ok(Exit::Done)
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
            "{} is queued for {} as #{}\n",
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

fn say_done(context: &Context, mutation: &MutationRow) -> Result<Exit, CommandError> {
    let exit = match mutation.state {
        MutationState::Applied => Exit::Done,
        MutationState::Rejected => Exit::Invalid,
        _ => Exit::Failed,
    };
    context.output.either(&json!({ "mutation": mutation }), || {
        let reason = mutation.reason.as_deref().map(text::one_line).unwrap_or_default();
        let colon = if reason.is_empty() { "" } else { ": " };
        format!(
            "#{} {} is {}{colon}{reason}\n",
            mutation.id,
            mutation.mutation.op(),
            mutation.state
        )
    })?;
    if mutation.state == MutationState::Failed {
        context
            .output
            .note("it is stored, but Docker does not follow yet: `decnet watch` or `decnet reconcile` goes on");
    }
    Ok(exit)
}
