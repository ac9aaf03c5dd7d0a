use std::path::PathBuf;

use decnet_engine::{Desired, DesiredContext, EngineError, compose};
use decnet_topology::{DeploySettings, RuleSet, Surroundings, rng};

use crate::{command_error::CommandError, context::Context, exit::Exit, input, lookup};

/// Print a maze as a Compose file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet compose corp > compose.yaml\n  \
                        decnet compose corp.yaml --output compose.yaml")]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or start of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
    /// The output file, which is replaced if it exists; - is stdout.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// The decoy program to use instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    decoy: Option<PathBuf>,
}

/// Prints a Compose file.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    let mut from = None;
    let (topology, catalog, (instance, secret), id, settings) = match lookup::maze(context, &arguments.maze).await? {
        // A file belongs to no store, so no store considers containers started from it as its own.
        lookup::Maze::File(file, topology) => {
            let id = file.draft.header.id.unwrap_or_else(rng::topology_id);
            let owner = (rng::instance_id(), rng::installation_secret());
            from = Some(file);
            (topology, catalog, owner, id, DeploySettings::default())
        }
        lookup::Maze::Stored(stored) => {
            let repo = context.repo().await?;
            let owner = (repo.instance().await?, repo.secret().await?);
            let catalog = catalog.with_stored(&stored.row.catalog).into_owned();
            (stored.topology, catalog, owner, stored.row.id, stored.row.settings)
        }
    };
    let surroundings = Surroundings {
        publish: Some(&settings.publish),
        ..Surroundings::default()
    };
    let valid = topology
        .validate_in(&catalog, RuleSet::deploy(), surroundings)
        .map_err(|invalid| match from {
            Some(file) => file.refused(invalid.report),
            None => EngineError::from(invalid).into(),
        })?;
    let decoy = Context::decoy(arguments.decoy.as_deref())?;
    let desired_context = DesiredContext {
        instance,
        secret: &secret,
        topology: id,
        catalog: &catalog,
        decoy: &decoy.reference,
        api: compose::API,
        settings: &settings,
        host_addresses: &[],
        fleet: None,
    };
    let desired = Desired::new(&valid, &desired_context)?;
    input::write(&arguments.output, &compose::print(&desired), context.output)?;
    Ok(Exit::Done)
}
