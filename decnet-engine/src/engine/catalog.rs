//! The catalogue of a maze: that of the engine, and what the maze stored. Services that it does not have are left alone.

use std::{borrow::Cow, collections::BTreeSet};

use decnet_topology::{
    Catalog, CatalogExcerpt, Code, Finding, Name, ServiceName, Severity, StoredTopology, Target, Topology, TopologyRow,
};
use jiff::Timestamp;

use crate::{
    desired::{BaseSpec, Desired},
    engine::{Engine, EngineError, session::lease::Session},
    naming::{self, Labels, Role},
    observe::{Observed, ObservedContainer, ObservedVolume},
};

impl Engine {
    /// Returns the catalogue of a stored topology: that of the engine, and what the topology stored of another one.
    pub(crate) fn catalog_of(&self, row: &TopologyRow) -> Cow<'_, Catalog> {
        self.options.catalog.with_stored(&row.catalog)
    }

    /// Returns what a topology must add to its stored catalogue to work without the one of this engine; empty if it stored all.
    pub(in crate::engine) fn excerpt_of(&self, row: &TopologyRow, topology: &Topology) -> CatalogExcerpt {
        let catalog = self.catalog_of(row);
        catalog.excerpt_since(&row.catalog, topology.catalog_excerpt(&catalog))
    }
}

impl Session<'_> {
    /// Stores what a topology uses of the engine's catalogue, unless it is stored already.
    pub(in crate::engine) async fn keep_catalog(
        &self,
        row: TopologyRow,
        topology: &Topology,
    ) -> Result<TopologyRow, EngineError> {
        let excerpt = self.engine.excerpt_of(&row, topology);
        if excerpt.is_empty() {
            return Ok(row);
        }
        let (repo, held) = (&self.engine.repo, self.lease.token());
        Ok(repo.extend_catalog(self.id, excerpt, held, Timestamp::now()).await?)
    }
}

/// The services of a running maze that its catalogue does not have.
///
/// What they need is unknown, so their containers are left alone, and so are the spec and the state of their bases. The rest of the
/// maze is compared as usual.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Unknown(BTreeSet<(Name, ServiceName)>);

impl Unknown {
    /// Takes the services out of a maze that its catalogue does not have.
    pub(in crate::engine) fn take<'s>(
        stored: &'s StoredTopology,
        catalog: &Catalog,
    ) -> (Cow<'s, StoredTopology>, Self) {
        let mut unknown = BTreeSet::new();
        let is_unknown = |service: &ServiceName| catalog.decky_service(service.as_str()).is_none();
        for decky in stored.topology.deckies() {
            let missing = decky.services().iter().filter(|service| is_unknown(service));
            unknown.extend(missing.map(|service| (decky.name().clone(), service.clone())));
        }
        if unknown.is_empty() {
            return (Cow::Borrowed(stored), Self::default());
        }
        let (lans, mut deckies) = stored.topology.clone().into_parts();
        for decky in &mut deckies {
            if decky.services().iter().any(is_unknown) {
                *decky = decky.clone().without_services(is_unknown);
            }
        }
        let known = StoredTopology {
            row: stored.row.clone(),
            topology: Topology::new(lans, deckies).unwrap_or_else(|_| stored.topology.clone()),
        };
        (Cow::Owned(known), Self(unknown))
    }

    /// Marks the bases of these services: their state without the services is not set.
    pub(in crate::engine) fn keep_states(&self, desired: &mut Desired) {
        let is_of_unknown = |base: &&BaseSpec| self.0.iter().any(|(decky, _)| *decky == base.decky);
        let bases = desired.bases.values().filter(is_of_unknown);
        desired.keep_state = bases.map(|base| base.name.clone()).collect();
    }

    /// Hides the containers of these services, and marks the bases of their deckies as they should be, unless somebody tampered with
    /// them. Call it after [`keep_states`](Self::keep_states) and after the insides of bases were checked.
    pub(in crate::engine) fn hide(&self, desired: &Desired, observed: &mut Observed) {
        if self.0.is_empty() {
            return;
        }
        let is_of_unknown = |labels: &Labels| {
            let mut unknown = self.0.iter();
            unknown.any(|(decky, service)| {
                is_label(labels, naming::DECKY, decky.as_str())
                    && is_label(labels, naming::SERVICE_NAME, service.as_str())
            })
        };
        let is_hidden =
            |container: &ObservedContainer| container.role() == Some(Role::Service) && is_of_unknown(&container.labels);
        let hidden = observed.containers.iter().filter(|container| is_hidden(container));
        let volumes: BTreeSet<_> = hidden.flat_map(|container| container.volumes.clone()).collect();
        // Their named volumes too, also if a container is missing.
        let is_left_alone = |volume: &ObservedVolume| volumes.contains(&volume.name) || is_of_unknown(&volume.labels);
        observed.volumes.retain(|volume| !is_left_alone(volume));
        observed.containers.retain(|container| !is_hidden(container));
        for container in &mut observed.containers {
            let Some(base) = desired.bases.get(&container.name) else {
                continue;
            };
            if !desired.keep_state.contains(&base.name) {
                continue;
            }
            container.deviates = None;
            if let Some(spec) = base.labels.get(naming::SPEC) {
                container.labels.insert(naming::SPEC.into(), spec.clone());
            }
        }
    }

    /// Describes the services for people; none if the catalogue has all.
    pub(in crate::engine) fn reason(&self) -> Option<String> {
        let first = self.messages().next()?;
        Some(match self.0.len() - 1 {
            0 => first,
            more => format!("{first} (and {more} more)"),
        })
    }

    /// Returns a finding for each service.
    pub(in crate::engine) fn findings(&self) -> impl Iterator<Item = Finding> {
        let targets = self.0.iter().map(|(decky, service)| Target::Service {
            decky: decky.to_string(),
            service: service.to_string(),
        });
        let findings = targets.zip(self.messages());
        findings.map(|(target, message)| {
            let mut finding = Finding::new(Code::UnknownService, target, message);
            finding.severity = Severity::Warning;
            finding
        })
    }

    fn messages(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(decky, service)| {
            format!(
                "service `{service}` of decky `{decky}` is not in the catalogue, so its container is not checked or changed; reconcile \
                 the maze once with the catalogue that has it (--catalog)"
            )
        })
    }
}

fn is_label(labels: &Labels, label: &str, value: &str) -> bool {
    labels.get(label).is_some_and(|found| found == value)
}
