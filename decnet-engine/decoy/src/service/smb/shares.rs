//! The shares of a computer.

use crate::{protocol::Os, service::context::Context};

/// A share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) name: String,
    /// The type (MS-SRVS, section 2.2.2.4).
    pub(super) kind: u32,
    pub(super) remark: String,
}

/// The type of `IPC$`.
const PIPE: u32 = 0x8000_0003;

/// The bit of shares that Windows makes for administrators.
const SPECIAL: u32 = 0x8000_0000;

impl Share {
    fn new(name: &str, kind: u32, remark: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            remark: remark.to_owned(),
        }
    }

    /// Returns whether it has pipes instead of files.
    pub(super) fn is_pipe(&self) -> bool {
        self.kind == PIPE
    }

    /// Returns whether only administrators may connect.
    pub(super) fn is_hidden(&self) -> bool {
        self.kind & SPECIAL != 0 || self.name == "print$"
    }

    /// Returns the answer to a connection (MS-SMB2, section 2.2.10).
    pub(super) fn connected(&self, is_windows: bool) -> Vec<u8> {
        let kind = if self.is_pipe() { 2 } else { 1 };
        let (flags, access): (u8, u32) = match (self.is_pipe(), is_windows) {
            (true, true) => (0x30, 0x0012_00a9),
            (true, false) => (0, 0x001f_00a9),
            (false, _) => (0, 0x0012_00a9),
        };
        [&[16, 0, kind, 0, flags, 0, 0, 0, 0, 0, 0, 0][..], &access.to_le_bytes()].concat()
    }
}

/// All shares.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    pub(super) all: Vec<Share>,
}

impl Shares {
    /// Takes the names from the fields, and adds those that every computer has.
    pub(super) fn new(context: &Context) -> Self {
        let persona = context.persona();
        let mut all = Vec::new();
        if persona.is_windows() {
            all.push(Share::new("ADMIN$", SPECIAL, "Remote Admin"));
            all.push(Share::new("C$", SPECIAL, "Default share"));
            all.push(Share::new("IPC$", PIPE, "Remote IPC"));
        } else {
            all.push(Share::new("print$", 0, "Printer Drivers"));
        }
        for name in context.fields().lines("shares") {
            if all.iter().all(|share| !share.name.eq_ignore_ascii_case(name)) {
                all.push(Share::new(name, 0, ""));
            }
        }
        if !persona.is_windows() {
            let version = match persona.os {
                Os::Debian11 => "4.13.13-Debian",
                Os::Ubuntu2204 => "4.15.13-Ubuntu",
                Os::Ubuntu2404 => "4.19.5-Ubuntu",
                _ => "4.17.12-Debian",
            };
            let version = persona.versions.get("smb").map_or(version, String::as_str);
            all.push(Share::new("IPC$", PIPE, &format!("IPC Service (Samba {version})")));
        }
        Self { all }
    }

    /// Returns the share with this name.
    pub(super) fn find(&self, name: &str) -> Option<&Share> {
        self.all.iter().find(|share| share.name.eq_ignore_ascii_case(name))
    }
}
