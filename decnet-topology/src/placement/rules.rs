use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// How LANs are distributed if several members have room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Distribution {
    /// Few members, each as full as possible.
    #[default]
    Pack,
    /// All members, each with about the same part of its capacity in use.
    Spread,
}

/// A LAN that only members with a label may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LabelPin {
    /// The LAN.
    pub lan: Name,
    /// The label.
    pub label: Name,
}

/// Rules for the placement of a maze.
///
/// ```
/// use decnet_topology::{Distribution, PlacementRules};
///
/// let json = r#"{"distribution": "spread", "pins": [{"lan": "vault", "label": "inside"}], "apart": [["vault", "dmz"]]}"#;
/// let rules: PlacementRules = serde_json::from_str(json)?;
/// let built = PlacementRules::default()
///     .distribute(Distribution::Spread)
///     .pin("vault".parse()?, "inside".parse()?)
///     .apart(["vault".parse()?, "dmz".parse()?]);
/// assert_eq!(rules, built);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PlacementRules {
    /// How LANs are distributed.
    pub distribution: Distribution,
    /// The LANs with a label. If a LAN has several, its member must have all of them.
    pub pins: BTreeSet<LabelPin>,
    /// Groups of LANs. No two LANs of a group are on the same member.
    pub apart: Vec<BTreeSet<Name>>,
}

impl PlacementRules {
    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Sets how LANs are distributed.
    #[must_use]
    pub fn distribute(mut self, distribution: Distribution) -> Self {
        self.distribution = distribution;
        self
    }

    /// Pins a LAN to members with a label.
    #[must_use]
    pub fn pin(mut self, lan: Name, label: Name) -> Self {
        self.pins.insert(LabelPin { lan, label });
        self
    }

    /// Keeps LANs on different members.
    #[must_use]
    pub fn apart(mut self, lans: impl IntoIterator<Item = Name>) -> Self {
        self.apart.push(lans.into_iter().collect());
        self
    }
}
