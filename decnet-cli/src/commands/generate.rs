use std::path::PathBuf;

use decnet_topology::{
    Catalog, Draft, Repo, RepoError, StoredTopology, TopologyConfig,
    document::{self, Syntax},
    generate::generate,
    model::Header,
    repo::NewTopology,
    rng,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    input::{self, Source},
    surroundings, text,
};

/// Draw a maze from a config.
///
/// It is stored as pending, or with -o written to a file and not stored.
///
/// The same config and seed give the same maze everywhere. A maze that is stored also avoids the subnets of other stored
/// mazes and, if a daemon answers, of Docker's networks and this machine's routes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The config: a .json, .yaml or .toml file, or - for stdin. Flags win over its fields.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the maze file here (- is stdout) and store nothing: no database and no Docker is asked.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The fields of the config.
    #[command(flatten)]
    fields: Fields,
}

/// The fields of a config, as flags.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fields of the config")]
struct Fields {
    /// The name of the maze.
    #[arg(long)]
    name: Option<String>,
    /// How many levels there are below the DMZ: 1 to 16.
    #[arg(long, value_name = "LEVELS", allow_negative_numbers = true)]
    depth: Option<i64>,
    /// The most children that a LAN has: 1 to 8.
    #[arg(long, value_name = "CHILDREN", allow_negative_numbers = true)]
    branching_factor: Option<i64>,
    /// The fewest deckies of a LAN that is not the DMZ: 0 to 32 [default: 1].
    #[arg(long, value_name = "DECKIES", allow_negative_numbers = true)]
    deckies_per_lan_min: Option<i64>,
    /// The most deckies of a LAN that is not the DMZ: 1 to 32 [default: 3].
    #[arg(long, value_name = "DECKIES", allow_negative_numbers = true)]
    deckies_per_lan_max: Option<i64>,
    /// How likely the decky that joins a LAN to its parent forwards packets: 0 to 1 [default: 1].
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true)]
    bridge_forward_probability: Option<f64>,
    /// How likely a decky of a LAN is attached to a LAN elsewhere too: 0 to 1 [default: 0].
    #[arg(long, value_name = "PROBABILITY", allow_negative_numbers = true)]
    cross_edge_probability: Option<f64>,
    /// The range that subnets come from: 10.0.0.0/8, or the short form 172.20 [default: 172.16.0.0/12].
    #[arg(long, value_name = "RANGE")]
    subnet_base_prefix: Option<String>,
    /// The length of a subnet: 16 to 29 [default: 24].
    #[arg(long, value_name = "BITS", allow_negative_numbers = true)]
    lan_prefix: Option<i64>,
    /// Whether services are drawn where none are named [default: true].
    #[arg(long, value_name = "true|false", hide_possible_values = true)]
    randomize_services: Option<bool>,
    /// What every decky runs, separated by commas, instead of drawn services.
    #[arg(long, value_name = "SERVICES", value_delimiter = ',')]
    services_explicit: Option<Vec<String>>,
    /// Whether the DMZ's decky is a gateway, which publishes its ports on the host [default: false].
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true)]
    dmz_gateway: Option<bool>,
    /// What the maze is drawn from; drawn from the operating system, and recorded, if there is none.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the deckies shall run: unihost or agent [default: unihost].
    #[arg(long)]
    mode: Option<String>,
}

impl Fields {
    fn write_over(self, config: &mut Map<String, Value>) {
        let fields = [
            ("name", self.name.map(Value::from)),
            ("depth", self.depth.map(Value::from)),
            ("branching_factor", self.branching_factor.map(Value::from)),
            ("deckies_per_lan_min", self.deckies_per_lan_min.map(Value::from)),
            ("deckies_per_lan_max", self.deckies_per_lan_max.map(Value::from)),
            (
                "bridge_forward_probability",
                self.bridge_forward_probability.map(Value::from),
            ),
            ("cross_edge_probability", self.cross_edge_probability.map(Value::from)),
            ("subnet_base_prefix", self.subnet_base_prefix.map(Value::from)),
            ("lan_prefix", self.lan_prefix.map(Value::from)),
            ("randomize_services", self.randomize_services.map(Value::from)),
            ("services_explicit", self.services_explicit.map(Value::from)),
            ("dmz_gateway", self.dmz_gateway.map(Value::from)),
            ("seed", self.seed.map(Value::from)),
            ("mode", self.mode.map(Value::from)),
        ];
        for (key, value) in fields {
            if let Some(value) = value {
                config.insert(key.into(), value);
            }
        }
    }
}

