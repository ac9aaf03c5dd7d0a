//! What services say of their host.

use crate::protocol::Os;
pub(crate) use crate::protocol::Persona;

impl Persona {
    /// Returns whether the host runs Windows.
    pub(crate) fn is_windows(&self) -> bool {
        matches!(
            self.os,
            Os::Windows10 | Os::Windows11 | Os::WindowsServer2016 | Os::WindowsServer2019 | Os::WindowsServer2022
        )
    }

    /// Returns the host's name with its domain.
    pub(crate) fn fqdn(&self) -> String {
        format!("{}.{}", self.hostname, self.domain)
    }

    /// Returns the `NetBIOS` name: at most 15 upper-case characters.
    pub(crate) fn netbios(&self) -> String {
        self.hostname.chars().take(15).collect::<String>().to_uppercase()
    }

    /// Returns the `NetBIOS` name of the domain: its first label, at most 15 upper-case characters.
    pub(crate) fn netbios_domain(&self) -> String {
        let label = self.domain.split('.').next().unwrap_or_default();
        label.chars().take(15).collect::<String>().to_uppercase()
    }

    /// Returns the version numbers of Windows: major, minor and build. Other systems report those of Windows 6.1, as Samba does.
    pub(crate) fn windows_version(&self) -> (u8, u8, u16) {
        match self.os {
            Os::Windows10 => (10, 0, 19045),
            Os::Windows11 => (10, 0, 22631),
            Os::WindowsServer2016 => (10, 0, 14393),
            Os::WindowsServer2019 => (10, 0, 17763),
            Os::WindowsServer2022 => (10, 0, 20348),
            _ => (6, 1, 0),
        }
    }
}
