//! Faults of a service that Docker or Linux would refuse.

use std::collections::BTreeSet;

use crate::catalog::{FieldType, ImageSource, Protocol, Service, ServiceField, ServiceLimits, environment};

/// The most folders in memory, and the most volumes of a service: each is a mount.
const FOLDERS: usize = 32;

/// The files that Docker mounts in each container.
const MOUNTED_FILES: [&str; 3] = ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"];

/// Where the base mounts its state in a built-in service: `STATE_FOLDER` of the decoy, on which this crate does not depend.
const STATE_FOLDER: &str = "/var/lib";

/// Returns the faults of a service: the key of each, and a description.
pub(super) fn faults(service: &Service) -> Vec<(&'static str, String)> {
    let name = &service.name;
    let mut faults = Vec::new();
    if let ImageSource::Reference(image) = &service.image
        && !is_reference(image)
    {
        let message = format!("services.{name}: {image:?} is not an image reference like `registry/name:tag`");
        faults.push(("image", message));
    }
    for port in service.broadcast.iter().filter(|port| port.protocol != Protocol::Udp) {
        let message = format!(
            "services.{name}.broadcast: `{port}` is not a UDP port, and nothing else can be sent to a whole LAN"
        );
        faults.push(("broadcast", message));
    }
    faults.extend(faults_of_folders(service));
    faults.extend(faults_of_ports(service));
    let of_fields = faults_of_fields(&service.fields).into_iter();
    faults.extend(of_fields.map(|message| ("fields", format!("services.{name}.fields: {message}"))));
    let starting = faults_at_start(service).into_iter();
    faults.extend(starting.map(|(key, reason)| (key, format!("services.{name}: it cannot start: {reason}"))));
    faults
}

/// Returns whether Docker accepts a text as the end of a container's name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
pub(super) fn is_container_name(text: &str) -> bool {
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

/// Returns the faults of folders and volumes that each are valid.
fn faults_of_folders(service: &Service) -> Vec<(&'static str, String)> {
    let name = &service.name;
    let mut faults = Vec::new();
    for (key, count) in [("tmpfs", service.tmpfs.len()), ("volumes", service.volumes.len())] {
        if count > FOLDERS {
            let what = if key == "volumes" { "volumes" } else { "folders" };
            faults.push((
                key,
                format!("services.{name}.{key}: it has {count} {what}, more than {FOLDERS}"),
            ));
        }
    }
    let mut names = BTreeSet::new();
    for volume in service.volumes.iter().filter(|volume| !names.insert(&volume.name)) {
        let message = format!("services.{name}.volumes: `{}` occurs twice", volume.name);
        faults.push(("volumes", message));
    }
    let folders = service.tmpfs.iter().map(|folder| ("tmpfs", &folder.path));
    let mut paths = BTreeSet::new();
    for (key, path) in folders.chain(service.volumes.iter().map(|volume| ("volumes", &volume.path))) {
        if !paths.insert(path) {
            faults.push((
                key,
                format!("services.{name}.{key}: {path} occurs twice; keep one of them"),
            ));
        }
        if let Some(file) = MOUNTED_FILES.into_iter().find(|file| is_in(path, file)) {
            faults.push((
                key,
                format!("services.{name}.{key}: Docker mounts the file {file}; use another folder than {path}"),
            ));
        }
        let hides_state = is_in(path, STATE_FOLDER) || is_in(STATE_FOLDER, path);
        if service.image == ImageSource::Builtin && hides_state {
            faults.push((
                key,
                format!(
                    "services.{name}.{key}: {STATE_FOLDER} of a built-in service has its state; use another folder than {path}"
                ),
            ));
        }
    }
    if service.image == ImageSource::Builtin && !service.volumes.is_empty() {
        let message =
            format!("services.{name}.volumes: a built-in service stores nothing; remove `volumes`, or set `image`");
        faults.push(("volumes", message));
    }
    faults
}

/// Returns whether a path is a folder, or is in it.
fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|inner| inner.is_empty() || inner.starts_with('/'))
}