/// Draws a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    let mut value = match &arguments.config {
        Some(path) => read(&Source::new(path))?,
        None => Value::Object(Map::new()),
    };
    if let Value::Object(fields) = &mut value {
        arguments.fields.write_over(fields);
    }
    let config = TopologyConfig::from_value(&value, &catalog, rng::os_seed)?;
    if let Some(path) = &arguments.output {
        let topology = generate(&config, &catalog, &[]).map_err(CommandError::generate)?;
        let header = Header {
            name: config.name().to_string(),
            config: Some(config),
            ..Header::default()
        };
        let draft = Draft {
            header,
            ..Draft::from(&topology)
        };
        let syntax = match Syntax::of_file(path) {
            Syntax::Auto if context.output.json => Syntax::Json,
            Syntax::Auto => Syntax::Yaml,
            syntax => syntax,
        };
        input::write(path, &document::print(&draft, syntax), context.output)?;
    } else {
        let repo = context.repo()?;
        let stored = store(context, repo.as_ref(), &config, &catalog).await?;
        say(context, &stored, &config)?;
    }
    Ok(Exit::Done)
}

fn read(source: &Source) -> Result<Value, CommandError> {
    let text = source.read()?;
    let wrong = |syntax, reason: String| CommandError::Parse {
        origin: source.name(),
        syntax,
        reason,
    };
    let text = std::str::from_utf8(&text).map_err(|error| wrong("UTF-8", error.to_string()))?;
    let ending = match source {
        Source::Stdin => None,
        Source::File(path) => input::ending(path),
    };
    match ending.as_deref() {
        Some("toml") => toml::from_str(text).map_err(|error| wrong("TOML", error.to_string())),
        Some("json") => serde_json::from_str(text).map_err(|error| wrong("JSON", error.to_string())),
        // JSON is YAML; what JSON's own reader takes needs no other.
        _ => serde_json::from_str(text)
            .or_else(|_| serde_saphyr::from_str(text).map_err(|error| wrong("YAML", error.to_string()))),
    }
}

async fn store(
    context: &Context,
    repo: &dyn Repo,
    config: &TopologyConfig,
    catalog: &Catalog,
) -> Result<StoredTopology, CommandError> {
    let mut attempt = 1;
    loop {
        let taken = surroundings::taken(context, repo, None).await?;
        let topology = generate(config, catalog, &taken).map_err(CommandError::generate)?;
        let new = NewTopology::new(config.name().clone(), topology)
            .mode(config.mode())
            .config(config.clone());
        match repo.create(new, Timestamp::now()).await {
            // Another process stored a maze between the look and the write.
            Err(RepoError::SubnetClaimed { .. }) if attempt < surroundings::ATTEMPTS => attempt += 1,
            result => {
                let stored = result?;
                context.bus.publish_creation(&stored.row);
                return Ok(stored);
            }
        }
    }
}

fn say(context: &Context, stored: &StoredTopology, config: &TopologyConfig) -> Result<(), CommandError> {
    let (row, topology) = (&stored.row, &stored.topology);
    let (lans, deckies) = (topology.lans().len(), topology.deckies().len());
    let value = json!({
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "version": row.version,
        "seed": config.seed(),
        "lans": lans,
        "deckies": deckies,
    });
    context.output.either(&value, || {
        let size = format!(
            "{}, {}",
            text::count(lans, "LAN", "LANs"),
            text::count(deckies, "decky", "deckies")
        );
        format!(
            "{}  {}  {}  {size}, seed {}\n",
            row.name,
            row.id,
            row.status,
            config.seed()
        )
    })
}
