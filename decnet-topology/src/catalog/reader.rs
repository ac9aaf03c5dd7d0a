//! The reader of catalogue files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{
    catalog::{
        Archetype, Catalog, CatalogEntries, CatalogError, FieldType, ImageSource, Port, PortError, SYSTEMS,
        SeccompMode, Service, ServiceField, ServiceLimits, ServicePort, ServiceVolume, Tmpfs, TmpfsError, VolumeError,
        check,
    },
    decode::{self, At, Diagnostics, TextError},
    finding::{Code, Finding, Target},
    name::ServiceName,
    spelling,
};

impl Catalog {
    /// Adds the entries of a TOML file, or overrides the existing ones.
    ///
    /// In an existing entry, only the keys that the file gives are replaced. `fields`, `ports` and the other lists are replaced
    /// as a whole.
    ///
    /// # Errors
    ///
    /// All faults of the file, with their places: the text is not TOML, a key is unknown, a value has the wrong type, a
    /// new service has no ports, an image is not a reference, a container cannot start, or an archetype names a service
    /// that no decky can run.
    pub fn extend_from_toml(mut self, text: impl AsRef<[u8]>) -> Result<Self, CatalogError> {
        self.read_toml(text.as_ref())?;
        Ok(self)
    }

    /// Reads a TOML file that would extend this catalogue, and returns what it defines: the entries that it adds or overrides,
    /// with all their keys.
    ///
    /// ```
    /// use decnet_topology::Catalog;
    ///
    /// let text = "[services.ssh]\nbanner = \"SSH-2.0-x\\r\\n\"\n[archetypes.door]\nservices = [\"ssh\"]";
    /// let defined = Catalog::builtin().check_toml(text)?;
    /// assert_eq!(defined.services[0].name.as_str(), "ssh");
    /// assert_eq!(defined.archetypes[0].slug, "door");
    /// # Ok::<(), decnet_topology::CatalogError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`extend_from_toml`](Self::extend_from_toml).
    pub fn check_toml(&self, text: impl AsRef<[u8]>) -> Result<CatalogEntries, CatalogError> {
        let mut extended = self.clone();
        let names = extended.read_toml(text.as_ref())?;
        let services = names.services.iter();
        let archetypes = names.archetypes.iter();
        Ok(CatalogEntries {
            services: services
                .filter_map(|name| extended.services.get(name).cloned())
                .collect(),
            archetypes: archetypes
                .filter_map(|slug| extended.archetypes.get(slug).cloned())
                .collect(),
        })
    }

    fn read_toml(&mut self, text: &[u8]) -> Result<Names, CatalogError> {
        let refused = |error: TextError| {
            let (line, column) = error.place.unzip();
            let path = String::new();
            let target = Target::Document { path, line, column };
            let finding = Finding::new(Code::DocSyntax, target, error.message("the catalogue"));
            CatalogError {
                findings: vec![finding.at(error.place.map(Into::into))],
            }
        };
        let text = decode::utf8(text).map_err(refused)?;
        let tree = decode::toml(text).map_err(refused)?;
        let diagnostics = Diagnostics::near(text);
        let names = read(self, At::root(&diagnostics, &tree));
        let (faults, more) = diagnostics.finish();
        let findings: Vec<_> = faults.into_iter().map(Finding::from).chain(more).collect();
        if findings.is_empty() {
            Ok(names)
        } else {
            Err(CatalogError { findings })
        }
    }
}

/// The names of the entries of a file.
#[derive(Default)]
struct Names {
    services: BTreeSet<ServiceName>,
    archetypes: BTreeSet<String>,
}

const SERVICE: &[&str] = &[
    "ports",
    "broadcast",
    "image",
    "command",
    "banner",
    "version",
    "fields",
    "capabilities",
    "writable_root",
    "tmpfs",
    "volumes",
    "user",
    "limits",
    "seccomp",
    "environment",
    "singleton",
];

const FIELD: &[&str] = &[
    "key",
    "type",
    "options",
    "max_length",
    "minimum",
    "maximum",
    "default",
    "help",
];

const LIMITS: &[&str] = &["memory_mib", "pids", "cpus", "open_files", "root_mib"];

