use decnet_engine::{HolderState, break_lease, holder_state};
use decnet_topology::{Holder, Repo};
use jiff::Timestamp;
use serde_json::json;

use crate::{command_error::CommandError, confirm::confirm_or_refuse, context::Context, exit::Exit, lookup, text};

/// Breaks the lease of a maze and the claim on its current mutation.
pub(super) async fn run(context: &Context, repo: &dyn Repo, topology: &str, yes: bool) -> Result<Exit, CommandError> {
    let row = lookup::find(repo, topology).await?;
    if let Some(lease) = repo.lease(row.id, Timestamp::now()).await?
        && holder_state(&lease.holder) == HolderState::Alive
        && !yes
    {
        let what = format!(
            "break the lease of `{}`, whose holder is running: {}",
            row.name,
            named(&lease.holder)
        );
        confirm_or_refuse(context.output, &what)?;
    }
    let broken = break_lease(repo, row.id).await?;
    let value = json!({"id": row.id, "name": row.name, "lease": broken.lease, "claim": broken.claim});
    context.output.either(&value, || {
        let lease = broken.lease.map(|lease| (lease.holder, "lease", lease.until));
        let claim = broken
            .claim
            .map(|claim| (claim.holder, "claim on a mutation", claim.until));
        let lines: Vec<_> = [lease, claim]
            .into_iter()
            .flatten()
            .map(|(holder, what, until)| {
                format!("{}  broke the {what} of {}, until {until}\n", row.name, named(&holder))
            })
            .collect();
        if lines.is_empty() {
            return format!("{}  no lease is held\n", row.name);
        }
        lines.concat()
    })?;
    Ok(Exit::Done)
}

/// Describes a holder.
fn named(holder: &Holder) -> String {
    let state = match holder_state(holder) {
        HolderState::Alive => "running on this machine",
        HolderState::Dead => "ended",
        _ => "of another machine, boot or container",
    };
    format!("{} (pid {}, {state})", text::one_line(&holder.label), holder.pid)
}