/// Returns the faults of a mapping that each port allows.
fn faults_of_ports(service: &Service) -> Option<(&'static str, String)> {
    let mapped = service.listens().find(|port| port.is_mapped())?;
    (service.image == ImageSource::Builtin).then(|| {
        let (name, outside) = (&service.name, mapped.outside);
        let message = format!(
            "services.{name}.ports: a built-in service listens on the port that visitors see; write `{outside}` instead of `{mapped}`, or set \
             `image`"
        );
        ("ports", message)
    })
}

/// Returns the reasons why Linux would not start a service that Docker accepts.
fn faults_at_start(service: &Service) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let mut refuse = |key, reason: String| faults.push((key, reason));
    let (text_bytes, total_bytes) = (environment::TEXT_BYTES, environment::TOTAL_BYTES);
    let (ports, most) = (service.ports.len(), environment::PORTS);
    if ports > most {
        refuse("ports", format!("it has {ports} ports, more than {most}"));
    }
    let variables = service.environment.iter();
    let variables = variables.map(|(key, value)| {
        let length = key.len() + value.len();
        ("environment", format!("`environment.{key}`"), value, length)
    });
    let arguments = service.command.iter();
    let arguments = arguments.map(|word| ("command", "`command`".to_owned(), word, word.len()));
    let mut total = 0;
    for (key, what, text, length) in variables.chain(arguments) {
        if text.contains('\0') {
            refuse(key, format!("{what} contains a NUL"));
        }
        if length > text_bytes {
            refuse(key, format!("{what} has {length} bytes, more than {text_bytes}"));
        }
        total += length;
    }
    if total > total_bytes {
        let reason = format!("its command and environment have {total} bytes, more than {total_bytes}");
        refuse("environment", reason);
    }
    // The engine always sets this field, even if the service does not let a maze set it.
    let limit = service.field("banner").map_or(16 * 1024, ServiceField::text_limit);
    let banner = service.banner.as_deref().map_or(0, str::len);
    let length = service.environment_bytes(|_| None);
    if banner > limit {
        refuse("banner", format!("`banner` has {banner} bytes, more than {limit}"));
    } else if length > text_bytes {
        let reason = format!("its fields and banner have {length} bytes as JSON, more than {text_bytes}");
        refuse("fields", reason);
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
        refuse("limits", "`limits.memory_mib` is less than 6".into());
    }
    if pids == Some(0) {
        refuse("limits", "`limits.pids` is 0".into());
    }
    if cpus.is_some_and(|cpus| !cpus.is_finite() || cpus <= 0.0) {
        refuse("limits", "`limits.cpus` is not a number above 0".into());
    }
    // A program needs some open files before it can log an error; no kernel allows more than 2^20 by default (fs.nr_open).
    if open_files.is_some_and(|files| !(16..=1 << 20).contains(&files)) {
        refuse("limits", "`limits.open_files` is not in the range 16 to 1048576".into());
    }
    if root_mib == Some(0) {
        refuse("limits", "`limits.root_mib` is 0".into());
    }
    faults
}

fn faults_of_fields(fields: &[ServiceField]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for field in fields {
        let key = &field.key;
        if !seen.insert(key) {
            faults.push(format!("`{key}` occurs twice"));
        }
        let is_enum = matches!(field.kind, FieldType::Enum | FieldType::MultiEnum);
        if is_enum == field.options.is_empty() {
            faults.push(format!(
                "`{key}` needs `options` if, and only if, it is an enum or multi_enum"
            ));
        }
        let is_text = matches!(field.kind, FieldType::String | FieldType::Password | FieldType::Text);
        let has_range = field.minimum.is_some() || field.maximum.is_some();
        if field.max_length.is_some() && !is_text || has_range && field.kind != FieldType::Int {
            faults.push(format!(
                "`{key}` accepts `max_length` only if it is a text, `minimum` and `maximum` only if it is an int"
            ));
        }
        if let Some(Err(fault)) = field.default.as_ref().map(|default| field.check(default)) {
            faults.push(format!("the default of `{key}` is invalid: it {fault}"));
        }
    }
    faults
}
