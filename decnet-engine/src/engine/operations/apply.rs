use std::collections::{BTreeMap, BTreeSet};

use backon::Retryable as _;
use decnet_topology::{
    Catalog, Code, Decky, DeploySettings, Draft, Edit, Finding, InvalidTopology, Lan, Mode, Name, NewTopology,
    Position, RepoError, RuleSet, Status, StoredTopology, Surroundings, Topology, TopologyId, TopologyName,
    TopologyRow, Version, canonical_hash, find_live_topology, validate_in,
};
use jiff::Timestamp;

use super::{
    SettingsChange, StoreOutcome, StoreResult,
    settings::refuse_unused_rules,
    store::{attempts, is_claimed, is_open},
};
use crate::engine::{DeployOptions, Engine, EngineError, Operation, Prepared, Replacement, require_version};

/// The options of applying a maze file.
#[derive(Debug, Clone, Default)]
#[must_use]
#[non_exhaustive]
pub struct ApplyOptions {
    settings: SettingsChange,
    force: bool,
    actor: Option<String>,
    agent: Option<Name>,
    onto: Onto,
}

/// Which stored topology a maze file replaces.
#[derive(Debug, Clone, Copy, Default)]
enum Onto {
    /// The one with its name, if there is one.
    #[default]
    Named,
    /// None: it is new.
    Nothing,
    /// This one, which must have the version if one is given.
    Stored(TopologyId, Option<Version>),
}

impl ApplyOptions {
    /// Validates the maze with these settings. A new topology is stored with them. A stored topology keeps its own
    /// settings except the shuffles, which the file has: pass the new ones to a deploy too.
    pub fn settings(mut self, settings: SettingsChange) -> Self {
        self.settings = settings;
        self
    }

    /// Makes a new topology for this machine or for the agent.
    fn new_topology(&self, name: TopologyName, topology: Topology) -> NewTopology {
        let new = NewTopology::new(name, topology);
        match &self.agent {
            Some(host) => new.mode(Mode::Agent).host(host.to_string()),
            None => new,
        }
    }

    /// Stores a new topology in mode `agent`: the agent of this host plans and deploys it. A stored topology keeps its host; another
    /// one is refused.
    pub fn agent(mut self, host: Name) -> Self {
        self.agent = Some(host);
        self
    }

    /// Sets whether [`Engine::prepare_file`] may recreate running containers.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Stores the maze only if no other topology has its name. Otherwise it is refused
    /// ([`NameTaken`](decnet_topology::RepoError::NameTaken)).
    pub fn only_new(mut self) -> Self {
        self.onto = Onto::Nothing;
        self
    }

    /// Replaces the maze of this topology, which must have the version if one is given, and the name of the file.
    pub fn onto(mut self, id: TopologyId, expected: impl Into<Option<Version>>) -> Self {
        self.onto = Onto::Stored(id, expected.into());
        self
    }

    /// Sets who requested the mutations of [`Engine::prepare_file`], for people.
    pub fn actor(mut self, actor: impl Into<Option<String>>) -> Self {
        self.actor = actor.into();
        self
    }
}

/// A completed maze file, and what is stored under its name.
struct FileState {
    known: Option<StoredTopology>,
    topology: Topology,
    /// The settings after the change.
    settings: DeploySettings,
    /// The catalogue of the topology.
    catalog: Catalog,
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
    /// [`EngineError::PublishMapsNothing`] if a publish rule matches no port, [`EngineError::AgentMode`] or
    /// [`EngineError::HostsUnknown`] if it is for hosts that are not in the fleet. Nothing was changed then.
    pub async fn apply(&self, draft: &Draft, options: ApplyOptions) -> Result<StoreOutcome, EngineError> {
        let name = name_of(draft)?;
        (|| self.apply_once(draft, &name, &options))
            .retry(attempts())
            .when(|error| is_open(draft) && is_claimed(error))
            .await
    }

