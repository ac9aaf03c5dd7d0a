//! The files that a session shows. None of them exists.

use std::collections::BTreeMap;

use super::{node::Node, shell::Shell};
use crate::{
    protocol::Os,
    service::linux::{cpuinfo, passwd},
};

/// Returns all files, by their paths.
pub(super) fn tree(shell: &Shell) -> BTreeMap<String, Node> {
    let host = &shell.host;
    let mut tree = BTreeMap::new();
    for directory in [
        "bin",
        "boot",
        "dev",
        "etc",
        "etc/ssh",
        "home",
        "lib",
        "media",
        "mnt",
        "opt",
        "proc",
        "root",
        "root/.ssh",
        "run",
        "sbin",
        "srv",
        "sys",
        "tmp",
        "usr",
        "usr/bin",
        "usr/local",
        "usr/sbin",
        "var",
        "var/log",
        "var/lib",
        "var/www",
        "var/tmp",
    ] {
        tree.insert(format!("/{directory}"), Node::Directory);
    }
    tree.insert("/".into(), Node::Directory);
    for user in [&host.user, &shell.user] {
        if user != "root" {
            tree.insert(format!("/home/{user}"), Node::Directory);
        }
    }
    let name = &host.hostname;
    let domain = &host.persona.domain;
    let user = &host.user;
    let mut file = |path: &str, text: String| tree.insert(path.into(), Node::File(text));
    file("/etc/hostname", format!("{name}\n"));
    file(
        "/etc/hosts",
        format!("127.0.0.1\tlocalhost\n127.0.1.1\t{name}.{domain}\t{name}\n"),
    );
    file("/etc/resolv.conf", format!("search {domain}\n"));
    file("/etc/passwd", passwd(user));
    file(
        "/etc/group",
        format!("root:x:0:\ndaemon:x:1:\nsudo:x:27:{user}\n{user}:x:1000:\n"),
    );
    file("/etc/os-release", os_release(host.persona.os).into());
    file("/etc/issue", issue(host.persona.os).into());
    file("/proc/version", host.kernel.version());
    file("/proc/cpuinfo", cpuinfo(host.persona.os, host.hardware));
    file("/proc/meminfo", meminfo(host.hardware.memory));
    if let Some(version) = debian_version(host.persona.os) {
        file("/etc/debian_version", format!("{version}\n"));
    }
    file(
        "/root/.bashrc",
        "# ~/.bashrc: executed by bash(1) for non-login shells.\n".into(),
    );
    file(
        "/root/.profile",
        "# ~/.profile: executed by Bourne-compatible login shells.\n\nif [ \"$BASH\" ]; then\n  if [ -f ~/.bashrc ]; then\n    \
         . ~/.bashrc\n  fi\nfi\n\nmesg n 2> /dev/null || true\n"
            .into(),
    );
    file("/root/.bash_history", String::new());
    file("/root/.ssh/authorized_keys", String::new());
    tree.insert("/etc/shadow".into(), Node::Secret(host.shadow.clone()));
    for (name, size) in [("bash", 1_265_648), ("ls", 151_344), ("cat", 44_016), ("ps", 144_456)] {
        tree.insert(format!("/bin/{name}"), Node::Binary(size));
    }
    for (path, node) in &shell.created {
        tree.insert(path.clone(), node.clone());
    }
    for (name, size) in [("auth.log", 48_213), ("syslog", 181_402), ("dpkg.log", 90_112)] {
        tree.insert(format!("/var/log/{name}"), Node::Binary(size));
    }
    tree
}

fn os_release(os: Os) -> &'static str {
    match os {
        Os::Debian11 => {
            "PRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"11\"\n\
             VERSION=\"11 (bullseye)\"\nVERSION_CODENAME=bullseye\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n"
        }
        Os::Ubuntu2204 => {
            "PRETTY_NAME=\"Ubuntu 22.04.4 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\n\
             VERSION=\"22.04.4 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n"
        }
        Os::Ubuntu2404 => {
            "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\n\
             VERSION=\"24.04.1 LTS (Noble Numbat)\"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n"
        }
        Os::Debian12 => {
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n\
             VERSION=\"12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\nHOME_URL=\"https://www.debian.org/\"\n"
        }
        _ => {
            "NAME=\"Buildroot\"\nVERSION=2019.11\nID=buildroot\nVERSION_ID=2019.11\nPRETTY_NAME=\"Buildroot 2019.11\"\n"
        }
    }
}

fn issue(os: Os) -> &'static str {
    match os {
        Os::Debian11 => "Debian GNU/Linux 11 \\n \\l\n\n",
        Os::Debian12 => "Debian GNU/Linux 12 \\n \\l\n\n",
        Os::Ubuntu2204 => "Ubuntu 22.04.4 LTS \\n \\l\n\n",
        Os::Ubuntu2404 => "Ubuntu 24.04.1 LTS \\n \\l\n\n",
        _ => "Welcome to Buildroot\n",
    }
}

/// Returns the content of `/etc/debian_version`, which Debian and Ubuntu have.
fn debian_version(os: Os) -> Option<&'static str> {
    Some(match os {
        Os::Debian11 => "11.11",
        Os::Debian12 => "12.8",
        Os::Ubuntu2204 => "bookworm/sid",
        Os::Ubuntu2404 => "trixie/sid",
        _ => return None,
    })
}

fn meminfo(memory: u64) -> String {
    let Memory {
        free,
        available,
        buffers,
        cached,
        ..
    } = Memory::of(memory);
    format!(
        "MemTotal:       {memory:>8} kB\nMemFree:        {free:>8} kB\nMemAvailable:   {available:>8} kB\n\
         Buffers:        {buffers:>8} kB\nCached:         {cached:>8} kB\nSwapTotal:        998396 kB\n\
         SwapFree:         998396 kB\n"
    )
}

/// The use of the memory, in KiB.
pub(super) struct Memory {
    pub(super) used: u64,
    pub(super) free: u64,
    pub(super) available: u64,
    pub(super) buffers: u64,
    pub(super) cached: u64,
}

impl Memory {
    pub(super) fn of(total: u64) -> Self {
        let (used, free, buffers) = (total / 100 * 27, total / 100 * 15, total / 100 * 4);
        Self {
            used,
            free,
            buffers,
            available: total - used - total / 50,
            cached: total - used - free - buffers,
        }
    }
}
