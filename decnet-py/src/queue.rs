//! Stores: leases, the queue of mutations, and their claims.

use std::sync::Arc;

use decnet_topology::{Holder, MutationFilter, MutationId, MutationOutcome, NewMutation, Repo};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};

use crate::{
    argument::{Text, count, seconds},
    convert,
    model::Topology,
    mutation::Mutation,
    operation::Answer,
    repo::{RepoMethods, nothing, offset, version, words},
    rows,
};

/// Reads the number of a mutation from its row, or from the number itself.
pub(crate) fn mutation_id(object: &Bound<'_, PyAny>) -> PyResult<MutationId> {
    let number = match object.cast::<PyDict>() {
        Ok(row) => row.get_item("id")?.unwrap_or_else(|| object.clone()),
        Err(_) => object.clone(),
    };
    Ok(MutationId::new(count(&number, "the number of a mutation")? as u64))
}

#[pymethods]
impl RepoMethods {
    /// Acquires the lease of a topology for `time` seconds.
    #[pyo3(signature = (id: "TopologyId", holder: "Holder", time: "float", *, superseding: "str | None" = None, at: "Moment | None" = None) -> "Answer[Lease]")]
    fn acquire_lease(
        &self,
        id: &Bound<'_, PyAny>,
        holder: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        superseding: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let (holder, time) = (
            convert::document::<Holder>(holder, "a holder")?,
            seconds(time, "a lease")?,
        );
        let superseding = superseding.map(|token| convert::parsed(token, "a token")).transpose()?;
        let work =
            move |repo: Arc<dyn Repo>| async move { repo.acquire_lease(id, &holder, time, superseding, at).await };
        self.answer(py, work, convert::document_of)
    }

    /// Renews a lease for `time` seconds from now.
    #[pyo3(signature = (id: "TopologyId", token: "str", time: "float", *, at: "Moment | None" = None) -> "Answer[Lease]")]
    fn renew_lease(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let (token, time) = (convert::parsed(token, "a token")?, seconds(time, "a lease")?);
        self.answer(
            py,
            move |repo| async move { repo.renew_lease(id, token, time, at).await },
            convert::document_of,
        )
    }

    /// Releases a lease.
    #[pyo3(signature = (id: "TopologyId", token: "str") -> "Answer[None]")]
    fn release_lease(&self, id: &Bound<'_, PyAny>, token: &Bound<'_, PyAny>) -> Answer {
        let (py, id, token) = (id.py(), rows::topology_id(id)?, convert::parsed(token, "a token")?);
        self.answer(
            py,
            move |repo| async move { repo.release_lease(id, token).await },
            nothing,
        )
    }

