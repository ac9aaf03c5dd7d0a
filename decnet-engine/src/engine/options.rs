use std::{collections::BTreeSet, fs, io, path::Path, sync::Arc, time::Duration};

use decnet_topology::{Catalog, DeckyPart, DeploySettings, Name, NewMutation, Topology};

use crate::{bus::Bus, decoy::DecoyImage};

/// The options of an [`Engine`](super::Engine).
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct EngineOptions {
    /// The known services and archetypes.
    pub catalog: Catalog,
    /// The image of bases and built-in services. None means the program that was built with this crate.
    pub image: Option<Arc<DecoyImage>>,
    /// The number of parallel steps on containers. None means twice the number of the runtime's processors.
    pub width: Option<usize>,
    /// Whether a deploy first checks the routes and ports of this machine. This is done only if the runtime is local.
    pub check_host: bool,
    /// The name of this program in its leases, for others that wait for one.
    pub label: String,
    /// A bus on which the engine also publishes its events, for other processes.
    pub bus: Option<Arc<dyn Bus>>,
}

impl EngineOptions {
    /// Returns the default options with a catalogue.
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            image: None,
            width: None,
            check_host: true,
            label: "decnet".into(),
            bus: None,
        }
    }

    /// Sets a bus on which the engine also publishes its events.
    pub fn bus(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Sets another decoy program: a static one for the runtime's machine, built from `decnet-decoy`.
    pub fn decoy(self, program: impl AsRef<Path>) -> io::Result<Self> {
        let image = DecoyImage::pack(&fs::read(program)?);
        Ok(Self {
            image: Some(Arc::new(image)),
            ..self
        })
    }

    /// Returns the image of bases and built-in services: the given one, or that of the embedded program.
    pub(super) fn image_or_embedded(&self) -> Option<Arc<DecoyImage>> {
        self.image
            .clone()
            .or_else(|| DecoyImage::embedded_program().map(|program| Arc::new(DecoyImage::pack(program))))
    }

    /// Sets the image of bases and built-in services.
    pub fn image(mut self, image: impl Into<Option<Arc<DecoyImage>>>) -> Self {
        self.image = image.into();
        self
    }

    /// Sets the number of parallel steps on containers.
    pub fn width(mut self, width: impl Into<Option<usize>>) -> Self {
        self.width = width.into();
        self
    }

    /// Sets whether a deploy first checks the routes and ports of this machine.
    pub fn check_host(mut self, check_host: bool) -> Self {
        self.check_host = check_host;
        self
    }

    /// Sets the name of this program in its leases.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}

/// The options of a deploy.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct DeployOptions {
    /// Whether running containers may be recreated, and whether deckies that cannot stay on their hosts move to others. A fresh copy of a
    /// topology is then also deployed if all hosts of the old one left the fleet: what they still have is given up.
    pub force: bool,
    /// The deckies whose running containers may be recreated, also without `force`.
    pub force_deckies: BTreeSet<Name>,
    /// The new settings. None keeps the stored settings.
    pub settings: Option<DeploySettings>,
}

impl DeployOptions {
    /// Sets whether running containers may be recreated, deckies may move to other hosts, and hosts that left the fleet are given up:
    /// [`force`](Self::force).
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Sets the deckies whose running containers may be recreated.
    pub fn force_deckies(mut self, deckies: impl IntoIterator<Item = Name>) -> Self {
        self.force_deckies = deckies.into_iter().collect();
        self
    }

    /// Sets the new settings.
    pub fn settings(mut self, settings: impl Into<Option<DeploySettings>>) -> Self {
        self.settings = settings.into();
        self
    }
}

/// The options of a restart.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct RestartOptions {
    /// The decky with all its services, or one of its services.
    pub part: DeckyPart,
    /// How long to wait until it is well. The default is one minute.
    pub wait: Duration,
    /// Whether a running container of it may be recreated, if that is needed.
    pub force: bool,
}

impl RestartOptions {
    /// Returns the default options for a decky or a service.
    pub fn new(part: DeckyPart) -> Self {
        Self {
            part,
            wait: Duration::from_mins(1),
            force: false,
        }
    }

    /// Sets how long to wait until it is well.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets whether a running container of it may be recreated.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }
}

/// The wanted maze of a topology, and how it is deployed.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct Replacement {
    /// The wanted maze.
    pub topology: Topology,
    /// How it is deployed.
    pub options: DeployOptions,
    /// Who requested it, for people.
    pub actor: Option<String>,
}

impl Replacement {
    /// Creates a replacement that keeps the settings, and recreates no running container.
    pub fn new(topology: Topology) -> Self {
        Self {
            topology,
            options: DeployOptions::default(),
            actor: None,
        }
    }

    /// Sets how it is deployed.
    pub fn options(mut self, options: DeployOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets who requested it, for people.
    pub fn actor(mut self, actor: impl Into<Option<String>>) -> Self {
        self.actor = actor.into();
        self
    }
}

/// An operation on one topology.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Operation {
    /// Deploys it, in any status, as [`Engine::deploy`](super::Engine::deploy) does.
    Deploy(DeployOptions),
    /// Deploys another maze in its place, as [`Engine::replace`](super::Engine::replace) does.
    Replace(Box<Replacement>),
    /// Tears it down, as [`Engine::teardown`](super::Engine::teardown) does.
    Teardown {
        /// Whether it becomes torn down although all its hosts left the fleet, so that nobody knows what they still have
        /// ([`EngineError::HostLost`](super::EngineError::HostLost)). It changes nothing for other topologies.
        force: bool,
    },
    /// Reconciles it with the stored maze, as [`Engine::reconcile`](super::Engine::reconcile) does.
    Reconcile {
        /// Whether running containers may be recreated, and whether deckies that cannot stay on their hosts move to others.
        force: bool,
    },
    /// Restarts a decky or a service of it, as [`Engine::restart`](super::Engine::restart) does.
    Restart(RestartOptions),
    /// Changes it by a mutation: directly if it is pending, live if it is running.
    Mutate(NewMutation),
}
