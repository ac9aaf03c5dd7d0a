//! Settings that are the same for every container or network in Docker and in Compose files.

use decnet_topology::Tmpfs;

/// When memory runs out, the kernel kills a decky before other processes of the host (proc(5), `oom_score_adj`).
pub(crate) const OOM_SCORE: i64 = 500;

/// Limits that are the same for all containers. The kernel counts each of them per user of the host, not per container. As long
/// as deckies stay below them, the rest of the host has enough. An unprivileged daemon may have all of these values itself.
///
/// There is no `nproc`: it would be one count for all deckies of a user. The cgroup limits processes.
pub(crate) const PER_USER: [(&str, i64); 3] = [("memlock", 64 << 10), ("msgqueue", 256 << 10), ("sigpending", 1_024)];

/// A core size of 1 prevents the kernel from running the program in `core_pattern` as root of the host (core(5),
/// `fs/coredump.c`); 0 does not.
pub(crate) const NO_CORE: i64 = 1;

/// The only folder that a service with a read-only root may write to; it is in memory.
pub(crate) const SCRATCH: (&str, &str) = ("/tmp", "rw,noexec,nosuid,nodev,size=16m");

/// Returns the options of a folder in memory. Every user may write to it, and it counts as the container's memory, whose limit
/// applies to all such folders together.
#[cfg(feature = "docker")]
pub(crate) fn in_memory(memory: i64) -> String {
    format!("rw,noexec,nosuid,nodev,mode=1777,size={}", memory / 2)
}

/// Returns the options of a folder of the catalogue in memory. Without options it is writable by every user and has half of the container's memory.
pub(crate) fn folder_options(folder: &Tmpfs, memory: i64) -> String {
    let usual = u64::try_from(memory / 2).unwrap_or_default();
    let (mode, size) = (folder.mode.unwrap_or(0o1777), folder.size.unwrap_or(usual));
    let mut options = format!("rw,noexec,nosuid,nodev,mode={mode:04o},size={size}");
    for (key, id) in [("uid", folder.uid), ("gid", folder.gid)] {
        options.extend(id.map(|id| format!(",{key}={id}")));
    }
    options
}
