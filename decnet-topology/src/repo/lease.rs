use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::id::{ClaimToken, LeaseToken};

/// Identifies the process that holds a lease, by host, process id and start time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host's boot id.
    pub boot_id: String,
    /// The process id.
    pub pid: u32,
    /// When the process started, in clock ticks since the boot.
    pub started: u64,
    /// A description for people.
    pub label: String,
}

/// An exclusive right for a limited time: to change a topology on Docker, or to apply a mutation ([`MutationClaim`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease<T = LeaseToken> {
    /// Proof that the caller holds it.
    pub token: T,
    /// Its holder.
    pub holder: Holder,
    /// When it expires.
    pub until: Timestamp,
    /// Its duration from when it is acquired or renewed. Stores keep it for topologies, not for mutations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<SignedDuration>,
    /// Orders the leases of a store: each that is acquired has a higher one than all before, and a renewal keeps it. Agents refuse a
    /// lower one than they have seen. A lease of an earlier layout, and a claim, have zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(generation: &u64) -> bool {
    *generation == 0
}

/// The right to apply a mutation, for a limited time.
pub type MutationClaim = Lease<ClaimToken>;

impl<T> Lease<T> {
    /// Returns whether it ends later than is possible if it was acquired or renewed by `now`: the clock was set back since.
    ///
    /// Read the time after the lease. Otherwise a lease that was acquired while the caller waited for the store seems to end too
    /// late.
    pub fn is_overlong(&self, now: Timestamp) -> bool {
        let latest = self.length.and_then(|length| now.checked_add(length).ok());
        latest.is_some_and(|latest| latest < self.until)
    }
}
