use std::time::Duration;

use decnet_topology::{InstanceId, TopologyId};
use ipnet::Ipv4Net;

use crate::engine::{Engine, EngineError};

/// How long the runtime may take to list its networks.
const TIMEOUT: Duration = Duration::from_secs(3);

impl Engine {
    /// Lists the subnets that a new LAN should avoid: those of stored topologies and, if the runtime answers, those of foreign
    /// networks and of this machine's routes. `except` excludes one topology.
    ///
    /// It is not an error if the runtime does not answer within a few seconds: a deploy checks its networks again.
    pub async fn taken_subnets(&self, except: Option<TopologyId>) -> Result<Vec<Ipv4Net>, EngineError> {
        let claims = self.repo.claims(except).await?;
        let instance = self.repo.instance().await?;
        let listed = tokio::time::timeout(TIMEOUT, self.subnets_of_host(instance)).await;
        if listed.is_err() {
            tracing::info!("the runtime did not list its networks in time");
        }
        let claimed = claims.into_iter().map(|claim| claim.subnet);
        Ok(claimed.chain(listed.into_iter().flatten()).collect())
    }

    async fn subnets_of_host(&self, instance: InstanceId) -> Vec<Ipv4Net> {
        let networks = match self.runtime.foreign_networks(instance).await {
            Ok(networks) => networks,
            Err(error) => {
                tracing::info!(%error, "the runtime did not list its networks");
                return Vec::new();
            }
        };
        let mut taken: Vec<_> = networks.into_iter().map(|network| network.subnet).collect();
        if self.options.check_host
            && let Ok(Some(machine)) = self.runtime.machine().await
        {
            taken.extend(machine.routes.into_iter().map(|route| route.subnet));
        }
        taken
    }
}
