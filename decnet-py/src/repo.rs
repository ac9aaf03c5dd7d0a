//! Stores: opening and closing, and the topologies in them. What waits and who holds what is in `queue`.

use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use decnet_topology::{
    Intent, Mode, Repo, RepoError, Status,
    repo::{Edit, ListFilter, MemoryRepo, NewMutation, NewTopology, SqliteRepo, StatusChange},
    version::Version,
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    argument::{FilePath, count},
    convert, errors,
    model::Topology,
    mutation::Mutation,
    operation::{Operation, Stop, begin},
    rows,
    runtime::Native,
    tree,
};

/// What ends when the store that it works on is closed.
pub(crate) trait CloseWithRepo: Send + Sync + Debug {
    /// Ends it. Twice is no error.
    fn end(&self);
}

#[derive(Debug)]
struct OpenRepo {
    repo: Mutex<Option<Arc<dyn Repo>>>,
    dependants: Mutex<Vec<Weak<dyn CloseWithRepo>>>,
}

/// A store that is open, until it is closed. Each method begins an operation.
#[pyclass(frozen, module = "decnet._decnet")]
pub(crate) struct RepoHandle(Native<OpenRepo>);

impl RepoHandle {
    fn new(repo: Arc<dyn Repo>) -> Self {
        Self(Native::new(OpenRepo {
            repo: Mutex::new(Some(repo)),
            dependants: Mutex::default(),
        }))
    }

    /// Returns the store, if it is open.
    pub(crate) fn repo(&self) -> PyResult<Arc<dyn Repo>> {
        let repo = self.0.get()?.repo.lock().unwrap_or_else(PoisonError::into_inner);
        repo.clone().ok_or_else(|| errors::unusable("the store is closed"))
    }

    /// Has something end with the store.
    pub(crate) fn keep(&self, dependant: Weak<dyn CloseWithRepo>) -> PyResult<()> {
        let mut dependants = self.0.get()?.dependants.lock().unwrap_or_else(PoisonError::into_inner);
        dependants.retain(|dependant| dependant.strong_count() > 0);
        dependants.push(dependant);
        Ok(())
    }

    /// Begins an operation on the store.
    pub(crate) fn begin<T, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(Arc<dyn Repo>) -> F,
        finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RepoError>> + Send + 'static,
    {
        begin(py, Stop::Never, None, work(self.repo()?), finish)
    }
}

/// Returns nothing, as Python does.
#[expect(
    clippy::unnecessary_wraps,
    reason = "what ends an operation may fail; this never does"
)]
pub(crate) fn nothing(py: Python<'_>, (): ()) -> PyResult<Py<PyAny>> {
    Ok(py.None())
}

/// Reads the version that the caller saw.
pub(crate) fn version(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Version>> {
    let read = object.map(|object| count(object, "a version"));
    Ok(read.transpose()?.map(|number| Version::new(number as u64)))
}

/// Reads words of a closed set.
pub(crate) fn words<T>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<T>>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    if object.is_instance_of::<pyo3::types::PyString>() {
        return Err(PyTypeError::new_err(format!("{what} are a list of str, not one")));
    }
    object.try_iter()?.map(|item| convert::parsed(&item?, what)).collect()
}

#[pymethods]
impl RepoHandle {
    /// Makes a store that lives as long as the process.
    #[staticmethod]
    fn memory() -> Self {
        Self::new(Arc::new(MemoryRepo::new()))
    }

    /// Opens the store in a file.
    #[staticmethod]
    fn open(py: Python<'_>, path: FilePath) -> PyResult<Operation> {
        let work = async move {
            let opened = tokio::task::spawn_blocking(move || SqliteRepo::open(path.take())).await;
            opened.unwrap_or_else(|error| Err(RepoError::Medium { source: error.into() }))
        };
        let opened = |py: Python<'_>, repo| Ok(Py::new(py, Self::new(Arc::new(repo)))?.into_any());
        begin(py, Stop::Never, None, work, opened)
    }

    /// Closes the store, and with it the engines that work on it. Twice is no error.
    fn close(&self) -> PyResult<()> {
        let kept = self.0.get()?;
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
        Ok(self
            .0
            .get()?
            .repo
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none())
    }

    fn instance(&self, py: Python<'_>) -> PyResult<Operation> {
        self.begin(
            py,
            |repo| async move { repo.instance().await },
            |py, id| convert::to_python(py, &id),
        )
    }

