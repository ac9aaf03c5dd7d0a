//! Settings that are the same for every container or network, whoever creates it.

/// How much sooner than other processes of the host a decky is ended where memory runs out (proc(5), `oom_score_adj`).
pub(crate) const OOM_SCORE: i64 = 500;

/// Bounds that are the same for all. The kernel counts each of them per user of the host, not per container: as long as deckies
/// stay below, the rest of the host is left enough. None is above what an unprivileged daemon may have itself.
///
/// There is no `nproc`: it would be one number for all deckies of a user. Processes are counted by the cgroup.
pub(crate) const PER_USER: [(&str, i64); 3] = [("memlock", 64 << 10), ("msgqueue", 256 << 10), ("sigpending", 1_024)];

/// A core size of 1 also keeps the kernel from starting the program that `core_pattern` may name, as root of the host (core(5),
/// `fs/coredump.c`); 0 does not.
pub(crate) const NO_CORE: i64 = 1;

/// The one folder that a service with a read-only root may write to; in memory.
pub(crate) const SCRATCH: (&str, &str) = ("/tmp", "rw,noexec,nosuid,nodev,size=16m");
