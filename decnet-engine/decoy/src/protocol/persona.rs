use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The host that a decky pretends to be. All its services agree on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// The host's name without a domain.
    pub hostname: String,
    /// The DNS domain of the host.
    pub domain: String,
    /// The operating system.
    pub os: Os,
    /// Versions that the maze pins, by the name of the service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Os {
    /// Debian 11.
    #[serde(rename = "debian-11")]
    Debian11,
    /// Debian 12.
    #[serde(rename = "debian-12")]
    Debian12,
    /// Ubuntu 22.04.
    #[serde(rename = "ubuntu-22.04")]
    Ubuntu2204,
    /// Ubuntu 24.04.
    #[serde(rename = "ubuntu-24.04")]
    Ubuntu2404,
    /// Windows 10.
    #[serde(rename = "windows-10")]
    Windows10,
    /// Windows 11.
    #[serde(rename = "windows-11")]
    Windows11,
    /// Windows Server 2016.
    #[serde(rename = "windows-server-2016")]
    WindowsServer2016,
    /// Windows Server 2019.
    #[serde(rename = "windows-server-2019")]
    WindowsServer2019,
    /// Windows Server 2022.
    #[serde(rename = "windows-server-2022")]
    WindowsServer2022,
    /// Linux of a small device with `BusyBox`.
    EmbeddedLinux,
    /// The firmware of a printer.
    Printer,
    /// The system of a switch or router.
    NetworkDevice,
    /// The firmware of an industrial controller.
    Controller,
}
