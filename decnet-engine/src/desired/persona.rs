//! The host that a decky pretends to be.

use std::collections::BTreeMap;

use decnet_decoy::protocol::{Os, Persona};
use decnet_topology::{Decky, InstallationSecret, Name, TopologyId};
use sha2::{Digest, Sha256};

/// The DNS domain of all deckies.
const DOMAIN: &str = "corp.local";

/// The systems of the archetypes of the built-in catalogue.
const OF_ARCHETYPES: [(&str, Os); 8] = [
    ("windows-workstation", Os::Windows10),
    ("windows-server", Os::WindowsServer2019),
    ("domain-controller", Os::WindowsServer2019),
    ("printer", Os::Printer),
    ("iot-device", Os::EmbeddedLinux),
    ("industrial-control", Os::Controller),
    ("network-switch", Os::NetworkDevice),
    ("linux-workstation", Os::Ubuntu2204),
];

/// Returns the persona of a decky: its system follows from its archetype.
///
/// It does not follow from the services. Otherwise one more service could turn a Linux host into a Windows host, and all its other
/// services would be recreated.
pub(super) fn of(decky: &Decky) -> Persona {
    let archetype = decky.archetype().unwrap_or_default();
    let of_archetype = OF_ARCHETYPES.iter().find(|(name, _)| *name == archetype);
    Persona {
        hostname: decky.name().to_string().to_lowercase(),
        domain: DOMAIN.into(),
        os: of_archetype.map_or(Os::Debian12, |(_, os)| *os),
        versions: BTreeMap::new(),
    }
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
