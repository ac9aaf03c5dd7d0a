//! Stores: opening, closing, and topologies. `queue` has leases and mutations.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use decnet_engine::Bus;
use decnet_topology::{
    CatalogExcerpt, Edit, Intent, Mode, NewMutation, NewTopology, Repo, Status, StatusChange, TopologyFilter, Version,
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    argument::{Text, count},
    catalog::Catalog,
    convert,
    errors::{self, Raise},
    model::Topology,
    mutation::Mutation,
    operation::{Answer, Operation, Stop, Waiter},
    rows,
    runtime::Native,
    store_place::StorePlace,
    tree,
};

/// Something that is closed together with its store.
pub(crate) trait CloseWithRepo: Send + Sync + Debug {
    /// Closes it. It is idempotent.
    fn end(&self);
}

/// A store, until it is closed.
#[derive(Debug)]
pub(crate) struct OpenRepo {
    /// Where it is.
    place: StorePlace,
    repo: Mutex<Option<Arc<dyn Repo>>>,
    dependants: Mutex<Vec<Weak<dyn CloseWithRepo>>>,
}

impl OpenRepo {
    /// Wraps a store.
    pub(crate) fn new(repo: Arc<dyn Repo>, place: StorePlace) -> Arc<Self> {
        Arc::new(Self {
            place,
            repo: Mutex::new(Some(repo)),
            dependants: Mutex::default(),
        })
    }
}

/// The methods of an open store, which the classes of `open_repo` inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct RepoMethods {
    open: Native<Arc<OpenRepo>>,
    waiter: Waiter,
}

impl RepoMethods {
    /// Creates the methods of a store.
    pub(crate) fn new(open: Arc<OpenRepo>, waiter: Waiter) -> Self {
        Self {
            open: Native::new(open),
            waiter,
        }
    }

    /// Returns the store, open or closed.
    pub(crate) fn shared(&self) -> PyResult<Arc<OpenRepo>> {
        self.open.get().map(Arc::clone)
    }

    /// Returns the store, if it is open.
    pub(crate) fn repo(&self) -> PyResult<Arc<dyn Repo>> {
        let repo = self.open.get()?.repo.lock().unwrap_or_else(PoisonError::into_inner);
        repo.clone().ok_or_else(|| errors::unusable("the store is closed"))
    }

    /// Returns a bus for an engine on the store.
    pub(crate) fn bus(&self, py: Python<'_>) -> PyResult<Arc<dyn Bus>> {
        self.open.get()?.place.bus(py)
    }

    /// Closes something together with the store.
    pub(crate) fn keep(&self, dependant: Weak<dyn CloseWithRepo>) -> PyResult<()> {
        let open = self.open.get()?;
        let mut dependants = open.dependants.lock().unwrap_or_else(PoisonError::into_inner);
        dependants.retain(|dependant| dependant.strong_count() > 0);
        dependants.push(dependant);
        Ok(())
    }

    /// Runs an operation on the store.
    pub(crate) fn answer<T, E, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(Arc<dyn Repo>) -> F + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> Answer + Send + 'static,
    ) -> Answer
    where
        T: Send + 'static,
        E: Raise + Send + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let repo = self.repo()?;
        self.waiter
            .wait(py, Operation::new(Stop::Never, |_| work(repo), finish), None)
    }
}

