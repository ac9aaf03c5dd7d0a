//! Stores: the hosts that mazes are placed on.

use std::{net::Ipv4Addr, sync::Arc};

use decnet_engine::{FleetError, FleetMaster, HostMazes, HostSummary, InviteOptions, find_host};
use decnet_topology::{HostChange, HostRow, Name, Repo, RepoError};
use jiff::Timestamp;
use pyo3::prelude::*;

use crate::{
    argument::count,
    convert::{self, Typed},
    operation::Answer,
    repo::{RepoMethods, words},
    tree,
};

/// A host that mazes are placed on, as `decnet host list --json` describes it.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Host {
    summary: HostSummary,
    /// The names of the mazes that have deckies or LANs on it, and of those that may still have a part there.
    #[pyo3(get)]
    mazes: Vec<String>,
}

#[pymethods]
impl Host {
    /// The id.
    #[getter]
    fn id(&self) -> String {
        self.summary.id.to_string()
    }

    /// The name, unique among hosts that were not revoked, ignoring case.
    #[getter]
    fn name(&self) -> &str {
        self.summary.name.as_str()
    }

    /// The state when it was read.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<Typed<convert::HostState>> {
        Typed::new(py, &self.summary.state)
    }

    /// The address of its agent: `host:port`.
    #[getter]
    fn address(&self) -> &str {
        &self.summary.address
    }

    /// Its labels. Gateways are placed only on hosts with the label `public`.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.summary.labels.iter().map(ToString::to_string).collect()
    }

    /// The number of deckies on it.
    #[getter]
    fn deckies(&self) -> usize {
        self.summary.deckies
    }

    /// The largest number of deckies on it.
    #[getter]
    fn capacity(&self) -> u32 {
        self.summary.capacity
    }

    /// Its address on the network that connects the hosts, if it is known.
    #[getter]
    fn underlay(&self) -> Option<String> {
        self.summary.underlay.map(|underlay| underlay.to_string())
    }

    /// The MTU of that network, in bytes.
    #[getter]
    fn mtu(&self) -> u16 {
        self.summary.mtu
    }

    /// When it joined.
    #[getter]
    fn enrolled_at(&self) -> Timestamp {
        self.summary.enrolled_at
    }

    /// Since when it gets no more deckies, if it is drained.
    #[getter]
    fn drained_at(&self) -> Option<Timestamp> {
        self.summary.drained_at
    }

    /// Since when its certificates are refused, if it was revoked.
    #[getter]
    fn revoked_at(&self) -> Option<Timestamp> {
        self.summary.revoked_at
    }

    /// When its last heartbeat arrived, if one did.
    #[getter]
    fn heard_at(&self) -> Option<Timestamp> {
        self.summary.heard_at
    }

    /// What the last heartbeat said; None if there was none, or if its agent has another version.
    #[getter]
    fn report(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::HostReport>>> {
        let report = self.summary.report.as_ref();
        report.map(|report| Typed::new(py, report)).transpose()
    }

    /// Returns it as a dict: that of `decnet host list --json`, and `mazes`.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let dict = convert::to_python(py, &self.summary)?;
        dict.bind(py).set_item("mazes", self.mazes.clone())?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        let HostSummary {
            name,
            state,
            deckies,
            capacity,
            ..
        } = &self.summary;
        format!("<Host {:?}: {state}, {deckies} of {capacity} deckies>", name.as_str())
    }
}

/// Describes hosts with what is on them.
async fn described(repo: &dyn Repo, rows: Vec<HostRow>) -> Result<Vec<Host>, RepoError> {
    let mazes = HostMazes::read(repo).await?;
    let now = repo.now(Timestamp::now()).await?;
    let described = rows.iter().map(|row| Host {
        summary: HostSummary::new(row, mazes.deckies(row), now),
        mazes: mazes.on_host(row).map(|maze| maze.name.to_string()).collect(),
    });
    Ok(described.collect())
}

/// Describes one host.
async fn described_one(repo: &dyn Repo, row: HostRow) -> Result<Option<Host>, FleetError> {
    Ok(described(repo, vec![row]).await?.pop())
}

/// Creates Python's host.
fn host(py: Python<'_>, host: Option<Host>) -> PyResult<Py<PyAny>> {
    Ok(host.into_pyobject(py)?.unbind())
}

