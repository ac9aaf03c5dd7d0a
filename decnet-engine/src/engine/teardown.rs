use decnet_topology::{Intent, Status, TopologyId};
use tokio_util::sync::CancellationToken;

use super::{
    Engine, EngineError, Outcome,
    session::{Clearing, Session},
};

impl Engine {
    /// Takes a topology down, whatever state it is in: leaves first, past all errors.
    ///
    /// It becomes torn down only when nothing of it is left on the runtime, else degraded with what is left. A pending one,
    /// which has nothing there, becomes torn down at once.
    pub async fn teardown(&self, id: TopologyId, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let session = Session::begin(self, id, cancel).await?;
        let result = session.take_down(cancel).await;
        session.end(result).await
    }
}

impl Session<'_> {
    pub(super) async fn take_down(&self, cancel: &CancellationToken) -> Result<Outcome, EngineError> {
        let mut row = self.load().await?.row;
        // A pending or torn-down topology has nothing on the runtime, or what should not be there: the status stands.
        let broken_off = matches!(row.status, Status::Deploying | Status::TearingDown);
        let settled = matches!(row.status, Status::Pending | Status::TornDown);
        if !settled && row.status != Status::TearingDown {
            row = self
                .become_status(&row, Status::TearingDown, Some(Intent::Down), None)
                .await?;
        }
        let Clearing {
            changed,
            failures,
            leftovers,
        } = match self.clear(broken_off, cancel).await {
            Ok(clearing) => clearing,
            Err(error) => {
                if !settled {
                    self.become_status(&row, Status::Degraded, None, Some(error.to_string()))
                        .await?;
                }
                return Err(error);
            }
        };
        if leftovers.is_empty() {
            if row.status != Status::TornDown {
                row = self
                    .become_status(&row, Status::TornDown, Some(Intent::Down), None)
                    .await?;
            }
            // Nothing of the topology's own is left, but what several share, an image, may be.
            let reason = failures.first();
            return Ok(Outcome {
                row,
                changed,
                reason: reason.map(|failure| format!("{failure}: {}", failure.source)),
            });
        }
        let reason = format!("left: {}", leftovers.join(", "));
        if !settled {
            self.become_status(&row, Status::Degraded, None, Some(reason)).await?;
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
                failures,
                leftovers,
            }
        })
    }
}
