use decnet_topology::{Status, TopologyFilter};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, table};

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
    let mut statuses = arguments.status;
    if statuses.is_empty() && !arguments.all {
        statuses = Status::ALL
            .iter()
            .copied()
            .filter(|status| *status != Status::TornDown)
            .collect();
    }
    let filter = TopologyFilter::default()
        .statuses(statuses)
        .limit(arguments.limit)
        .offset(arguments.offset);
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
    let mut table = table::table(["NAME", "ID", "STATUS", "VERSION", "CHANGED"]);
    for row in &page.rows {
        let status = if row.needs_resync {
            format!("{} (needs reconcile)", row.status)
        } else {
            row.status.to_string()
        };
        let changed = row.changed_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        table::row(
            &mut table,
            [
                row.name.to_string(),
                row.id.to_string(),
                status,
                row.version.to_string(),
                changed,
            ],
        );
    }
    context.output.data(&table::lines(&table))?;
    if page.total > page.rows.len() {
        context.output.note(format!("{} of {}", page.rows.len(), page.total));
    }
    Ok(Exit::Done)
}
