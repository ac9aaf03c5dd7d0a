use decnet_topology::{Status, TopologyFilter, TopologyRow, short_id};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, number::whole, table, text};

/// List the stored mazes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet list\n  \
                        decnet list --status active,degraded\n  \
                        decnet list --all --json")]
pub(crate) struct Arguments {
    /// List torn-down mazes too.
    #[arg(long, short)]
    all: bool,
    /// List only mazes with these statuses, separated by commas.
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    status: Vec<Status>,
    /// Show at most N.
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    limit: Option<usize>,
    /// Skip the first N.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<usize>)]
    offset: usize,
    /// Print the whole id, the version and the time of creation too.
    #[arg(long, short)]
    wide: bool,
}

/// Lists the stored mazes.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let mut filter = TopologyFilter::default()
        .statuses(arguments.status)
        .limit(arguments.limit)
        .offset(arguments.offset);
    if filter.statuses.is_empty() && !arguments.all {
        filter = filter.without(&[Status::TornDown]);
    }
    let page = context.repo().await?.list(&filter).await?;
    if context.output.json {
        context
            .output
            .json(&json!({"topologies": page.rows, "total": page.total}))?;
        return Ok(Exit::Done);
    }
    if page.rows.is_empty() {
        context
            .output
            .note("no mazes; `decnet generate` creates one, `decnet apply -f FILE` stores a file");
        return Ok(Exit::Done);
    }
    let status = |row: &TopologyRow| {
        let resync = if row.needs_resync { " (needs reconcile)" } else { "" };
        format!("{}{resync}", row.status)
    };
    let table = if arguments.wide {
        let cells = |row: &TopologyRow| {
            [
                row.name.to_string(),
                status(row),
                row.version.to_string(),
                text::time(row.created_at),
                text::time(row.changed_at),
                row.id.to_string(),
            ]
        };
        let header = ["NAME", "STATUS", "VERSION", "CREATED", "CHANGED", "ID"];
        table::rows(header, page.rows.iter().map(cells))
    } else {
        let cells = |row: &TopologyRow| {
            [
                row.name.to_string(),
                status(row),
                text::time(row.changed_at),
                short_id(row.id),
            ]
        };
        table::rows(["NAME", "STATUS", "CHANGED", "ID"], page.rows.iter().map(cells))
    };
    context.output.data(&table)?;
    if page.total > page.rows.len() {
        context.output.note(format!("{} of {}", page.rows.len(), page.total));
    }
    Ok(Exit::Done)
}
