use std::path::{Path, PathBuf};

use decnet_engine::{ApplyOptions, Engine, EngineError, StoreOutcome, describe_difference};
use decnet_topology::{
    Code, InvalidTopology, Report, ResolveError, RuleSet, Severity, StoredTopology, Topology, validate,
};
use serde_json::json;

use super::generate;
use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    input::{MazeFile, Source},
};

/// Store a maze file.
///
/// The maze is stored as new, replaces the pending maze of the same name, or is already stored.
///
/// Missing subnets and addresses are taken from the stored maze, or allocated. If the maze runs and differs from the file, it is
/// not changed: the command prints the difference and exits with status 4. `decnet deploy -f` changes a running maze.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet apply -f corp.yaml\n  \
                        decnet validate corp.yaml && decnet apply -f corp.yaml")]
pub(crate) struct Arguments {
    /// The maze file; - is stdin.
    #[arg(long, short, value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// The maze's name, instead of the file's.
    #[arg(long)]
    name: Option<String>,
}

/// Stores a maze file.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let file = read(context, &arguments.file.unwrap_or_else(|| "-".into()), RuleSet::live())?;
    let engine = context.engine_on_demand().await?;
    let outcome = apply(context, &engine, &file, arguments.name, ApplyOptions::default()).await?;
    generate::print_stored(context, &outcome, outcome.result.as_str())?;
    Ok(Exit::Done)
}

/// Reads a maze file. A file with unreadable parts is refused with all findings, before the database and Docker are needed.
pub(crate) fn read(context: &Context, path: &Path, rules: RuleSet) -> Result<MazeFile, CommandError> {
    let file = Source::new(path).maze_file()?;
    if file
        .draft
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
    {
        return Err(file.refused(validate(&file.draft, &context.catalog()?, rules)));
    }
    Ok(file)
}

/// Stores a maze file and prints warnings.
pub(crate) async fn apply(
    context: &Context,
    engine: &Engine,
    file: &MazeFile,
    name: Option<String>,
    options: ApplyOptions,
) -> Result<StoreOutcome, CommandError> {
    match store(context, engine, file, name, options).await? {
        Stored::Stored(outcome) => Ok(*outcome),
        Stored::Differs { stored, wanted } => {
            let difference = describe_difference(&stored, &wanted, file.origin());
            let value = json!({ "difference": difference });
            context.output.either(&value, || difference)?;
            Err(CommandError::Differs {
                name: stored.row.name.to_string(),
                status: stored.row.status,
                origin: file.origin().into(),
            })
        }
    }
}

/// What became of a maze file.
pub(crate) enum Stored {
    /// It is stored.
    Stored(Box<StoreOutcome>),
    /// The maze of its name runs and differs, so nothing was changed.
    Differs {
        stored: Box<StoredTopology>,
        wanted: Box<Topology>,
    },
}

/// Stores a maze file and prints warnings, unless the maze of its name runs and differs.
pub(crate) async fn store(
    context: &Context,
    engine: &Engine,
    file: &MazeFile,
    name: Option<String>,
    options: ApplyOptions,
) -> Result<Stored, CommandError> {
    let mut draft = file.draft.clone();
    draft.header.name = name.unwrap_or(draft.header.name);
    let outcome = match engine.apply(&draft, options).await {
        Err(EngineError::Differs { stored, wanted }) => return Ok(Stored::Differs { stored, wanted }),
        outcome => outcome.map_err(|error| refused(file, error))?,
    };
    for warning in file.located(Report::new(outcome.warnings.clone())) {
        let place = warning.place_in(file.origin());
        context.output.note(match warning.code {
            Code::GatewayPortClash => format!("{place}: {warning}, with `decnet deploy --publish`"),
            _ => format!("{place}: {warning}"),
        });
    }
    Ok(Stored::Stored(Box::new(outcome)))
}

/// Returns the error of a refused maze file; the findings have their places in the file.
pub(crate) fn refused(file: &MazeFile, error: EngineError) -> CommandError {
    match error {
        EngineError::Invalid(InvalidTopology { report }) | EngineError::Resolve(ResolveError::Unsound { report }) => {
            file.refused(report)
        }
        error => error.into(),
    }
}
