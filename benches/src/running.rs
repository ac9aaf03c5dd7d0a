//! Shared code of the benches on Docker: an engine on the local daemon with its own store, and mazes for it.
//!
//! All their resources have addresses within 10.203.0.0/16 and the label of a store that lives as long as the bench.

use std::{collections::BTreeSet, error::Error, path::Path, sync::Arc, time::Instant};

use decnet_engine::{
    Activity, DecoyImage, DeployOptions, Docker, DockerHost, DockerOptions, Engine, EngineOptions, Outcome,
    Runtime as _, Scope, topology_of,
};
use decnet_topology::{Catalog, InstanceId, NewTopology, Repo, SqliteRepo, Topology, TopologyId};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The result of an operation on Docker.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The services of deckies in a maze for Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// Every decky runs one, so it has two containers; the gateway's service runs on its neighbour.
    One,
    /// No decky runs any.
    None,
}

/// An engine on Docker, with its own store on disk.
#[derive(Debug)]
pub struct Running {
    /// The engine.
    pub engine: Engine,
    /// The daemon.
    pub docker: Docker,
    /// The store.
    pub repo: Arc<dyn Repo>,
    /// The instance that owns all resources.
    pub instance: InstanceId,
    /// How many containers the engine starts in parallel.
    pub width: usize,
    /// The references of the images of bases and services.
    pub image: String,
    _folder: TempDir,
}

/// Returns whether a part was requested: by default all are.
pub fn wanted(subject: &str) -> bool {
    let mut parts = std::env::args()
        .skip(1)
        .filter(|part| !part.starts_with('-'))
        .peekable();
    parts.peek().is_none() || parts.any(|part| subject.contains(&part))
}

/// Connects to the daemon, and returns the options for an engine; without a daemon, prints that nothing is measured and returns
/// none.
pub async fn connect() -> Result<Option<(Docker, EngineOptions)>> {
    let program = DecoyImage::embedded_program().ok_or("the decoy is built for Linux")?;
    let image = Arc::new(DecoyImage::pack(program));
    let host = DockerHost::from_env(|name| std::env::var(name).ok())?;
    let options = DockerOptions::default().host(host).decoy(Arc::clone(&image));
    match Docker::connect(options).await {
        Ok(docker) => {
            let options = EngineOptions::new(Catalog::builtin()).image(image);
            Ok(Some((docker, options)))
        }
        Err(error) => {
            println!("nothing is measured: {error}");
            Ok(None)
        }
    }
}

impl Running {
    /// Connects to the daemon; if it does not answer, prints that nothing is measured, and returns none.
    ///
    /// The store is in `folder`, which should be on a disk: in memory, nothing is synced to a disk.
    pub async fn reach(folder: impl AsRef<Path>) -> Result<Option<Self>> {
        let Some((docker, options)) = connect().await? else {
            return Ok(None);
        };
        let info = docker.info().await?;
        println!("Docker {} with {} processors", info.version, info.cpus);
        let folder = tempfile::tempdir_in(folder)?;
        let repo: Arc<dyn Repo> = Arc::new(SqliteRepo::open(folder.path().join("decnet.db"))?);
        let image = options.image.as_ref().ok_or("an image")?.reference.clone();
        let engine = Engine::new(Arc::clone(&repo), Arc::new(docker.clone()), options);
        Ok(Some(Self {
            engine,
            docker,
            instance: repo.instance().await?,
            repo,
            width: 2 * info.cpus,
            image,
            _folder: folder,
        }))
    }

    /// Stores a maze under an unused name.
    pub async fn store(&self, name: &str, topology: Topology) -> Result<TopologyId> {
        let new = NewTopology::new(name.parse()?, topology);
        Ok(self.repo.create(new, Timestamp::now()).await?.row.id)
    }

    /// Deploys a stored maze and returns the duration in nanoseconds.
    pub async fn deploy(&self, id: TopologyId) -> Result<f64> {
        let since = Instant::now();
        let cancel = CancellationToken::new();
        let outcome = self.engine.deploy(id, DeployOptions::default(), &cancel).await?;
        complete(&outcome, nanoseconds(since))
    }

    /// Tears a maze down and returns the duration in nanoseconds.
    pub async fn teardown(&self, id: TopologyId) -> Result<f64> {
        let since = Instant::now();
        let outcome = self.engine.teardown(id, &CancellationToken::new()).await?;
        complete(&outcome, nanoseconds(since))
    }

