//! Which subnets are taken: by stored mazes, and, where a daemon answers, by Docker and by this machine's routes.

use std::time::Duration;

use decnet_engine::{host, runtime::Runtime};
use decnet_topology::{Repo, TopologyId};
use ipnet::Ipv4Net;

use crate::{command_error::CommandError, context::Context};

/// How long a daemon may take to answer when it is only looked at for what to avoid.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often subnets are chosen anew because another process took one between the look and the write. Whoever loses a race
/// lost it to one that won, so that this many processes at once all get theirs.
pub(crate) const ATTEMPTS: usize = 64;

/// Lists the subnets that a new maze should avoid; `except` leaves one topology out.
///
/// That no daemon answers is no error: what it has is looked at once more before a deploy.
pub(crate) async fn taken(
    context: &Context,
    repo: &dyn Repo,
    except: Option<TopologyId>,
) -> Result<Vec<Ipv4Net>, CommandError> {
    let mut taken: Vec<Ipv4Net> = repo
        .claims(except)
        .await?
        .into_iter()
        .map(|claim| claim.subnet)
        .collect();
    let instance = repo.instance().await?;
    match context.look_at_docker(PATIENCE).await {
        Ok(docker) => {
            let looked = tokio::time::timeout(PATIENCE, look(&docker, instance)).await;
            taken.extend(looked.ok().into_iter().flatten());
        }
        Err(error) => tracing::info!(%error, "no Docker to ask for its networks"),
    }
    Ok(taken)
}

async fn look(docker: &dyn Runtime, instance: decnet_topology::InstanceId) -> Vec<Ipv4Net> {
    let mut taken = Vec::new();
    match docker.foreign_networks(instance).await {
        Ok(networks) => taken.extend(networks.into_iter().map(|network| network.subnet)),
        Err(error) => tracing::info!(%error, "Docker does not name its networks"),
    }
    if docker.info().await.is_ok_and(|info| info.local) {
        taken.extend(host::routes().into_iter().map(|route| route.subnet));
    }
    taken
}
