//! What deckies run, and how it is configured.

use crate::{
    catalog::{Catalog, Port},
    finding::{Code, Finding, Target},
    model::ServiceFields,
    name::ServiceName,
    spelling,
    validate::view::{DeckyView, Known, View},
};

/// `UNKNOWN_SERVICE`: a service that is not in the catalogue, or a singleton.
pub(super) fn unknown(view: &View<'_>, known: &Known<'_>, catalog: &Catalog, findings: &mut Vec<Finding>) {
    for decky in &view.deckies {
        for (at, known) in known.of(decky).iter().enumerate() {
            if known.is_some_and(|known| !known.singleton) {
                continue;
            }
            let (name, service) = (decky.name, &view.services(decky)[at]);
            let message = if known.is_some() {
                format!("decky `{name}` runs `{service}`, of which there is one a host, never on a decky; remove it")
            } else {
                let deckys = catalog.services().filter(|known| !known.singleton);
                let hint = spelling::hint(service.as_str(), deckys.map(|known| known.name.as_str()));
                format!(
                    "decky `{name}` runs `{service}`, which is not in the catalogue{hint}; remove it, or add it there"
                )
            };
            findings.push(Finding::new(Code::UnknownService, target(decky, service), message));
        }
    }
}

/// `ARCHETYPE_UNKNOWN`: an archetype that is not in the catalogue.
pub(super) fn archetypes(view: &View<'_>, catalog: &Catalog, findings: &mut Vec<Finding>) {
    for decky in &view.deckies {
        let unknown = |slug: &&str| catalog.archetype(slug).is_none();
        if let Some(slug) = decky.archetype.filter(unknown) {
            let hint = spelling::hint(slug, catalog.archetypes().map(|known| known.slug.as_str()));
            let message = format!(
                "decky `{}` is a `{slug}`, which is not in the catalogue{hint}; drop it, or add it there",
                decky.name
            );
            let target = Target::Decky {
                decky: decky.name.into(),
            };
            findings.push(Finding::new(Code::ArchetypeUnknown, target, message));
        }
    }
}

/// `SERVICE_PORT_CLASH`: two services of one decky that want the same port.
pub(super) fn port_clashes(view: &View<'_>, known: &Known<'_>, catalog: &Catalog, findings: &mut Vec<Finding>) {
    let mut wanted: Vec<Port> = Vec::new();
    for decky in view.deckies.iter().filter(|decky| known.of(decky).len() > 1) {
        wanted.clear();
        wanted.extend(known.running(decky).flat_map(|service| &service.ports));
        wanted.sort_unstable();
        if wanted.array_windows().all(|[one, other]| one != other) {
            continue;
        }
        for (port, services) in catalog.clashes(view.services(decky).iter()) {
            let names: Vec<_> = services.iter().map(|name| format!("`{name}`")).collect();
            let message = format!(
                "{} of decky `{}` want the same port {port}; keep one",
                names.join(" and "),
                decky.name
            );
            let service = &services[services.len() - 1];
            findings.push(Finding::new(Code::ServicePortClash, target(decky, service), message));
        }
    }
}

/// `SERVICE_CFG_UNDECLARED`: configuration for a service that the decky does not run.
pub(super) fn undeclared(view: &View<'_>, findings: &mut Vec<Finding>) {
    for (decky, service, _) in configured(view) {
        if view.services(decky).binary_search(service).is_err() {
            let name = decky.name;
            let message = format!(
                "decky `{name}` configures `{service}` but does not run it; add the service or drop its config"
            );
            findings.push(Finding::new(
                Code::ServiceCfgUndeclared,
                target(decky, service),
                message,
            ));
        }
    }
}

/// `SERVICE_CFG_INVALID`, `SERVICE_CFG_UNKNOWN_FIELD`: a value that does not fit its field, and a field that is none.
pub(super) fn fields(view: &View<'_>, catalog: &Catalog, findings: &mut Vec<Finding>) {
    for (decky, service, fields) in configured(view) {
        let (Ok(_), Some(known)) = (
            view.services(decky).binary_search(service),
            catalog.decky_service(service.as_str()),
        ) else {
            continue;
        };
        for (key, value) in fields {
            let (code, message) = match known.field(key).map(|field| field.check(value)) {
                Some(Ok(())) => continue,
                Some(Err(fault)) => {
                    let message = format!("`{key}` of `{service}` on decky `{}` {fault}", decky.name);
                    (Code::ServiceCfgInvalid, message)
                }
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
    }
}

fn configured<'v, 'a>(
    view: &'v View<'a>,
) -> impl Iterator<Item = (&'v DeckyView<'a>, &'a ServiceName, &'a ServiceFields)> {
    let services = |decky: &'v DeckyView<'a>| {
        let config = decky.config.into_iter().flatten();
        config.map(move |(service, fields)| (decky, service, fields))
    };
    view.deckies.iter().flat_map(services)
}

fn target(decky: &DeckyView<'_>, service: &ServiceName) -> Target {
    Target::Service {
        decky: decky.name.into(),
        service: service.to_string(),
    }
}
