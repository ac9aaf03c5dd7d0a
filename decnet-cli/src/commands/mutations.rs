use decnet_topology::{
    MutationState,
    repo::{MutationFilter, MutationRow},
};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup, table};

/// List what was, is and will be changed of the mazes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only of this maze: its name, its id, or the beginning of its id.
    topology: Option<String>,
    /// Only those in these states, separated by commas: pending, applying, applied, rejected, failed.
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<MutationState>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Leave out so many first.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    offset: usize,
}

/// Lists mutations.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo()?;
    let topology = match &arguments.topology {
        Some(text) => Some(lookup::find(repo.as_ref(), text).await?.id),
        None => None,
    };
    let filter = MutationFilter {
        topology,
        states: arguments.state,
        limit: arguments.limit,
        offset: arguments.offset,
    };
    let page = repo.mutations(&filter).await?;
    if context.output.json {
        context
            .output
            .json(&json!({ "mutations": page.rows, "total": page.total }))?;
        return Ok(Exit::Done);
    }
    if page.rows.is_empty() {
        context.output.note("nothing was changed; `decnet mutate` does");
        return Ok(Exit::Done);
    }
    context.output.data(&lines(&page.rows))?;
    if page.total > page.rows.len() {
        context.output.note(format!("{} of {}", page.rows.len(), page.total));
    }
    Ok(Exit::Done)
}

/// Prints mutations as a table.
pub(crate) fn lines(rows: &[MutationRow]) -> String {
    let mut table = table::table(["NUMBER", "MAZE", "OP", "ABOUT", "STATE", "ENQUEUED", "ACTOR", "REASON"]);
    for row in rows {
        table.add_row([
            format!("#{}", row.id),
            decnet_topology::id::short(row.topology),
            row.mutation.op().into(),
            row.mutation.subject().to_string(),
            row.state.to_string(),
            row.enqueued_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            row.actor.clone().unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    table::lines(&table)
}
