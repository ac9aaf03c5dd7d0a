//! The teardown of a topology whose hosts are no longer in the fleet.

use decnet_topology::{Intent, Status, TopologyId, Version};
use tokio_util::sync::CancellationToken;

use super::{remains::Remains, work::Work};
use crate::{
    engine::{Engine, EngineError, LostHost, Operation, Outcome, error::require_version, session::lease::Session},
    observe::Observed,
};

impl Engine {
    /// Plans a teardown that cannot ask any host of a topology: it has no steps. None for other operations, and if a host can be asked.
    /// Without force it is refused, unless the topology was never deployed.
    pub(in crate::engine) async fn plan_giving_up(
        &self,
        id: TopologyId,
        operation: &Operation,
        expected: Option<Version>,
    ) -> Result<Option<Work>, EngineError> {
        let Operation::Teardown { force } = *operation else {
            return Ok(None);
        };
        let row = self.repo.get(id).await?;
        require_version(&row, expected)?;
        let hosts = self.topology_hosts(&row).await?;
        if !hosts.all_lost() {
            return Ok(None);
        }
        let given_up = hosts.given_up(&row, force)?;
        let instance = self.repo.instance().await?;
        Ok(Some(Work::Teardown {
            row,
            remains: Remains::new(instance, id, Observed::default()),
            given_up,
        }))
    }

    /// Records a topology as torn down although nobody can confirm that, because its hosts are not in the fleet any more. None if one of
    /// them joined again since the plan was made: then it is torn down as usual.
    pub(in crate::engine) async fn give_up(
        &self,
        id: TopologyId,
        force: bool,
        expected: Option<Version>,
        cancel: &CancellationToken,
    ) -> Result<Option<Outcome>, EngineError> {
        let session = Session::begin_without_runtime(self, id, cancel).await?;
        let result = session.give_up(force, expected).await;
        session.end(result).await
    }
}

impl Session<'_> {
    async fn give_up(&self, force: bool, expected: Option<Version>) -> Result<Option<Outcome>, EngineError> {
        let mut row = self.load().await?.row;
        require_version(&row, expected)?;
        let hosts = self.engine.topology_hosts(&row).await?;
        if !hosts.all_lost() {
            return Ok(None);
        }
        let given_up = hosts.given_up(&row, force)?;
        if row.status != Status::TornDown {
            row = self.begin_teardown(row).await?;
            row = self.forget_former(row, &Observed::default()).await?;
            row = self
                .become_status(&row, Status::TornDown, Some(Intent::Down), reason_of(&given_up))
                .await?;
        }
        Ok(Some(Outcome {
            kept_volumes: Vec::new(),
            row,
            changed: 0,
            reason: None,
            given_up,
            warnings: Vec::new(),
        }))
    }
}

/// Returns the reason that a topology gets which is torn down although hosts are lost; none if there are none.
pub(super) fn reason_of(given_up: &[LostHost]) -> Option<String> {
    let hosts: Vec<_> = given_up.iter().map(ToString::to_string).collect();
    (!hosts.is_empty()).then(|| format!("given up: {}", hosts.join("; ")))
}
