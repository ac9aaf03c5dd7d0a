//! The engine's operations on the simulated runtime.

mod admitting;
mod catalogs;
mod copies;
mod diagnosing;
#[cfg(feature = "docker")]
mod docker;
mod draining;
mod editing;
mod entering;
mod failing_store;
mod faults;
mod fleet;
mod leases;
mod lifecycle;
mod logs;
mod movement;
mod mutating;
mod operations;
mod planning;
mod preparing;
mod publishing_events;
mod reaping;
mod repairing;
mod replacing;
mod restarting;
mod state_machine;
mod statuses;
mod unwritten;
mod verifying;
mod versions;
mod volumes;
mod waiting;

use std::sync::{Arc, LazyLock};

use decnet_engine::{DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Outcome, simulated::Simulated};
use decnet_topology::{Catalog, MemoryRepo, NewTopology, Status, Topology, TopologyId, TopologyStore};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// The built-in catalogue, parsed once.
static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::builtin);

/// A store, a simulated daemon, and an engine on both.
struct Lab {
    repo: Arc<MemoryRepo>,
    docker: Simulated,
    engine: Engine,
}

impl Lab {
    fn new() -> Self {
        Self::sharing(Simulated::new())
    }

    fn with_catalog(catalog: Catalog) -> Self {
        Self::with_runtime(Simulated::new(), catalog)
    }

    /// Another installation on the same daemon.
    fn sharing(docker: Simulated) -> Self {
        Self::with_runtime(docker, CATALOG.clone())
    }

    fn with_runtime(docker: Simulated, catalog: Catalog) -> Self {
        let repo = Arc::new(MemoryRepo::new());
        let engine = Engine::new(
            repo.clone(),
            Arc::new(docker.clone()),
            EngineOptions::new(catalog).image(Arc::new(DecoyImage::pack(b"a program"))),
        );
        Self { repo, docker, engine }
    }

    async fn store(&self, name: &str, topology: Topology) -> TopologyId {
        let name = name.parse().expect("a name");
        let new = NewTopology::new(name, topology);
        self.repo.create(new, Timestamp::now()).await.expect("stored").row.id
    }

    async fn deploy(&self, id: TopologyId) -> Result<Outcome, EngineError> {
        self.engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await
    }

    async fn teardown(&self, id: TopologyId) -> Result<Outcome, EngineError> {
        self.engine.teardown(id, &CancellationToken::new()).await
    }

    async fn reconcile(&self, id: TopologyId) -> Result<Outcome, EngineError> {
        self.engine.reconcile(id, false, &CancellationToken::new()).await
    }

    async fn status(&self, id: TopologyId) -> Status {
        self.repo.get(id).await.expect("a row").status
    }

    /// The same, except images from a registry, which stay.
    fn assert_nothing_left_but_images(&self, context: &str) {
        let world = self.docker.world();
        assert_eq!(
            world.containers.keys().collect::<Vec<_>>(),
            Vec::<&_>::new(),
            "{context}: containers"
        );
        assert_eq!(
            world.networks.keys().collect::<Vec<_>>(),
            Vec::<&_>::new(),
            "{context}: networks"
        );
        assert_eq!(
            world.volumes.keys().collect::<Vec<_>>(),
            Vec::<&_>::new(),
            "{context}: volumes"
        );
    }

    fn assert_nothing_left(&self, context: &str) {
        self.assert_nothing_left_but_images(context);
        let world = self.docker.world();
        assert_eq!(
            world.images.keys().collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{context}: images"
        );
    }
}

/// Two LANs, a gateway that is a router, and a host behind it.
fn small() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .lan("office", "10.90.1.0/24")
        .decky("web", |decky| {
            decky
                .on("dmz", "10.90.0.10")
                .on("office", "10.90.1.10")
                .services(["http", "ssh"])
                .forwards()
        })
        .decky("files", |decky| decky.on("office", "10.90.1.11").services(["smb"]))
        .build()
        .expect("a topology")
}

/// Twelve LANs in a binary tree from the DMZ. A bridge decky connects each to its parent, and every third bridge decky does not
/// forward. Each LAN has one more host.
fn twelve() -> Topology {
    twelve_on("10.91")
}

/// The same on other subnets.
fn twelve_on(net: &str) -> Topology {
    let mut builder = Topology::builder().dmz("lan-00", &format!("{net}.0.0/24"));
    for lan in 1..12 {
        builder = builder.lan(&format!("lan-{lan:02}"), &format!("{net}.{lan}.0/24"));
    }
    builder = builder.decky("gate", |decky| {
        decky.on("lan-00", &format!("{net}.0.2")).services(["http"]).forwards()
    });
    for lan in 1..12 {
        let parent = (lan - 1) / 2;
        let (home, up) = (format!("lan-{lan:02}"), format!("lan-{parent:02}"));
        builder = builder.decky(&format!("bridge-{lan:02}"), |decky| {
            let decky = decky
                .on(&home, &format!("{net}.{lan}.2"))
                .on(&up, &format!("{net}.{parent}.{}", 10 + lan));
            let decky = decky.services(["ssh"]);
            if lan % 3 == 0 { decky } else { decky.forwards() }
        });
        builder = builder.decky(&format!("host-{lan:02}"), |decky| {
            decky.on(&home, &format!("{net}.{lan}.3")).services(["smb", "dns"])
        });
    }
    builder.build().expect("a topology")
}
