use std::{collections::BTreeMap, path::PathBuf};

use decnet_engine::StoreOutcome;
use decnet_topology::{ConfigSyntax, Draft, LineColumn, Syntax, TopologyConfig, document, generate, rng};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    input::{self, Source},
    number::{fraction, whole},
    text,
};

/// Generate a maze from a config.
///
/// The maze is stored as pending; with -o it is written to a file instead.
///
/// The same config and seed give the same maze everywhere. A stored maze also avoids the subnets of other stored mazes and, if a
/// daemon answers, those of Docker's networks and this machine's routes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet generate --name corp --depth 2 --branching-factor 2\n  \
                        decnet generate --config corp.toml --seed 7 -o corp.yaml")]
pub(crate) struct Arguments {
    /// The config: a .json, .yaml or .toml file, or - for stdin. Flags override its fields.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the maze file here (- is stdout) and store nothing. A file that exists is replaced. Needs no database and no Docker.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The fields of the config.
    #[command(flatten)]
    fields: Fields,
}

/// The fields of a config, as flags.
#[derive(Debug, Serialize, clap::Args)]
#[command(next_help_heading = "Fields of the config")]
struct Fields {
    /// The name of the maze.
    #[arg(long)]
    name: Option<String>,
    /// The number of levels below the DMZ: 1 to 16.
    #[arg(long, value_name = "LEVELS", allow_negative_numbers = true, value_parser = whole::<i64>)]
    depth: Option<i64>,
    /// The largest number of child LANs of a LAN: 1 to 8.
    #[arg(long, value_name = "CHILDREN", allow_negative_numbers = true, value_parser = whole::<i64>)]
    branching_factor: Option<i64>,
    /// The smallest number of deckies on a LAN other than the DMZ: 0 to 32 [default: 1].
    #[arg(long, value_name = "DECKIES", allow_negative_numbers = true, value_parser = whole::<i64>)]
    deckies_per_lan_min: Option<i64>,
    /// The largest number of deckies on a LAN other than the DMZ: 1 to 32 [default: 3].
    #[arg(long, value_name = "DECKIES", allow_negative_numbers = true, value_parser = whole::<i64>)]
    deckies_per_lan_max: Option<i64>,
    /// The probability that the decky between a LAN and its parent forwards packets: 0 to 1 [default: 1].
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true, value_parser = fraction)]
    bridge_forward_probability: Option<f64>,
    /// The probability that a decky is also attached to a LAN elsewhere: 0 to 1 [default: 0].
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true, value_parser = fraction)]
    cross_edge_probability: Option<f64>,
    /// The pool for subnets: 10.0.0.0/8, or the short form 172.20 [default: 172.16.0.0/12].
    #[arg(long, value_name = "RANGE")]
    subnet_base_prefix: Option<String>,
    /// The prefix length of a subnet: 16 to 29 [default: 24].
    #[arg(long, value_name = "BITS", allow_negative_numbers = true, value_parser = whole::<i64>)]
    lan_prefix: Option<i64>,
    /// Whether to choose random services if none are given [default: true].
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    randomize_services: Option<bool>,
    /// The services of every decky, separated by commas, instead of random ones.
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    services_explicit: Option<Vec<String>>,
    /// How services are chosen if none are named: random, or archetypes for plausible hosts [default: random].
    #[arg(long, value_name = "CHOICE")]
    services: Option<String>,
    /// How deckies are named: numbered (decky-000), or realistic (fin-desk-07) [default: numbered].
    #[arg(long, value_name = "CHOICE")]
    naming: Option<String>,
    /// Whether the decky of the DMZ is a gateway, which publishes its ports on the host [default: false].
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true)]
    dmz_gateway: Option<bool>,
    /// The seed of the random choices [default: a random one, which is recorded].
    #[arg(long, value_parser = whole::<u64>)]
    seed: Option<u64>,
    /// Where the deckies run: unihost or agent [default: unihost].
    #[arg(long)]
    mode: Option<String>,
}

/// Generates a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    let mut file = match &arguments.config {
        Some(path) => Some(read(&Source::new(path))?),
        None => None,
    };
    let mut value = file
        .as_mut()
        .map_or_else(|| Value::Object(Map::new()), |file| file.value.take());
    let given = serde_json::to_value(&arguments.fields)?;
    if let (Value::Object(fields), Value::Object(given)) = (&mut value, given) {
        for (field, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
            if let Some(file) = &mut file {
                file.places.insert(field.clone(), None);
            }
            fields.insert(field, value);
        }
    }
    let config = TopologyConfig::from_value(&value, &catalog, rng::os_seed).map_err(|error| match file {
        Some(ConfigFile { origin, places, .. }) => CommandError::ConfigFile { origin, places, error },
        None => error.into(),
    })?;
    if let Some(path) = &arguments.output {
        let topology = generate(&config, &catalog, &[])?;
        let draft = Draft::generated(&topology, &config);
        let syntax = match Syntax::of_file(path) {
            Syntax::Auto if context.output.json => Syntax::Json,
            Syntax::Auto => Syntax::Yaml,
            syntax => syntax,
        };
        input::write(path, &document::print(&draft, syntax), context.output)?;
    } else {
        let outcome = context.engine_on_demand().await?.generate(&config).await?;
        print_stored(context, &outcome, &format!("seed {}", config.seed()))?;
    }
    Ok(Exit::Done)
}

/// A config that was read.
struct ConfigFile {
    origin: String,
    value: Value,
    /// The places of its fields; none for a field that a flag overrides.
    places: BTreeMap<String, Option<LineColumn>>,
}

fn read(source: &Source) -> Result<ConfigFile, CommandError> {
    let syntax = match source {
        Source::Stdin => ConfigSyntax::Auto,
        Source::File(path) => ConfigSyntax::of_file(path),
    };
    let text = source.read()?;
    let value = TopologyConfig::value_from_text(&text, syntax).map_err(|error| CommandError::Parse {
        origin: source.name(),
        error,
    })?;
    if value.get("format").is_some_and(|format| format == document::FORMAT) {
        return Err(CommandError::NotAConfig { origin: source.name() });
    }
    let places = TopologyConfig::places_in_text(&text, syntax).into_iter();
    Ok(ConfigFile {
        origin: source.name(),
        value,
        places: places.map(|(field, place)| (field, Some(place))).collect(),
    })
}

/// Prints the stored maze.
pub(super) fn print_stored(context: &Context, outcome: &StoreOutcome, what: &str) -> Result<(), CommandError> {
    context.output.either(outcome, || {
        let (row, topology) = (&outcome.stored.row, &outcome.stored.topology);
        let lans = text::count(topology.lans().len(), "LAN", "LANs");
        let deckies = text::count(topology.deckies().len(), "decky", "deckies");
        format!("{}  {}  {}  {lans}, {deckies}, {what}\n", row.name, row.id, row.status)
    })
}
