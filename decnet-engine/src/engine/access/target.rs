//! The container that a command or a copy is about.

use std::{collections::BTreeMap, sync::Arc};

use decnet_topology::{DeckyPart, InstanceId, ServiceName, StoredTopology, Topology, TopologyId, UnknownPart};

use super::AccessError;
use crate::{
    engine::{Engine, EngineError},
    naming::{ContainerName, MazeNames},
    observe::{Activity, ObservedContainer, Scope},
    runtime::Runtime,
};

/// A maze that runs, and its containers by name.
pub(super) struct RunningMaze {
    pub(super) instance: InstanceId,
    /// The runtime that has it.
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) stored: StoredTopology,
    pub(super) containers: BTreeMap<ContainerName, ObservedContainer>,
}

impl Engine {
    /// Reads a maze that runs and has what `find` finds. `verb` says what cannot be done if it does not run.
    pub(super) async fn running_maze(
        &self,
        id: TopologyId,
        verb: &'static str,
        find: impl FnOnce(&Topology) -> Result<(), UnknownPart>,
    ) -> Result<RunningMaze, EngineError> {
        let stored = self.repo.load(id).await?;
        find(&stored.topology)?;
        let row = &stored.row;
        if !row.takes_mutations() {
            return Err(EngineError::wrong_status(row, verb));
        }
        let (runtime, instance) = self.place_of(row).await?;
        let observed = runtime.list(Scope::Topology(instance, id)).await?;
        let containers = observed.containers.into_iter();
        Ok(RunningMaze {
            instance,
            runtime,
            stored,
            containers: containers.map(|found| (found.name.clone(), found)).collect(),
        })
    }
}

impl RunningMaze {
    /// Finds a running container.
    pub(super) fn running(&self, part: &DeckyPart, name: &ContainerName) -> Result<&ObservedContainer, AccessError> {
        let not_running = |how: String| AccessError::NotRunning {
            part: part.to_string(),
            how,
        };
        match self.containers.get(name) {
            Some(found) if found.activity == Activity::Running => Ok(found),
            Some(found) => Err(not_running(found.activity_in_words())),
            None => Err(not_running("has no container".into())),
        }
    }

    /// Returns the services of a decky that have images of their own. Only these share the namespace of their base.
    pub(super) fn own_images(&self, part: &DeckyPart) -> Result<Vec<DeckyPart>, EngineError> {
        let decky = self.stored.topology.find_part(part)?;
        let own = decky.services().iter().filter(|service| {
            let name = MazeNames::of(&self.stored.row).service(decky, service);
            self.containers.get(&name).is_some_and(|found| found.shares.is_some())
        });
        Ok(own
            .map(|service| DeckyPart::new(decky.name().clone()).service(service.clone()))
            .collect())
    }

    /// Finds the service with an image of its own that a part names, or the only one of the decky.
    pub(super) fn own_image(&self, part: &DeckyPart) -> Result<(DeckyPart, ContainerName), EngineError> {
        let decky = self.stored.topology.find_part(part)?;
        let name = |service: &ServiceName| MazeNames::of(&self.stored.row).service(decky, service);
        let own = self.own_images(part)?;
        let found = match (&part.service, own.as_slice()) {
            (Some(service), own) => {
                let exists = self.containers.contains_key(&name(service));
                if exists && !own.iter().any(|one| one.service.as_ref() == Some(service)) {
                    let part = part.to_string();
                    return Err(AccessError::BuiltIn { part }.into());
                }
                part.clone()
            }
            (None, [only]) => only.clone(),
            (None, own) => {
                let decky = decky.name().to_string();
                return Err(match own {
                    [] => AccessError::NoOwnImage { decky },
                    own => AccessError::SeveralOwnImages {
                        decky,
                        services: own.iter().map(ToString::to_string).collect(),
                    },
                }
                .into());
            }
        };
        let container = match &found.service {
            Some(service) => name(service),
            None => MazeNames::of(&self.stored.row).base(decky),
        };
        Ok((found, container))
    }
}
