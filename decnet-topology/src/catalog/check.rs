//! Faults of a service that Docker or Linux would refuse.

use std::collections::BTreeSet;

use crate::catalog::{FieldType, ImageSource, Protocol, Service, ServiceField, ServiceLimits, environment};

/// The longest path of a folder in memory. Linux allows 4096 bytes, and Docker puts its own folders before it.
const LONGEST_PATH: usize = 1024;

/// The most folders in memory of a service: each is a mount.
const FOLDERS: usize = 32;

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
    for folder in service.tmpfs.iter().filter(|folder| !is_folder(folder)) {
        let message = format!(
            "services.{name}.tmpfs: {folder:?} is not a folder like `/var/log/{name}`: an absolute path of letters, digits and \
             `_.-/`, without `..`, at most {LONGEST_PATH} bytes long, and not in /proc, /sys or /dev"
        );
        faults.push(("tmpfs", message));
    }
    if service.tmpfs.len() > FOLDERS {
        let (count, most) = (service.tmpfs.len(), FOLDERS);
        let message = format!("services.{name}.tmpfs: it has {count} folders, more than {most}");
        faults.push(("tmpfs", message));
    }
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

/// Returns whether Docker can mount a folder in memory at a path. Other characters would end the path in Docker's options, and
/// the kernel's own folders hide what the engine masks in them.
fn is_folder(text: &str) -> bool {
    let Some(path) = text.strip_prefix('/') else {
        return false;
    };
    let allowed = |part: &str| {
        let character = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        !["", ".", ".."].contains(&part) && part.chars().all(character)
    };
    let first = path.split('/').next().unwrap_or_default();
    text.len() <= LONGEST_PATH && path.split('/').all(allowed) && !["proc", "sys", "dev"].contains(&first)
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
