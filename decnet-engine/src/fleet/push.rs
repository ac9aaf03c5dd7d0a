use decnet_topology::{
    CatalogExcerpt, DeploySettings, PlacementRules, Status, StoredTopology, Syntax, TopologyId, canonical_hash,
    document,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    fence::Fence,
    observe::Observed,
    peer::{PeerClient, PeerError},
    pki::Fingerprint,
    runtime::remote::RemoteRuntime,
};

pub(crate) const APPLY: &str = "/topology/apply";
pub(crate) const TEARDOWN: &str = "/topology/teardown";
pub(crate) const STATE: &str = "/topology/state";

/// A topology to push to an agent: a complete maze file and its canonical hash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
#[non_exhaustive]
pub struct TopologyPush {
    /// The maze file, with all subnets and addresses. Its id, or else its name, says whether it is the topology that the agent has.
    pub document: String,
    /// The canonical hash of the maze.
    pub version_hash: String,
    /// How it is deployed.
    #[serde(default)]
    pub settings: DeploySettings,
    /// What it uses of a user's catalogue.
    #[serde(default)]
    pub catalog: CatalogExcerpt,
    /// Whether running containers may be recreated.
    #[serde(default)]
    pub force: bool,
}

impl TopologyPush {
    /// Creates the push of a stored topology, without force.
    pub fn new(stored: &StoredTopology) -> Self {
        let StoredTopology { row, topology } = stored;
        Self {
            document: document::print_topology(row, topology, Syntax::Json),
            version_hash: canonical_hash(topology).to_string(),
            settings: without_place(&row.settings),
            catalog: row.catalog.clone(),
            force: false,
        }
    }

    /// Sets whether running containers may be recreated.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }
}

/// Returns the settings without the hosts and rules for a placement, which mean nothing to the one host that has all of the topology.
fn without_place(settings: &DeploySettings) -> DeploySettings {
    settings.clone().hosts([]).placement(PlacementRules::default())
}

/// The topology of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AppliedTopology {
    /// Its id.
    pub topology: TopologyId,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Its canonical hash if all of it runs; otherwise empty.
    pub version_hash: String,
    /// The digest of what it uses of a catalogue, and of its settings: [`settings_digest`](Self::digest).
    pub settings_digest: String,
    /// How many steps changed something; zero in a state.
    #[serde(default)]
    pub changed: usize,
    /// How the runtime differs from the maze, if the topology is degraded.
    #[serde(default)]
    pub reason: Option<String>,
}

impl AppliedTopology {
    /// Returns the digest of what a topology uses of a catalogue and of its settings, which are not in its canonical hash.
    pub fn digest(catalog: &CatalogExcerpt, settings: &DeploySettings) -> String {
        let text = serde_json::to_vec(&(catalog, without_place(settings))).unwrap_or_default();
        Fingerprint::new(Sha256::digest(text).into()).to_string()
    }
}

/// The state of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgentState {
    /// The topology that was pushed to it; none if there is none.
    pub applied: Option<AppliedTopology>,
    /// What its runtime has of that topology.
    pub observed: Observed,
}

/// The topologies of an agent. It has one at most. Pushes and teardowns need a [fence](Self::with_fence).
#[derive(Debug, Clone)]
pub struct RemoteTopologies(PeerClient);

impl RemoteTopologies {
    /// Uses the connections of a runtime.
    pub fn new(runtime: &RemoteRuntime) -> Self {
        Self(runtime.client().clone())
    }

    /// Says which lease this master holds. The agent changes something only for the holder of the newest lease that it has seen.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self(self.0.fenced(fence))
    }

    /// Pushes a topology. The agent deploys it, or changes what runs; another topology is torn down first.
    ///
    /// It can be repeated: a push that was applied changes nothing.
    ///
    /// # Errors
    ///
    /// [`PeerError::Refused`] with the code of the agent's error. The agent keeps the document, and reports an empty hash.
    pub async fn apply(&self, push: &TopologyPush) -> Result<AppliedTopology, PeerError> {
        self.0.post(APPLY, push).await
    }

    /// Tears down the topology of the agent, if it has one, and returns it.
    pub async fn teardown(&self) -> Result<Option<AppliedTopology>, PeerError> {
        self.0.post(TEARDOWN, &()).await
    }

    /// Returns the state of the agent.
    pub async fn state(&self) -> Result<AgentState, PeerError> {
        self.0.get(STATE).await
    }
}
