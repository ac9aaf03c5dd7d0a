use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;

use crate::{
    catalog::{
        Archetype, Catalog, CatalogError, ImageSource, Port, Protocol, SeccompMode, Service, ServiceField,
        ServiceLimits, environment,
    },
    name::ServiceName,
};

impl Catalog {
    /// Adds the entries of a TOML file, or overrides the existing ones.
    ///
    /// In an existing entry, only the keys that the file gives are replaced. `fields`, `ports` and the other lists are replaced
    /// as a whole. Unknown keys and bad values are errors with their place.
    pub fn extend_from_toml(self, text: &str) -> Result<Self, CatalogError> {
        extend(self, text)
    }
}

/// A catalogue file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    services: BTreeMap<ServiceName, ServiceEntry>,
    #[serde(default)]
    archetypes: BTreeMap<String, ArchetypeEntry>,
}

/// The keys of a service in a file; missing ones keep their values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceEntry {
    ports: Option<BTreeSet<Port>>,
    broadcast: Option<BTreeSet<Port>>,
    image: Option<ImageEntry>,
    command: Option<Vec<String>>,
    banner: Option<String>,
    fields: Option<Vec<ServiceField>>,
    capabilities: Option<BTreeSet<String>>,
    writable_root: Option<bool>,
    user: Option<String>,
    limits: Option<ServiceLimits>,
    seccomp: Option<SeccompMode>,
    environment: Option<BTreeMap<String, String>>,
    singleton: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected `builtin`, an image reference or `{ build = \"folder\" }`"
)]
enum ImageEntry {
    Text(String),
    Build(BuildEntry),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildEntry {
    build: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchetypeEntry {
    title: Option<String>,
    services: Option<BTreeSet<ServiceName>>,
}

/// Adds the entries of a TOML text to a catalogue.
pub(super) fn extend(mut catalog: Catalog, text: &str) -> Result<Catalog, CatalogError> {
    let file: File = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    for (name, entry) in file.services {
        if !is_container_name(name.as_str()) {
            return Err(CatalogError::ServiceName { service: name });
        }
        let known = catalog.services.remove(name.as_str());
        let service = entry.onto(known, name)?;
        if let ImageSource::Reference(image) = &service.image
            && !is_reference(image)
        {
            return Err(CatalogError::Image {
                service: service.name,
                image: image.clone(),
            });
        }
        if let Some(port) = service.broadcast.iter().find(|port| port.protocol != Protocol::Udp) {
            let (service, port) = (service.name, *port);
            return Err(CatalogError::Broadcast { service, port });
        }
        check_fields(&service)?;
        check_start(&service)?;
        catalog.insert_service(service);
    }
    for (slug, entry) in file.archetypes {
        let archetype = entry.onto(catalog.archetypes.remove(&slug), slug);
        catalog.insert_archetype(archetype);
    }
    // This check comes last, because a file may make a service of an earlier archetype a singleton.
    for archetype in catalog.archetypes() {
        if let Some(service) = catalog.unknown_to_archetype(archetype).pop_first() {
            let slug = archetype.slug.clone();
            return Err(CatalogError::ArchetypeService { slug, service });
        }
    }
    Ok(catalog)
}

/// Returns whether Docker accepts a text as the end of a container's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
fn is_container_name(text: &str) -> bool {
    let inner = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    text.len() <= 63 && text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(inner)
}

/// Returns whether a text can be the reference of an image: components of lower-case letters, digits and separators, the first of
/// which may be a registry, then a tag or a digest (the grammar of github.com/distribution/reference, loosely).
fn is_reference(text: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.-/:@".contains(character);
    let (path, _) = text.split_once('@').unwrap_or((text, ""));
    let (registry, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = name.split(':').next().unwrap_or_default();
    let part = |part: &str| part.starts_with(|first: char| first.is_ascii_alphanumeric());
    text.chars().all(allowed)
        && part(name)
        && !name.contains(|character: char| character.is_ascii_uppercase())
        && (registry.is_empty() || registry.split('/').all(part))
}

fn syntax(text: &str, error: &toml::de::Error) -> CatalogError {
    let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    CatalogError::Syntax {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.message().into(),
    }
}

impl ServiceEntry {
    fn onto(self, known: Option<Service>, name: ServiceName) -> Result<Service, CatalogError> {
        let mut service = match (known, &self.ports) {
            (Some(known), _) => known,
            (None, Some(_)) => Service::new(name, []),
            (None, None) => return Err(CatalogError::NoPorts { service: name }),
        };
        set(&mut service.ports, self.ports);
        set(&mut service.broadcast, self.broadcast);
        set(&mut service.image, self.image.map(ImageSource::from));
        set(&mut service.command, self.command);
        set(
            &mut service.banner,
            self.banner.map(|text| Some(text).filter(|text| !text.is_empty())),
        );
        set(&mut service.fields, self.fields);
        set(&mut service.capabilities, self.capabilities);
        set(&mut service.writable_root, self.writable_root);
        set(
            &mut service.user,
            self.user.map(|user| Some(user).filter(|user| !user.is_empty())),
        );
        set(&mut service.limits, self.limits);
        set(&mut service.seccomp, self.seccomp);
        set(&mut service.environment, self.environment);
        set(&mut service.singleton, self.singleton);
        Ok(service)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl From<ImageEntry> for ImageSource {
    fn from(entry: ImageEntry) -> Self {
        match entry {
            ImageEntry::Text(text) if text == "builtin" => Self::Builtin,
            ImageEntry::Text(text) => Self::Reference(text),
            ImageEntry::Build(entry) => Self::Build(entry.build),
        }
    }
}

impl ArchetypeEntry {
    fn onto(self, known: Option<Archetype>, slug: String) -> Archetype {
        let (title, services) = known.map_or((slug.clone(), BTreeSet::new()), |known| (known.title, known.services));
        Archetype {
            slug,
            title: self.title.unwrap_or(title),
            services: self.services.unwrap_or(services),
        }
    }
}

/// Refuses services that Docker would accept, but Linux would not start.
fn check_start(service: &Service) -> Result<(), CatalogError> {
    let refuse = |reason: String| {
        Err(CatalogError::NeverStarts {
            service: service.name.clone(),
            reason,
        })
    };
    if service.ports.len() > environment::PORTS {
        return refuse(format!(
            "it has {} ports, of {} at most",
            service.ports.len(),
            environment::PORTS
        ));
    }
    let variables = service.environment.iter();
    let variables = variables.map(|(key, value)| (format!("`environment.{key}`"), value, key.len() + value.len()));
    let arguments = service
        .command
        .iter()
        .map(|word| ("`command`".to_owned(), word, word.len()));
    let mut total = 0;
    for (what, text, length) in variables.chain(arguments) {
        if text.contains('\0') {
            return refuse(format!("{what} contains a NUL"));
        }
        if length > environment::TEXT_BYTES {
            return refuse(format!(
                "{what} has {length} bytes, of {} at most",
                environment::TEXT_BYTES
            ));
        }
        total += length;
    }
    if total > environment::TOTAL_BYTES {
        return refuse(format!(
            "its command and environment have {total} bytes, of {} at most",
            environment::TOTAL_BYTES
        ));
    }
    // The engine always sets this field, even if the service does not let a maze set it.
    let field = service.field("banner");
    let limit = field.map_or(16 * 1024, ServiceField::text_limit);
    if let Some(length) = service.banner.as_deref().map(str::len).filter(|length| *length > limit) {
        return refuse(format!("`banner` has {length} bytes, of {limit} at most"));
    }
    let length = service.environment_bytes(|_| None);
    if length > environment::TEXT_BYTES {
        return refuse(format!(
            "its fields and banner have {length} bytes as JSON, of {} at most",
            environment::TEXT_BYTES
        ));
    }
    let ServiceLimits {
        memory_mib,
        pids,
        cpus,
        open_files,
        root_mib,
    } = service.limits;
    // Docker requires 6 MiB; 0 would mean no limit.
    if memory_mib.is_some_and(|memory| memory < 6) {
        return refuse("`limits.memory_mib` is less than 6".into());
    }
    if pids == Some(0) {
        return refuse("`limits.pids` is 0".into());
    }
    if cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
        return refuse("`limits.cpus` is not a number above 0".into());
    }
    // A program needs some open files before it can log an error; no kernel allows more than 2^20 by default (fs.nr_open).
    if open_files.is_some_and(|files| !(16..=1 << 20).contains(&files)) {
        return refuse("`limits.open_files` is not from 16 to 1048576".into());
    }
    if root_mib == Some(0) {
        return refuse("`limits.root_mib` is 0".into());
    }
    Ok(())
}

fn check_fields(service: &Service) -> Result<(), CatalogError> {
    use crate::catalog::FieldType;

    let mut seen = BTreeSet::new();
    for field in &service.fields {
        let (service, key) = (service.name.clone(), field.key.clone());
        if !seen.insert(&field.key) {
            return Err(CatalogError::FieldTwice { service, key });
        }
        let is_enum = matches!(field.kind, FieldType::Enum | FieldType::MultiEnum);
        if is_enum == field.options.is_empty() {
            return Err(CatalogError::Options { service, key });
        }
        let is_text = matches!(field.kind, FieldType::String | FieldType::Password | FieldType::Text);
        let has_range = field.minimum.is_some() || field.maximum.is_some();
        if field.max_length.is_some() && !is_text || has_range && field.kind != FieldType::Int {
            return Err(CatalogError::Bounds { service, key });
        }
        if let Some(Err(source)) = field.default.as_ref().map(|default| field.check(default)) {
            return Err(CatalogError::Default { service, key, source });
        }
    }
    Ok(())
}