    /// Returns the lease of a topology, if it is held.
    #[pyo3(signature = (id: "TopologyId", *, at: "Moment | None" = None) -> "Answer[Lease | None]")]
    fn lease(&self, id: &Bound<'_, PyAny>, at: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        self.answer(
            py,
            move |repo| async move { repo.lease(id, at).await },
            convert::document_of,
        )
    }

    /// Breaks the lease of a topology and the claim on its mutation, and returns both.
    ///
    /// It is for holders that crashed or hang. A holder that still runs stops at its next renewal.
    #[pyo3(signature = (id: "TopologyId") -> "Answer[Broken]")]
    fn break_lease(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.answer(
            py,
            move |repo| async move { decnet_engine::break_lease(repo.as_ref(), id).await },
            convert::document_of,
        )
    }

    /// Appends a mutation to the queue of a running topology. `Engine.submit` also edits pending topologies, and publishes an event.
    #[pyo3(signature = (id: "TopologyId", mutation: "Mutation | Document", *, actor: "str | None" = None, expected: "int | None" = None, at: "Moment | None" = None) -> "Answer[MutationRow]")]
    fn enqueue(
        &self,
        id: &Bound<'_, PyAny>,
        mutation: &Bound<'_, PyAny>,
        actor: Option<&Bound<'_, PyAny>>,
        expected: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let (new, expected) = (wanted(mutation, actor)?, version(expected)?);
        self.answer(
            py,
            move |repo| async move { repo.enqueue(id, new, expected, at).await },
            convert::document_of,
        )
    }

    /// Claims the oldest available mutation of one topology or of any.
    #[pyo3(signature = (holder: "Holder", time: "float", *, topology: "TopologyId | None" = None, superseding: "str | None" = None, at: "Moment | None" = None) -> "Answer[MutationRow | None]")]
    fn claim_mutation(
        &self,
        holder: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        topology: Option<&Bound<'_, PyAny>>,
        superseding: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
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
        self.answer(py, work, convert::document_of)
    }

    /// Renews a claim for `time` seconds from now.
    #[pyo3(signature = (id: "MutationId", token: "str", time: "float", *, at: "Moment | None" = None) -> "Answer[MutationClaim]")]
    fn renew_claim(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        time: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let (token, time) = (convert::parsed(token, "a token")?, seconds(time, "a claim")?);
        self.answer(
            py,
            move |repo| async move { repo.renew_claim(id, token, time, at).await },
            convert::document_of,
        )
    }

    /// Releases a claimed mutation, which stays in its place in the queue.
    #[pyo3(signature = (id: "MutationId", token: "str", *, at: "Moment | None" = None) -> "Answer[None]")]
    fn release_claim(&self, id: &Bound<'_, PyAny>, token: &Bound<'_, PyAny>, at: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let token = convert::parsed(token, "a token")?;
        self.answer(
            py,
            move |repo| async move { repo.release_claim(id, token, at).await },
            nothing,
        )
    }

    /// Stores the maze that results from a claimed mutation.
    #[pyo3(signature = (id: "MutationId", token: "str", topology, *, at: "Moment | None" = None) -> "Answer[StoredTopology]")]
    fn store_mutation(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        topology: &Bound<'_, Topology>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let (token, maze) = (convert::parsed(token, "a token")?, (*topology.get().maze()).clone());
        self.answer(
            py,
            move |repo| async move { repo.store_mutation(id, token, maze, at).await },
            rows::stored,
        )
    }

    /// Records the outcome of a claimed mutation, and releases it.
    #[pyo3(signature = (id: "MutationId", token: "str", outcome: "MutationOutcome", *, reason: "str | None" = None, at: "Moment | None" = None) -> "Answer[MutationRow]")]
    fn finish_mutation(
        &self,
        id: &Bound<'_, PyAny>,
        token: &Bound<'_, PyAny>,
        outcome: Text,
        reason: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), mutation_id(id)?, convert::moment(at)?);
        let token = convert::parsed(token, "a token")?;
        let reason = reason.map(|reason| convert::text(reason, "a reason")).transpose()?;
        let outcome = match (outcome.take().as_str(), reason) {
            ("applied", None) => MutationOutcome::Applied,
            ("rejected", reason) => MutationOutcome::Rejected {
                reason: reason.unwrap_or_default(),
            },
            ("failed", reason) => MutationOutcome::Failed {
                reason: reason.unwrap_or_default(),
            },
            _ => {
                return Err(PyTypeError::new_err(
                    "an outcome must be 'applied', or 'rejected' or 'failed' with a reason",
                ));
            }
        };
        self.answer(
            py,
            move |repo| async move { repo.finish_mutation(id, token, outcome, at).await },
            convert::document_of,
        )
    }

    /// Returns a mutation.
    #[pyo3(signature = (id: "MutationId") -> "Answer[MutationRow]")]
    fn mutation(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), mutation_id(id)?);
        self.answer(
            py,
            move |repo| async move { repo.mutation(id).await },
            convert::document_of,
        )
    }

    /// Returns the matching mutations, in the order of the queue.
    #[pyo3(signature = (*, topology: "TopologyId | None" = None, states: "Iterable[MutationState] | None" = None, limit: "int | None" = None, offset: "int" = 0) -> "Answer[list[MutationRow]]")]
    fn mutations(
        &self,
        py: Python<'_>,
        topology: Option<&Bound<'_, PyAny>>,
        states: Option<&Bound<'_, PyAny>>,
        limit: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = offset)] offset: usize,
    ) -> Answer {
        let filter = MutationFilter::default()
            .topology(topology.map(rows::topology_id).transpose()?)
            .states(words(states, "states")?)
            .limit(limit.map(|limit| count(limit, "a limit")).transpose()?)
            .offset(offset);
        let work = move |repo: Arc<dyn Repo>| async move { repo.mutations(&filter).await };
        self.answer(py, work, |py, page| convert::document_of(py, page.rows))
    }

    /// Returns whether a topology has an unfinished mutation.
    #[pyo3(signature = (id: "TopologyId") -> "Answer[bool]")]
    fn has_unfinished(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.answer(
            py,
            move |repo| async move { repo.has_unfinished(id).await },
            convert::document_of,
        )
    }

    /// Returns the changes of the deckies of a topology by edits and mutations, oldest first.
    #[pyo3(signature = (id: "TopologyId", *, since: "Moment | None" = None) -> "Answer[list[RecordedChange]]")]
    fn decky_changes(&self, id: &Bound<'_, PyAny>, since: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let since = since.map(|since| convert::moment(Some(since))).transpose()?;
        self.answer(
            py,
            move |repo| async move { repo.decky_changes(id, since).await },
            convert::document_of,
        )
    }
}

/// Reads a requested mutation.
pub(crate) fn wanted(mutation: &Bound<'_, PyAny>, actor: Option<&Bound<'_, PyAny>>) -> PyResult<NewMutation> {
    let actor = actor.map(|actor| convert::text(actor, "an actor")).transpose()?;
    Ok(NewMutation::new(Mutation::read(mutation)?).actor(actor))
}
