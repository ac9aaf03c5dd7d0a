//! What happens if no master answers for too long: everything that masters made on this host is removed.

use std::sync::Arc;

use super::{HostRemains, revoked, shared::Shared, topologies};
use crate::{
    engine::{ReapOptions, ReapReport},
    http::problem::Problem,
};

/// Waits until no master has answered for too long, and removes everything then. What could not be removed is tried again after the next
/// heartbeat that fails.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let work = async {
        loop {
            shared.contact.overdue().await;
            let agent = Arc::clone(&shared);
            // The agent waits for it when it stops.
            let removed = shared.change(async move {
                remove(&agent).await;
                Ok(())
            });
            if let Err(problem) = removed.await {
                tracing::error!(code = %problem.code, "orphans are not removed");
            }
            if shared.is_revoked.is_cancelled() && revoked::remains(&shared).await == HostRemains::Nothing {
                shared.stop.cancel();
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

/// Removes everything, until a master answers again. Errors do not stop it.
async fn remove(shared: &Shared) {
    match remove_pushed(shared).await {
        Ok(None) => {}
        Ok(Some(name)) => {
            let silent = shared.contact.silent();
            tracing::warn!(%name, ?silent, "no master answers: the pushed topology was removed");
        }
        Err(problem) => {
            tracing::error!(code = %problem.code, reason = problem.detail(), "no master answers, and the pushed topology could not be removed");
        }
    }
    for instance in shared.instances.all() {
        // No master changes anything meanwhile.
        let _alone = shared.removing.write().await;
        if !shared.contact.is_overdue() {
            tracing::warn!("a master answers again: nothing more is removed");
            return;
        }
        let options = ReapOptions::default().instance(instance).only_of_members();
        match shared.engine.reap(options, &shared.stop).await {
            Ok(report) if report.is_clean() => {
                let silent = shared.contact.silent();
                let topologies = report.orphans.len();
                tracing::warn!(%instance, topologies, ?silent, "no master answers: what one made for this store was removed");
                if let Err(problem) = shared.instances.forget(instance) {
                    tracing::error!(code = %problem.code, reason = problem.detail(), "a store is not forgotten");
                }
            }
            Ok(report) => {
                let left = left(&report);
                tracing::error!(%instance, left, "no master answers, and not everything of a store could be removed");
            }
            Err(error) => {
                let error = crate::causes::with_causes(&error);
                tracing::error!(%instance, error, "no master answers, and what one made for a store could not be removed");
            }
        }
    }
}

async fn remove_pushed(shared: &Shared) -> Result<Option<String>, Problem> {
    let _one = shared.topology.lock().await;
    if !shared.contact.is_overdue() {
        return Ok(None);
    }
    let last = topologies::clear_all(shared).await?;
    Ok(last.map(|topology| topology.name))
}

/// Lists what is left, and why.
fn left(report: &ReapReport) -> String {
    let orphans = report.orphans.iter();
    let texts: Vec<&str> = orphans
        .flat_map(|orphan| orphan.left.iter().chain(&orphan.errors))
        .map(String::as_str)
        .collect();
    texts.join("; ")
}
