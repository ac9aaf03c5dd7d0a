use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use decnet_topology::{HostRow, Name, Repo};
use jiff::Timestamp;
use tokio::{sync::Mutex, time::Instant};

use super::{FleetError, FleetMaster};
use crate::{
    causes,
    runtime::{Fleet, Runtime, RuntimeError},
};
#[cfg(feature = "docker")]
use crate::{
    engine::{Engine, EngineOptions},
    runtime::docker::DockerOptions,
};

/// How old the known hosts may be.
const FRESH: Duration = Duration::from_secs(5);

/// The hosts of a store as one runtime, as they are in the store now.
///
/// It reads them again at a call if it read them more than five seconds ago. So a program that runs for days sees hosts that join, are
/// changed or are revoked; it renews its certificate, and follows a rotation of the authority. An operation that holds a lease keeps the
/// hosts that it began with.
///
/// Without hosts, it is the runtime of this machine. If the store does not answer, the hosts are as they were.
#[derive(Debug)]
#[must_use]
pub struct StoreFleet {
    repo: Arc<dyn Repo>,
    name: Name,
    fresh: Duration,
    answer: Option<Duration>,
    local: Option<Arc<dyn Runtime>>,
    current: RwLock<Arc<dyn Runtime>>,
    known: Mutex<Known>,
}

/// What was read of the store.
#[derive(Debug, Default)]
struct Known {
    read_at: Option<Instant>,
    hosts: Vec<HostRow>,
    master: Option<FleetMaster>,
}

impl StoreFleet {
    /// Creates the runtime of the hosts of a store. Nothing is read and nothing is sent. The name is that of this program in its
    /// certificate.
    pub fn new(repo: Arc<dyn Repo>, name: Name) -> Self {
        Self {
            repo,
            name,
            fresh: FRESH,
            answer: None,
            local: None,
            current: RwLock::new(Arc::new(Fleet::new())),
            known: Mutex::default(),
        }
    }

    /// Adds the runtime of this machine. It has the mazes that are not placed on hosts.
    pub fn with_local(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.current = RwLock::new(Arc::clone(&runtime));
        self.local = Some(runtime);
        // Hosts that were read before are combined again.
        self.known.get_mut().read_at = None;
        self
    }

    /// Creates an engine on these hosts and a Docker daemon of this machine. The daemon is connected at its first use, and has the mazes that
    /// are not placed on hosts.
    #[cfg(feature = "docker")]
    pub fn engine(self, docker: Result<DockerOptions, RuntimeError>, options: EngineOptions) -> Engine {
        let repo = Arc::clone(&self.repo);
        let local = Engine::on_docker_when_needed(Arc::clone(&repo), docker, options.clone());
        Engine::new(repo, Arc::new(self.with_local(Arc::clone(local.runtime()))), options)
    }

    /// Sets how old the known hosts may be. The default is five seconds.
    pub fn fresh(mut self, fresh: Duration) -> Self {
        self.fresh = fresh;
        self
    }

    /// Sets how long a host may take to answer before it counts as unseen, as [`Fleet::answer_within`] does.
    pub fn answer_within(mut self, answer: Duration) -> Self {
        self.answer = Some(answer);
        // Hosts that were read before are combined again.
        self.known.get_mut().read_at = None;
        self
    }

    /// Reads the hosts if they are not fresh, and returns whether there are some that were not revoked.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or its authority is damaged.
    pub async fn has_hosts(&self) -> Result<bool, FleetError> {
        let mut known = self.known.lock().await;
        self.read(&mut known).await?;
        Ok(!known.hosts.is_empty())
    }

    /// Returns the runtime of the hosts as they were read last.
    pub(super) fn last(&self) -> Arc<dyn Runtime> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the runtime of the hosts, which are read if they are not fresh.
    pub(super) async fn now(&self) -> Result<Arc<dyn Runtime>, RuntimeError> {
        let mut known = self.known.lock().await;
        if let Err(error) = self.read(&mut known).await {
            let error = causes::with_causes(&error);
            if known.read_at.is_none() {
                return Err(RuntimeError::Refused {
                    reason: format!("the hosts in the store cannot be read: {error}"),
                });
            }
            tracing::warn!(error, "the hosts in the store cannot be read; they are as before");
            known.read_at = Some(Instant::now());
        }
        Ok(self.last())
    }

    async fn read(&self, known: &mut Known) -> Result<(), FleetError> {
        if known.read_at.is_some_and(|at| at.elapsed() < self.fresh) {
            return Ok(());
        }
        let all = self.repo.hosts().await?;
        let mut hosts: Vec<HostRow> = all.iter().filter(|host| host.revoked_at.is_none()).cloned().collect();
        for host in &mut hosts {
            (host.heard_at, host.report) = (None, None);
        }
        let at = Timestamp::now();
        match &known.master {
            Some(master) => master.refresh_with(&all, at).await?,
            // A store without hosts needs no authority.
            None if hosts.is_empty() => {}
            None => {
                let master = FleetMaster::with_hosts(Arc::clone(&self.repo), self.name.clone(), &all, at).await?;
                known.master = Some(master);
            }
        }
        if known.read_at.is_none() || known.hosts != hosts {
            let runtime = self.combined(known.master.as_ref(), &hosts);
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = runtime;
            known.hosts = hosts;
        }
        known.read_at = Some(Instant::now());
        Ok(())
    }

    fn combined(&self, master: Option<&FleetMaster>, hosts: &[HostRow]) -> Arc<dyn Runtime> {
        let fleet = match master {
            Some(master) => master.fleet(hosts),
            None => Fleet::new(),
        };
        let fleet = match self.answer {
            Some(answer) => fleet.answer_within(answer),
            None => fleet,
        };
        match &self.local {
            Some(local) if hosts.is_empty() => Arc::clone(local),
            Some(local) => Arc::new(fleet.with_local(Arc::clone(local))),
            None => Arc::new(fleet),
        }
    }
}
