//! Drift inside the bases, which no list of the runtime shows: routes and forwarding that are not what they should be.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Engine, EngineError};
use crate::{
    decoy::PROGRAM_PATH,
    desired::{BaseSpec, Desired},
    naming::{ContainerName, Role},
    observe::{Activity, Observed, ObservedContainer},
    runtime::RuntimeError,
};

/// How often, and after which pauses, a base that deviates is looked at again: one that has just started sets its routes a few
/// milliseconds after the runtime calls it started.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Which bases are asked, and how patiently.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    /// All, once.
    All,
    /// These, which have just begun to run: what deviates is given a moment to come right by itself.
    Settling(&'a BTreeSet<&'a ContainerName>),
}

impl Asked<'_> {
    /// How often one that has just begun to run is asked.
    pub(super) const SETTLING: usize = LOOKS;
}

impl Engine {
    /// Asks running bases that should be there whether their routes and forwarding are as they should, and marks those that
    /// deviate.
    pub(super) async fn look_inside(
        &self,
        desired: &Desired,
        observed: &mut Observed,
        width: usize,
        asked: Asked<'_>,
    ) -> Result<(), EngineError> {
        let running = observed
            .containers
            .iter()
            .filter(|container| container.role() == Some(Role::Base) && container.activity == Activity::Running);
        let bases: Vec<(&ObservedContainer, &BaseSpec)> = running
            .filter(|container| match asked {
                Asked::All => true,
                Asked::Settling(begun) => begun.contains(&container.name),
            })
            .filter_map(|container| Some((container, desired.bases.get(&container.name)?)))
            .collect();
        let (patience, right) = match asked {
            // What shows from outside need not be asked, which takes a process in each.
            Asked::All => {
                let states: Vec<_> = bases
                    .iter()
                    .map(|(container, base)| (*container, &base.state))
                    .collect();
                (1, self.runtime.look_through(&states).await)
            }
            Asked::Settling(_) => (LOOKS, BTreeSet::new()),
        };
        let asked = bases
            .into_iter()
            .map(|(_, base)| base)
            .filter(|base| !right.contains(&base.name));
        let looks = asked.map(|base| self.deviates(base, patience));
        let looks: Vec<_> = looks.collect();
        let found: Vec<Option<ContainerName>> =
            stream::iter(looks).buffer_unordered(width.max(1)).try_collect().await?;
        let deviating: BTreeSet<ContainerName> = found.into_iter().flatten().collect();
        for container in &mut observed.containers {
            container.deviates = deviating.contains(&container.name);
        }
        Ok(())
    }

    /// Returns the base's name if it deviates; it is asked so often at most.
    pub(super) async fn deviates(&self, base: &BaseSpec, looks: usize) -> Result<Option<ContainerName>, EngineError> {
        let state = serde_json::to_string(&base.state).expect("a state has text keys only");
        let command = [PROGRAM_PATH.into(), "state".into(), "check".into(), state];
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            match self.runtime.exec(&base.name, &command).await {
                Ok(output) if output.code == 0 => return Ok(None),
                // One that cannot be asked is set anew; if that fails too, that says why.
                Ok(_) | Err(RuntimeError::Gone { .. } | RuntimeError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(base.name.clone()))
    }
}
