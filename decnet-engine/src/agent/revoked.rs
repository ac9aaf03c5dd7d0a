//! What an agent does after its host was revoked.

use std::{sync::Arc, time::Duration};

use tokio::time;

use super::{AgentError, AgentMaster, HostRemains, shared::Shared, topologies};
use crate::{
    causes,
    observe::{Observed, Scope},
    runtime::RuntimeError,
};

/// How long the runtime may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Ends the agent: no master will accept it again. With a limit for the silence of masters, what they made is removed first, when that
/// time is over: until then, the host can join again and keep it.
pub(super) async fn end(shared: &Arc<Shared>, master: &AgentMaster) {
    let remains = remains(shared).await;
    let Some(left) = shared.contact.left().filter(|_| remains != HostRemains::Nothing) else {
        shared.stop.cancel();
        return;
    };
    shared.is_revoked.cancel();
    let (address, host) = (&master.place.master, shared.name());
    tracing::error!(
        code = "host_revoked",
        %host,
        master = %address,
        %remains,
        ?left,
        "the host was revoked: when the time is over, everything that masters made here is removed, and the agent stops; to keep it, \
         stop the agent and join again with a new token"
    );
    loop {
        time::sleep(master.every).await;
        shared.contact.failed();
    }
}

/// Returns the error of an agent that has ended because its host was revoked.
pub(super) async fn error(shared: &Shared, master: &AgentMaster) -> AgentError {
    AgentError::Revoked {
        host: shared.name(),
        master: master.place.master.clone(),
        remains: remains(shared).await,
    }
}

/// Returns what masters made on this host and is still there.
pub(super) async fn remains(shared: &Shared) -> HostRemains {
    match time::timeout(ANSWER, count(shared)).await {
        Ok(Ok(None)) => HostRemains::Nothing,
        Ok(Ok(Some(containers))) => HostRemains::Containers(containers),
        Ok(Err(error)) => {
            tracing::warn!(
                error = causes::with_causes(&error),
                "what is still on this host is not known"
            );
            HostRemains::Unknown
        }
        Err(_) => HostRemains::Unknown,
    }
}

/// Counts the containers of masters and of the pushed topology; none if nothing else is there either.
async fn count(shared: &Shared) -> Result<Option<usize>, RuntimeError> {
    let mut found = Vec::new();
    let own = shared.engine.repo().instance().await.ok();
    for instance in shared
        .instances
        .all()
        .into_iter()
        .filter(|instance| Some(*instance) != own)
    {
        let mut observed = shared.runtime().inspect(Scope::Instance(instance)).await?;
        observed.retain_of_members();
        found.push(observed);
    }
    if let Ok(Some(pushed)) = topologies::current(&shared.engine).await
        && let Some(instance) = own
    {
        let scope = Scope::Topology(instance, pushed.row.id);
        found.push(shared.runtime().inspect(scope).await?);
    }
    if found.iter().all(Observed::is_empty) {
        return Ok(None);
    }
    Ok(Some(found.iter().map(|observed| observed.containers.len()).sum()))
}