    /// Keeps the image of bases and services until the end, so that it is not loaded for each maze.
    pub async fn keep_image(&self) -> Result<()> {
        let keeper = Topology::builder()
            .dmz("lan", "10.203.255.0/24")
            .decky("keeper", |decky| decky.on("lan", "10.203.255.2"))
            .build()?;
        let id = self.store("keeper", keeper).await?;
        self.deploy(id).await?;
        Ok(())
    }

    /// Ensures that a maze runs completely.
    pub async fn require_running(&self, id: TopologyId, containers: usize) -> Result<()> {
        let found = self.docker.list(Scope::Topology(self.instance, id)).await?;
        let running = found.containers.iter();
        let running = running
            .filter(|container| container.activity == Activity::Running)
            .count();
        if running == containers {
            return Ok(());
        }
        Err(format!("{running} of {containers} containers run").into())
    }

    /// Tears down all remaining mazes, whatever the result of the measurement is, and returns the errors of both.
    pub async fn finish(&self, measured: Result<()>) -> Result<()> {
        match (measured, self.clear().await) {
            (Err(error), Err(left)) => Err(format!("{error}; and not all mazes could be torn down: {left}").into()),
            (measured, cleared) => measured.and(cleared),
        }
    }

    /// Tears down all remaining mazes, continues after errors, and returns the first.
    async fn clear(&self) -> Result<()> {
        let left = self.docker.list(Scope::Instance(self.instance)).await?;
        let labels = left.containers.iter().map(|container| &container.labels);
        let labels = labels.chain(left.networks.iter().map(|network| &network.labels));
        let topologies: BTreeSet<_> = labels.filter_map(topology_of).collect();
        let mut cleared = Ok(());
        for id in topologies {
            let down = self.teardown(id).await;
            cleared = cleared.and(down.map(drop));
        }
        cleared
    }
}

/// Returns the duration, if no step failed.
fn complete(outcome: &Outcome, took: f64) -> Result<f64> {
    match &outcome.reason {
        Some(reason) => Err(reason.as_str().into()),
        None => Ok(took),
    }
}

/// Returns the time since a moment, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "times of less than weeks")]
pub fn nanoseconds(since: Instant) -> f64 {
    since.elapsed().as_nanos() as f64
}

/// Creates a maze of some LANs with three deckies each: a tree with three branches at each LAN. The first decky of each LAN is a
/// router to the parent LAN; that of the DMZ is a gateway that publishes nothing.
///
/// The first subnet is 10.203.`first`.0/24, the others follow. The names of deckies begin with their position in their LAN, so
/// that deckies of one LAN are far apart in the order of names.
pub fn maze_for_docker(first: u8, lans: u8, services: Services) -> Result<Topology> {
    let at = |lan: u8, host: u8| format!("10.203.{}.{host}", first + lan);
    let mut maze = Topology::builder();
    for lan in 0..lans {
        let (name, subnet) = (format!("lan-{lan:02}"), format!("{}/24", at(lan, 0)));
        maze = if lan == 0 {
            maze.dmz(&name, &subnet)
        } else {
            maze.lan(&name, &subnet)
        };
    }
    for (lan, place) in (0..lans).flat_map(|lan| (0..3_u8).map(move |place| (lan, place))) {
        maze = maze.decky(&format!("d{place}-{lan:02}"), |decky| {
            let mut decky = decky.on(&format!("lan-{lan:02}"), &at(lan, 2 + place));
            if place == 0 {
                decky = decky.forwards();
                if lan > 0 {
                    let above = (lan - 1) / 3;
                    decky = decky.on(&format!("lan-{above:02}"), &at(above, 10 + lan));
                }
            }
            if services == Services::One {
                decky = decky.services(
                    match (lan, place) {
                        // A gateway would publish the ports of its services, so its neighbour runs them.
                        (0, 0) => &[][..],
                        (0, 1) => &["ssh", "http"],
                        (_, 0) => &["http"],
                        (_, 1) => &["ssh"],
                        _ => &["smb"],
                    }
                    .iter()
                    .copied(),
                );
            }
            decky
        });
    }
    Ok(maze.build()?)
}