fn read(catalog: &mut Catalog, at: At<'_, '_>) -> Names {
    let mut names = Names::default();
    let Some(file) = at.fields("a table", "a catalogue", &["services", "archetypes"]) else {
        return names;
    };
    // Archetypes may name services with faults, which are reported already.
    let mut faulty = BTreeSet::new();
    if let Some(services) = file.get("services") {
        for (name, at) in services.entries("a table of services") {
            let known = catalog.services.get(name).cloned();
            names.services.insert(ServiceName::new(name));
            match service(at, known, name.into()) {
                Some(service) => drop(catalog.insert_service(service)),
                None => drop(faulty.insert(ServiceName::new(name))),
            }
        }
    }
    let archetypes = file.get("archetypes");
    let given = archetypes.iter().flat_map(|at| at.entries("a table of archetypes"));
    let mut places = BTreeMap::new();
    for (slug, at) in given {
        let known = catalog.archetypes.get(slug).cloned();
        catalog.insert_archetype(archetype(at, known, slug));
        places.insert(slug, at);
        names.archetypes.insert(slug.into());
    }
    // This check comes last, because a file may make a service of an earlier archetype a singleton.
    for archetype in catalog.archetypes() {
        let place = places.get(archetype.slug.as_str()).copied().unwrap_or(at);
        for service in catalog.unknown_to_archetype(archetype).difference(&faulty) {
            place.fault(format!("archetypes.{}: a decky cannot run `{service}`", archetype.slug));
        }
    }
    names
}

