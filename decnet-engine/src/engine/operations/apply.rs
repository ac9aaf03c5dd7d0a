use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use backon::Retryable as _;
use decnet_topology::{
    Catalog, Code, DeploySettings, Draft, Edit, Finding, InvalidTopology, Lan, Name, NewTopology, Position, RuleSet,
    Status, StoredTopology, Surroundings, Topology, TopologyName, canonical_hash, find_live_topology, validate_in,
};
use jiff::Timestamp;

use super::{
    SettingsChange, StoreOutcome, StoreResult,
    settings::refuse_idle_rules,
    store::{attempts, is_claimed, is_open},
};
use crate::engine::{Engine, EngineError};

/// The options of applying a maze file.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct ApplyOptions {
    settings: SettingsChange,
}

impl ApplyOptions {
    /// Validates the maze with these settings. A new topology is stored with them. A stored topology keeps its own
    /// settings: pass the new ones to a deploy too.
    pub fn settings(mut self, settings: SettingsChange) -> Self {
        self.settings = settings;
        self
    }
}

impl Engine {
    /// Stores a maze file under the name in its header.
    ///
    /// The maze is new, replaces the pending one with its name, or is already stored. Missing subnets and addresses are taken
    /// from the stored maze, or allocated, so that applying a file twice changes nothing.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use decnet_engine::{ApplyOptions, Engine, EngineOptions, StoreResult, simulated::Simulated};
    /// use decnet_topology::{Catalog, document, Syntax, MemoryRepo};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let options = EngineOptions::new(Catalog::builtin());
    /// let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options);
    /// let text = "{format: decnet.topology/1, name: corp, lans: [{name: dmz, dmz: true}]}";
    /// let draft = document::parse(text, Syntax::Yaml)?;
    /// assert_eq!(engine.apply(&draft, ApplyOptions::default()).await?.result, StoreResult::Created);
    /// assert_eq!(engine.apply(&draft, ApplyOptions::default()).await?.result, StoreResult::Unchanged);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EngineError::Invalid`] if the maze breaks rules, [`EngineError::Differs`] if a different maze with its name is running,
    /// [`EngineError::PublishMapsNothing`] if a publish rule matches no port. Nothing was changed then.
    pub async fn apply(&self, draft: &Draft, options: ApplyOptions) -> Result<StoreOutcome, EngineError> {
        let text = &draft.header.name;
        let name = TopologyName::new(text).map_err(|source| EngineError::InvalidName {
            text: text.clone(),
            source,
        })?;
        (|| self.apply_once(draft, &name, &options.settings))
            .retry(attempts())
            .when(|error| is_open(draft) && is_claimed(error))
            .await
    }

    async fn apply_once(
        &self,
        draft: &Draft,
        name: &TopologyName,
        change: &SettingsChange,
    ) -> Result<StoreOutcome, EngineError> {
        let known = match find_live_topology(self.repo.as_ref(), name).await? {
            Some(row) => Some(self.repo.load(row.id).await?),
            None => None,
        };
        let mut draft = draft.clone();
        if let Some(known) = &known {
            keep_allocations(&mut draft, &known.topology);
        }
        let catalog = match &known {
            Some(known) => self.catalog_of(&known.row),
            None => Cow::Borrowed(&self.options.catalog),
        };
        let topology = self.resolve(&draft, &catalog, known.as_ref()).await?;
        let before = known.as_ref().map(|known| known.row.settings.clone());
        let before = before.unwrap_or_default();
        let settings = change.apply_to(&before);
        refuse_idle_rules(&catalog, &topology, &before.publish, &settings.publish)?;
        if let Some(known) = &known
            && is_same(&known.topology, &topology)
        {
            return Ok(StoreOutcome {
                stored: self.with_current_catalog(known).await?,
                result: StoreResult::Unchanged,
                warnings: Vec::new(),
            });
        }
        let warnings = self
            .check_applied(&topology, &catalog, known.as_ref(), &settings)
            .await?;
        let (stored, result) = match known {
            None => {
                let excerpt = topology.catalog_excerpt(&catalog);
                let new = NewTopology::new(name.clone(), topology)
                    .catalog(excerpt)
                    .config(draft.header.config)
                    .settings(settings);
                (self.store_new(new).await?, StoreResult::Created)
            }
            Some(known) if known.row.status == Status::Pending => {
                let excerpt = self.excerpt_of(&known.row, &topology);
                let edit = Edit::new(topology).catalog(excerpt).expected(known.row.version);
                let stored = self.repo.edit(known.row.id, edit, Timestamp::now()).await?;
                (stored, StoreResult::Replaced)
            }
            Some(known) => {
                return Err(EngineError::Differs {
                    stored: Box::new(known),
                    wanted: Box::new(topology),
                });
            }
        };
        Ok(StoreOutcome {
            stored,
            result,
            warnings,
        })
    }

