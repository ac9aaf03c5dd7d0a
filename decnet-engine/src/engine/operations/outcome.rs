use std::fmt;

use decnet_topology::{Finding, StoredTopology};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// The change of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreResult {
    /// The topology was stored.
    Created,
    /// It replaced the pending topology with its name.
    Replaced,
    /// The same topology was already stored.
    Unchanged,
}

impl StoreResult {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
        }
    }
}

impl fmt::Display for StoreResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The stored topology after an operation, and the change.
///
/// It serializes as a summary: `id`, `name`, `status`, `version`, `result`, the number of `lans` and `deckies`, and the `seed` of
/// a generated one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreOutcome {
    /// The stored topology.
    pub stored: StoredTopology,
    /// The change of the store.
    pub result: StoreResult,
    /// The warnings of the validation. A `GATEWAY_PORT_CLASH` among them makes a deploy fail unless publish rules
    /// separate the gateways.
    pub warnings: Vec<Finding>,
}

impl Serialize for StoreOutcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StoredTopology { row, topology } = &self.stored;
        let seed = row.config.as_ref().map(decnet_topology::TopologyConfig::seed);
        let mut fields = serializer.serialize_struct("StoreOutcome", 8)?;
        fields.serialize_field("id", &row.id)?;
        fields.serialize_field("name", &row.name)?;
        fields.serialize_field("status", &row.status)?;
        fields.serialize_field("version", &row.version)?;
        fields.serialize_field("result", &self.result)?;
        match seed {
            Some(seed) => fields.serialize_field("seed", &seed)?,
            None => fields.skip_field("seed")?,
        }
        fields.serialize_field("lans", &topology.lans().len())?;
        fields.serialize_field("deckies", &topology.deckies().len())?;
        fields.end()
    }
}
