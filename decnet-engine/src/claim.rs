//! The claim on a mutation: acquired, renewed, released.

use std::sync::Arc;

use decnet_topology::{
    ClaimToken, MutationFilter, MutationOutcome, MutationRow, MutationState, Repo, RepoError, TopologyId, name_of,
};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use crate::lease::this_process;

/// The duration of a claim.
const TIME: SignedDuration = SignedDuration::from_secs(15);
/// How often it is renewed.
const RENEWAL: std::time::Duration = std::time::Duration::from_secs(5);

/// A claimed mutation, whose claim is renewed until it is finished, released or dropped.
#[derive(Debug)]
pub(crate) struct HeldClaim {
    repo: Arc<dyn Repo>,
    pub(crate) row: MutationRow,
    pub(crate) token: ClaimToken,
    renewal: JoinHandle<()>,
}

impl HeldClaim {
    /// Claims the first unfinished mutation of a topology, if there is one.
    ///
    /// The caller must hold the topology's lease, so no other process works on the topology. If another process still has a
    /// claim, it died or lost its lease, and its claim is taken over.
    pub(crate) async fn take(
        repo: &Arc<dyn Repo>,
        topology: TopologyId,
        label: &str,
    ) -> Result<Option<Self>, RepoError> {
        let holder = this_process(label);
        let claim = |superseding| repo.claim_mutation(Some(topology), &holder, TIME, superseding, Timestamp::now());
        let mut claimed = claim(None).await?;
        if claimed.is_none() {
            let applying = MutationFilter::default()
                .topology(topology)
                .states([MutationState::Applying])
                .limit(1)
                .offset(0);
            let left = repo.mutations(&applying).await?.rows.into_iter().next();
            if let Some(left) = left.and_then(|row| row.claim) {
                let maze = name_of(repo.as_ref(), topology).await;
                tracing::info!(maze, pid = left.holder.pid, "taking over the mutation of a dead worker");
                claimed = claim(Some(left.token)).await?;
            }
        }
        let Some(row) = claimed else { return Ok(None) };
        let Some(token) = row.claim.as_ref().map(|claim| claim.token) else {
            return Err(RepoError::ClaimLost { id: row.id });
        };
        Ok(Some(Self {
            repo: Arc::clone(repo),
            token,
            renewal: tokio::spawn(renew(Arc::clone(repo), row.clone(), token)),
            row,
        }))
    }

    /// Records the outcome of the mutation.
    pub(crate) async fn finish(self, outcome: MutationOutcome) -> Result<MutationRow, RepoError> {
        self.renewal.abort();
        let finish = self
            .repo
            .finish_mutation(self.row.id, self.token, outcome, Timestamp::now());
        finish.await
    }

    /// Releases the claim, so that the next drain continues the mutation.
    pub(crate) async fn release_claim(self) {
        self.renewal.abort();
        if let Err(error) = self.repo.release_claim(self.row.id, self.token, Timestamp::now()).await {
            tracing::warn!(mutation = %self.row.id, %error, "the claim could not be released; it expires by itself");
        }
    }
}

impl Drop for HeldClaim {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// Renews a claim until it is lost.
async fn renew(repo: Arc<dyn Repo>, row: MutationRow, token: ClaimToken) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        if let Err(error) = repo.renew_claim(row.id, token, TIME, Timestamp::now()).await {
            tracing::warn!(mutation = %row.id, %error, "the claim was not renewed");
            if matches!(
                error,
                RepoError::ClaimLost { .. } | RepoError::NotFound { .. } | RepoError::MutationNotFound { .. }
            ) {
                return;
            }
        }
    }
}
