//! The limits of containers.

use decnet_topology::ServiceLimits;

use super::spec::Limits;

const MIB: i64 = 1 << 20;

/// The limits of a base: one small program that sleeps. The kernel allows a user as many sockets in transit as open
/// files, so the limit of open files is that of a user's own image.
pub(super) const BASE_LIMITS: Limits = Limits {
    pids: 64,
    memory: 64 * MIB,
    nano_cpus: 500_000_000,
    open_files: 4_096,
};
/// The limits of a built-in service.
pub(super) const BUILTIN_LIMITS: Limits = Limits {
    pids: 64,
    memory: 64 * MIB,
    nano_cpus: 500_000_000,
    open_files: 1_024,
};
/// The limits of a user's own image.
pub(super) const IMAGE_LIMITS: Limits = Limits {
    pids: 512,
    memory: 512 * MIB,
    nano_cpus: 1_000_000_000,
    open_files: 4_096,
};

/// The default limit of writes to a writable root.
const WRITABLE_ROOT: i64 = 1_024 * MIB;

/// Replaces the default limits with those of a catalogue entry.
pub(super) fn bounded(usual: Limits, own: ServiceLimits) -> Limits {
    Limits {
        pids: own.pids.map_or(usual.pids, i64::from),
        memory: own.memory_mib.map_or(usual.memory, |mib| i64::from(mib) * MIB),
        nano_cpus: own.cpus.map_or(usual.nano_cpus, nanos),
        open_files: own.open_files.map_or(usual.open_files, i64::from),
    }
}

/// Returns the limit in bytes of a writable root.
pub(super) fn writable_root(own: ServiceLimits) -> i64 {
    own.root_mib.map_or(WRITABLE_ROOT, |mib| i64::from(mib) * MIB)
}

/// Converts processors to billionths; Docker's minimum is a hundredth of one.
fn nanos(cpus: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fractions of a billionth do not matter, and the cast saturates"
    )]
    let nanos = (cpus.max(0.01) * 1e9) as i64;
    nanos
}
