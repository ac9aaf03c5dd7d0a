//! The personas that a maze pins.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::{
    catalog::{Catalog, FieldFault, FieldType, ImageSource, Service},
    finding::{Code, Finding, Findings, Target},
    model::Persona,
    name::Name,
    spelling,
    validate::view::{DeckyView, TopologyView},
};

/// The longest version, in bytes.
const LONGEST_VERSION: usize = 128;

/// `PERSONA_OS_UNKNOWN`, `PERSONA_HOSTNAME_INVALID`, `PERSONA_VERSION_UNDECLARED`, `PERSONA_VERSION_UNSHOWN`, `PERSONA_VERSION_INVALID`.
pub(super) fn pins(decky: &DeckyView<'_>, findings: &mut Findings) {
    let Some(persona) = decky.persona else { return };
    let target = || Target::Decky {
        decky: decky.name.into(),
    };
    if let Some(os) = persona.os.as_deref().filter(|os| !Persona::SYSTEMS.contains(os)) {
        let hint = spelling::hint(os, Persona::SYSTEMS.iter().copied());
        let message = format!(
            "the persona of decky `{}` has the operating system `{os}`, which is not known{hint}; use one of {}",
            decky.name,
            Persona::SYSTEMS.join(", ")
        );
        findings.push(Finding::new(Code::PersonaOsUnknown, target(), message));
    }
    let hostname = persona.hostname.as_deref();
    if let Some((hostname, fault)) = hostname.and_then(|hostname| Some((hostname, Name::new(hostname).err()?))) {
        let message = format!(
            "the persona of decky `{}` has the hostname `{hostname}`, which is not valid: {fault}; use a DNS label like fin-dc-01",
            decky.name
        );
        findings.push(Finding::new(Code::PersonaHostnameInvalid, target(), message));
    }
    for (service, version) in &persona.versions {
        let target = || Target::Service {
            decky: decky.name.into(),
            service: service.to_string(),
        };
        let mut push = |code, message| findings.push(Finding::new(code, target(), message));
        let Some(declared) = decky.declared(service) else {
            let message = format!(
                "the persona of decky `{}` pins a version of `{service}`, which the decky does not run; add the service or remove the version",
                decky.name
            );
            push(Code::PersonaVersionUndeclared, message);
            continue;
        };
        let is_foreign = declared
            .known
            .is_some_and(|known| !matches!(known.image, ImageSource::Builtin));
        if is_foreign {
            let message = format!(
                "the persona of decky `{}` pins a version of `{service}`, whose image is not built in and reports its own; remove the version",
                decky.name
            );
            push(Code::PersonaVersionInvalid, message);
        } else if declared.known.is_some_and(|known| known.version.is_none()) {
            let message = format!(
                "the persona of decky `{}` pins a version of `{service}`, whose answers show no version; remove the version",
                decky.name
            );
            push(Code::PersonaVersionUnshown, message);
        } else if let Some(fault) = declared.known.and_then(|known| unknown_release(known, version)) {
            let message = format!(
                "the persona of decky `{}` pins a version of `{service}`, which {fault}",
                decky.name
            );
            push(Code::PersonaVersionInvalid, message);
        } else if version.is_empty()
            || version.len() > LONGEST_VERSION
            || !version.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            let message = format!(
                "the persona of decky `{}` pins a version of `{service}` that is not valid; a version has 1 to {LONGEST_VERSION} printable ASCII characters",
                decky.name
            );
            push(Code::PersonaVersionInvalid, message);
        }
    }
}

/// The pinned hostnames, in lower case.
#[derive(Default)]
pub(super) struct Hostnames(BTreeSet<String>);

/// A decky with a hostname that some decky pins.
struct Named {
    decky: String,
    /// The positions of its LANs.
    lans: Vec<usize>,
}

impl Hostnames {
    pub(super) fn add(&mut self, decky: &DeckyView<'_>) {
        let pinned = decky.persona.and_then(|persona| persona.hostname.as_deref());
        self.0.extend(pinned.map(str::to_ascii_lowercase));
    }

    /// `PERSONA_HOSTNAME_TWICE`: a hostname of two deckies, of which at least one pins it. It is a warning if they share no LAN.
    pub(super) fn shared(&self, view: &TopologyView<'_>, catalog: &Catalog, findings: &mut Findings) {
        if self.0.is_empty() {
            return;
        }
        let mut named: BTreeMap<&str, Vec<Named>> = BTreeMap::new();
        view.each_decky(catalog, &mut |decky| {
            let pinned = decky.persona.and_then(|persona| persona.hostname.as_deref());
            let hostname = pinned.unwrap_or(decky.name).to_ascii_lowercase();
            if let Some(hostname) = self.0.get(&hostname) {
                named.entry(hostname).or_default().push(Named {
                    decky: decky.name.into(),
                    lans: decky.attachments.iter().map(|attachment| attachment.at).collect(),
                });
            }
        });
        for (hostname, deckies) in &named {
            // The first decky of each LAN.
            let mut residents: HashMap<usize, usize> = HashMap::new();
            for (at, one) in deckies.iter().enumerate() {
                let neighbour = one.lans.iter().filter_map(|lan| residents.get(lan).copied()).min();
                for lan in &one.lans {
                    residents.entry(*lan).or_insert(at);
                }
                let Some(other) = neighbour.or((at > 0).then_some(0)).and_then(|other| deckies.get(other)) else {
                    continue;
                };
                let place = if neighbour.is_some() { " on the same LAN" } else { "" };
                let message = format!(
                    "deckies `{}` and `{}` both have the hostname `{hostname}`{place}; pin another one, or none",
                    other.decky, one.decky
                );
                let target = Target::DeckyPair {
                    decky: other.decky.clone(),
                    other: one.decky.clone(),
                };
                let finding = Finding::new(Code::PersonaHostnameTwice, target, message);
                findings.push(if neighbour.is_some() {
                    finding
                } else {
                    finding.as_warning()
                });
            }
        }
    }
}

/// Returns the fault of a version of a service that knows certain releases only: its field `server_version` has options.
fn unknown_release(service: &Service, version: &str) -> Option<FieldFault> {
    let field = service.field("server_version")?;
    let is_enum = field.kind == FieldType::Enum;
    field.check(&version.into()).err().filter(|_| is_enum)
}
