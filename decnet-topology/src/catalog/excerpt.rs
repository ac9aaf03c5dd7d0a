//! The part of a catalogue that a maze keeps.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Archetype, Catalog, Service},
    name::ServiceName,
};

/// The entries of a user's catalogue that a maze uses: those that differ from the built-in ones. They are stored with the maze, so
/// that later operations need no catalogue.
///
/// ```
/// use decnet_topology::{Catalog, CatalogExcerpt, ServiceName};
///
/// let own = Catalog::builtin().extend_from_toml("[services.till]\nports = [\"9100/tcp\"]\n[services.spare]\nports = []")?;
/// let used = [ServiceName::new("till"), ServiceName::new("ssh")];
/// let stored = own.excerpt(&used, []);
/// assert_eq!(stored.services().map(|service| service.name.as_str()).collect::<Vec<_>>(), ["till"]);
/// let later = Catalog::builtin();
/// assert_eq!(later.with_stored(&stored).service("till"), own.service("till"));
/// # Ok::<(), decnet_topology::CatalogError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogExcerpt {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    services: BTreeMap<ServiceName, Service>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    archetypes: BTreeMap<String, Archetype>,
}

impl CatalogExcerpt {
    /// Returns whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.archetypes.is_empty()
    }

    /// Walks the services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Walks the archetypes, by slug.
    pub fn archetypes(&self) -> impl Iterator<Item = &Archetype> {
        self.archetypes.values()
    }

    /// Adds the entries of another excerpt, which replace those of the same name.
    pub fn extend(&mut self, other: Self) {
        self.services.extend(other.services);
        self.archetypes.extend(other.archetypes);
    }
}

impl Catalog {
    /// Returns the catalogue for a maze that stored an excerpt of another one: this catalogue, with the stored entries. An entry that
    /// this catalogue adds to the built-in ones, or overrides, wins over a stored entry.
    pub fn with_stored(&self, stored: &CatalogExcerpt) -> Cow<'_, Self> {
        let services = stored
            .services()
            .filter(|service| !self.replaced.services.contains_key(&service.name));
        let archetypes = stored.archetypes();
        let archetypes = archetypes.filter(|archetype| !self.replaced.archetypes.contains_key(&archetype.slug));
        let (mut services, mut archetypes) = (services.peekable(), archetypes.peekable());
        if services.peek().is_none() && archetypes.peek().is_none() {
            return Cow::Borrowed(self);
        }
        let mut catalog = self.clone();
        for service in services {
            catalog.insert_service(service.clone());
        }
        for archetype in archetypes {
            catalog.insert_archetype(archetype.clone());
        }
        Cow::Owned(catalog)
    }

    /// Returns the entries of these services and archetypes, and of the services of these archetypes, that differ from the built-in
    /// ones.
    pub fn excerpt<'a>(
        &self,
        services: impl IntoIterator<Item = &'a ServiceName>,
        archetypes: impl IntoIterator<Item = &'a str>,
    ) -> CatalogExcerpt {
        let mut excerpt = CatalogExcerpt::default();
        if self.replaced.is_empty() {
            return excerpt;
        }
        for slug in archetypes {
            let Some(archetype) = self.archetypes.get(slug) else {
                continue;
            };
            archetype.services.iter().for_each(|name| self.add(name, &mut excerpt));
            let builtin = self.replaced.archetypes.get(slug);
            if builtin.is_some_and(|builtin| builtin.as_ref() != Some(archetype)) {
                excerpt.archetypes.insert(slug.into(), archetype.clone());
            }
        }
        services.into_iter().for_each(|name| self.add(name, &mut excerpt));
        excerpt
    }

    /// Returns what a maze must add to the excerpt that it stored: the entries of that excerpt and of the services and archetypes that
    /// it uses now, as they are in this catalogue, if they differ from the stored ones. Without a difference from the built-in entry, a
    /// stored one is replaced by the built-in one.
    #[must_use]
    pub fn excerpt_since(&self, stored: &CatalogExcerpt, used: CatalogExcerpt) -> CatalogExcerpt {
        let services = stored
            .services
            .keys()
            .filter_map(|name| self.services.get_key_value(name));
        let archetypes = stored
            .archetypes
            .keys()
            .filter_map(|slug| self.archetypes.get_key_value(slug));
        let mut excerpt = CatalogExcerpt {
            services: services
                .map(|(name, service)| (name.clone(), service.clone()))
                .collect(),
            archetypes: archetypes
                .map(|(slug, archetype)| (slug.clone(), archetype.clone()))
                .collect(),
        };
        excerpt.extend(used);
        // An entry that is not added cannot replace one that another caller stored meanwhile.
        excerpt
            .services
            .retain(|name, service| stored.services.get(name) != Some(&*service));
        excerpt
            .archetypes
            .retain(|slug, archetype| stored.archetypes.get(slug) != Some(&*archetype));
        excerpt
    }

    fn add(&self, name: &ServiceName, excerpt: &mut CatalogExcerpt) {
        let (Some(service), Some(builtin)) = (self.services.get(name), self.replaced.services.get(name)) else {
            return;
        };
        if builtin.as_ref() != Some(service) {
            excerpt.services.insert(name.clone(), service.clone());
        }
    }
}
