use decnet_topology::{Intent, Status, TopologyId, TopologyRow};
use tokio_util::sync::CancellationToken;

use super::remains::{Clearing, Remains};
use crate::{
    engine::{
        Engine, EngineError, Operation, Outcome,
        session::{lease::Session, placing::hosts_of},
    },
    observe::Observed,
};

impl Engine {
    /// Tears a topology down, in any status. Errors never stop it early.
    ///
    /// It becomes torn down only if nothing is left on the runtime, otherwise degraded with the list of leftovers. A pending one
    /// has nothing there, and becomes torn down immediately.
    ///
    /// It also works if the store cannot be written to, for instance because its disk is full: removing containers may free
    /// space. The status is recorded as soon as a write succeeds. If no write does, the error is
    /// [`EngineError::TeardownUnrecorded`], and the next teardown records it.
    pub async fn teardown(&self, id: TopologyId, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        self.run_now(id, Operation::Teardown, cancel).await
    }
}

/// The status before a teardown.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Before {
    /// An earlier run was interrupted.
    pub(in crate::engine) was_interrupted: bool,
    /// The runtime should have nothing: the status is unchanged until the topology is torn down.
    settled: bool,
}

impl Before {
    pub(in crate::engine) fn of(row: &TopologyRow) -> Self {
        Self {
            was_interrupted: matches!(row.status, Status::Deploying | Status::TearingDown),
            settled: matches!(row.status, Status::Pending | Status::TornDown),
        }
    }
}

impl Session<'_> {
    pub(in crate::engine) async fn take_down(
        &self,
        row: TopologyRow,
        remains: Remains,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let before = Before::of(&row);
        let row = self.begin_teardown(row).await?;
        let cleared = self.clear(remains, before.was_interrupted, cancel).await;
        self.finish_teardown(row, before, cleared, cancel).await
    }

    /// Records that the teardown began.
    pub(in crate::engine) async fn begin_teardown(&self, row: TopologyRow) -> Result<TopologyRow, EngineError> {
        if Before::of(&row).settled || row.status == Status::TearingDown {
            return Ok(row);
        }
        self.become_status(&row, Status::TearingDown, Some(Intent::Down), None)
            .await
    }

    /// Records the result.
    pub(in crate::engine) async fn finish_teardown(
        &self,
        mut row: TopologyRow,
        before: Before,
        cleared: Result<Clearing, EngineError>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let settled = before.settled;
        let Clearing {
            changed,
            failures,
            leftovers,
            kept_volumes,
        } = match cleared {
            Ok(clearing) => clearing,
            Err(error) => {
                if !settled {
                    self.record(&row, Status::Degraded, error.to_string()).await;
                }
                return Err(error);
            }
        };
        if leftovers.is_empty() {
            if row.status != Status::TornDown {
                self.warn_of_lost_hosts(&row);
                row = self.forget_former(row, &Observed::default()).await?;
                row = self
                    .become_status(&row, Status::TornDown, Some(Intent::Down), None)
                    .await?;
            }
            // Nothing of the topology is left; an image that several topologies share may remain.
            let reason = failures.first();
            return Ok(Outcome {
                kept_volumes,
                row,
                changed,
                reason: reason.map(|failure| format!("{failure}: {}", failure.source)),
                warnings: Vec::new(),
            });
        }
        let reason = format!("left: {}", leftovers.join(", "));
        if !settled {
            self.record(&row, Status::Degraded, reason).await;
        }
        Err(if cancel.is_cancelled() {
            EngineError::Interrupted {
                id: self.id,
                undo_failures: Vec::new(),
                leftovers,
            }
        } else {
            EngineError::TeardownIncomplete {
                id: self.id,
                name: row.name,
                failures,
                leftovers,
            }
        })
    }

    /// Names the hosts of a topology that are not in the fleet any more: nobody knows what they still have of it.
    fn warn_of_lost_hosts(&self, row: &TopologyRow) {
        let hosts = row.placement.as_ref().map(hosts_of).unwrap_or_default();
        let members = &self.facts.info.members;
        let lost: Vec<_> = hosts.into_iter().filter(|host| !members.contains_key(host)).collect();
        if !lost.is_empty() {
            tracing::warn!(
                maze = row.name.as_str(),
                hosts = lost.join(", "),
                "hosts of the maze were revoked; what they had of it may still run there"
            );
        }
    }
}
