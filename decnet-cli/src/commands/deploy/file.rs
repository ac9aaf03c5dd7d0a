//! The deploy of a maze file.

use decnet_engine::{
    ApplyOptions, DeployOptions, Engine, EngineError, Operation, Replacement, SettingsChange, own_images,
};
use decnet_topology::{
    Name, RepoError, Status, StoredTopology, Topology, TopologyName, TopologyRow, find_live_topology,
};

use super::{
    changes,
    execution::{deploy, execute_shown, hint_at_own_images, located},
    work::Work,
};
use crate::{
    command_error::CommandError,
    commands::{
        apply::{self, Stored},
        mutate::user,
        plan,
    },
    confirm::confirm_or_refuse,
    context::Context,
    exit::Exit,
    input::MazeFile,
};

/// Deploys a maze file: stores a new or pending maze, and changes a running one.
pub(super) async fn run(
    context: &Context,
    engine: &Engine,
    file: &MazeFile,
    (change, agent): (SettingsChange, Option<Name>),
    work: &Work,
    yes: bool,
) -> Result<Exit, CommandError> {
    let change = change.of_file(&file.draft);
    let mut options = ApplyOptions::default().settings(change.clone());
    if let Some(host) = agent {
        options = options.agent(host);
    }
    if work.dry_run {
        return dry_run(context, engine, file, options.force(work.force)).await;
    }
    refuse_before_storing(engine, file, options.clone().force(work.force)).await?;
    let deployed = |row: &TopologyRow| {
        DeployOptions::default()
            .force(work.force)
            .settings(change.changed(&row.settings))
    };
    let (stored, wanted) = match apply::store(context, engine, file, None, options).await? {
        Stored::Stored(outcome) => {
            let row = outcome.stored.row;
            return deploy(context, engine, row.id, deployed(&row), Some(file)).await;
        }
        Stored::Differs { stored, wanted } => (*stored, *wanted),
    };
    let StoredTopology { row, topology } = stored;
    let services = own_images(&wanted, &engine.catalog().with_stored(&row.catalog));
    let replacement = Replacement::new(wanted).options(deployed(&row)).actor(user());
    let prepared = engine
        .prepare(row.id, Operation::Replace(Box::new(replacement)))
        .await
        .map_err(|error| located(Some(file), error.into()))?;
    // With JSON, the plan is a part of the outcome; if nothing is done, the error is the only document, and --dry-run prints the plan.
    if !context.output.json {
        changes::print(context, &topology, &prepared, false)?;
    }
    plan::require_permitted(&prepared)?;
    if !yes {
        confirm_or_refuse(context.output, &changes::question(row.name.as_str(), &prepared))?;
    }
    let exit = execute_shown(context, engine, Some(&prepared), async |cancel| {
        prepared.execute(cancel).await
    })
    .await?;
    hint_at_own_images(context, &services);
    Ok(exit)
}

/// Plans the deploy of a maze that is new or pending, so that one that is refused is not stored.
async fn refuse_before_storing(engine: &Engine, file: &MazeFile, options: ApplyOptions) -> Result<(), CommandError> {
    let known = match TopologyName::new(&file.draft.header.name) {
        Ok(name) => find_live_topology(engine.repo().as_ref(), &name).await?,
        // Storing it is refused.
        Err(_) => return Ok(()),
    };
    if known.is_some_and(|row| row.status != Status::Pending) {
        return Ok(());
    }
    match engine.prepare_file(&file.draft, options).await {
        // A subnet that another process claimed meanwhile is chosen again.
        Ok(_) | Err(EngineError::Repo(RepoError::SubnetClaimed { .. })) => Ok(()),
        Err(error) => Err(located(Some(file), apply::refused(file, error))),
    }
}

/// Shows the plan, and fails like the deploy itself.
async fn dry_run(
    context: &Context,
    engine: &Engine,
    file: &MazeFile,
    options: ApplyOptions,
) -> Result<Exit, CommandError> {
    let prepared = engine.prepare_file(&file.draft, options).await;
    let prepared = prepared.map_err(|error| located(Some(file), apply::refused(file, error)))?;
    let known = match TopologyName::new(&file.draft.header.name) {
        Ok(name) => find_live_topology(engine.repo().as_ref(), &name).await?,
        Err(_) => None,
    };
    let before = match known {
        Some(row) => engine.repo().load(row.id).await?.topology,
        None => Topology::default(),
    };
    changes::print(context, &before, &prepared, true)?;
    context.output.note(prepared.plan().summary());
    plan::require_permitted(&prepared)?;
    Ok(Exit::Done)
}