    /// Stores what a pending topology uses of the catalogue. A running one gets other entries with its next deploy or reconcile.
    async fn with_current_catalog(&self, known: &StoredTopology) -> Result<StoredTopology, EngineError> {
        let mut stored = known.clone();
        let excerpt = self.excerpt_of(&stored.row, &stored.topology);
        if stored.row.status == Status::Pending && excerpt != stored.row.catalog {
            let added = self.repo.extend_catalog(stored.row.id, excerpt, None, Timestamp::now());
            stored.row = added.await?;
        }
        Ok(stored)
    }

    /// Validates the maze by the rules of an edit and returns the warnings.
    ///
    /// Two gateways that publish the same host port are only a warning here: a file cannot set where they publish. A deploy can,
    /// and refuses a clash.
    async fn check_applied(
        &self,
        topology: &Topology,
        catalog: &Catalog,
        known: Option<&StoredTopology>,
        settings: &DeploySettings,
    ) -> Result<Vec<Finding>, EngineError> {
        let claims = self.repo.claims(known.map(|known| known.row.id)).await?;
        let surroundings = Surroundings {
            claims: &claims,
            publish: Some(&settings.publish),
            host: None,
        };
        let report = validate_in(topology, catalog, RuleSet::live(), surroundings);
        let is_clash = |finding: &Finding| finding.code == Code::GatewayPortClash;
        if report.errors().any(|finding| !is_clash(finding)) {
            return Err(InvalidTopology { report }.into());
        }
        Ok(report.errors().chain(report.warnings()).cloned().collect())
    }
}

/// Fills the gaps in a draft from the stored maze.
fn keep_allocations(draft: &mut Draft, known: &Topology) {
    let lans = known.lans_by_name();
    let lan_of = |text: &str| Name::new(text).ok().and_then(|name| lans.get(&name).copied());
    for lan in &mut draft.lans {
        if lan.subnet.is_none() {
            lan.subnet = lan_of(&lan.name).map(Lan::subnet);
        }
    }
    let deckies: BTreeMap<&Name, _> = known.deckies().iter().map(|decky| (decky.name(), decky)).collect();
    let fixed: BTreeSet<_> = draft
        .deckies
        .iter()
        .flat_map(|decky| &decky.attachments)
        .filter_map(|edge| Some((edge.lan, edge.ip?)))
        .collect();
    let subnets: Vec<_> = draft.lans.iter().map(|lan| (lan_of(&lan.name), lan.subnet)).collect();
    for decky in &mut draft.deckies {
        let Some(stored) = Name::new(&decky.name).ok().and_then(|name| deckies.get(&name).copied()) else {
            continue;
        };
        for edge in decky.attachments.iter_mut().filter(|edge| edge.ip.is_none()) {
            let Some((Some(lan), Some(subnet))) = subnets.get(edge.lan).copied() else {
                continue;
            };
            let ip = stored.ip_on(lan.id());
            edge.ip = ip.filter(|ip| subnet.contains(ip) && !fixed.contains(&(edge.lan, *ip)));
        }
    }
}

/// Returns whether two mazes have the same deployment and the same positions.
fn is_same(one: &Topology, other: &Topology) -> bool {
    canonical_hash(one) == canonical_hash(other) && positions(one) == positions(other)
}

/// Lists the positions of LANs and deckies by kind and name.
fn positions(topology: &Topology) -> BTreeMap<(bool, &Name), Position> {
    let lans = topology.lans().iter().map(|lan| ((false, lan.name()), lan.position()));
    let deckies = topology
        .deckies()
        .iter()
        .map(|decky| ((true, decky.name()), decky.position()));
    lans.chain(deckies).collect()
}
