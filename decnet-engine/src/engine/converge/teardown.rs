use decnet_topology::{Intent, Status, TopologyId, TopologyRow};
use tokio_util::sync::CancellationToken;

use super::{
    give_up::reason_of,
    remains::{Clearing, Remains},
};
use crate::{
    engine::{
        Engine, EngineError, LostHost, Operation, Outcome,
        session::{hosts::is_settled, lease::Session},
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
    ///
    /// A host that left the fleet cannot be asked any more. If others have parts of the topology too, they are cleared, and
    /// [`Outcome::given_up`] names those that left. If no host is left, [`operate`](Self::operate) with the force of
    /// [`Operation::Teardown`] records the topology as torn down.
    ///
    /// # Errors
    ///
    /// [`EngineError::TeardownIncomplete`] if something is left, and [`EngineError::Interrupted`] if that is because of `cancel`;
    /// [`EngineError::HostLost`] if all hosts of the topology left the fleet, [`EngineError::FleetMissing`] if the runtime is not the
    /// fleet that has it ([`EngineError::AgentMode`] for one of an agent), and [`EngineError::Runtime`] if the runtime does not answer:
    /// nothing was changed then. [`EngineError::Repo`] if the store fails or another process holds the lease.
    pub async fn teardown(&self, id: TopologyId, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        self.run_now(id, Operation::Teardown { force: false }, cancel).await
    }
}

/// The topology of a teardown, and what its status was before.
#[derive(Debug)]
pub(in crate::engine) struct Before {
    pub(in crate::engine) row: TopologyRow,
    /// An earlier run was interrupted.
    pub(in crate::engine) was_interrupted: bool,
    /// The runtime should have nothing: the status is unchanged until the topology is torn down.
    pub(super) settled: bool,
}

impl Before {
    pub(in crate::engine) fn of(row: TopologyRow) -> Self {
        Self {
            was_interrupted: matches!(row.status, Status::Deploying | Status::TearingDown),
            settled: is_settled(&row),
            row,
        }
    }
}

impl Session<'_> {
    pub(in crate::engine) async fn take_down(
        &self,
        row: TopologyRow,
        remains: Remains,
        given_up: Vec<LostHost>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let mut before = Before::of(row);
        before.row = self.begin_teardown(before.row).await?;
        let cleared = self.clear(remains, before.was_interrupted, cancel).await;
        self.finish_teardown(before, given_up, cleared, cancel).await
    }

    /// Records that the teardown began.
    pub(in crate::engine) async fn begin_teardown(&self, row: TopologyRow) -> Result<TopologyRow, EngineError> {
        if is_settled(&row) || row.status == Status::TearingDown {
            return Ok(row);
        }
        self.become_status(&row, Status::TearingDown, Some(Intent::Down), None)
            .await
    }

    /// Records the result. The hosts that were given up were not asked.
    pub(in crate::engine) async fn finish_teardown(
        &self,
        before: Before,
        given_up: Vec<LostHost>,
        cleared: Result<Clearing, EngineError>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        let Before { row, settled, .. } = before;
        let (reason, error) = match cleared {
            Ok(clearing) if clearing.leftovers.is_empty() => {
                return self.become_torn_down(row, given_up, clearing).await;
            }
            Ok(clearing) => {
                let reason = format!("left: {}", clearing.leftovers.join(", "));
                (reason, self.incomplete(&row, clearing, cancel))
            }
            Err(error) => (error.to_string(), error),
        };
        if !settled {
            self.record(&row, Status::Degraded, reason).await;
        }
        Err(error)
    }

    /// Records that nothing of the topology is left. An image that several topologies share may remain.
    async fn become_torn_down(
        &self,
        mut row: TopologyRow,
        given_up: Vec<LostHost>,
        clearing: Clearing,
    ) -> Result<Outcome, EngineError> {
        if row.status != Status::TornDown {
            row = self.forget_former(row, &Observed::default()).await?;
            row = self
                .become_status(&row, Status::TornDown, Some(Intent::Down), reason_of(&given_up))
                .await?;
        }
        let failure = clearing.failures.first();
        Ok(Outcome {
            given_up,
            kept_volumes: clearing.kept_volumes,
            row,
            changed: clearing.changed,
            reason: failure.map(|failure| format!("{failure}: {}", failure.source)),
            warnings: Vec::new(),
        })
    }

    /// Makes the error of a teardown that left something.
    fn incomplete(&self, row: &TopologyRow, clearing: Clearing, cancel: &CancellationToken) -> EngineError {
        let Clearing {
            failures,
            leftovers,
            unseen,
            ..
        } = clearing;
        if cancel.is_cancelled() {
            return EngineError::Interrupted {
                id: self.id,
                undo_failures: Vec::new(),
                leftovers,
            };
        }
        EngineError::TeardownIncomplete {
            id: self.id,
            name: row.name.clone(),
            unseen,
            failures,
            leftovers,
        }
    }
}