/// Reads a number that has a largest value.
fn limited<T: TryFrom<usize>>(object: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Option<T>> {
    let Some(object) = object else { return Ok(None) };
    let number = T::try_from(count(object, what)?);
    let large = |_| tree::DecnetError::new_err(format!("{what} is too large"));
    number.map(Some).map_err(large)
}

#[pymethods]
impl RepoMethods {
    /// Returns the hosts by name, with their states; with `revoked`, also those that were revoked.
    #[pyo3(signature = (*, revoked = false) -> "Answer[list[Host]]")]
    fn hosts(&self, py: Python<'_>, revoked: bool) -> Answer {
        let work = move |repo: Arc<dyn Repo>| async move {
            let mut rows = repo.hosts().await?;
            rows.retain(|row| revoked || row.revoked_at.is_none());
            rows.sort_by(|one, other| one.name.cmp(&other.name));
            described(repo.as_ref(), rows).await
        };
        self.answer(py, work, |py, hosts: Vec<Host>| Ok(hosts.into_pyobject(py)?.unbind()))
    }

    /// Returns a host that was not revoked, by its name or its id. Its agent is not asked.
    ///
    /// An unknown host raises `NotFound`, with the code `no_host`.
    #[pyo3(signature = (name: "str") -> "Answer[Host]")]
    fn host(&self, name: &Bound<'_, PyAny>) -> Answer {
        let (py, text) = (name.py(), convert::text(name, "the name of a host")?);
        let work = move |repo: Arc<dyn Repo>| async move {
            let row = find_host(repo.as_ref(), &text).await?;
            described_one(repo.as_ref(), row).await
        };
        self.answer(py, work, host)
    }

    /// Makes a token with which a host joins: `decnet agent --join TOKEN` on it. It works once, for 15 minutes, and only for this name.
    ///
    /// Gateways are placed only on hosts with the label `public`. `capacity` is the largest number of deckies on the host, by default 250.
    /// `underlay` is its address on the network that connects the hosts, by default that of its agent, and `mtu` the MTU of that network
    /// in bytes, by default 1500. If a host has the name already, it joins again: it keeps its mazes, and what is not given.
    ///
    /// Values that no host can have raise a `DecnetError` with the code `host_profile`.
    #[pyo3(signature = (name: "str", *, labels: "Iterable[str] | None" = None, capacity: "int | None" = None, underlay: "Address | None" = None, mtu: "int | None" = None) -> "Answer[str]")]
    fn enroll_host(
        &self,
        name: &Bound<'_, PyAny>,
        labels: Option<&Bound<'_, PyAny>>,
        capacity: Option<&Bound<'_, PyAny>>,
        underlay: Option<&Bound<'_, PyAny>>,
        mtu: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let py = name.py();
        let name: Name = convert::parsed(name, "the name of a host")?;
        let labels = labels.map(|labels| words::<Name>(Some(labels), "labels")).transpose()?;
        let options = InviteOptions::default()
            .labels(labels.map(|labels| labels.into_iter().collect()))
            .capacity(limited::<u32>(capacity, "a capacity")?)
            .underlay(underlay.map(self::underlay).transpose()?)
            .mtu(limited::<u16>(mtu, "an MTU")?);
        let work = move |repo: Arc<dyn Repo>| async move {
            let now = Timestamp::now();
            let fleet = FleetMaster::open(repo, FleetMaster::usual_name(), now).await?;
            Ok::<_, FleetError>(fleet.invite_with(name, options, now).await?.token.to_string())
        };
        self.answer(py, work, convert::document_of)
    }

    /// Lets a host get no more deckies; with `undo`, lets it get deckies again. What is on it stays there.
    ///
    /// `Engine.reconcile(maze, force=True)` recreates the deckies of a placed maze on other hosts.
    #[pyo3(signature = (name: "str", *, undo = false) -> "Answer[Host]")]
    fn drain_host(&self, name: &Bound<'_, PyAny>, undo: bool) -> Answer {
        let change = if undo { HostChange::Undrain } else { HostChange::Drain };
        self.change_host(name, change)
    }

    /// Refuses the certificates of a host from now on. It is no longer a host of the fleet, and its name is free.
    ///
    /// It does not ask for confirmation: what runs on the host keeps running and cannot be reached any more. `mazes` of the result names the
    /// mazes that have parts there.
    #[pyo3(signature = (name: "str") -> "Answer[Host]")]
    fn revoke_host(&self, name: &Bound<'_, PyAny>) -> Answer {
        self.change_host(name, HostChange::Revoke)
    }
}

impl RepoMethods {
    fn change_host(&self, name: &Bound<'_, PyAny>, change: HostChange) -> Answer {
        let (py, text) = (name.py(), convert::text(name, "the name of a host")?);
        let work = move |repo: Arc<dyn Repo>| async move {
            let row = find_host(repo.as_ref(), &text).await?;
            let row = repo.change_host(row.id, change, Timestamp::now()).await?;
            described_one(repo.as_ref(), row).await
        };
        self.answer(py, work, host)
    }
}

fn underlay(object: &Bound<'_, PyAny>) -> PyResult<Ipv4Addr> {
    convert::parse(&convert::address_text(object, "an underlay")?, "an underlay")
}
