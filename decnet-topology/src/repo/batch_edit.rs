use crate::{
    catalog::CatalogExcerpt, id::LeaseToken, model::DeploySettings, mutation::MutationBatch, version::Version,
};

/// Several mutations of a running topology that are stored at once, with their result.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct BatchEdit {
    /// The version that the topology must have.
    pub expected: Version,
    /// The mutations, and the maze after them.
    pub batch: MutationBatch,
    /// Who requested them, for people.
    pub actor: Option<String>,
    /// The settings from now on. None keeps them.
    pub settings: Option<DeploySettings>,
    /// The entries that are added to the stored ones of a user's catalogue.
    pub catalog: CatalogExcerpt,
    /// The lease that the caller must still hold. None is not checked.
    pub held: Option<LeaseToken>,
}

impl BatchEdit {
    /// Returns a request without actor, settings and lease. The batch was applied to the maze of the version `expected`.
    pub fn new(expected: Version, batch: MutationBatch) -> Self {
        Self {
            expected,
            batch,
            actor: None,
            settings: None,
            catalog: CatalogExcerpt::default(),
            held: None,
        }
    }

    /// Sets who requested them, for people.
    pub fn actor(mut self, actor: impl Into<Option<String>>) -> Self {
        self.actor = actor.into();
        self
    }

    /// Sets the settings from now on.
    pub fn settings(mut self, settings: impl Into<Option<DeploySettings>>) -> Self {
        self.settings = settings.into();
        self
    }

    /// Sets the entries that are added to the stored ones of a user's catalogue.
    pub fn catalog(mut self, catalog: CatalogExcerpt) -> Self {
        self.catalog = catalog;
        self
    }

    /// Sets the lease that the caller must still hold.
    pub fn held(mut self, held: impl Into<Option<LeaseToken>>) -> Self {
        self.held = held.into();
        self
    }
}
