use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, ImageSource, Service},
    model::{Decky, Topology},
    name::ServiceName,
    rng::RandomStream,
    shuffle::{Shuffle, ShuffleSource, Shuffles},
};

/// How many times a set is drawn to find another than the present one.
const TRIES: usize = 32;

/// Why a decky is not shuffled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "shuffle_")]
#[non_exhaustive]
pub enum NotShuffled {
    /// No rule applies to it.
    #[error("no `shuffle` applies to it; give one to the decky, its LAN or the maze")]
    NoRule,
    /// It is a gateway, and the rule leaves gateways alone.
    #[error("it is a gateway, and the host publishes its services; allow that with `published: true`")]
    Gateway,
    /// It has no archetype, or one that is not in the catalogue.
    #[error("it has no archetype to take services from; set one, or list services in `from`")]
    NoArchetype,
    /// All its services are kept.
    #[error("it has no service to replace: foreign images, configured services and pinned versions are kept")]
    NothingToReplace,
    /// The rule allows only the services that it has.
    #[error("`from` has no other services that fit it; add some")]
    NoOther,
}

impl NotShuffled {
    /// Returns a stable code for programs.
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// Returns the rule that applies to a decky.
pub fn shuffle_rule<'a>(shuffles: &'a Shuffles, topology: &Topology, decky: &Decky) -> Option<&'a Shuffle> {
    let home = decky.home().and_then(|home| topology.lan(home.lan));
    shuffles.of(decky.name(), home.map(crate::model::Lan::name))
}

/// Draws other services for a decky, as a rule says.
///
/// Services of foreign images, configured services and those with a pinned version are kept. From a list, the decky gets as many
/// services as it had. From an archetype it gets any number of them.
///
/// # Errors
///
/// The reason why the decky stays as it is.
pub fn shuffled_services(
    rule: &Shuffle,
    topology: &Topology,
    decky: &Decky,
    catalog: &Catalog,
    stream: &mut RandomStream,
) -> Result<BTreeSet<ServiceName>, NotShuffled> {
    if topology.is_gateway(decky) && !rule.takes_published() {
        return Err(NotShuffled::Gateway);
    }
    let wanted = match rule.source() {
        ShuffleSource::Services(services) => services,
        ShuffleSource::Archetype => catalog
            .usual_services(decky.archetype())
            .ok_or(NotShuffled::NoArchetype)?,
    };
    let (kept, replaced): (BTreeSet<_>, BTreeSet<_>) =
        decky.services().iter().partition(|name| is_kept(decky, catalog, name));
    if replaced.is_empty() {
        return Err(NotShuffled::NothingToReplace);
    }
    let pool = wanted.iter().filter(|name| !kept.contains(name));
    let pool: Vec<&ServiceName> = pool.filter(|name| builtin(catalog, name.as_str()).is_some()).collect();
    for _ in 0..TRIES {
        let count = match rule.source() {
            ShuffleSource::Services(_) => replaced.len(),
            ShuffleSource::Archetype => 1 + stream.index(pool.len()),
        };
        let drawn = draw(&kept, &pool, count, catalog, stream);
        // Fewer services of a list than before only if no more fit.
        if drawn != *decky.services() && drawn.len() > kept.len() {
            return Ok(drawn);
        }
    }
    Err(NotShuffled::NoOther)
}

/// Returns a service that the built-in responder serves on a decky.
pub(super) fn builtin<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a Service> {
    let service = catalog.decky_service(name);
    service.filter(|service| service.image == ImageSource::Builtin)
}

/// Returns whether shuffles keep a service of a decky.
fn is_kept(decky: &Decky, catalog: &Catalog, name: &ServiceName) -> bool {
    let is_pinned = || {
        decky
            .persona()
            .is_some_and(|persona| persona.versions.contains_key(name))
    };
    builtin(catalog, name.as_str()).is_none() || decky.service_config().contains_key(name) || is_pinned()
}

/// Draws services, each from those that fit the earlier ones.
fn draw(
    kept: &BTreeSet<&ServiceName>,
    pool: &[&ServiceName],
    count: usize,
    catalog: &Catalog,
    stream: &mut RandomStream,
) -> BTreeSet<ServiceName> {
    let mut drawn: BTreeSet<ServiceName> = kept.iter().copied().cloned().collect();
    let mut left = pool.to_vec();
    while drawn.len() < kept.len() + count && !left.is_empty() {
        let name = left.swap_remove(stream.index(left.len()));
        if catalog.clashes(drawn.iter().chain([name])).is_empty() {
            drawn.insert(name.clone());
        }
    }
    drawn
}