/// Reads a service. Keys that are not given keep their values.
fn service(at: At<'_, '_>, known: Option<Service>, name: ServiceName) -> Option<Service> {
    if !check::is_container_name(name.as_str()) {
        at.fault(format!(
            "services.{:?}: a service's name is made of letters, digits, `_`, `.` and `-`, and begins with a letter or digit",
            name.as_str()
        ));
        return None;
    }
    let fields = at.fields("a table", "a service", SERVICE)?;
    let mut service = match (known, fields.get("ports")) {
        (Some(known), _) => known,
        (None, Some(_)) => Service::new(name, []),
        (None, None) => {
            at.fault(format!(
                "services.{name}: a new service needs `ports` (an empty list if it has none)"
            ));
            return None;
        }
    };
    let none_if_empty = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let get = |key| fields.get(key);
    if let Some(listens) = get("ports").and_then(service_ports) {
        service.ports = listens.iter().map(|port| port.outside).collect();
        let mapped = listens.into_iter().filter(|port| port.is_mapped());
        service.inside = mapped.map(|port| (port.outside, port.inside)).collect();
    }
    put(&mut service.broadcast, get("broadcast").and_then(ports));
    put(&mut service.image, get("image").and_then(image));
    put(&mut service.command, get("command").and_then(texts));
    put(&mut service.banner, get("banner").and_then(text).map(none_if_empty));
    put(&mut service.version, get("version").and_then(text).map(none_if_empty));
    put(&mut service.fields, get("fields").map(service_fields));
    put(&mut service.capabilities, get("capabilities").and_then(texts));
    put(&mut service.writable_root, get("writable_root").and_then(At::flag));
    put(
        &mut service.tmpfs,
        get("tmpfs").and_then(|at| folders(at, &service.name)),
    );
    put(
        &mut service.volumes,
        get("volumes").and_then(|at| volumes(at, &service.name)),
    );
    put(&mut service.user, get("user").and_then(text).map(none_if_empty));
    put(&mut service.limits, get("limits").and_then(limits));
    put(
        &mut service.seccomp,
        get("seccomp").and_then(|at| at.word(SeccompMode::WORDS)),
    );
    put(&mut service.environment, get("environment").map(environment));
    put(&mut service.singleton, get("singleton").and_then(At::flag));
    for (key, message) in check::faults(&service) {
        fields.get(key).unwrap_or(at).fault(message);
    }
    Some(service)
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn text<'t>(at: At<'_, 't>) -> Option<&'t str> {
    at.text("a text")
}

fn texts<C: FromIterator<String>>(at: At<'_, '_>) -> Option<C> {
    at.items("a list of texts").map(|at| text(at).map(Into::into)).collect()
}

/// Reads the ports that visitors see, each once, with those on which the program listens.
fn service_ports(at: At<'_, '_>) -> Option<BTreeSet<ServicePort>> {
    let mut seen = BTreeSet::new();
    let port = |at: At<'_, '_>| {
        let text = at.text("a port like 80/tcp")?;
        let port: ServicePort = text
            .parse()
            .map_err(|error: PortError| at.fault(error.to_string()))
            .ok()?;
        seen.insert(port);
        if seen.iter().filter(|known| known.outside == port.outside).count() > 1 {
            at.fault(format!(
                "`{text}`: visitors see the port {} twice; keep one of them",
                port.outside
            ));
            return None;
        }
        Some(port)
    };
    at.items("a list of ports").map(port).collect()
}

fn folders(at: At<'_, '_>, service: &ServiceName) -> Option<BTreeSet<Tmpfs>> {
    let folder = |at: At<'_, '_>| {
        let refused = |error: TmpfsError| at.fault(format!("services.{service}.tmpfs: {error}"));
        text(at)?.parse::<Tmpfs>().map_err(refused).ok()
    };
    at.items("a list of texts").map(folder).collect()
}

fn volumes(at: At<'_, '_>, service: &ServiceName) -> Option<BTreeSet<ServiceVolume>> {
    let refused = |at: At<'_, '_>, error: VolumeError| at.fault(format!("services.{service}.volumes: {error}"));
    let volume = |at: At<'_, '_>| {
        if let decode::Value::Map(_) = at.value() {
            let fields = at.fields("a table", "a volume", &["name", "path", "keep"])?;
            let name = fields.required("name", "a text").and_then(text);
            let path = fields.required("path", "a text").and_then(text);
            let keep = fields.get("keep").map_or(Some(false), At::flag);
            let volume = ServiceVolume {
                name: name?.into(),
                path: path?.into(),
                keep: keep?,
            };
            volume.check().map_err(|error| refused(at, error)).ok()?;
            return Some(volume);
        }
        let text = at.text("a volume like `data:/var/lib/pot`, or a table with `name`, `path` and `keep`")?;
        text.parse::<ServiceVolume>().map_err(|error| refused(at, error)).ok()
    };
    at.items("a list of volumes").map(volume).collect()
}

fn ports(at: At<'_, '_>) -> Option<BTreeSet<Port>> {
    let port = |at: At<'_, '_>| {
        let port = at.text("a port like 80/tcp")?.parse();
        port.map_err(|error: PortError| at.fault(error.to_string())).ok()
    };
    at.items("a list of ports").map(port).collect()
}

fn image(at: At<'_, '_>) -> Option<ImageSource> {
    match at.value() {
        decode::Value::Map(_) => {
            let fields = at.fields("a table", "an image", &["build"])?;
            let folder = fields
                .required("build", "the path of a folder")?
                .text("the path of a folder")?;
            Some(ImageSource::Build(PathBuf::from(folder)))
        }
        _ => Some(
            match at.text("`builtin`, an image reference or `{ build = \"folder\" }`")? {
                "builtin" => ImageSource::Builtin,
                reference => ImageSource::Reference(reference.into()),
            },
        ),
    }
}

fn service_fields(at: At<'_, '_>) -> Vec<ServiceField> {
    at.items("a list of fields").filter_map(service_field).collect()
}

fn service_field(at: At<'_, '_>) -> Option<ServiceField> {
    let fields = at.fields("a table", "a field", FIELD)?;
    let key = fields.required("key", "a text").and_then(text);
    let kind = fields.required("type", "a type like string");
    let kind: Option<FieldType> = kind.and_then(|at| at.word(FieldType::WORDS));
    let number = |key| fields.get(key).and_then(|at| at.integer("a whole number of 64 bits"));
    let field = ServiceField {
        key: key?.into(),
        kind: kind?,
        options: fields.get("options").and_then(texts).unwrap_or_default(),
        max_length: fields
            .get("max_length")
            .and_then(|at| at.integer("a whole number from 0")),
        minimum: number("minimum"),
        maximum: number("maximum"),
        default: fields.get("default").and_then(At::json),
        help: fields.get("help").and_then(text).unwrap_or_default().into(),
    };
    Some(field)
}

fn limits(at: At<'_, '_>) -> Option<ServiceLimits> {
    let fields = at.fields("a table of limits", "the limits", LIMITS)?;
    let number = |key| {
        let at = fields.get(key)?;
        at.integer("a whole number from 0 to 4294967295")
    };
    Some(ServiceLimits {
        memory_mib: number("memory_mib"),
        pids: number("pids"),
        cpus: fields.get("cpus").and_then(|at| at.expect(at.as_f64(), "a number")),
        open_files: number("open_files"),
        root_mib: number("root_mib"),
    })
}

fn environment(at: At<'_, '_>) -> BTreeMap<String, String> {
    let variables = at.entries("a table of texts");
    let variables = variables.filter_map(|(key, at)| Some((key.to_owned(), text(at)?.to_owned())));
    variables.collect()
}

fn system(at: At<'_, '_>) -> Option<String> {
    let os = text(at)?;
    if SYSTEMS.contains(&os) {
        return Some(os.into());
    }
    let hint = spelling::hint(os, SYSTEMS.iter().copied());
    at.fault(format!(
        "the operating system `{os}` is not known{hint}; use one of {}",
        SYSTEMS.join(", ")
    ));
    None
}

fn archetype(at: At<'_, '_>, known: Option<Archetype>, slug: &str) -> Archetype {
    let mut archetype = known.unwrap_or_else(|| Archetype {
        slug: slug.into(),
        title: slug.into(),
        services: BTreeSet::new(),
        os: None,
    });
    if let Some(fields) = at.fields("a table", "an archetype", &["title", "services", "os"]) {
        put(&mut archetype.title, fields.get("title").and_then(text).map(Into::into));
        let services = fields.get("services").and_then(texts::<Vec<_>>);
        let services = services.map(|names| names.iter().map(|name| ServiceName::new(name)).collect());
        put(&mut archetype.services, services);
        put(&mut archetype.os, fields.get("os").map(system));
    }
    archetype
}
