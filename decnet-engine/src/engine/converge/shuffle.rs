//! Gives deckies other services: those that are due, or one at once.

use decnet_topology::{
    Catalog, Decky, Mutation, MutationContext, MutationError, MutationFilter, MutationRow, MutationTrigger, Name,
    NewMutation, NotShuffled, RandomStream, Repo, RepoError, Shuffle, ShuffleKey, StoredTopology, Topology, TopologyId,
    UpdateDecky, apply, did_you_mean, rng, shuffle_rule, shuffled_services,
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    engine::{Engine, EngineError, Submitted, session::status::mutation_event},
    event::Envelope,
};

/// How often a shuffle is computed again if other processes change the topology meanwhile.
const TRIES: usize = 16;

/// The shortest time between two shuffles of a decky that events ask for.
pub(crate) const REQUEST_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// The result of [`Engine::shuffle_due`].
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct DueShuffles {
    /// The mutations that were queued.
    pub enqueued: Vec<MutationRow>,
    /// When the next decky is due; none if no rule applies to a decky, or the topology takes no mutations.
    pub next: Option<Timestamp>,
}

impl Engine {
    /// Queues the shuffles of a running topology that are due, and returns when the next one is.
    ///
    /// A decky that was due several times is shuffled once. Several processes may do this at the same time: one of them queues a
    /// shuffle. A shuffle is checked as if a user had asked for it; if the maze refuses it, that is logged, and the decky waits for
    /// its next time.
    ///
    /// `now` is the time of this machine; a store on a server uses its own clock instead. A clock that was ahead may have marked all
    /// shuffles until a time in the future as done. Then they count from now again.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn shuffle_due(&self, id: TopologyId, now: Timestamp) -> Result<DueShuffles, EngineError> {
        let mut tries = 0;
        loop {
            let stored = self.repo.load(id).await?;
            if stored.row.settings.shuffles.is_empty() || !stored.row.takes_mutations() {
                return Ok(DueShuffles::default());
            }
            let now = self.repo.now(now).await?;
            let (due, next) = self.due(&stored, now).await?;
            if due.is_empty() && stored.row.shuffled_until <= now {
                let (enqueued, next) = (Vec::new(), next.map(|(next, _)| next));
                return Ok(DueShuffles { enqueued, next });
            }
            let shuffles = self.accepted(&stored, &due).await?;
            let enqueued = self
                .repo
                .enqueue_shuffles(id, shuffles, now, stored.row.version, Timestamp::now());
            tries += 1;
            match enqueued.await {
                Ok(enqueued) => {
                    for row in &enqueued {
                        self.publish(Envelope::new(mutation_event(row), row.enqueued_at));
                    }
                    let next = self.next_shuffle(id).await?.map(|(next, _)| next);
                    return Ok(DueShuffles { enqueued, next });
                }
                // Another process changed it, or queued the shuffles.
                Err(RepoError::VersionConflict { .. }) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns when the next decky of a running topology is shuffled, and which one; none if no rule applies to a decky, or the
    /// topology takes no mutations. A time in the past is of a shuffle that was missed.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn next_shuffle(&self, id: TopologyId) -> Result<Option<(Timestamp, Name)>, EngineError> {
        let stored = self.repo.load(id).await?;
        Ok(next_shuffle(self.repo.as_ref(), &stored).await?)
    }

    /// Gives a decky other services at once, as the rule that applies to it says. On a running topology, the mutation is queued.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    ///
    /// use decnet_engine::{Engine, EngineOptions, simulated::Simulated};
    /// use decnet_topology::{
    ///     Catalog, DeploySettings, MemoryRepo, NewTopology, Shuffle, ShuffleSource, Shuffles, Timestamp, Topology, TopologyStore,
    /// };
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let topology = Topology::builder()
    ///     .dmz("dmz", "172.20.0.0/24")
    ///     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http"]))
    ///     .build()?;
    /// let from = ShuffleSource::Services(["ssh".into()].into());
    /// let shuffles = Shuffles::default().topology(Shuffle::new(Duration::from_hours(6), from)?);
    /// let repo = Arc::new(MemoryRepo::new());
    /// let new = NewTopology::new("corp".parse()?, topology).settings(DeploySettings::default().shuffles(shuffles));
    /// let id = repo.create(new, Timestamp::now()).await?.row.id;
    /// let engine = Engine::new(repo.clone(), Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
    ///
    /// engine.shuffle(id, &"web".parse()?, None).await?;
    /// let shuffled = repo.load(id).await?.topology;
    /// assert!(shuffled.deckies()[0].services().contains("ssh"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`EngineError::NotShuffled`] if no rule applies to the decky or it has no service to replace,
    /// [`MutationError::UnknownDecky`] if it does not exist, and those of [`submit`](Self::submit).
    pub async fn shuffle(&self, id: TopologyId, decky: &Name, actor: Option<String>) -> Result<Submitted, EngineError> {
        let mut tries = 0;
        loop {
            let stored = self.repo.load(id).await?;
            let new = self.shuffle_of(&stored, decky)?.actor(actor.clone());
            tries += 1;
            match self.submit(id, new, Some(stored.row.version)).await {
                Err(EngineError::Repo(RepoError::VersionConflict { .. })) if tries < TRIES => {}
                submitted => return submitted,
            }
        }
    }

    /// Gives a decky of a running topology other services because an event asks for it. Several processes may get the event, and
    /// somebody may send many: nothing is queued if the decky changed in the last seconds, or waits for a change.
    pub(crate) async fn shuffle_on_request(
        &self,
        id: TopologyId,
        decky: &Name,
        now: Timestamp,
    ) -> Result<Option<Submitted>, EngineError> {
        let stored = self.repo.load(id).await?;
        if !stored.row.takes_mutations() {
            return Ok(None);
        }
        let unfinished = self.repo.mutations(&MutationFilter::unfinished(Some(id))).await?.rows;
        let is_of_decky =
            |row: &MutationRow| matches!(&row.mutation, Mutation::UpdateDecky(update) if update.decky == *decky);
        let since = now.saturating_sub(REQUEST_PAUSE).unwrap_or(now);
        let changes = self.repo.decky_changes(id, Some(since)).await?;
        if unfinished.iter().any(is_of_decky) || changes.iter().any(|recorded| recorded.change.decky == *decky) {
            return Ok(None);
        }
        let new = self.shuffle_of(&stored, decky)?.actor("mutate_request".to_owned());
        match self.submit(id, new, Some(stored.row.version)).await {
            Err(EngineError::Repo(RepoError::VersionConflict { .. })) => Ok(None),
            submitted => submitted.map(Some),
        }
    }

    /// Returns the mutation that gives a decky other services.
    ///
    /// # Errors
    ///
    /// Those of [`shuffle`](Self::shuffle).
    pub fn shuffle_of(&self, stored: &StoredTopology, name: &Name) -> Result<NewMutation, EngineError> {
        let StoredTopology { row, topology } = stored;
        let refused = |reason| EngineError::NotShuffled {
            name: row.name.clone(),
            decky: name.clone(),
            reason,
        };
        let decky = topology.decky_named(name).ok_or_else(|| {
            let known = topology.deckies().iter().map(|decky| decky.name().as_str());
            MutationError::UnknownDecky {
                decky: name.clone(),
                hint: did_you_mean(name.as_str(), known),
            }
        })?;
        let rule = shuffle_rule(&row.settings.shuffles, topology, decky).ok_or_else(|| refused(NotShuffled::NoRule))?;
        let mut stream = RandomStream::new(rng::os_seed(), "shuffle.now", 0);
        let catalog = self.catalog_of(row);
        mutation(rule, topology, decky, &catalog, &mut stream).map_err(refused)
    }

    /// Returns the deckies that are due, and the first time that is not.
    async fn due<'s>(
        &self,
        stored: &'s StoredTopology,
        now: Timestamp,
    ) -> Result<(Vec<DueDecky<'s>>, Option<(Timestamp, &'s Name)>), EngineError> {
        let secret = self.repo.secret().await?;
        let mut due = Vec::new();
        let mut next = None;
        for (decky, rule) in shuffled(stored) {
            let key = ShuffleKey::new(&secret, stored.row.id, decky.id());
            match key.due_after(rule, stored.row.shuffled_until) {
                Some(at) if at <= now => due.push(DueDecky {
                    decky,
                    rule,
                    stream: key.services(at),
                }),
                Some(at) if next.is_none_or(|(next, _)| at < next) => next = Some((at, decky.name())),
                _ => {}
            }
        }
        Ok((due, next))
    }

    /// Returns the mutations for the deckies that are due, without those that the maze refuses.
    async fn accepted(&self, stored: &StoredTopology, due: &[DueDecky<'_>]) -> Result<Vec<NewMutation>, EngineError> {
        let StoredTopology { row, topology } = stored;
        let catalog = self.catalog_of(row);
        let claims = self.repo.claims(Some(row.id)).await?;
        let context = MutationContext::of(row, &catalog, &claims);
        let mut accepted = Vec::new();
        for DueDecky { decky, rule, stream } in due {
            let (maze, name) = (row.name.as_str(), decky.name().as_str());
            let new = match mutation(rule, topology, decky, &catalog, &mut stream.clone()) {
                Ok(new) => new.trigger(MutationTrigger::Scheduled),
                Err(reason) => {
                    tracing::debug!(maze, decky = name, %reason, "the decky is not shuffled");
                    continue;
                }
            };
            match apply(topology, &new.mutation, &context) {
                Ok(_) => accepted.push(new),
                Err(error) => tracing::warn!(maze, decky = name, %error, "the maze refuses a shuffle"),
            }
        }
        Ok(accepted)
    }
}