    async fn apply_once(
        &self,
        draft: &Draft,
        name: &TopologyName,
        options: &ApplyOptions,
    ) -> Result<StoreOutcome, EngineError> {
        let FileState {
            known,
            topology,
            settings,
            catalog,
        } = self.read_file(draft, name, options).await?;
        if let Some(known) = &known
            && is_same(&known.topology, &topology)
        {
            let stored = self.with_current_catalog(known).await?;
            let stored = self.with_shuffles(stored, settings).await?;
            let result = if stored.row.settings == known.row.settings {
                StoreResult::Unchanged
            } else {
                StoreResult::Replaced
            };
            return Ok(StoreOutcome {
                stored,
                result,
                warnings: Vec::new(),
            });
        }
        let warnings = self
            .check_applied(&topology, &catalog, known.as_ref(), &settings)
            .await?;
        let (stored, result) = match known {
            None => {
                let excerpt = topology.catalog_excerpt(&catalog);
                let new = options
                    .new_topology(name.clone(), topology)
                    .catalog(excerpt)
                    .config(draft.header.config.clone())
                    .settings(settings);
                (self.store_new(new).await?, StoreResult::Created)
            }
            Some(known) if known.row.status == Status::Pending => {
                let excerpt = self.excerpt_of(&known.row, &topology);
                let edit = Edit::new(topology).catalog(excerpt).expected(known.row.version);
                let stored = self.store_edit(known.row.id, edit).await?;
                let stored = self.with_shuffles(stored, settings).await?;
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
        if stored.row.status == Status::Pending && !excerpt.is_empty() {
            let added = self.repo.extend_catalog(stored.row.id, excerpt, None, Timestamp::now());
            stored.row = added.await?;
        }
        Ok(stored)
    }

    /// Stores the shuffles of a file. They are not on Docker, so a running maze gets them too.
    async fn with_shuffles(
        &self,
        mut stored: StoredTopology,
        settings: DeploySettings,
    ) -> Result<StoredTopology, EngineError> {
        let DeploySettings { shuffles, .. } = settings;
        if stored.row.settings.shuffles != shuffles {
            let (id, settings) = (stored.row.id, stored.row.settings.clone().shuffles(shuffles));
            stored.row = self.repo.set_settings(id, settings, None, Timestamp::now()).await?;
        }
        Ok(stored)
    }

    /// Plans the deploy of a maze file, to be shown and then [executed](Prepared::execute). Changes nothing.
    ///
    /// The execution stores a new maze, or replaces the pending one with its name, and deploys it. A maze that runs is changed as
    /// [`replace`](Self::replace) does; the [mutations](Prepared::mutations) show how. Missing subnets and addresses are taken from
    /// the stored maze, or are free ones. If another topology claims one before the execution, the execution is refused.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use decnet_engine::{ApplyOptions, CancellationToken, Engine, EngineOptions, simulated::Simulated};
    /// use decnet_topology::{Catalog, MemoryRepo, Mutation, Syntax, document};
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let options = EngineOptions::new(Catalog::builtin());
    /// let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options);
    /// let file = |services: &str| document::parse(
    ///     &format!(
    ///         "{{format: decnet.topology/1, name: corp, lans: [{{name: dmz, dmz: true}}],
    ///           deckies: [{{name: web, services: [{services}], attachments: [{{lan: dmz}}]}}]}}"
    ///     ),
    ///     Syntax::Yaml,
    /// );
    /// let cancel = CancellationToken::new();
    /// engine.prepare_file(&file("http")?, ApplyOptions::default()).await?.execute(&cancel).await?;
    ///
    /// let prepared = engine.prepare_file(&file("http, ssh")?, ApplyOptions::default()).await?;
    /// assert_eq!(prepared.mutations().iter().map(|mutation| mutation.op()).collect::<Vec<_>>(), ["update_decky"]);
    /// prepared.execute(&cancel).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`apply`](Self::apply) except [`EngineError::Differs`], and those of [`replace`](Self::replace) or
    /// [`deploy`](Self::deploy).
    pub async fn prepare_file(&self, draft: &Draft, options: ApplyOptions) -> Result<Prepared, EngineError> {
        let name = name_of(draft)?;
        let FileState {
            known,
            topology,
            settings,
            catalog,
        } = self.read_file(draft, &name, &options).await?;
        if known.as_ref().is_none_or(|known| !is_same(&known.topology, &topology)) {
            self.check_applied(&topology, &catalog, known.as_ref(), &settings)
                .await?;
        }
        let Some(known) = known else {
            let excerpt = topology.catalog_excerpt(&catalog);
            let new = options
                .new_topology(name, topology)
                .catalog(excerpt)
                .config(draft.header.config.clone())
                .settings(settings);
            return self.prepare_new(new, options.force).await;
        };
        let deploy = DeployOptions::default()
            .force(options.force)
            .settings(Some(settings).filter(|settings| *settings != known.row.settings));
        let wanted = Replacement::new(topology).options(deploy).actor(options.actor);
        self.prepare(known.row.id, Operation::Replace(Box::new(wanted))).await
    }

    /// Completes the maze of a file, and finds the stored maze with its name.
    async fn read_file(
        &self,
        draft: &Draft,
        name: &TopologyName,
        options: &ApplyOptions,
    ) -> Result<FileState, EngineError> {
        let known = self.known(name, options.onto).await?;
        if let (Some(wanted), Some(StoredTopology { row, .. })) = (&options.agent, &known)
            && !row.is_for_agent_of(wanted.as_str())
        {
            return Err(EngineError::OtherAgent {
                name: row.name.clone(),
                stored: row.host.clone(),
                wanted: wanted.clone(),
            });
        }
        let mut draft = draft.clone();
        if let Some(known) = &known {
            keep_allocations(&mut draft, &known.topology);
            if known.row.status != Status::Pending {
                keep_positions(&mut draft, &known.topology);
            }
        }
        let catalog = match &known {
            Some(known) => self.catalog_of(&known.row).into_owned(),
            None => self.options.catalog.clone(),
        };
        let topology = self.resolve(&draft, &catalog, known.as_ref()).await?;
        let before = known.as_ref().map(|known| known.row.settings.clone());
        let before = before.unwrap_or_default();
        let settings = options.settings.clone().of_file(&draft).apply_to(&before);
        refuse_unused_rules(&catalog, &topology, &before, &settings)?;
        let agent = options.agent.as_ref().filter(|_| known.is_none());
        let changed = Some(&settings).filter(|settings| settings.hosts != before.hosts);
        self.require_known_hosts(name, agent, changed).await?;
        Ok(FileState {
            known,
            topology,
            settings,
            catalog,
        })
    }

    /// Finds the stored topology that a file replaces.
    async fn known(&self, name: &TopologyName, onto: Onto) -> Result<Option<StoredTopology>, EngineError> {
        let named = async || find_live_topology(self.repo.as_ref(), name).await;
        match onto {
            Onto::Named => match named().await? {
                Some(row) => Ok(Some(self.repo.load(row.id).await?)),
                None => Ok(None),
            },
            Onto::Nothing => match named().await? {
                Some(TopologyRow { name, id, .. }) => Err(RepoError::NameTaken { name, id }.into()),
                None => Ok(None),
            },
            Onto::Stored(id, expected) => {
                let stored = self.repo.load(id).await?;
                require_version(&stored.row, expected)?;
                Ok(Some(stored))
            }
        }
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

/// Returns the name in the header of a draft.
fn name_of(draft: &Draft) -> Result<TopologyName, EngineError> {
    let text = &draft.header.name;
    TopologyName::new(text).map_err(|source| EngineError::InvalidName {
        text: text.clone(),
        source,
    })
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

/// Fills missing positions in a draft from a maze that does not wait to be deployed: a file without them says nothing about the
/// canvas.
fn keep_positions(draft: &mut Draft, known: &Topology) {
    let fill = |position: &mut Position, stored: Position| {
        position.x = position.x.or(stored.x);
        position.y = position.y.or(stored.y);
    };
    let lans = known.lans_by_name();
    for lan in &mut draft.lans {
        let stored = Name::new(&lan.name).ok().and_then(|name| lans.get(&name).copied());
        fill(&mut lan.position, stored.map(Lan::position).unwrap_or_default());
    }
    let deckies: BTreeMap<&Name, &Decky> = known.deckies().iter().map(|decky| (decky.name(), decky)).collect();
    for decky in &mut draft.deckies {
        let stored = Name::new(&decky.name).ok().and_then(|name| deckies.get(&name).copied());
        fill(&mut decky.position, stored.map(Decky::position).unwrap_or_default());
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
