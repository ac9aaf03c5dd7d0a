use std::collections::BTreeSet;

use decnet_topology::{
    CatalogExcerpt, DeploySettings, InstallationSecret, InstanceId, Name, PlacementRules, Status, StoredTopology,
    Syntax, TopologyId, canonical_hash, document,
};
use serde::{Deserialize, Serialize};

use super::report::HostReport;
use crate::{decoy, observe::Observed};

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
    /// The deckies whose running containers may be recreated.
    #[serde(default)]
    pub force_deckies: BTreeSet<Name>,
}

impl TopologyPush {
    /// Creates the push of a stored topology, which recreates no running containers.
    pub fn new(stored: &StoredTopology) -> Self {
        Self::with_settings(stored, &stored.row.settings)
    }

    /// Does the same with other settings than the stored ones.
    pub(crate) fn with_settings(stored: &StoredTopology, settings: &DeploySettings) -> Self {
        let StoredTopology { row, topology } = stored;
        Self {
            document: document::print_topology(row, topology, Syntax::Json),
            version_hash: canonical_hash(topology).to_string(),
            settings: without_place(settings),
            catalog: row.catalog.clone(),
            force_deckies: BTreeSet::new(),
        }
    }

    /// Sets the deckies whose running containers may be recreated.
    pub fn force_deckies(mut self, deckies: impl IntoIterator<Item = Name>) -> Self {
        self.force_deckies = deckies.into_iter().collect();
        self
    }
}

/// A version of a topology of an agent. Two versions differ in the maze, in the settings, or in what they use of a catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PushedVersion {
    topology: TopologyId,
    version_hash: String,
    settings_digest: String,
}

impl PushedVersion {
    /// Returns the stored version.
    pub(crate) fn of(stored: &StoredTopology) -> Self {
        Self::with_settings(stored, &stored.row.settings)
    }

    /// Returns the version of a topology with other settings than the stored ones.
    pub(crate) fn with_settings(stored: &StoredTopology, settings: &DeploySettings) -> Self {
        let StoredTopology { row, topology } = stored;
        Self {
            topology: row.id,
            version_hash: canonical_hash(topology).to_string(),
            settings_digest: AppliedTopology::digest(&row.catalog, settings),
        }
    }

    /// Returns the version that an agent has and runs completely.
    pub(crate) fn applied(applied: &AppliedTopology) -> Self {
        Self {
            topology: applied.topology,
            version_hash: applied.version_hash.clone(),
            settings_digest: applied.settings_digest.clone(),
        }
    }

    /// Returns the version that an agent reports; none if it has no topology.
    pub(crate) fn reported(report: &HostReport) -> Option<Self> {
        Some(Self {
            topology: report.topology?,
            version_hash: report.version_hash.clone(),
            settings_digest: report.settings_digest.clone(),
        })
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
        decoy::digest(&text)
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

/// The store of an agent, as the master of a topology that it has needs it.
///
/// The agent plans and labels with the identity of its own store. With it, the master finds and checks what the agent made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PushedStore {
    /// The id of the store, in the labels of what the agent creates.
    pub instance: InstanceId,
    /// The secret of the store, which keys and hardware addresses of its deckies derive from.
    #[serde(with = "secret_text")]
    pub secret: InstallationSecret,
    /// The topology that was pushed to it; none if there is none.
    pub applied: Option<AppliedTopology>,
}

/// The secret as its 64 hex digits.
mod secret_text {
    use decnet_topology::InstallationSecret;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(secret: &InstallationSecret, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(secret)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<InstallationSecret, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
