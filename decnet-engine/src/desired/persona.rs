//! The host that a decky pretends to be.

use decnet_decoy::protocol::{Os, Persona};
use decnet_topology::{Catalog, Decky, InstallationSecret, Name, TopologyId};
use sha2::{Digest, Sha256};

/// The DNS domain of all deckies.
const DOMAIN: &str = "corp.local";

/// Returns the persona of a decky: what the maze pins, and otherwise its system follows from its archetype.
pub(super) fn of(decky: &Decky, catalog: &Catalog) -> Persona {
    let pinned = decky.persona();
    let hostname = pinned.and_then(|pinned| pinned.hostname.clone());
    let versions = pinned.map(|pinned| &pinned.versions).into_iter().flatten();
    Persona {
        hostname: hostname.unwrap_or_else(|| decky.name().to_string().to_lowercase()),
        domain: DOMAIN.into(),
        os: system(decky.system(catalog)).unwrap_or(Os::Debian12),
        versions: versions
            .map(|(service, version)| (service.to_string(), version.clone()))
            .collect(),
    }
}

/// Returns the system of a name of the maze document. A valid maze has no other names.
fn system(name: &str) -> Option<Os> {
    serde_json::from_value(name.into()).ok()
}

/// Returns the secret of a decky, as hex digits. It is the same as long as the decky has its name, and no decky knows that of
/// another.
pub(super) fn secret(installation: &InstallationSecret, topology: TopologyId, decky: &Name) -> String {
    let mut hash = Sha256::new();
    hash.update(b"decky");
    hash.update(installation.as_bytes());
    hash.update(topology.to_string());
    hash.update(decky.to_string().to_lowercase());
    InstallationSecret::new(hash.finalize().into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_of_the_document_are_those_of_the_decoy() {
        for name in decnet_topology::Persona::SYSTEMS {
            let os = system(name).unwrap_or_else(|| panic!("`{name}` is not known to the decoy"));
            assert_eq!(serde_json::to_value(os).unwrap(), *name);
        }
        assert_eq!(system("beos"), None);
    }

    #[test]
    fn pins_replace_what_is_derived_and_the_rest_stays() {
        let decky = Decky::new(decnet_topology::DeckyId::new(0), "Dc-01".parse().unwrap())
            .with_archetype(Some("domain-controller".into()));
        let catalog = Catalog::builtin();
        let of = |decky: &Decky| super::of(decky, &catalog);
        let derived = of(&decky);
        assert_eq!(
            (derived.os, derived.hostname.as_str()),
            (Os::WindowsServer2019, "dc-01")
        );
        let pins = decnet_topology::Persona::default()
            .os("windows-server-2022")
            .version("ssh", "OpenSSH_8.4");
        let pinned = of(&decky.clone().with_persona(Some(pins)));
        assert_eq!((pinned.os, pinned.hostname.as_str()), (Os::WindowsServer2022, "dc-01"));
        assert_eq!(pinned.versions["ssh"], "OpenSSH_8.4");
        let named = of(&decky.with_persona(Some(decnet_topology::Persona::default().hostname("fin-dc-07"))));
        assert_eq!(
            (named.os, named.hostname.as_str()),
            (Os::WindowsServer2019, "fin-dc-07")
        );
    }

    #[test]
    fn each_decky_has_its_own_secret() {
        let of = |installation: u8, topology: &str, decky: &str| {
            let installation = InstallationSecret::new([installation; 32]);
            secret(&installation, topology.parse().unwrap(), &decky.parse().unwrap())
        };
        let (one, other) = (
            "01234567-89ab-4cde-8f01-23456789abcd",
            "11234567-89ab-4cde-8f01-23456789abcd",
        );
        assert_eq!(of(1, one, "web"), of(1, one, "Web"));
        for different in [of(2, one, "web"), of(1, other, "web"), of(1, one, "db")] {
            assert_ne!(of(1, one, "web"), different);
            assert_eq!(different.len(), 64);
        }
    }
}
