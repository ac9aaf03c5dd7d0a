//! The services of deckies, and their configuration.

use crate::{
    catalog::{Catalog, environment},
    finding::{Code, Finding, Findings, Target},
    name::ServiceName,
    spelling,
    validate::{fast::ServiceView, view::DeckyView},
};

/// `UNKNOWN_SERVICE`: a service that is not in the catalogue, or a singleton.
pub(super) fn unknown(decky: &DeckyView<'_>, catalog: &Catalog, findings: &mut Findings) {
    for service in decky.services {
        let (decky_name, name) = (decky.name, service.name);
        let message = match service.known {
            Some(known) if !known.singleton => continue,
            _ if findings.counts_only(Code::UnknownService) => continue,
            Some(_) => {
                format!("decky `{decky_name}` runs `{name}`, which runs once per host and never on a decky; remove it")
            }
            None => {
                let deckys = catalog.services().filter(|known| !known.singleton);
                let hint = spelling::hint(name.as_str(), deckys.map(|known| known.name.as_str()));
                format!(
                    "decky `{decky_name}` runs `{name}`, which is not in the catalogue{hint}; remove it, or add it to the catalogue"
                )
            }
        };
        findings.push(Finding::new(Code::UnknownService, target(decky, name), message));
    }
}

/// `ARCHETYPE_UNKNOWN`: an archetype that is not in the catalogue.
pub(super) fn archetype(decky: &DeckyView<'_>, catalog: &Catalog, findings: &mut Findings) {
    let unknown = |slug: &&str| catalog.archetype(slug).is_none();
    if let Some(slug) = decky.archetype.filter(unknown) {
        if findings.counts_only(Code::ArchetypeUnknown) {
            return;
        }
        let hint = spelling::hint(slug, catalog.archetypes().map(|known| known.slug.as_str()));
        let message = format!(
            "decky `{}` is a `{slug}`, which is not in the catalogue{hint}; remove it, or add it to the catalogue",
            decky.name
        );
        let target = Target::Decky {
            decky: decky.name.into(),
        };
        findings.push(Finding::new(Code::ArchetypeUnknown, target, message));
    }
}

/// `SERVICE_PORT_CLASH`: two services of one decky use the same port.
pub(super) fn port_clashes(decky: &DeckyView<'_>, catalog: &Catalog, findings: &mut Findings) {
    // Clashes are rare: the following is slow, and finds the services.
    if !ServiceView::have_clash(decky.services) {
        return;
    }
    for (port, services) in catalog.clashes(decky.services.iter().map(|service| service.name)) {
        let names: Vec<_> = services.iter().map(|name| format!("`{name}`")).collect();
        let message = format!(
            "{} of decky `{}` use the same port {port}; keep one of them",
            names.join(" and "),
            decky.name
        );
        let service = &services[services.len() - 1];
        findings.push(Finding::new(Code::ServicePortClash, target(decky, service), message));
    }
}

/// `SERVICE_CFG_UNDECLARED`: configuration for a service that the decky does not run.
pub(super) fn undeclared(decky: &DeckyView<'_>, findings: &mut Findings) {
    for service in decky.config.keys().filter(|name| decky.declared(name).is_none()) {
        let message = format!(
            "decky `{}` configures `{service}` but does not run it; add the service or remove its config",
            decky.name
        );
        findings.push(Finding::new(
            Code::ServiceCfgUndeclared,
            target(decky, service),
            message,
        ));
    }
}

/// `SERVICE_CFG_INVALID`, `SERVICE_CFG_UNKNOWN_FIELD`: a value that does not fit its field, and an unknown field.
pub(super) fn fields(decky: &DeckyView<'_>, findings: &mut Findings) {
    for (service, fields) in decky.config {
        let declared = decky.declared(service).and_then(|declared| declared.known);
        let Some(known) = declared.filter(|known| !known.singleton) else {
            continue;
        };
        for (key, value) in fields {
            let (code, message) = match known.field(key).map(|field| field.check(value)) {
                Some(Ok(())) => continue,
                Some(Err(fault)) => {
                    let message = format!("`{key}` of `{service}` on decky `{}` {fault}", decky.name);
                    (Code::ServiceCfgInvalid, message)
                }
                None if findings.counts_only(Code::ServiceCfgUnknownField) => continue,
                None => {
                    let hint = spelling::hint(key, known.fields.iter().map(|field| field.key.as_str()));
                    let message = format!("`{service}` on decky `{}` has no field `{key}`{hint}", decky.name);
                    (Code::ServiceCfgUnknownField, message)
                }
            };
            let target = Target::ServiceField {
                decky: decky.name.into(),
                service: service.to_string(),
                field: key.clone(),
            };
            findings.push(Finding::new(code, target, message));
        }
        let length = known.environment_bytes(|key| fields.get(key));
        if length > environment::TEXT_BYTES {
            let message = format!(
                "the config of `{service}` on decky `{}` has {length} bytes as JSON, but a container can get at most {}; shorten it",
                decky.name,
                environment::TEXT_BYTES
            );
            findings.push(Finding::new(Code::ServiceCfgInvalid, target(decky, service), message));
        }
    }
}

/// Describes what an intruder can do with a capability that no decky should have; none for other capabilities.
fn power(capability: &str) -> Option<&'static str> {
    Some(match capability {
        "NET_RAW" => "send frames that bypass the decky's packet filter, also to the host",
        "NET_ADMIN" | "ALL" => "remove the decky's packet filter",
        "SYS_ADMIN" | "SYS_MODULE" | "SYS_RAWIO" | "SYS_PTRACE" | "SYS_BOOT" | "DAC_READ_SEARCH" | "MAC_ADMIN"
        | "BPF" | "PERFMON" | "CHECKPOINT_RESTORE" => "reach into the host's kernel, files or processes",
        _ => return None,
    })
}

/// `SERVICE_CAPABILITY`: a service whose catalogue entry lets an intruder break out of the decky.
pub(super) fn powerful(decky: &DeckyView<'_>, findings: &mut Findings) {
    for service in decky.services {
        let Some(known) = service.known.filter(|known| !known.singleton) else {
            continue;
        };
        let spelled = |capability: &String| capability.to_ascii_uppercase().trim_start_matches("CAP_").to_owned();
        for capability in known.capabilities.iter().map(spelled) {
            let Some(power) = power(&capability) else {
                continue;
            };
            let (decky_name, name) = (decky.name, service.name);
            let message = format!(
                "`{name}` on decky `{decky_name}` has the capability {capability}: an intruder in it can {power}; remove \
                 the capability in the catalogue if the service works without it"
            );
            findings.push(Finding::new(Code::ServiceCapability, target(decky, name), message));
        }
    }
}

fn target(decky: &DeckyView<'_>, service: &ServiceName) -> Target {
    Target::Service {
        decky: decky.name.into(),
        service: service.to_string(),
    }
}
