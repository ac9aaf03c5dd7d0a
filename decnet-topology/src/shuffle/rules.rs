use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Shuffle;
use crate::name::Name;

/// The rules of shuffles of a maze. The innermost applies: that of the decky, else that of its home, else that of the maze.
///
/// ```
/// use decnet_topology::Shuffles;
///
/// let json = r#"{"lans": {"office": {"every": "6h", "from": ["http", "ssh"]}}}"#;
/// let shuffles: Shuffles = serde_json::from_str(json)?;
/// assert!(shuffles.of(&"pc".parse()?, Some(&"office".parse()?)).is_some());
/// assert!(shuffles.of(&"pc".parse()?, Some(&"dmz".parse()?)).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Shuffles {
    /// The rule for the whole maze.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<Shuffle>,
    /// The rules for the deckies at home in a LAN.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub lans: BTreeMap<Name, Shuffle>,
    /// The rules for single deckies.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub deckies: BTreeMap<Name, Shuffle>,
}

impl Shuffles {
    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.topology.is_none() && self.lans.is_empty() && self.deckies.is_empty()
    }

    /// Returns the rule for a decky with that home.
    pub fn of(&self, decky: &Name, home: Option<&Name>) -> Option<&Shuffle> {
        let of_home = || home.and_then(|home| self.lans.get(home));
        self.deckies.get(decky).or_else(of_home).or(self.topology.as_ref())
    }

    /// Sets the rule for the whole maze.
    #[must_use]
    pub fn topology(mut self, rule: impl Into<Option<Shuffle>>) -> Self {
        self.topology = rule.into();
        self
    }

    /// Sets the rule for the deckies at home in a LAN.
    #[must_use]
    pub fn lan(mut self, lan: Name, rule: Shuffle) -> Self {
        self.lans.insert(lan, rule);
        self
    }

    /// Sets the rule for a decky.
    #[must_use]
    pub fn decky(mut self, decky: Name, rule: Shuffle) -> Self {
        self.deckies.insert(decky, rule);
        self
    }
}
