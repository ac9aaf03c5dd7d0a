use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, table};

/// List the archetypes: ready-made kinds of hosts.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Lists the archetypes.
pub(crate) fn run(_: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    if context.output.json {
        let archetypes = catalog
            .archetypes()
            .map(|archetype| json!({"slug": archetype.slug, "title": archetype.title, "services": archetype.services, "os": archetype.os}));
        context
            .output
            .json(&json!({ "archetypes": archetypes.collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    let rows = catalog.archetypes().map(|archetype| {
        let services = table::words(&archetype.services);
        [archetype.slug.clone(), archetype.title.clone(), services]
    });
    context
        .output
        .data(&table::rows(["ARCHETYPE", "TITLE", "SERVICES"], rows))?;
    Ok(Exit::Done)
}
