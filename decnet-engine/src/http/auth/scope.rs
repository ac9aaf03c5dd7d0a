use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// What a sender may do. Each includes those before it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum AccessScope {
    /// Reads, plans and validates.
    Read,
    /// Changes mazes, in the store and on the runtime.
    Write,
    /// Also removes resources of mazes that are not in the store.
    Admin,
}

impl AccessScope {
    /// All of them, the narrowest first.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for AccessScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Principal {
    /// Its name, for the audit trail. Several may have the same name.
    pub actor: String,
    /// What identifies it: the name, unless it is set.
    pub id: String,
    /// What it may do.
    pub scope: AccessScope,
}

impl Principal {
    /// Creates a principal.
    pub fn new(actor: impl Into<String>, scope: AccessScope) -> Self {
        let actor = actor.into();
        Self {
            id: actor.clone(),
            actor,
            scope,
        }
    }

    /// Sets what identifies it among others with the same name.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }
}
