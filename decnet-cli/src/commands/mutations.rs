use std::collections::BTreeMap;

use decnet_topology::{MutationFilter, MutationState, TopologyFilter, short_id};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup, number::whole, table, text};

/// List the mutations of mazes, oldest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet mutations corp\n  \
                        decnet mutations --state pending,applying\n  \
                        decnet mutations corp --json")]
pub(crate) struct Arguments {
    /// List only mutations of this maze: its name, its id, or the start of its id.
    topology: Option<String>,
    /// List only mutations in these states, separated by commas: pending, applying, applied, rejected, failed.
    #[arg(long, value_name = "STATES", value_delimiter = ',')]
    state: Vec<MutationState>,
    /// Show at most N.
    #[arg(long, value_name = "NUMBER", value_parser = whole::<usize>)]
    limit: Option<usize>,
    /// Skip the first N, which are the oldest.
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = whole::<usize>)]
    offset: usize,
}

/// Lists mutations.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let topology = lookup::only(repo.as_ref(), arguments.topology.as_deref()).await?;
    let filter = MutationFilter::default()
        .topology(topology)
        .states(arguments.state)
        .limit(arguments.limit)
        .offset(arguments.offset);
    let page = repo.mutations(&filter).await?;
    if context.output.json {
        context
            .output
            .json(&json!({ "mutations": page.rows, "total": page.total }))?;
        return Ok(Exit::Done);
    }
    if page.rows.is_empty() {
        context.output.note(match page.total {
            0 if filter == MutationFilter::default() => "no mutations; `decnet mutate` creates one".into(),
            0 => "no mutation matches".into(),
            some => format!("0 of {some}"),
        });
        return Ok(Exit::Done);
    }
    let names = repo.list(&TopologyFilter::default()).await?.rows;
    let names: BTreeMap<_, _> = names.into_iter().map(|row| (row.id, row.name.to_string())).collect();
    let rows = page.rows.iter().map(|row| {
        // A maze may have been deleted since then.
        let maze = names.get(&row.topology).cloned();
        [
            row.id.to_string(),
            maze.unwrap_or_else(|| short_id(row.topology)),
            row.mutation.op().into(),
            row.mutation.subject().to_string(),
            row.state.to_string(),
            text::time(row.enqueued_at),
            row.actor.clone().unwrap_or_else(|| "-".into()),
            row.reason.clone().unwrap_or_default(),
        ]
    });
    let header = ["NUMBER", "MAZE", "OP", "ABOUT", "STATE", "ENQUEUED", "ACTOR", "REASON"];
    context.output.data(&table::rows(header, rows))?;
    if page.total > page.rows.len() {
        context.output.note(format!("{} of {}", page.rows.len(), page.total));
    }
    Ok(Exit::Done)
}