/// Returns when the next decky of a running topology is shuffled, and which one, as [`Engine::next_shuffle`] does.
///
/// # Errors
///
/// Those of the store.
pub async fn next_shuffle(repo: &dyn Repo, stored: &StoredTopology) -> Result<Option<(Timestamp, Name)>, RepoError> {
    if stored.row.settings.shuffles.is_empty() || !stored.row.takes_mutations() {
        return Ok(None);
    }
    let secret = repo.secret().await?;
    let times = shuffled(stored).filter_map(|(decky, rule)| {
        let key = ShuffleKey::new(&secret, stored.row.id, decky.id());
        Some((key.due_after(rule, stored.row.shuffled_until)?, decky.name().clone()))
    });
    Ok(times.min())
}

/// A decky that is due.
struct DueDecky<'a> {
    decky: &'a Decky,
    rule: &'a Shuffle,
    stream: RandomStream,
}

/// Walks the deckies with a rule.
fn shuffled(stored: &StoredTopology) -> impl Iterator<Item = (&Decky, &Shuffle)> {
    let StoredTopology { row, topology } = stored;
    let rule = |decky| shuffle_rule(&row.settings.shuffles, topology, decky);
    topology
        .deckies()
        .iter()
        .filter_map(move |decky| Some((decky, rule(decky)?)))
}

/// Returns the mutation that gives a decky other services. The base of a gateway is recreated: its rule allows that.
fn mutation(
    rule: &Shuffle,
    topology: &Topology,
    decky: &Decky,
    catalog: &Catalog,
    stream: &mut RandomStream,
) -> Result<NewMutation, NotShuffled> {
    let services = shuffled_services(rule, topology, decky, catalog, stream)?;
    let mut update = UpdateDecky::new(decky.name().clone()).services(services);
    if topology.is_gateway(decky) {
        update = update.force();
    }
    let new = NewMutation::new(update.into());
    let excerpt = new.mutation.catalog_excerpt(catalog);
    Ok(new.catalog(excerpt))
}
