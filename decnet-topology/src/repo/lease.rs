use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::LeaseToken;

/// Who holds a lease: a process of a host, told from all others by when it and its host started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host's boot id.
    pub boot_id: String,
    /// The process id.
    pub pid: u32,
    /// When the process started, in clock ticks since the boot.
    pub started: u64,
    /// What it is, for people.
    pub label: String,
}

/// The right to change a topology on Docker, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Proves that one holds it.
    pub token: LeaseToken,
    /// Who holds it.
    pub holder: Holder,
    /// When it runs out.
    pub until: Timestamp,
    /// How long it lasts from when it is taken or renewed.
    pub length: SignedDuration,
}

impl Lease {
    /// Returns whether it ends later than it can if it was taken or renewed by `now`: the clock was set back since.
    ///
    /// The time must be asked after the lease was read. Who asks before, and waits for the store, sees leases from its future.
    pub fn is_overlong(&self, now: Timestamp) -> bool {
        now.checked_add(self.length).is_ok_and(|latest| latest < self.until)
    }
}
