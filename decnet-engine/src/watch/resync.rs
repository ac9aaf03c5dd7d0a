//! Topologies of mode `agent` whose agents report another version than the store has.

use decnet_topology::{HostRow, Mode, Repo, RepoError, Status, TopologyId, TopologyRow};
use jiff::Timestamp;

use crate::pushed::{HostReport, TopologyPush, report::SILENCE};

/// Marks the topologies that differ from the last heartbeat of their hosts as those that need a resync, and returns them. Nothing else
/// of them is changed.
///
/// A heartbeat from before the last change of a topology, or from a host that is silent now, says nothing.
pub(super) async fn mark(repo: &dyn Repo, found: &[TopologyRow]) -> Result<Vec<TopologyId>, RepoError> {
    let waiting = |row: &&TopologyRow| row.mode == Mode::Agent && row.status == Status::Active && !row.needs_resync;
    let rows: Vec<&TopologyRow> = found.iter().filter(waiting).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let (hosts, now) = (repo.hosts().await?, repo.now(Timestamp::now()).await?);
    let mut marked = Vec::new();
    for row in rows {
        let host = hosts
            .iter()
            .find(|host| host.revoked_at.is_none() && Some(host.name.as_str()) == row.host.as_deref());
        let Some(report) = host.and_then(|host| current(host, row, now)) else {
            continue;
        };
        let push = TopologyPush::new(&repo.load(row.id).await?);
        if !push.is_reported(row.id, &report) {
            tracing::info!(
                maze = row.name.as_str(),
                host = row.host,
                "the agent reports another version; it gets the maze again"
            );
            repo.set_needs_resync(row.id, true, None, Timestamp::now()).await?;
            marked.push(row.id);
        }
    }
    Ok(marked)
}

/// Returns the last report of a host, if it says something of the topology.
fn current(host: &HostRow, row: &TopologyRow, now: Timestamp) -> Option<HostReport> {
    let heard_at = host.heard_at?;
    let says_something = heard_at > row.changed_at && now.duration_since(heard_at) <= SILENCE;
    says_something.then(|| HostReport::of(host))?
}
