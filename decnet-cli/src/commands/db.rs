mod unlock;

use std::{fmt::Write as _, fs, path::Path};

use decnet_topology::{RepoError, SqliteRepo, Status, TopologyFilter, TopologyStore};
use serde_json::json;

use crate::{
    command_error::CommandError,
    confirm::confirm_or_refuse,
    context::Context,
    exit::Exit,
    store::{self, Place},
    text,
};

/// Manage the database.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet db path\n  \
                        decnet db check\n  \
                        decnet db unlock corp")]
pub(crate) struct Arguments {
    /// The task.
    #[command(subcommand)]
    task: Task,
}

/// Tasks on the database.
#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Print its path, or its address without the password.
    #[command(after_help = "Examples:\n  \
                        decnet db path")]
    Path,
    /// Check it for damage.
    #[command(after_help = "Examples:\n  \
                        decnet db check")]
    Check,
    /// Break the lease of a maze whose holder is dead or hangs, and print the holder.
    #[command(after_help = "Examples:\n  \
                        decnet db unlock corp\n  \
                        decnet db unlock corp --yes")]
    Unlock {
        /// The maze's name, its id, or the start of its id.
        topology: String,
        /// Break it even if the holder runs on this machine.
        #[arg(long, short)]
        yes: bool,
    },
    /// Remove its file with every maze in it. Refused while one of its mazes is up.
    #[command(after_help = "Examples:\n  \
                        decnet db reset")]
    Reset {
        /// Do not ask for confirmation.
        #[arg(long, short)]
        yes: bool,
        /// Remove it even while mazes are up, or if it is unreadable.
        #[arg(long)]
        force: bool,
    },
}

/// Runs a task on the database.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let place = store::place(&context.globals)?;
    match arguments.task {
        Task::Path => {
            let exists = match &place {
                Place::File(path) => Some(path.exists()),
                // It is not asked.
                Place::Server(_) => None,
            };
            let path = place.shown()?;
            let value = json!({"path": path, "exists": exists});
            context
                .output
                .either(&value, || format!("{}\n", text::one_line(&path)))?;
            Ok(Exit::Done)
        }
        Task::Check => check(context, &place).await,
        Task::Unlock { topology, yes } => {
            let store = place.open_existing().await?;
            unlock::run(context, store.repo(), &topology, yes).await
        }
        Task::Reset { yes, force } => match &place {
            Place::File(path) => reset(context, path, yes, force).await,
            Place::Server(_) => Err(CommandError::OnServer {
                address: place.shown()?,
            }),
        },
    }
}

async fn check(context: &Context, place: &Place) -> Result<Exit, CommandError> {
    let store = place.open_existing().await?;
    let damage = store.check().await?;
    let layout = store.schema_version();
    let is_writable = store.is_writable().await?;
    let repo = store.repo();
    let instance = repo.instance().await?;
    let total = repo.list(&TopologyFilter::default().limit(0)).await?.total;
    let path = place.shown()?;
    let value = json!({"path": path, "instance": instance, "layout": layout, "topologies": total, "damage": damage, "writable": is_writable});
    context.output.either(&value, || {
        let mut lines = format!(
            "{}\n  instance {instance}, layout {layout}, {}\n",
            text::one_line(&path),
            text::count(total, "maze", "mazes")
        );
        for line in &damage {
            let _ = writeln!(lines, "  damage: {}", text::one_line(line));
        }
        if !is_writable {
            lines.push_str("  cannot be written to: its disk is full, or it is read-only\n");
        }
        if damage.is_empty() {
            lines.push_str("  sound\n");
        }
        lines
    })?;
    Ok(if damage.is_empty() { Exit::Done } else { Exit::Failed })
}

async fn reset(context: &Context, path: &Path, yes: bool, force: bool) -> Result<Exit, CommandError> {
    if !path.exists() {
        context.output.either(&json!({"path": path, "removed": false}), || {
            "the database does not exist\n".into()
        })?;
        return Ok(Exit::Done);
    }
    if force {
        refuse_if_foreign(path)?;
    } else {
        refuse_if_in_use(path).await?;
    }
    if !yes {
        let what = format!("remove {} with every maze in it", path.display());
        confirm_or_refuse(context.output, &what)?;
    }
    SqliteRepo::remove(path).map_err(CommandError::writing(path))?;
    context.output.either(&json!({"path": path, "removed": true}), || {
        format!("removed {}\n", path.display())
    })?;
    Ok(Exit::Done)
}

/// Refuses to remove a file that is not a DECNET database, even with force: a typo in `--db` must not delete a file.
fn refuse_if_foreign(path: &Path) -> Result<(), CommandError> {
    match SqliteRepo::open(path) {
        Err(foreign @ (RepoError::NotAStore { .. } | RepoError::IsFolder { .. })) => Err(foreign.into()),
        _ => Ok(()),
    }
}

/// Refuses to remove a database with topologies that may have resources on Docker.
async fn refuse_if_in_use(path: &Path) -> Result<(), CommandError> {
    fs::metadata(path).map_err(CommandError::reading(path))?;
    let repo = SqliteRepo::open(path)?;
    let up = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
    let page = repo.list(&up).await?;
    if page.rows.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = page
        .rows
        .iter()
        .map(|row| format!("{} ({})", row.name, row.status))
        .collect();
    Err(CommandError::InUse {
        names: names.join(", "),
    })
}
