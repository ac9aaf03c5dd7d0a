use decnet_topology::{Status, TopologyRow, repo::ListFilter};
use serde::Serialize;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, table};

/// List the stored mazes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Those that are torn down too.
    #[arg(long, short)]
    all: bool,
    /// Only those of these statuses, separated by commas.
    #[arg(long, value_name = "STATUSES", value_delimiter = ',')]
    status: Vec<Status>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Leave out so many first.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    offset: usize,
}

/// A row, for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    id: decnet_topology::TopologyId,
    name: &'a str,
    status: Status,
    intent: Option<decnet_topology::Intent>,
    mode: decnet_topology::Mode,
    version: decnet_topology::Version,
    created_at: jiff::Timestamp,
    changed_at: jiff::Timestamp,
    needs_resync: bool,
}

impl<'a> From<&'a TopologyRow> for Row<'a> {
    fn from(row: &'a TopologyRow) -> Self {
        Self {
            id: row.id,
            name: row.name.as_str(),
            status: row.status,
            intent: row.intent,
            mode: row.mode,
            version: row.version,
            created_at: row.created_at,
            changed_at: row.changed_at,
            needs_resync: row.needs_resync,
        }
    }
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
    let filter = ListFilter::default()
        .statuses(statuses)
        .limit(arguments.limit)
        .offset(arguments.offset);
    let page = context.repo()?.list(&filter).await?;
    if context.output.json {
        let rows: Vec<Row<'_>> = page.rows.iter().map(Row::from).collect();
        context.output.json(&json!({"topologies": rows, "total": page.total}))?;
        return Ok(Exit::Done);
    }
    if page.rows.is_empty() {
        context
            .output
            .note("nothing is stored; `decnet generate` draws a maze, `decnet apply -f FILE` stores one");
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
