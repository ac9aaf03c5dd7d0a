use std::{fs, io, path::Path, sync::Arc};

use decnet_topology::{Catalog, DeploySettings, repo::NewMutation};

use crate::{
    bus::Bus,
    decoy::{self, DecoyImage},
};

/// What an engine needs to know beside repo and runtime.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The services that there are.
    pub catalog: Catalog,
    /// The image of bases and built-in services; that of the program built with this crate if none.
    pub image: Option<Arc<DecoyImage>>,
    /// How many steps on containers run at a time; twice the runtime's processors if none.
    pub width: Option<usize>,
    /// Whether the routes and ports of this machine are looked at before a deploy. They are anyway only where the runtime is
    /// local.
    pub look_at_host: bool,
    /// What this program calls itself towards others that want the same lease.
    pub label: String,
    /// A bus that is told whatever the engine tells, so that other processes hear of it.
    pub bus: Option<Arc<dyn Bus>>,
}

impl EngineOptions {
    /// The usual options for a catalogue.
    pub fn new(catalog: Catalog) -> Self {
        Self {
            catalog,
            image: None,
            width: None,
            look_at_host: true,
            label: "decnet".into(),
            bus: None,
        }
    }

    /// Takes a bus that is told whatever the engine tells.
    #[must_use]
    pub fn bus(self, bus: Arc<dyn Bus>) -> Self {
        Self { bus: Some(bus), ..self }
    }

    /// Takes another decoy program: a static one for the runtime's machine, which was built from `decnet-decoy`.
    pub fn decoy(self, program: impl AsRef<Path>) -> io::Result<Self> {
        let image = DecoyImage::pack(&fs::read(program)?);
        Ok(Self {
            image: Some(Arc::new(image)),
            ..self
        })
    }

    /// Returns the image of bases and built-in services; none where no program was built with this crate and none was given.
    pub(super) fn image(&self) -> Option<Arc<DecoyImage>> {
        self.image
            .clone()
            .or_else(|| decoy::embedded().map(|program| Arc::new(DecoyImage::pack(program))))
    }
}

/// How one topology is deployed.
#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    /// Whether containers that run may be made anew.
    pub force: bool,
    /// How it is raised from now on; as before, or as by default, if none.
    pub settings: Option<DeploySettings>,
}

/// What an engine does with one topology.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Operation {
    /// Deploys it, in any status, as [`Engine::deploy`](super::Engine::deploy) does.
    Deploy(DeployOptions),
    /// Takes it down, as [`Engine::teardown`](super::Engine::teardown) does.
    Teardown,
    /// Brings it back to what is stored, as [`Engine::reconcile`](super::Engine::reconcile) does.
    Reconcile {
        /// Whether running containers may be recreated.
        force: bool,
    },
    /// Changes it by a mutation: at once if it is pending, live if it runs.
    Mutate(NewMutation),
}
