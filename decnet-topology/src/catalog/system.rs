/// The known operating systems that a decky can pretend to run.
pub(crate) const SYSTEMS: &[&str] = &[
    "debian-11",
    "debian-12",
    "ubuntu-22.04",
    "ubuntu-24.04",
    "windows-10",
    "windows-11",
    "windows-server-2016",
    "windows-server-2019",
    "windows-server-2022",
    "embedded-linux",
    "printer",
    "network-device",
    "controller",
];

/// The system of a decky without an archetype.
pub(crate) const USUAL: &str = "debian-12";

/// How the packets of an operating system look.
///
/// Sources: `T`, `TS` and `O1` in Nmap's `nmap-os-db` 7.93. The switches are those of Zyxel with `ZyNOS` (Cisco's IOS is the same), the
/// controllers are Siemens Simatic. HP's printers are like Linux. Windows answers with timestamps up to version 1703, and without them from 1709
/// on; Server 2016 is version 1607, Server 2019 is 1809.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketStyle {
    /// The TTL of its packets when they are sent.
    pub ttl: u8,
    /// Whether its TCP has timestamps (RFC 7323).
    pub timestamps: bool,
}

impl PacketStyle {
    /// The style of Linux.
    pub const LINUX: Self = Self {
        ttl: 64,
        timestamps: true,
    };

    /// Returns the style of a system of the maze document.
    pub fn of(system: &str) -> Self {
        let (ttl, timestamps) = match system {
            "network-device" => (255, false),
            "controller" => (30, false),
            "windows-server-2016" => (128, true),
            windows if windows.starts_with("windows-") => (128, false),
            _ => return Self::LINUX,
        };
        Self { ttl, timestamps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_windows_switches_and_controllers_differ_from_linux() {
        let style = |system| (PacketStyle::of(system).ttl, PacketStyle::of(system).timestamps);
        for system in SYSTEMS {
            let expected = match *system {
                "network-device" => (255, false),
                "controller" => (30, false),
                "windows-server-2016" => (128, true),
                windows if windows.contains("windows") => (128, false),
                _ => (64, true),
            };
            assert_eq!(style(system), expected, "{system}");
        }
        assert!(SYSTEMS.contains(&USUAL));
    }
}
