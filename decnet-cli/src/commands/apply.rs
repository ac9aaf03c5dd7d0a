use std::path::PathBuf;

use decnet_engine::{ApplyOptions, Engine, EngineError, StoreOutcome, describe_difference};
use decnet_topology::Code;
use serde_json::json;

use super::generate;
use crate::{command_error::CommandError, context::Context, exit::Exit, input::Source};

/// Store a maze file.
///
/// The maze is stored as new, replaces the pending maze of the same name, or is already stored.
///
/// Missing subnets and addresses are taken from the stored maze, or allocated. If the maze runs and differs from the file, it is
/// not changed: the command prints the difference and exits with status 4.
#[derive(Debug, clap::Args)]
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
    let source = Source::new(&arguments.file.unwrap_or_else(|| "-".into()));
    let engine = context.engine_on_demand()?;
    let outcome = apply(context, &engine, &source, arguments.name, ApplyOptions::default()).await?;
    generate::print_stored(context, &outcome, outcome.result.as_str())?;
    Ok(Exit::Done)
}

/// Stores a maze file and prints warnings.
pub(crate) async fn apply(
    context: &Context,
    engine: &Engine,
    source: &Source,
    name: Option<String>,
    options: ApplyOptions,
) -> Result<StoreOutcome, CommandError> {
    let mut draft = source.draft()?;
    draft.header.name = name.unwrap_or(draft.header.name);
    let outcome = match engine.apply(&draft, options).await {
        Err(EngineError::Invalid(invalid)) => return Err(CommandError::document(source.name(), invalid.report)),
        Err(EngineError::Differs { stored, wanted }) => {
            let difference = describe_difference(&stored, &wanted, &source.name());
            let value = json!({ "difference": difference });
            context.output.either(&value, || difference)?;
            return Err(CommandError::Differs {
                name: stored.row.name.to_string(),
                status: stored.row.status,
                origin: source.name(),
            });
        }
        outcome => outcome?,
    };
    for warning in &outcome.warnings {
        context.output.note(match warning.code {
            Code::GatewayPortClash => format!("{warning}, with `decnet deploy --publish`"),
            _ => warning.to_string(),
        });
    }
    Ok(outcome)
}
