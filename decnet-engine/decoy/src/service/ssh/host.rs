//! The host that a session shows: its names, its kernel, its network, and when it was started.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};

use crate::{
    protocol::Os,
    service::{context::Context, persona::Persona},
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
    /// The kernel's release and build.
    pub(super) kernel: (&'static str, &'static str),
    pub(super) machine: &'static str,
    pub(super) address: Ipv4Addr,
    /// The hardware address of the interface, or an invented one if the base does not report it.
    pub(super) mac: String,
    /// The serial number of the first volume of Windows.
    pub(super) volume: String,
    /// A usual user, who is in `/etc/passwd` besides root.
    pub(super) user: String,
    /// The time between two starts, and the time of one of them, in seconds.
    period: i64,
    phase: i64,
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
        let seed: [u8; 8] = context.stable("ssh uptime");
        let number = i64::from(u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]));
        let [one, two, three]: [u8; 3] = context.stable("ssh mac");
        Self {
            hostname: fields.text("hostname").unwrap_or(&persona.hostname).to_owned(),
            flavour,
            motd: fields.text("motd").map(str::to_owned),
            kernel: *context.pick("ssh kernel", kernels(persona.os)),
            machine: if flavour == Flavour::BusyBox {
                "armv7l"
            } else {
                "x86_64"
            },
            address: context.session.local,
            mac: context.session.mac.map_or_else(
                || format!("52:54:00:{one:02x}:{two:02x}:{three:02x}"),
                |mac| mac.to_string(),
            ),
            volume: format!("{one:02X}{three:02X}-{two:02X}{one:02X}"),
            user: match fields.text("user") {
                Some(user) if user != "root" => user.to_owned(),
                _ => "admin".into(),
            },
            period: 3_000_000 + number % 5_000_000,
            phase: number,
            persona,
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
        let running = now.as_second().saturating_sub(self.phase).rem_euclid(self.period);
        now.saturating_sub(SignedDuration::from_secs(running.max(600)))
            .unwrap_or(now)
    }
}

/// Returns kernels of a system: release and build.
fn kernels(os: Os) -> &'static [&'static (&'static str, &'static str)] {
    match os {
        Os::Debian11 => &[
            &("5.10.0-28-amd64", "#1 SMP Debian 5.10.209-2 (2024-01-31)"),
            &("5.10.0-33-amd64", "#1 SMP Debian 5.10.226-1 (2024-10-03)"),
        ],
        Os::Ubuntu2204 => &[
            &("5.15.0-105-generic", "#115-Ubuntu SMP Mon Apr 15 09:52:04 UTC 2024"),
            &("5.15.0-113-generic", "#123-Ubuntu SMP Mon Jun 10 08:16:17 UTC 2024"),
        ],
        Os::Ubuntu2404 => &[
            &(
                "6.8.0-41-generic",
                "#41-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug  2 20:41:06 UTC 2024",
            ),
            &(
                "6.8.0-45-generic",
                "#45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024",
            ),
        ],
        Os::EmbeddedLinux | Os::Printer | Os::NetworkDevice | Os::Controller => &[
            &("4.14.151", "#1 SMP PREEMPT Thu Nov 7 09:12:33 UTC 2019"),
            &("4.19.94", "#1 SMP PREEMPT Tue Mar 16 13:45:11 UTC 2021"),
        ],
        _ => &[
            &("6.1.0-21-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1 (2024-05-03)"),
            &("6.1.0-26-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.112-1 (2024-09-30)"),
        ],
    }
}
