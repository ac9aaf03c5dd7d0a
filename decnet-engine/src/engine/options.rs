use decnet_topology::{Catalog, DeploySettings};

/// What an engine needs to know beside repo and runtime.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The services that there are.
    pub catalog: Catalog,
    /// What the decoy's image is called on the runtime.
    pub decoy: String,
    /// How many steps on containers run at a time; twice the runtime's processors if none.
    pub width: Option<usize>,
    /// Whether the routes and ports of this machine are looked at before a deploy. They are anyway only where the runtime is
    /// local.
    pub look_at_host: bool,
    /// What this program calls itself towards others that want the same lease.
    pub label: String,
}

impl EngineOptions {
    /// The usual options for a catalogue and a decoy image.
    pub fn new(catalog: Catalog, decoy: impl Into<String>) -> Self {
        Self {
            catalog,
            decoy: decoy.into(),
            width: None,
            look_at_host: true,
            label: "decnet".into(),
        }
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
