//! The Linux of a decky: what all its services say of it.

use super::context::Context;
use crate::protocol::Os;

/// A kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Its release: `uname -r`.
    pub(crate) release: &'static str,
    /// Its build: `uname -v`.
    pub(crate) build: &'static str,
    /// The end of `/proc/version` before the build: who built it, and with what.
    pub(crate) built_by: &'static str,
}

impl Kernel {
    /// Returns `/proc/version`.
    pub(crate) fn version(&self) -> String {
        let Self {
            release,
            build,
            built_by,
        } = self;
        format!("Linux version {release} {built_by} {build}\n")
    }
}

/// The hardware of a decky.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hardware {
    /// The number of processors.
    pub(crate) cores: u32,
    /// The memory in KiB, as `/proc/meminfo` shows it.
    pub(crate) memory: u64,
}

const DEBIAN_11: &str = "(debian-kernel@lists.debian.org) (gcc-10 (Debian 10.2.1-6) 10.2.1 20210110, GNU ld (GNU Binutils for Debian) \
                         2.35.2)";
const DEBIAN_12: &str =
    "(debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40)";
const UBUNTU_22: &str =
    "(buildd@lcy02-amd64-116) (gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0, GNU ld (GNU Binutils for Ubuntu) 2.38)";
const UBUNTU_24: &str = "(buildd@lcy02-amd64-100) (x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) 13.2.0, GNU ld (GNU Binutils \
                         for Ubuntu) 2.42)";
const EMBEDDED: &str = "(build@build) (gcc version 5.4.0 (LEDE GCC 5.4.0))";

/// Returns who builds the kernels of a system, and kernels: release and build.
fn kernels(os: Os) -> (&'static str, &'static [&'static (&'static str, &'static str)]) {
    match os {
        Os::Debian11 => (
            DEBIAN_11,
            &[
                &("5.10.0-28-amd64", "#1 SMP Debian 5.10.209-2 (2024-01-31)"),
                &("5.10.0-30-amd64", "#1 SMP Debian 5.10.218-1 (2024-06-01)"),
                &("5.10.0-33-amd64", "#1 SMP Debian 5.10.226-1 (2024-10-03)"),
            ],
        ),
        Os::Ubuntu2204 => (
            UBUNTU_22,
            &[
                &("5.15.0-105-generic", "#115-Ubuntu SMP Mon Apr 15 09:52:04 UTC 2024"),
                &("5.15.0-113-generic", "#123-Ubuntu SMP Mon Jun 10 08:16:17 UTC 2024"),
            ],
        ),
        Os::Ubuntu2404 => (
            UBUNTU_24,
            &[
                &(
                    "6.8.0-41-generic",
                    "#41-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug  2 20:41:06 UTC 2024",
                ),
                &(
                    "6.8.0-45-generic",
                    "#45-Ubuntu SMP PREEMPT_DYNAMIC Fri Aug 30 12:02:04 UTC 2024",
                ),
            ],
        ),
        Os::EmbeddedLinux | Os::Printer | Os::NetworkDevice | Os::Controller => (
            EMBEDDED,
            &[
                &("3.10.14", "#1 SMP Tue Mar 12 10:41:23 CST 2019"),
                &("4.4.60", "#1 SMP PREEMPT Thu Nov 7 09:12:33 UTC 2019"),
                &("4.14.171", "#1 SMP Tue Mar 16 13:45:11 UTC 2021"),
            ],
        ),
        _ => (
            DEBIAN_12,
            &[
                &("6.1.0-18-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)"),
                &("6.1.0-21-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.90-1 (2024-05-03)"),
                &("6.1.0-26-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.112-1 (2024-09-30)"),
                &("6.1.0-28-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)"),
            ],
        ),
    }
}

impl Context {
    /// Returns the kernel of the decky. Services that exist on Linux only run on Debian 12 if the decky has another system.
    pub(crate) fn kernel(&self) -> Kernel {
        let (built_by, kernels) = kernels(self.persona().os);
        let (release, build) = *self.pick("kernel", kernels);
        Kernel {
            release,
            build,
            built_by,
        }
    }

    /// Returns the hardware of the decky.
    pub(crate) fn hardware(&self) -> Hardware {
        let [cores, memory, low, high] = self.stable("hardware");
        if let Os::EmbeddedLinux | Os::Printer | Os::NetworkDevice | Os::Controller = self.persona().os {
            let mebibytes = [64, 128, 256][usize::from(memory % 3)];
            return Hardware {
                cores: 1,
                memory: mebibytes * 1024 - 3_000 - u64::from(low) * 4,
            };
        }
        let gibibytes = [4, 8, 16][usize::from(memory % 3)];
        // The kernel keeps some of it.
        let kept = 110_000 + gibibytes * 17_000 + u64::from(u16::from_le_bytes([low, high])) % 4096 * 4;
        Hardware {
            cores: [2, 4, 8][usize::from(cores % 3)],
            memory: gibibytes * 1_048_576 - kept,
        }
    }
}

/// Returns the name of a system, as in `/etc/os-release`.
pub(crate) fn pretty_name(os: Os) -> &'static str {
    match os {
        Os::Debian11 => "Debian GNU/Linux 11 (bullseye)",
        Os::Ubuntu2204 => "Ubuntu 22.04.4 LTS",
        Os::Ubuntu2404 => "Ubuntu 24.04.1 LTS",
        Os::EmbeddedLinux | Os::Printer | Os::NetworkDevice | Os::Controller => "Buildroot 2019.11",
        _ => "Debian GNU/Linux 12 (bookworm)",
    }
}

