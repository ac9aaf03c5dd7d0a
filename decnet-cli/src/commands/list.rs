use decnet_topology::{Status, TopologyFilter};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, table, text};

/// List the stored mazes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// List torn-down mazes too.
    #[arg(long, short)]
    all: bool,
    /// List only mazes with these statuses, separated by commas.
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    status: Vec<Status>,
    /// Show at most N.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Skip the first N.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
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
    let page = context.repo()?.list(&filter).await?;
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
    let rows = page.rows.iter().map(|row| {
        let resync = if row.needs_resync { " (needs reconcile)" } else { "" };
        [
            row.name.to_string(),
            row.id.to_string(),
            format!("{}{resync}", row.status),
            row.version.to_string(),
            text::time(row.changed_at),
        ]
    });
    context
        .output
        .data(&table::rows(["NAME", "ID", "STATUS", "VERSION", "CHANGED"], rows))?;
    if page.total > page.rows.len() {
        context.output.note(format!("{} of {}", page.rows.len(), page.total));
    }
    Ok(Exit::Done)
}
