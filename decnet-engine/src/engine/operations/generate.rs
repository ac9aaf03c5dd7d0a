use backon::Retryable as _;
use decnet_topology::{NewTopology, TopologyConfig, generate};

use super::{
    StoreOutcome, StoreResult,
    store::{attempts, is_claimed},
};
use crate::engine::{Engine, EngineError};

impl Engine {
    /// Generates a topology from a config and stores it as pending.
    ///
    /// It avoids [used subnets](Self::taken_subnets). The function [`generate`] stores nothing, and returns the same topology for
    /// the same config everywhere.
    ///
    /// # Errors
    ///
    /// [`EngineError::Generate`] if the config leaves no room, [`EngineError::Repo`] if the name is taken. Nothing was stored
    /// then.
    pub async fn generate(&self, config: &TopologyConfig) -> Result<StoreOutcome, EngineError> {
        (|| self.generate_once(config)).retry(attempts()).when(is_claimed).await
    }

    async fn generate_once(&self, config: &TopologyConfig) -> Result<StoreOutcome, EngineError> {
        let taken = self.taken_subnets(None).await?;
        let topology = generate(config, &self.options.catalog, &taken)?;
        let catalog = topology.catalog_excerpt(&self.options.catalog);
        let new = NewTopology::new(config.name().clone(), topology)
            .catalog(catalog)
            .mode(config.mode())
            .config(config.clone());
        Ok(StoreOutcome {
            stored: self.store_new(new).await?,
            result: StoreResult::Created,
            warnings: Vec::new(),
        })
    }
}