/// Returns `/etc/passwd` of Debian or Ubuntu with a person: `user`, or an administrator if that is root.
pub(crate) fn passwd(user: &str) -> String {
    let system = [
        "root:x:0:0:root:/root:/bin/bash",
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
        "bin:x:2:2:bin:/bin:/usr/sbin/nologin",
        "sys:x:3:3:sys:/dev:/usr/sbin/nologin",
        "sync:x:4:65534:sync:/bin:/bin/sync",
        "games:x:5:60:games:/usr/games:/usr/sbin/nologin",
        "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin",
        "lp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin",
        "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin",
        "news:x:9:9:news:/var/spool/news:/usr/sbin/nologin",
        "uucp:x:10:10:uucp:/var/spool/uucp:/usr/sbin/nologin",
        "proxy:x:13:13:proxy:/bin:/usr/sbin/nologin",
        "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin",
        "backup:x:34:34:backup:/var/backups:/usr/sbin/nologin",
        "list:x:38:38:Mailing List Manager:/var/list:/usr/sbin/nologin",
        "irc:x:39:39:ircd:/run/ircd:/usr/sbin/nologin",
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
        "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin",
        "systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin",
        "messagebus:x:100:107::/nonexistent:/usr/sbin/nologin",
        "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin",
    ];
    let user = if user == "root" { "admin" } else { user };
    format!(
        "{}\n{user}:x:1000:1000:{user},,,:/home/{user}:/bin/bash\n",
        system.join("\n")
    )
}

/// Returns `/etc/shadow` for these users. Those with a password have a hash that no password has.
pub(crate) fn shadow(context: &Context, user: &str) -> String {
    let hash = |user: &str| {
        const LETTERS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let bytes: [u8; 65] = context.stable(&format!("shadow {user}"));
        let letters: String = bytes
            .iter()
            .map(|byte| char::from(LETTERS[usize::from(byte % 64)]))
            .collect();
        let (salt, rest) = letters.split_at(22);
        format!("$y$j9T${salt}${rest}")
    };
    let day = 19_500 + u16::from_le_bytes(context.stable("shadow day")) % 400;
    passwd(user)
        .lines()
        .filter_map(|line| line.split(':').next())
        .map(|name| match name {
            "root" => format!("{name}:{}:{day}:0:99999:7:::\n", hash(name)),
            name if name == user => format!("{name}:{}:{day}:0:99999:7:::\n", hash(name)),
            "systemd-network" | "messagebus" | "sshd" => format!("{name}:!:{day}::::::\n"),
            name => format!("{name}:*:{day}:0:99999:7:::\n"),
        })
        .collect()
}

/// Returns `/proc/cpuinfo`.
pub(crate) fn cpuinfo(os: Os, hardware: Hardware) -> String {
    if matches!(os, Os::EmbeddedLinux | Os::Printer | Os::NetworkDevice | Os::Controller) {
        return "system type\t\t: MT7628\nprocessor\t\t: 0\ncpu model\t\t: MIPS 24KEc V5.5\nBogoMIPS\t\t: 385.02\n"
            .into();
    }
    let cores = hardware.cores;
    let one = |number: u32| {
        format!(
            "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n\
             model name\t: Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz\nstepping\t: 7\ncpu MHz\t\t: 2194.842\n\
             cache size\t: 14080 KB\nphysical id\t: 0\nsiblings\t: {cores}\ncore id\t\t: {number}\ncpu cores\t: {cores}\n\
             bogomips\t: 4389.68\n\n"
        )
    };
    (0..cores).map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::Protocol,
        service::testing::{Visitor, context_on, ports},
    };

    #[test]
    fn the_users_with_a_password_have_a_hash() {
        let context = context_on(Os::Debian12, "ssh", 22, Protocol::Tcp, json!({}));
        let shadow = shadow(&context, "bob");
        assert_eq!(shadow.lines().count(), passwd("bob").lines().count());
        let hashed: Vec<&str> = shadow
            .lines()
            .filter(|line| line.contains("$y$j9T$"))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert_eq!(hashed, ["root", "bob"]);
        assert!(shadow.lines().all(|line| line.matches(':').count() == 8), "{shadow}");
    }

    #[test]
    fn the_services_of_a_decky_name_the_same_kernel() {
        for os in [Os::Debian11, Os::Debian12, Os::Ubuntu2204, Os::Ubuntu2404] {
            let ask = |service: &str, messages: &[&[u8]]| {
                let (port, transport) = ports(service)[0];
                let mut visitor = Visitor::start(context_on(os, service, port, transport, json!({"password": "p"})));
                let answers: Vec<u8> = messages.iter().flat_map(|message| visitor.send(message)).collect();
                String::from_utf8_lossy(&answers).into_owned()
            };
            let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            let context = context_on(os, "http", 80, Protocol::Tcp, json!({}));
            let kernel = context.kernel().release;
            for (service, messages) in [
                ("telnet", &[&b"admin\r\n"[..], b"p\r\n", b"uname -a\r\n"][..]),
                ("redis", &[b"AUTH p\r\n", b"INFO server\r\n"]),
                ("docker_api", &[get("/info").as_bytes()]),
                ("elasticsearch", &[get("/_nodes").as_bytes()]),
            ] {
                let answers = ask(service, messages);
                assert!(answers.contains(kernel), "{service}: {kernel} in {answers}");
            }
        }
    }
}