/// Returns nothing, as Python does.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of an operation may fail in general; this never fails"
)]
pub(crate) fn nothing(py: Python<'_>, (): ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

/// Reads the expected version.
pub(crate) fn version(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Version>> {
    let read = object.map(|object| count(object, "a version"));
    Ok(read.transpose()?.map(|number| Version::new(number as u64)))
}

/// Reads how many rows to skip.
pub(crate) fn offset(object: &Bound<'_, PyAny>) -> PyResult<usize> {
    count(object, "an offset")
}

/// Reads words of a closed set; the default is none.
pub(crate) fn words<T>(object: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Vec<T>>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let Some(object) = object else { return Ok(Vec::new()) };
    if object.is_instance_of::<pyo3::types::PyString>() {
        return Err(PyTypeError::new_err(format!("{what} must be a list of str, not a str")));
    }
    object.try_iter()?.map(|item| convert::parsed(&item?, what)).collect()
}

#[pymethods]
impl RepoMethods {
    /// Closes the store and the engines that use it. It is idempotent.
    pub(crate) fn close(&self) -> PyResult<()> {
        let kept = self.open.get()?;
        let dependants = std::mem::take(&mut *kept.dependants.lock().unwrap_or_else(PoisonError::into_inner));
        dependants
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|dependant| dependant.end());
        drop(kept.repo.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    }

    /// Whether it was closed.
    #[getter]
    fn is_closed(&self) -> PyResult<bool> {
        let repo = self.open.get()?.repo.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(repo.is_none())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let kind = slf.get_type().name()?;
        let Ok(open) = slf.get().open.get() else {
            return Ok(format!("<{kind} of another process>"));
        };
        let place = &open.place;
        let closed = if slf.get().is_closed()? { ", closed" } else { "" };
        Ok(format!("<{kind} {place}{closed}>"))
    }

    /// Returns the id of the store, which labels all its resources on Docker.
    #[pyo3(signature = () -> "Answer[str]")]
    fn instance(&self, py: Python<'_>) -> Answer {
        self.answer(
            py,
            |repo| async move { repo.instance().await },
            |py, id| convert::to_python(py, &id),
        )
    }

    /// Stores a topology as pending, under its own name or another one, with what it uses of a catalogue.
    #[pyo3(signature = (topology, *, name: "str | None" = None, mode: "Mode" = Text::new("unihost"), host: "str | None" = None, at: "Moment | None" = None, catalog = None) -> "Answer[StoredTopology]",
        text_signature = "($self, topology, *, name=None, mode='unihost', host=None, at=None, catalog=None)")]
    fn create(
        &self,
        topology: &Bound<'_, Topology>,
        name: Option<&Bound<'_, PyAny>>,
        mode: Text,
        host: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> Answer {
        let (py, given, at) = (topology.py(), topology.get(), convert::moment(at)?);
        let own = || {
            let read = given.header().name.parse();
            read.map_err(|error| tree::DecnetError::new_err(format!("the name of a topology: {error}")))
        };
        let name = name.map_or_else(own, |name| convert::parsed(name, "the name of a topology"))?;
        let new = NewTopology::new(name, (*given.maze()).clone())
            .mode(convert::parse::<Mode>(&mode.take(), "a mode")?)
            .host(host.map(|host| convert::text(host, "a host")).transpose()?)
            .config(given.header().config.clone())
            .catalog(excerpt(given, catalog));
        self.answer(py, move |repo| async move { repo.create(new, at).await }, rows::stored)
    }

    /// Returns the row of a topology.
    #[pyo3(signature = (id: "TopologyId") -> "Answer[TopologyRow]")]
    fn get(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.answer(py, move |repo| async move { repo.get(id).await }, rows::row)
    }

    /// Returns the row of a topology by its name, its id, or the start of its id.
    ///
    /// A torn-down topology is found by name only if no other has the name; the newest wins. An unknown text raises `NotFound`, and the
    /// start of several ids raises `Ambiguous`.
    #[pyo3(signature = (name: "str") -> "Answer[TopologyRow]")]
    fn find(&self, name: &Bound<'_, PyAny>) -> Answer {
        let (py, text) = (name.py(), convert::text(name, "the name of a topology")?);
        self.answer(py, move |repo| async move { repo.find(&text).await }, rows::row)
    }

    /// Returns a topology and its row as a consistent snapshot.
    #[pyo3(signature = (id: "TopologyId") -> "Answer[StoredTopology]")]
    fn load(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.answer(py, move |repo| async move { repo.load(id).await }, rows::stored)
    }

    /// Returns the rows with one of the statuses, or all rows, in order of creation.
    #[pyo3(signature = (*, statuses: "Iterable[Status] | None" = None, limit: "int | None" = None, offset: "int" = 0) -> "Answer[list[TopologyRow]]")]
    fn list(
        &self,
        py: Python<'_>,
        statuses: Option<&Bound<'_, PyAny>>,
        limit: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = offset)] offset: usize,
    ) -> Answer {
        let filter = TopologyFilter::default()
            .statuses(words(statuses, "statuses")?)
            .limit(limit.map(|limit| count(limit, "a limit")).transpose()?)
            .offset(offset);
        let work = move |repo: Arc<dyn Repo>| async move { repo.list(&filter).await };
        self.answer(py, work, |py, page| rows::rows(py, page.rows))
    }

    /// Counts the topologies with one of the statuses, or all.
    #[pyo3(signature = (*, statuses: "Iterable[Status] | None" = None) -> "Answer[int]")]
    fn count(&self, py: Python<'_>, statuses: Option<&Bound<'_, PyAny>>) -> Answer {
        let filter = TopologyFilter::default()
            .statuses(words(statuses, "statuses")?)
            .limit(0);
        let work = move |repo: Arc<dyn Repo>| async move { repo.list(&filter).await };
        self.answer(py, work, |py, page| convert::to_python(py, &page.total))
    }

    /// Replaces the maze of a pending topology, if it still has the expected version. Stores what it uses of a catalogue.
    #[pyo3(signature = (id: "TopologyId", topology, *, expected: "int | None" = None, mutation: "Mutation | Document | None" = None, actor: "str | None" = None, at: "Moment | None" = None, catalog = None) -> "Answer[StoredTopology]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn edit(
        &self,
        id: &Bound<'_, PyAny>,
        topology: &Bound<'_, Topology>,
        expected: Option<&Bound<'_, PyAny>>,
        mutation: Option<&Bound<'_, PyAny>>,
        actor: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> Answer {
        let actor = actor.map(|actor| convert::text(actor, "an actor")).transpose()?;
        let mutation = mutation.map(Mutation::read).transpose()?;
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let edit = Edit::new((*topology.get().maze()).clone())
            .catalog(excerpt(topology.get(), catalog))
            .expected(version(expected)?)
            .mutation(mutation.map(|mutation| NewMutation::new(mutation).actor(actor)));
        self.answer(
            py,
            move |repo| async move { repo.edit(id, edit, at).await },
            rows::stored,
        )
    }

    /// Changes the status if it still is the expected one, and records time and reason.
    #[pyo3(signature = (id: "TopologyId", status: "Status", to: "Status", *, intent: "Intent | None" = None, reason: "str | None" = None, held: "str | None" = None, at: "Moment | None" = None) -> "Answer[TopologyRow]")]
    #[expect(
        clippy::too_many_arguments,
        reason = "one argument per field; Python passes them by name"
    )]
    fn set_status(
        &self,
        id: &Bound<'_, PyAny>,
        status: &Bound<'_, PyAny>,
        to: &Bound<'_, PyAny>,
        intent: Option<&Bound<'_, PyAny>>,
        reason: Option<&Bound<'_, PyAny>>,
        held: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let intent = intent.map(|intent| convert::parsed::<Intent>(intent, "an intent"));
        let change = StatusChange::new(
            convert::parsed::<Status>(status, "a status")?,
            convert::parsed::<Status>(to, "a status")?,
        )
        .intent(intent.transpose()?)
        .reason(reason.map(|reason| convert::text(reason, "a reason")).transpose()?)
        .held(held.map(|held| convert::parsed(held, "a token")).transpose()?);
        self.answer(
            py,
            move |repo| async move { repo.set_status(id, change, at).await },
            rows::row,
        )
    }

    /// Returns the changes of status, oldest first.
    #[pyo3(signature = (id: "TopologyId") -> "Answer[list[StatusEvent]]")]
    fn status_events(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |repo: Arc<dyn Repo>| async move { repo.status_events(id).await };
        self.answer(py, work, |py, events| convert::to_python(py, &events))
    }

    /// Stores the deploy settings of a topology.
    #[pyo3(signature = (id: "TopologyId", settings: "DeploySettings", *, at: "Moment | None" = None) -> "Answer[TopologyRow]")]
    fn set_settings(
        &self,
        id: &Bound<'_, PyAny>,
        settings: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let settings = convert::document(settings, "settings")?;
        self.answer(
            py,
            move |repo| async move { repo.set_settings(id, settings, None, at).await },
            rows::row,
        )
    }

    /// Records whether Docker may differ from the stored topology.
    #[pyo3(signature = (id: "TopologyId", needs_resync, *, at: "Moment | None" = None) -> "Answer[None]")]
    fn set_needs_resync(&self, id: &Bound<'_, PyAny>, needs_resync: bool, at: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        self.answer(
            py,
            move |repo| async move { repo.set_needs_resync(id, needs_resync, None, at).await },
            nothing,
        )
    }

    /// Returns the subnets of all topologies that are not torn down, except for one.
    #[pyo3(signature = (*, excluding: "TopologyId | None" = None) -> "Answer[list[Claim]]")]
    fn claims(&self, py: Python<'_>, excluding: Option<&Bound<'_, PyAny>>) -> Answer {
        let excluding = excluding.map(rows::topology_id).transpose()?;
        let work = move |repo: Arc<dyn Repo>| async move { repo.claims(excluding).await };
        self.answer(py, work, |py, claims| convert::to_python(py, &claims))
    }
}

/// Returns what a maze uses of a catalogue; nothing of the built-in one.
fn excerpt(topology: &Topology, catalog: Option<&Bound<'_, Catalog>>) -> CatalogExcerpt {
    let catalog = Catalog::or_builtin(catalog.map(Bound::get));
    topology.maze().catalog_excerpt(&catalog)
}
