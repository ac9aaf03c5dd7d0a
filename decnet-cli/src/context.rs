//! The context of a command: catalogue, store, Docker and engine, each opened when it is needed.

use std::{path::Path, sync::Arc, time::Duration};

use decnet_engine::{
    DecoyImage, Docker, DockerHost, DockerOptions, Engine, EngineError, EngineOptions, FleetMaster, RuntimeError,
    StoreFleet,
};
use decnet_topology::{Catalog, Repo, TopologyRow};
use jiff::Timestamp;

use crate::{
    bus::SharedBus,
    command_error::CommandError,
    globals::{EngineFlags, Globals},
    input::Source,
    output::Output,
    store,
};

/// The context of a command.
#[derive(Debug)]
pub(crate) struct Context {
    /// The global flags.
    pub(crate) globals: Globals,
    /// The output.
    pub(crate) output: Output,
    /// The bus.
    pub(crate) bus: SharedBus,
}

impl Context {
    /// Creates the context. Nothing is opened yet.
    pub(crate) fn new(globals: Globals, output: Output) -> Self {
        let bus = SharedBus::new(&globals);
        Self { globals, output, bus }
    }

    /// Reads the catalogue: the built-in one, and the files in their order.
    pub(crate) fn catalog(&self) -> Result<Catalog, CommandError> {
        let mut catalog = Catalog::builtin();
        for path in &self.globals.catalog {
            let text = Source::File(path.clone()).read()?;
            let extended = catalog.extend_from_toml(text);
            let extended = extended.map_err(|error| CommandError::Catalog {
                path: path.clone(),
                error,
            })?;
            // A build folder is relative to the file. Those of earlier files are absolute by now.
            let folder = path.parent().unwrap_or(Path::new(""));
            catalog = extended.with_build_folders(|context| {
                let context = folder.join(context);
                std::path::absolute(&context).unwrap_or(context)
            });
        }
        Ok(catalog)
    }

    /// Opens the store.
    pub(crate) async fn repo(&self) -> Result<Arc<dyn Repo>, CommandError> {
        store::open_shared(&self.globals).await
    }

    /// Packs the image of the deckies.
    pub(crate) fn decoy(program: Option<&Path>) -> Result<DecoyImage, CommandError> {
        let program = match program {
            Some(path) => Some(Source::File(path.into()).read()?),
            None => DecoyImage::embedded_program().map(<[u8]>::to_vec),
        };
        Ok(DecoyImage::pack(&program.ok_or(EngineError::NoDecoy)?))
    }

    /// Connects to Docker with a short timeout.
    pub(crate) async fn probe_docker(&self, timeout: Duration) -> Result<Docker, CommandError> {
        let options = self.docker_options()?;
        let timeout = options.timeout.min(timeout);
        Ok(Docker::connect(options.timeout(timeout)).await?)
    }

    fn docker_options(&self) -> Result<DockerOptions, RuntimeError> {
        let variable = |name: &str| match (name, &self.globals.host) {
            ("DOCKER_HOST", Some(host)) => Some(host.clone()),
            _ => std::env::var(name).ok(),
        };
        let host = DockerHost::find(variable, |path| std::fs::read_to_string(path).ok())?;
        let options = DockerOptions::default().host(host);
        let timeout = self.globals.timeout.unwrap_or(options.timeout);
        Ok(options.timeout(timeout))
    }

    /// Opens the store and connects to Docker.
    pub(crate) async fn engine(&self, flags: EngineFlags) -> Result<Engine, CommandError> {
        let catalog = self.catalog()?;
        let repo = self.repo().await?;
        self.engine_on(repo, catalog, flags, None).await
    }

    /// Combines a store with Docker and the hosts of the store, and waits for each of them at most for this time.
    pub(crate) fn engine_within(&self, repo: Arc<dyn Repo>, timeout: Duration) -> Result<Engine, CommandError> {
        let docker = self.docker_options().map(|docker| {
            let timeout = docker.timeout.min(timeout);
            docker.timeout(timeout)
        });
        let hosts = StoreFleet::new(repo, FleetMaster::usual_name()).answer_within(timeout);
        Ok(hosts.engine(docker, self.engine_options(self.catalog()?)))
    }

    /// Opens the store, and connects to Docker only when an operation needs it. The engine has the hosts that the store has then.
    pub(crate) async fn engine_on_demand(&self) -> Result<Engine, CommandError> {
        let options = self.engine_options(self.catalog()?);
        let repo = self.repo().await?;
        Ok(StoreFleet::new(repo, FleetMaster::usual_name()).engine(self.docker_options(), options))
    }

    /// Combines the store of an agent with Docker, which is connected only when an operation needs it. Events stay in this process.
    pub(crate) fn engine_of_agent(&self, repo: Arc<dyn Repo>) -> Result<Engine, CommandError> {
        let options = EngineOptions::new(self.catalog()?).label("decnet agent");
        let docker = self.docker_options().map(DockerOptions::of_agent);
        Ok(Engine::on_docker_when_needed(repo, docker, options))
    }

    fn engine_options(&self, catalog: Catalog) -> EngineOptions {
        let options = EngineOptions::new(catalog);
        match self.bus.connected() {
            Some(bus) => options.bus(bus),
            None => options,
        }
    }

    /// Connects to Docker for an open store, and for one maze if one is given. What is on other hosts needs no Docker here.
    pub(crate) async fn engine_on(
        &self,
        repo: Arc<dyn Repo>,
        catalog: Catalog,
        flags: EngineFlags,
        only: Option<&TopologyRow>,
    ) -> Result<Engine, CommandError> {
        let width = flags.workers.max_workers.map(usize::from);
        let mut options = self.engine_options(catalog).width(width);
        if flags.decoy.is_some() {
            options = options.image(Arc::new(Self::decoy(flags.decoy.as_deref())?));
        }
        let hosts = StoreFleet::new(repo, FleetMaster::usual_name());
        let has_hosts = hosts.has_hosts().await?;
        let engine = hosts.engine(self.docker_options(), options);
        let is_elsewhere = only.is_some_and(TopologyRow::is_on_hosts);
        if !has_hosts && !is_elsewhere {
            // Everything is on this machine.
            engine.runtime().info().await?;
        }
        Ok(engine)
    }
}

/// Opens the fleet of a store.
pub(crate) async fn open_fleet(repo: Arc<dyn Repo>) -> Result<FleetMaster, CommandError> {
    Ok(FleetMaster::open(repo, FleetMaster::usual_name(), Timestamp::now()).await?)
}
