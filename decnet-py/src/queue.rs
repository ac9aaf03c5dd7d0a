//! Stores: the mutations that wait, and the leases and claims of those who work.

use std::sync::Arc;

use decnet_topology::{
    MutationId, Repo,
    repo::{Holder, MutationFilter, NewMutation, Outcome},
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    argument::{Text, count, seconds},
    convert,
    model::Topology,
    mutation::Mutation,
    operation::Operation,
    repo::{RepoHandle, nothing, version, words},
    rows,
};

/// Reads the number of a mutation.
fn mutation_id(object: &Bound<'_, PyAny>) -> PyResult<MutationId> {
    Ok(MutationId::new(count(object, "the number of a mutation")? as u64))
}

fn said<T: serde::Serialize>(py: Python<'_>, said: T) -> PyResult<Py<PyAny>> {
    convert::to_python(py, &said)
}

#[pymethods]
impl RepoHandle {
    fn acquire_lease(
        &self,
        id: &Bound<'_, PyAny>,
        holder: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        superseding: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let (holder, time) = (
            convert::document::<Holder>(holder, "a holder")?,
            seconds(time, "a lease")?,
        );
        let superseding = superseding.map(|token| convert::parsed(token, "a token")).transpose()?;
        let work =
            move |repo: Arc<dyn Repo>| async move { repo.acquire_lease(id, &holder, time, superseding, at).await };
        self.begin(py, work, said)
    }

    fn renew_lease(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let (token, time) = (convert::parsed(token, "a token")?, seconds(time, "a lease")?);
        self.begin(
            py,
            move |repo| async move { repo.renew_lease(id, token, time, at).await },
            said,
        )
    }

    fn release_lease(&self, id: &Bound<'_, PyAny>, token: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id, token) = (id.py(), rows::topology_id(id)?, convert::parsed(token, "a token")?);
        self.begin(
            py,
            move |repo| async move { repo.release_lease(id, token).await },
            nothing,
        )
    }

    fn lease(&self, id: &Bound<'_, PyAny>, at: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        self.begin(py, move |repo| async move { repo.lease(id, at).await }, said)
    }

    fn break_lease(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.begin(
            py,
            move |repo| async move { decnet_engine::engine::break_lease(repo.as_ref(), id).await },
            said,
        )
    }

    fn enqueue(
        &self,
        id: &Bound<'_, PyAny>,
        mutation: &Bound<'_, PyAny>,
        actor: Option<&Bound<'_, PyAny>>,
        expected: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let (new, expected) = (wanted(mutation, actor)?, version(expected)?);
        self.begin(
            py,
            move |repo| async move { repo.enqueue(id, new, expected, at).await },
            said,
        )
    }

    fn claim_mutation(
        &self,
        holder: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        topology: Option<&Bound<'_, PyAny>>,
        superseding: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, at) = (holder.py(), convert::moment(at)?);
        let (holder, time) = (
            convert::document::<Holder>(holder, "a holder")?,
            seconds(time, "a claim")?,
        );
        let topology = topology.map(rows::topology_id).transpose()?;
        let superseding = superseding.map(|token| convert::parsed(token, "a token")).transpose()?;
        let work = move |repo: Arc<dyn Repo>| async move {
            repo.claim_mutation(topology, &holder, time, superseding, at).await
        };
        self.begin(py, work, said)
    }

    fn renew_claim(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let (token, time) = (convert::parsed(token, "a token")?, seconds(time, "a claim")?);
        self.begin(
            py,
            move |repo| async move { repo.renew_claim(id, token, time, at).await },
            said,
        )
    }

    fn release_claim(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let token = convert::parsed(token, "a token")?;
        self.begin(
            py,
            move |repo| async move { repo.release_claim(id, token, at).await },
            nothing,
        )
    }

    fn store_mutation(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        topology: &Bound<'_, Topology>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let (token, maze) = (convert::parsed(token, "a token")?, (*topology.get().maze()).clone());
        self.begin(
            py,
            move |repo| async move { repo.store_mutation(id, token, maze, at).await },
            rows::stored,
        )
    }

    fn finish_mutation(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        outcome: Text,
        reason: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let token = convert::parsed(token, "a token")?;
        let reason = reason.map(|reason| convert::text(reason, "a reason")).transpose()?;
        let outcome = match (outcome.take().as_str(), reason) {
            ("applied", None) => Outcome::Applied,
            ("rejected", reason) => Outcome::Rejected {
                reason: reason.unwrap_or_default(),
            },
            ("failed", reason) => Outcome::Failed {
                reason: reason.unwrap_or_default(),
            },
            _ => {
                return Err(PyTypeError::new_err(
                    "an outcome is 'applied', or 'rejected' or 'failed' with a reason",
                ));
            }
        };
        self.begin(
            py,
            move |repo| async move { repo.finish_mutation(id, token, outcome, at).await },
            said,
        )
    }

    fn mutation(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), mutation_id(id)?);
        self.begin(py, move |repo| async move { repo.mutation(id).await }, said)
    }

    fn mutations(
        &self,
        topology: Option<&Bound<'_, PyAny>>,
        states: &Bound<'_, PyAny>,
        limit: Option<&Bound<'_, PyAny>>,
        offset: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        let filter = MutationFilter::default()
            .topology(topology.map(rows::topology_id).transpose()?)
            .states(words(states, "states")?)
            .limit(limit.map(|limit| count(limit, "a limit")).transpose()?)
            .offset(count(offset, "an offset")?);
        let work = move |repo: Arc<dyn Repo>| async move { repo.mutations(&filter).await };
        self.begin(states.py(), work, |py, page| said(py, page.rows))
    }

    fn has_unfinished(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.begin(py, move |repo| async move { repo.has_unfinished(id).await }, said)
    }

    fn decky_changes(&self, id: &Bound<'_, PyAny>, since: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let since = since.map(|since| convert::moment(Some(since))).transpose()?;
        self.begin(py, move |repo| async move { repo.decky_changes(id, since).await }, said)
    }
}

/// Reads a mutation that someone asks for.
pub(crate) fn wanted(mutation: &Bound<'_, PyAny>, actor: Option<&Bound<'_, PyAny>>) -> PyResult<NewMutation> {
    let actor = actor.map(|actor| convert::text(actor, "an actor")).transpose()?;
    Ok(NewMutation::new(Mutation::read(mutation)?).actor(actor))
}