    fn create(
        &self,
        topology: &Bound<'_, Topology>,
        name: Option<&Bound<'_, PyAny>>,
        mode: &Bound<'_, PyAny>,
        host: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, given, at) = (topology.py(), topology.get(), convert::moment(at)?);
        let own = || {
            let read = given.header().name.parse();
            read.map_err(|error| tree::DecnetError::new_err(format!("the name of a topology: {error}")))
        };
        let name = name.map_or_else(own, |name| convert::parsed(name, "the name of a topology"))?;
        let new = NewTopology::new(name, (*given.maze()).clone())
            .mode(convert::parsed::<Mode>(mode, "a mode")?)
            .host(host.map(|host| convert::text(host, "a host")).transpose()?)
            .config(given.header().config.clone());
        self.begin(py, move |repo| async move { repo.create(new, at).await }, rows::stored)
    }

    fn get(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.begin(py, move |repo| async move { repo.get(id).await }, rows::row)
    }

    fn load(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        self.begin(py, move |repo| async move { repo.load(id).await }, rows::stored)
    }

    fn list(
        &self,
        statuses: &Bound<'_, PyAny>,
        limit: Option<&Bound<'_, PyAny>>,
        offset: &Bound<'_, PyAny>,
    ) -> PyResult<Operation> {
        let filter = ListFilter::default()
            .statuses(words(statuses, "statuses")?)
            .limit(limit.map(|limit| count(limit, "a limit")).transpose()?)
            .offset(count(offset, "an offset")?);
        let work = move |repo: Arc<dyn Repo>| async move { repo.list(&filter).await };
        self.begin(statuses.py(), work, |py, page| rows::rows(py, page.rows))
    }

    fn count(&self, statuses: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let filter = ListFilter::default()
            .statuses(words(statuses, "statuses")?)
            .limit(0)
            .offset(0);
        let work = move |repo: Arc<dyn Repo>| async move { repo.list(&filter).await };
        self.begin(statuses.py(), work, |py, page| convert::to_python(py, &page.total))
    }

    fn edit(
        &self,
        id: &Bound<'_, PyAny>,
        topology: &Bound<'_, Topology>,
        expected: Option<&Bound<'_, PyAny>>,
        mutation: Option<&Bound<'_, PyAny>>,
        actor: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let actor = actor.map(|actor| convert::text(actor, "an actor")).transpose()?;
        let mutation = mutation.map(Mutation::read).transpose()?;
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let edit = Edit::new((*topology.get().maze()).clone())
            .expected(version(expected)?)
            .mutation(mutation.map(|mutation| NewMutation::new(mutation).actor(actor)));
        self.begin(
            py,
            move |repo| async move { repo.edit(id, edit, at).await },
            rows::stored,
        )
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a change of status says; the Python half names them"
    )]
    fn set_status(
        &self,
        id: &Bound<'_, PyAny>,
        from_: &Bound<'_, PyAny>,
        to: &Bound<'_, PyAny>,
        intent: Option<&Bound<'_, PyAny>>,
        reason: Option<&Bound<'_, PyAny>>,
        held: Option<&Bound<'_, PyAny>>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let change = StatusChange::new(
            convert::parsed::<Status>(from_, "a status")?,
            convert::parsed::<Status>(to, "a status")?,
        )
        .intent(
            intent
                .map(|intent| convert::parsed::<Intent>(intent, "an intent"))
                .transpose()?,
        )
        .reason(reason.map(|reason| convert::text(reason, "a reason")).transpose()?)
        .held(held.map(|held| convert::parsed(held, "a token")).transpose()?);
        self.begin(
            py,
            move |repo| async move { repo.set_status(id, change, at).await },
            rows::row,
        )
    }

    fn status_events(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |repo: Arc<dyn Repo>| async move { repo.status_events(id).await };
        self.begin(py, work, |py, events| convert::to_python(py, &events))
    }

    fn set_settings(
        &self,
        id: &Bound<'_, PyAny>,
        settings: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        let settings = convert::document(settings, "settings")?;
        self.begin(
            py,
            move |repo| async move { repo.set_settings(id, settings, at).await },
            rows::row,
        )
    }

    fn set_needs_resync(
        &self,
        id: &Bound<'_, PyAny>,
        needs_resync: bool,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        self.begin(
            py,
            move |repo| async move { repo.set_needs_resync(id, needs_resync, at).await },
            nothing,
        )
    }

    fn claims(&self, py: Python<'_>, left_out: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let left_out = left_out.map(rows::topology_id).transpose()?;
        let work = move |repo: Arc<dyn Repo>| async move { repo.claims(left_out).await };
        self.begin(py, work, |py, claims| convert::to_python(py, &claims))
    }

    fn delete(&self, id: &Bound<'_, PyAny>, at: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let (py, id, at) = (id.py(), rows::topology_id(id)?, convert::moment(at)?);
        self.begin(py, move |repo| async move { repo.delete(id, at).await }, nothing)
    }
}
