use decnet_engine::{HostMazes, HostSummary, find_host};
use decnet_topology::HostChange;
use jiff::Timestamp;

use crate::{command_error::CommandError, confirm::confirm_or_refuse, context::Context, exit::Exit};

/// Refuse the certificates of a host from then on. It is no longer a host of the fleet.
///
/// Masters and agents refuse it within seconds. What runs there keeps running and cannot be reached any more: if the host can still be
/// trusted, move its deckies first with `decnet host drain HOST --move`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host revoke east\n  \
                        decnet host revoke east --yes")]
pub(super) struct Arguments {
    /// The name of the host, or its id.
    #[arg(value_name = "HOST")]
    name: String,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    yes: bool,
}

/// Revokes a host.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let host = find_host(repo.as_ref(), &arguments.name).await?;
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let there: Vec<_> = mazes.on_host(&host).collect();
    let names: Vec<_> = there.iter().map(|row| row.name.as_str()).collect();
    if !names.is_empty() {
        let question = format!("{} has parts of {}; revoke it?", host.name, names.join(", "));
        if !arguments.yes {
            confirm_or_refuse(context.output, &question)?;
        }
    }
    let host = repo.change_host(host.id, HostChange::Revoke, Timestamp::now()).await?;
    let now = repo.now(Timestamp::now()).await?;
    // What is there runs on.
    let mut shown = serde_json::to_value(HostSummary::new(&host, mazes.deckies(&host), now))?;
    shown["mazes"] = names.into();
    context.output.either(&shown, || format!("revoked {}\n", host.name))?;
    for row in there {
        let (name, gone) = (&row.name, &host.name);
        context.output.note(if row.is_for_agent_of(host.name.as_str()) {
            format!("{name} is only on {gone}: let another machine join as {gone}, and `decnet reconcile {name}` deploys it there")
        } else {
            format!("`decnet reconcile {name} --force` recreates on other hosts what was there")
        });
    }
    Ok(Exit::Done)
}
