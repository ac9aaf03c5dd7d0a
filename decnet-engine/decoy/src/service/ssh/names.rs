//! Programs that exist on Debian and Ubuntu.

use std::fmt::Write as _;

use super::{outcome::Own, shell::Shell};

/// Commands that write nothing when they succeed. Those of the first list are part of the shell.
const BUILT_IN: &[&str] = &[
    ":", "[", "[[", "alias", "disown", "export", "set", "test", "trap", "true", "ulimit", "umask", "unset",
];
const SILENT: &[&str] = &[
    "base64",
    "bash",
    "bunzip2",
    "chattr",
    "chmod",
    "chown",
    "chpasswd",
    "clear",
    "cp",
    "dd",
    "dmesg",
    "find",
    "gunzip",
    "gzip",
    "kill",
    "killall",
    "ln",
    "mkdir",
    "mkfifo",
    "mv",
    "passwd",
    "perl",
    "pkill",
    "rm",
    "rmdir",
    "sed",
    "service",
    "sh",
    "sleep",
    "su",
    "sync",
    "sysctl",
    "systemctl",
    "tar",
    "touch",
    "useradd",
    "userdel",
    "usermod",
    "xargs",
];

/// Programs with an answer of their own.
const ANSWERED: &[&str] = &[
    "arch", "awk", "cat", "crontab", "date", "df", "dir", "echo", "egrep", "env", "false", "free", "grep", "groups",
    "head", "hostname", "id", "ip", "last", "less", "ls", "lscpu", "more", "mount", "nproc", "ps", "pwd", "sort", "ss",
    "sudo", "nohup", "tail", "tee", "true", "tty", "uname", "uniq", "uptime", "w", "wc", "which", "who", "whoami",
];

/// Returns whether a command prints nothing if it succeeds.
pub(super) fn is_silent(name: &str) -> bool {
    BUILT_IN.contains(&name) || SILENT.contains(&name)
}

/// Returns where programs are.
pub(super) fn which(shell: &mut Shell, names: &[&str]) -> Own {
    let mut own = Own::default();
    for name in names.iter().filter(|name| !name.starts_with('-')) {
        if ANSWERED.contains(name) || SILENT.contains(name) {
            let _ = writeln!(own.output, "/usr/bin/{name}");
        } else {
            shell.status = 1;
        }
    }
    own
}
