use decnet_topology::{Status, TopologyId, TopologyRow, Version};
use jiff::Timestamp;

use crate::{
    engine::{Engine, EngineError, converge::remains::leftovers},
    event::{Envelope, Event},
};

impl Engine {
    /// Deletes a topology that is pending, torn down, or failed with nothing left on the runtime, and returns its last row.
    ///
    /// The runtime is only used for a failed topology.
    ///
    /// # Errors
    ///
    /// [`EngineError::LeftOnRuntime`] if resources of it are left, or a host of it is unseen;
    /// [`EngineError::HostLost`] if it failed on a host that left the fleet; [`EngineError::Repo`] with
    /// [`NotDeletable`](decnet_topology::RepoError::NotDeletable) in any other status, or with
    /// [`VersionConflict`](decnet_topology::RepoError::VersionConflict) if the version is not `expected`; [`EngineError::Runtime`] if
    /// the runtime does not answer, so that it is unknown what is left of a failed topology. Nothing was changed then.
    pub async fn delete(&self, id: TopologyId, expected: Option<Version>) -> Result<TopologyRow, EngineError> {
        let row = self.repo.get(id).await?;
        if row.status == Status::Failed {
            let hosts = self.topology_hosts(&row).await?.lost;
            if !hosts.is_empty() {
                return Err(EngineError::HostLost { name: row.name, hosts });
            }
            let engine = self.for_row(&row).await?;
            let left = leftovers(&engine.observe(&engine.facts().await?, id).await?);
            if !left.is_empty() {
                return Err(EngineError::LeftOnRuntime {
                    name: row.name,
                    leftovers: left,
                });
            }
        }
        let at = Timestamp::now();
        self.repo.delete(id, expected, at).await?;
        self.publish(Envelope::new(Event::Deleted { topology: id }, at));
        Ok(row)
    }
}
