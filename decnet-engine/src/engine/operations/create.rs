use backon::Retryable as _;
use decnet_topology::{Draft, DraftLan, Header, NewTopology, RuleSet, TopologyName};
use ipnet::Ipv4Net;

use super::{
    StoreOutcome, StoreResult,
    store::{attempts, is_claimed, is_open},
};
use crate::engine::{Engine, EngineError};

/// The options of creating an empty topology.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
#[non_exhaustive]
pub struct CreateOptions {
    subnet: Option<Ipv4Net>,
}

impl CreateOptions {
    /// Sets the subnet of the DMZ; the default is the next free one.
    pub fn subnet(mut self, subnet: Ipv4Net) -> Self {
        self.subnet = Some(subnet);
        self
    }
}

impl Engine {
    /// Stores an empty topology: a DMZ without deckies.
    ///
    /// # Errors
    ///
    /// [`EngineError::Invalid`] if the subnet cannot be used, [`EngineError::Repo`] if the name or the subnet is taken. Nothing
    /// was stored then.
    pub async fn create(&self, name: TopologyName, options: CreateOptions) -> Result<StoreOutcome, EngineError> {
        let draft = Draft {
            header: Header {
                name: name.to_string(),
                ..Header::default()
            },
            lans: vec![DraftLan {
                name: "dmz".into(),
                subnet: options.subnet,
                is_dmz: true,
                ..DraftLan::default()
            }],
            ..Draft::default()
        };
        (|| self.create_once(&draft, &name))
            .retry(attempts())
            .when(|error| is_open(&draft) && is_claimed(error))
            .await
    }

    async fn create_once(&self, draft: &Draft, name: &TopologyName) -> Result<StoreOutcome, EngineError> {
        let topology = self.resolve(draft, &self.options.catalog, None).await?;
        let valid = topology.validate(&self.options.catalog, RuleSet::deploy())?;
        let warnings = valid.report().warnings().cloned().collect();
        let new = NewTopology::new(name.clone(), valid.into_topology());
        Ok(StoreOutcome {
            stored: self.store_new(new).await?,
            result: StoreResult::Created,
            warnings,
        })
    }
}
