//! The host that a session shows: its names, its kernel, its network, and when it was started.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};

use crate::{
    protocol::Os,
    service::{
        context::Context,
        linux::{Hardware, Kernel, shadow},
        persona::Persona,
    },
};

/// The kind of shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Bash of Debian or Ubuntu.
    Bash,
    /// The shell of BusyBox.
    BusyBox,
    /// The command prompt of Windows.
    Windows,
}

/// The host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) persona: Persona,
    /// The name in the prompt.
    pub(super) hostname: String,
    pub(super) flavour: Flavour,
    /// The text after the login, if the maze sets it.
    pub(super) motd: Option<String>,
    pub(super) kernel: Kernel,
    pub(super) hardware: Hardware,
    /// When the system was installed, as `ls -l` shows it.
    pub(super) installed: String,
    /// `/etc/shadow`.
    pub(super) shadow: String,
    pub(super) machine: &'static str,
    pub(super) address: Ipv4Addr,
    /// The hardware address of the interface, or an invented one if the base does not report it.
    pub(super) mac: String,
    /// The serial number of the first volume of Windows.
    pub(super) volume: String,
    /// A usual user, who is in `/etc/passwd` besides root.
    pub(super) user: String,
    /// The time of the day of the last login, in seconds.
    phase: i64,
    context: Context,
}

impl Host {
    /// Returns the host of a decky.
    pub(super) fn new(context: &Context) -> Self {
        let persona = context.persona().clone();
        let flavour = match persona.os {
            Os::Debian11 | Os::Debian12 | Os::Ubuntu2204 | Os::Ubuntu2404 => Flavour::Bash,
            _ if persona.is_windows() => Flavour::Windows,
            _ => Flavour::BusyBox,
        };
        let fields = context.fields();
        let user = match fields.text("user") {
            Some(user) if user != "root" => user.to_owned(),
            _ => "admin".into(),
        };
        let seed: [u8; 8] = context.stable("ssh uptime");
        let number = i64::from(u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]));
        let [one, two, three]: [u8; 3] = context.stable("ssh mac");
        Self {
            hostname: fields.text("hostname").unwrap_or(&persona.hostname).to_owned(),
            flavour,
            motd: fields.text("motd").map(str::to_owned),
            kernel: context.kernel(),
            hardware: context.hardware(),
            installed: installed(context),
            shadow: shadow(context, &user),
            machine: if flavour == Flavour::BusyBox { "mips" } else { "x86_64" },
            address: context.session.local,
            mac: context.session.mac.map_or_else(
                || format!("52:54:00:{one:02x}:{two:02x}:{three:02x}"),
                |mac| mac.to_string(),
            ),
            volume: format!("{one:02X}{three:02X}-{two:02X}{one:02X}"),
            user,
            phase: number,
            persona,
            context: context.clone(),
        }
    }

    /// Returns when an administrator logged in for the last time: on the day before, at an hour of work.
    pub(super) fn visited(&self, now: Timestamp) -> Timestamp {
        let today = now.as_second().rem_euclid(86_400);
        let ago = today + 86_400 - (7 * 3600 + self.phase.rem_euclid(36_000));
        now.saturating_sub(SignedDuration::from_secs(ago)).unwrap_or(now)
    }

    /// Returns when the host was started, which is long ago but advances now and then.
    pub(super) fn started(&self, now: Timestamp) -> Timestamp {
        let (running, _) = self.context.uptime(now);
        let running = i64::try_from(running).unwrap_or_default();
        now.saturating_sub(SignedDuration::from_secs(running.max(600)))
            .unwrap_or(now)
    }
}

/// Returns a day of 2024 or 2025.
fn installed(context: &Context) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let [month, day, year]: [u8; 3] = context.stable("installed");
    let month = MONTHS[usize::from(month % 12)];
    format!("{month} {:>2}  {}", 1 + day % 28, 2024 + u16::from(year % 2))
}
