use std::path::PathBuf;

use decnet_engine::{
    compose,
    desired::{Desired, DesiredContext},
    engine::EngineError,
};
use decnet_topology::{
    DeploySettings, InstanceId, RuleSet, Topology, TopologyId, rng,
    validate::{Invalid, Surroundings},
};

use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    input, lookup,
};

/// Print a maze as a Compose file.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or beginning of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
    /// Write it here; - is stdout.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// A decoy program other than the one that comes with this command.
    #[arg(long, value_name = "FILE")]
    decoy: Option<PathBuf>,
}

/// A maze, and whose it is.
struct Maze {
    topology: Topology,
    instance: InstanceId,
    id: TopologyId,
    settings: DeploySettings,
}

/// Prints a Compose file.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    let maze = find(&arguments.maze, context).await?;
    let surroundings = Surroundings {
        publish: Some(&maze.settings.publish),
        ..Surroundings::default()
    };
    let valid = maze
        .topology
        .validate_in(&catalog, RuleSet::deploy(), surroundings)
        .map_err(|invalid: Invalid| CommandError::Document {
            origin: arguments.maze.clone(),
            findings: invalid.report.errors().cloned().collect(),
        })?;
    let wishes = EngineWishes {
        decoy: arguments.decoy.as_deref(),
        ..EngineWishes::default()
    };
    let decoy = Context::decoy(&wishes)?;
    let desired_context = DesiredContext {
        instance: maze.instance,
        topology: maze.id,
        catalog: &catalog,
        decoy: &decoy.reference,
        api: compose::API,
        settings: &maze.settings,
        host_addresses: &[],
    };
    let desired = Desired::new(&valid, &desired_context).map_err(EngineError::from)?;
    input::write(&arguments.output, &compose::print(&desired), context.output)?;
    Ok(Exit::Done)
}

async fn find(text: &str, context: &Context) -> Result<Maze, CommandError> {
    if let Some(source) = input::as_file(text) {
        let (draft, topology) = source.topology()?;
        // Of no store; what runs from such a file is never taken for a store's own.
        let (instance, id) = (rng::instance_id(), draft.header.id.unwrap_or_else(rng::topology_id));
        return Ok(Maze {
            topology,
            instance,
            id,
            settings: DeploySettings::default(),
        });
    }
    let repo = context.repo()?;
    let row = lookup::find(repo.as_ref(), text).await?;
    let stored = repo.load(row.id).await?;
    let (id, settings) = (stored.row.id, stored.row.settings);
    Ok(Maze {
        topology: stored.topology,
        instance: repo.instance().await?,
        id,
        settings,
    })
}
