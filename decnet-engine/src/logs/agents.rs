//! The containers of topologies that agents deploy as a whole.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use decnet_topology::{InstanceId, Mode, Status, TopologyFilter, TopologyId, TopologyRow};
use futures_util::future;

use super::again::Again;
use crate::{
    causes,
    engine::{Engine, EngineError},
    observe::{ObservedContainer, Scope},
    runtime::Runtime,
};

/// The first pause before a silent agent is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// The runtime of an agent, and the id of the store in the labels of what it makes.
type Place = (Arc<dyn Runtime>, InstanceId);

/// The agents that have topologies.
#[derive(Debug, Default)]
pub(super) struct Agents {
    places: BTreeMap<TopologyId, Place>,
    /// Topologies whose agents did not answer, and when to ask again.
    silent: BTreeMap<TopologyId, Again>,
}

impl Agents {
    /// Lists the containers of one topology, or of all. An agent that does not answer is an error only if its topology is the only one;
    /// otherwise its containers are left out, and it is asked again later.
    pub(super) async fn list(
        &mut self,
        engine: &Engine,
        only: Option<TopologyId>,
    ) -> Result<Vec<ObservedContainer>, EngineError> {
        let rows = if let Some(id) = only {
            vec![engine.repo().get(id).await?]
        } else {
            let present = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
            engine.repo().list(&present).await?.rows
        };
        let is_due = |id: &TopologyId| self.silent.get(id).is_none_or(Again::is_due);
        let asked = rows.iter().filter(|row| row.mode == Mode::Agent && is_due(&row.id));
        let answers = future::join_all(asked.map(|row| list_on_agent(engine, row))).await;
        let mut all = Vec::new();
        for (id, answer) in answers {
            match answer {
                Ok((place, containers)) => {
                    self.silent.remove(&id);
                    self.places.insert(id, place);
                    all.extend(containers);
                }
                Err(error) if only.is_some() => return Err(error),
                Err(error) => match self.silent.entry(id) {
                    Entry::Vacant(new) => {
                        tracing::warn!(%id, error = causes::with_causes(&error), "the logs of a maze cannot be read now");
                        new.insert(Again::after(PAUSE));
                    }
                    Entry::Occupied(mut failed_before) => failed_before.get_mut().double(),
                },
            }
        }
        Ok(all)
    }

    /// Returns where a topology is; none if it is not on an agent that has answered.
    pub(super) fn place(&self, topology: TopologyId) -> Option<&Place> {
        self.places.get(&topology)
    }

    /// Returns whether the agent of a topology does not answer.
    pub(super) fn is_silent(&self, topology: TopologyId) -> bool {
        self.silent.contains_key(&topology)
    }

    /// Returns whether some agent does not answer.
    pub(super) fn has_silent(&self) -> bool {
        !self.silent.is_empty()
    }
}

async fn list_on_agent(
    engine: &Engine,
    row: &TopologyRow,
) -> (TopologyId, Result<(Place, Vec<ObservedContainer>), EngineError>) {
    let listed = async {
        let place = engine.place_of(row).await?;
        let observed = place.0.list(Scope::Topology(place.1, row.id)).await?;
        Ok((place, observed.containers))
    };
    (row.id, listed.await)
}
