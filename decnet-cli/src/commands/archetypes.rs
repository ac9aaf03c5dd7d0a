use decnet_topology::Archetype;
use serde_json::{Value, json};

use crate::{command_error::CommandError, context::Context, exit::Exit, table};

/// List the archetypes: ready-made kinds of hosts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet archetypes\n  \
                        decnet archetypes --catalog pots.toml")]
pub(crate) struct Arguments {}

/// Lists the archetypes.
pub(crate) fn run(_: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    if context.output.json {
        let archetypes: Vec<_> = catalog.archetypes().map(as_json).collect();
        context.output.json(&json!({ "archetypes": archetypes }))?;
    } else {
        list(context, catalog.archetypes())?;
    }
    Ok(Exit::Done)
}

/// Returns an archetype as JSON.
pub(super) fn as_json(archetype: &Archetype) -> Value {
    json!({"slug": archetype.slug, "title": archetype.title, "services": archetype.services, "os": archetype.os})
}

/// Prints a table of archetypes.
pub(super) fn list<'a>(
    context: &Context,
    archetypes: impl IntoIterator<Item = &'a Archetype>,
) -> Result<(), CommandError> {
    let rows = archetypes.into_iter().map(|archetype| {
        let services = table::words(&archetype.services);
        [archetype.slug.clone(), archetype.title.clone(), services]
    });
    let table = table::rows(["ARCHETYPE", "TITLE", "SERVICES"], rows);
    context.output.data(&table)
}
