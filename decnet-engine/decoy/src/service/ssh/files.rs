//! The files that a session shows. None of them exists.

use std::collections::BTreeMap;

use super::shell::Shell;
use crate::protocol::Os;

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File(String),
    /// A file that has no text to show, of this size.
    Binary(usize),
    /// A file that only root may read.
    Secret(String),
}

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
    file(
        "/proc/version",
        format!(
            "Linux version {} (builder@build) (gcc version 12.2.0) {}\n",
            host.kernel.0, host.kernel.1
        ),
    );
    file("/proc/cpuinfo", cpuinfo());
    file(
        "/proc/meminfo",
        "MemTotal:        4018188 kB\nMemFree:          612344 kB\nMemAvailable:    2917620 kB\n\
         Buffers:          148216 kB\nCached:          2110968 kB\nSwapTotal:        998396 kB\nSwapFree:         998396 kB\n"
            .into(),
    );
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
    let shadow = format!("root:*:19700:0:99999:7:::\ndaemon:*:19700:0:99999:7:::\n{user}:!:19700:0:99999:7:::\n");
    tree.insert("/etc/shadow".into(), Node::Secret(shadow));
    for (name, size) in [("bash", 1_265_648), ("ls", 151_344), ("cat", 44_016), ("ps", 144_456)] {
        tree.insert(format!("/bin/{name}"), Node::Binary(size));
    }
    for (name, size) in [("auth.log", 48_213), ("syslog", 181_402), ("dpkg.log", 90_112)] {
        tree.insert(format!("/var/log/{name}"), Node::Binary(size));
    }
    tree
}

fn passwd(user: &str) -> String {
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
        "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin",
        "backup:x:34:34:backup:/var/backups:/usr/sbin/nologin",
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
        "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin",
    ];
    format!("{}\n{user}:x:1000:1000:,,,:/home/{user}:/bin/bash\n", system.join("\n"))
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

fn cpuinfo() -> String {
    let one = |number: u32| {
        format!(
            "processor\t: {number}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n\
             model name\t: Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz\nstepping\t: 7\ncpu MHz\t\t: 2194.842\n\
             cache size\t: 14080 KB\nphysical id\t: 0\nsiblings\t: 2\ncore id\t\t: {number}\ncpu cores\t: 2\n\
             bogomips\t: 4389.68\n\n"
        )
    };
    [one(0), one(1)].concat()
}
