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
            describe_holder(&lease.holder)
        );
        confirm_or_refuse(context.output, &what)?;
    }
    let broken = break_lease(repo, row.id).await?;
    let value = json!({"id": row.id, "name": row.name, "lease": broken.lease, "claim": broken.claim});
    context.output.either(&value, || {
        let lease = broken.lease.map(|lease| (lease.holder, "lease", lease.until));
        let claim = broken.claim;
        let claim = claim.map(|claim| (claim.holder, "claim on a mutation", claim.until));
        let line = |(holder, what, until)| {
            let holder = describe_holder(&holder);
            format!("{}  broke the {what} of {holder}, until {until}\n", row.name)
        };
        let lines: Vec<_> = lease.into_iter().chain(claim).map(line).collect();
        if lines.is_empty() {
            return format!("{}  no lease is held\n", row.name);
        }
        lines.concat()
    })?;
    Ok(Exit::Done)
}

/// Describes a holder.
fn describe_holder(holder: &Holder) -> String {
    let state = holder_state(holder);
    format!("{} (pid {}, {state})", text::one_line(&holder.label), holder.pid)
}
