use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the services of deckies are chosen if the config names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceChoice {
    /// One to three services at random.
    #[default]
    Random,
    /// Each decky has an archetype of the catalogue, which gives its services.
    Archetypes,
}

/// How deckies are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Naming {
    /// `decky-000`, `decky-001` and so on.
    #[default]
    Numbered,
    /// By the use of the LAN and of the host, like `fin-desk-07`.
    Realistic,
}

impl ServiceChoice {
    pub(super) const WORDS: &[&str] = &["random", "archetypes"];
}

impl Naming {
    pub(super) const WORDS: &[&str] = &["numbered", "realistic"];
}

/// Returns whether a choice is the usual one, which earlier releases made.
pub(super) fn is_usual<T: Default + PartialEq>(choice: &T) -> bool {
    *choice == T::default()
}
