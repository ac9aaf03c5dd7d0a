use std::path::PathBuf;

use decnet_engine::{Desired, DesiredContext, EngineError, compose};
use decnet_topology::{DeploySettings, InstanceId, InvalidTopology, RuleSet, Surroundings, Topology, TopologyId, rng};

use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    input, lookup,
};

/// Print a maze as a Compose file.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or start of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
    /// The output file; - is stdout.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Another decoy program than the one in this command.
    #[arg(long, value_name = "FILE")]
    decoy: Option<PathBuf>,
}

/// A maze with its ids and settings.
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
        .map_err(|invalid: InvalidTopology| CommandError::Document {
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
    Ok(match lookup::maze(context, text).await? {
        // A file belongs to no store; containers started from it are never considered a store's own.
        lookup::Maze::File(header, topology) => Maze {
            topology,
            instance: rng::instance_id(),
            id: header.id.unwrap_or_else(rng::topology_id),
            settings: DeploySettings::default(),
        },
        lookup::Maze::Stored(stored) => Maze {
            topology: stored.topology,
            instance: context.repo()?.instance().await?,
            id: stored.row.id,
            settings: stored.row.settings,
        },
    })
}
