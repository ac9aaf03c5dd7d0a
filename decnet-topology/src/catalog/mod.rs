//! The catalogue of services and archetypes: ports, images, fields of configuration.

mod check;
mod described;
mod entry;
pub(crate) mod environment;
mod error;
mod excerpt;
mod field;
mod port;
mod reader;
mod replaced;
mod system;
mod tmpfs;
mod volume;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub use entry::{Archetype, CatalogEntries, ImageSource, SeccompMode, Service, ServiceLimits, is_root};
pub use error::{CatalogError, ServiceNotFound};
pub use excerpt::CatalogExcerpt;
pub use field::{FieldFault, FieldType, ServiceField};
pub use port::{Port, PortError, Protocol, ServicePort};
pub use system::PacketStyle;
pub(crate) use system::SYSTEMS;
pub use tmpfs::{Tmpfs, TmpfsError};
pub use volume::{ServiceVolume, VolumeError};

use replaced::Replaced;

use crate::{name::ServiceName, spelling};

/// The services and archetypes that mazes can use.
///
/// [`Catalog::builtin`] has the services of the built-in responder. A catalogue file in the same TOML format adds entries or
/// overrides them key by key:
///
/// ```
/// use decnet_topology::Catalog;
///
/// let catalog = Catalog::builtin().extend_from_toml(
///     r#"
///     [services.gitea]
///     ports = ["3000/tcp"]
///     image = "gitea/gitea:1.22"
///     fields = [{ key = "title", type = "string", default = "Gitea", help = "The title of the front page." }]
///
///     [services.ssh]
///     banner = "SSH-2.0-OpenSSH_7.4\r\n"
///
///     [archetypes.forge]
///     title = "Software forge"
///     services = ["gitea", "ssh"]
///     "#,
/// )?;
/// assert_eq!(catalog.service("ssh").map(|ssh| ssh.ports.len()), Some(1));
/// assert!(catalog.archetype("forge").is_some());
/// # Ok::<(), decnet_topology::CatalogError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    services: BTreeMap<ServiceName, Service>,
    archetypes: BTreeMap<String, Archetype>,
    replaced: Replaced,
}

impl Catalog {
    /// Returns an empty catalogue.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Returns the catalogue that comes with DECNET.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the text is a part of the program, and every test reads it"
    )]
    pub fn builtin() -> Self {
        let builtin = Self::empty()
            .extend_from_toml(include_str!("builtin.toml"))
            .expect("the built-in catalogue is read by a test");
        Self {
            replaced: Replaced::default(),
            ..builtin
        }
    }

    /// Adds a service, and returns the service of that name that it replaces.
    pub fn insert_service(&mut self, service: Service) -> Option<Service> {
        let name = service.name.clone();
        let before = self.services.insert(name.clone(), service);
        let builtin = || before.clone();
        self.replaced.services.entry(name).or_insert_with(builtin);
        before
    }

    /// Adds an archetype, and returns the archetype of that slug that it replaces.
    pub fn insert_archetype(&mut self, archetype: Archetype) -> Option<Archetype> {
        let slug = archetype.slug.clone();
        let before = self.archetypes.insert(slug.clone(), archetype);
        let builtin = || before.clone();
        self.replaced.archetypes.entry(slug).or_insert_with(builtin);
        before
    }

    /// Replaces the build folder of each service that is built. A catalogue file names folders relative to itself.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use decnet_topology::{Catalog, ImageSource};
    ///
    /// let text = "[services.forge]\nports = []\nimage = { build = \"forge\" }";
    /// let catalog = Catalog::empty().extend_from_toml(text)?.with_build_folders(|folder| Path::new("/srv").join(folder));
    /// let image = catalog.service("forge").map(|forge| &forge.image);
    /// assert_eq!(image, Some(&ImageSource::Build("/srv/forge".into())));
    /// # Ok::<(), decnet_topology::CatalogError>(())
    /// ```
    #[must_use]
    pub fn with_build_folders(mut self, resolve: impl Fn(&Path) -> PathBuf) -> Self {
        for service in self.services.values_mut() {
            if let ImageSource::Build(folder) = &mut service.image {
                *folder = resolve(folder);
            }
        }
        self
    }

    /// Returns a service; singletons are included.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// Returns a service that must exist; singletons are included.
    ///
    /// ```
    /// let refused = decnet_topology::Catalog::builtin().find_service("htpp").unwrap_err();
    /// assert_eq!(refused.to_string(), "no service named `htpp` (did you mean `http`?)");
    /// ```
    pub fn find_service(&self, name: &str) -> Result<&Service, ServiceNotFound> {
        self.service(name).ok_or_else(|| {
            let known = self.services().map(|service| service.name.as_str());
            ServiceNotFound {
                name: name.into(),
                suggestion: spelling::nearest(name, known).map(ServiceName::new),
            }
        })
    }

    /// Returns a service that a decky may run.
    pub fn decky_service(&self, name: &str) -> Option<&Service> {
        self.service(name).filter(|service| !service.singleton)
    }

    /// Walks the services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Returns an archetype.
    pub fn archetype(&self, slug: &str) -> Option<&Archetype> {
        self.archetypes.get(slug)
    }

    /// Returns the services of a decky that names this archetype and no services; none if the archetype is unknown.
    pub(crate) fn usual_services(&self, archetype: Option<&str>) -> Option<&BTreeSet<ServiceName>> {
        let archetype = archetype.and_then(|slug| self.archetype(slug))?;
        Some(&archetype.services)
    }

    /// Returns the operating system of a decky with this archetype: `debian-12` if the archetype has none, or there is none.
    pub(crate) fn system_of(&self, archetype: Option<&str>) -> &str {
        let archetype = archetype.and_then(|slug| self.archetype(slug));
        archetype
            .and_then(|archetype| archetype.os.as_deref())
            .unwrap_or(system::USUAL)
    }

    /// Walks the archetypes, by slug.
    pub fn archetypes(&self) -> impl Iterator<Item = &Archetype> {
        self.archetypes.values()
    }

    /// Returns the ports that two or more of the services use, each with these services. A service uses the ports that visitors see, and
    /// those on which its program listens.
    ///
    /// A service that is named twice counts once. An unknown service uses no ports.
    ///
    /// ```
    /// use decnet_topology::{Catalog, ServiceName};
    ///
    /// let services = ["http", "conpot", "ssh"].map(ServiceName::new);
    /// let clashes = Catalog::builtin().clashes(&services);
    /// assert_eq!(clashes.len(), 1);
    /// assert_eq!(clashes[0].0.to_string(), "80/tcp");
    /// assert_eq!(clashes[0].1, [ServiceName::new("conpot"), ServiceName::new("http")]);
    /// ```
    pub fn clashes<'a>(&self, services: impl IntoIterator<Item = &'a ServiceName>) -> Vec<(Port, Vec<ServiceName>)> {
        let mut wanted: Vec<(Port, &ServiceName)> = services
            .into_iter()
            .filter_map(|name| self.decky_service(name.as_str()))
            .flat_map(|service| service.occupied().map(|port| (port, &service.name)))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
            .chunk_by(|one, other| one.0 == other.0)
            .filter(|same| same.len() > 1)
            .map(|same| (same[0].0, same.iter().map(|(_, name)| (*name).clone()).collect()))
            .collect()
    }

    /// Returns the services of an archetype that are unknown to the catalogue or never run on a decky.
    fn unknown_to_archetype(&self, archetype: &Archetype) -> BTreeSet<ServiceName> {
        let missing = |name: &&ServiceName| self.decky_service(name.as_str()).is_none();
        archetype.services.iter().filter(missing).cloned().collect()
    }
}
