//! The personas that a maze pins.

use crate::{
    catalog::ImageSource,
    finding::{Code, Finding, Findings, Target},
    model::Persona,
    name::Name,
    spelling,
    validate::view::DeckyView,
};

/// The longest version, in bytes.
const LONGEST_VERSION: usize = 128;

/// `PERSONA_OS_UNKNOWN`, `PERSONA_HOSTNAME_INVALID`, `PERSONA_VERSION_UNDECLARED`, `PERSONA_VERSION_INVALID`.
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
