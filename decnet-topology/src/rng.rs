//! The only source of randomness: seeded streams for mazes, and a few draws from the operating system.
//!
//! A maze is drawn from one [`RandomStream`] per entity, keyed by the seed, the kind of the draw and the ordinal of the entity. So an
//! additional draw for one entity changes no other entity. The output of a stream is part of the format: it is the same on every
//! platform and in every version.
//!
//! - **Key**: SHA-256 over the ASCII text `decnet.rng/1`, a zero byte, the seed as 8 bytes, the kind's text, a zero byte, the
//!   ordinal as 8 bytes; numbers big-endian.
//! - **Words**: `ChaCha8` with that key, nonce and counter zero; each draw takes the next 64 bits of the key stream, little-endian.
//! - **Bounded**: words from the largest multiple of the bound below 2^64 upward are dropped; the result is the first other word
//!   modulo the bound.
//! - **Chance**: one word, shifted right by 11, is less than ⌊p · 2^53⌋.
//!
//! Ids, lease tokens and default seeds come from the operating system. Rust's own hash maps use the same source, so it does not
//! fail; there is no weaker fallback.

pub(crate) mod stream;

use newtype_uuid::{GenericUuid as _, TypedUuid, TypedUuidKind};
use uuid::Uuid;

use crate::{
    id::{AgentRunId, ClaimToken, EnrolmentId, EventId, HostId, InstanceId, LeaseToken, TopologyId},
    secret::InstallationSecret,
};

pub(crate) use stream::RandomStream;

/// Draws a seed from the operating system.
pub fn os_seed() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_be_bytes(bytes)
}

/// Draws the id of a topology.
pub fn topology_id() -> TopologyId {
    uuid_v4()
}

/// Draws the id of a store.
pub fn instance_id() -> InstanceId {
    uuid_v4()
}

/// Draws the id of a host with an agent.
pub fn host_id() -> HostId {
    uuid_v4()
}

/// Draws the id of a token with which a host joins a fleet.
pub fn enrolment_id() -> EnrolmentId {
    uuid_v4()
}

/// Draws the id of one start of an agent.
pub fn agent_run_id() -> AgentRunId {
    uuid_v4()
}

/// Draws 32 bytes that nobody can guess, for a secret or a serial number.
pub fn secret_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    bytes
}

/// Draws the secret of a store.
pub fn installation_secret() -> InstallationSecret {
    InstallationSecret::new(secret_bytes())
}

/// Draws the token of a lease.
pub fn lease_token() -> LeaseToken {
    uuid_v4()
}

/// Draws the token of a claim on a mutation.
pub fn claim_token() -> ClaimToken {
    uuid_v4()
}

/// Draws the id of an event.
pub fn event_id() -> EventId {
    uuid_v4()
}

/// Draws what identifies a transaction of a store.
#[cfg(feature = "postgres")]
pub(crate) fn transaction_token() -> Uuid {
    random_uuid()
}

fn uuid_v4<K: TypedUuidKind>() -> TypedUuid<K> {
    TypedUuid::from_untyped_uuid(random_uuid())
}

/// Draws a UUID of version 4: 122 random bits (RFC 9562, section 5.4).
fn random_uuid() -> Uuid {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[expect(clippy::disallowed_methods, reason = "this is where randomness is drawn")]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("an operating system that starts Rust programs gives random bytes");
}

#[cfg(test)]
mod tests {
    use super::topology_id;

    #[test]
    fn ids_are_random_uuids_of_version_4() {
        let (one, other) = (topology_id(), topology_id());
        assert_ne!(one, other);
        assert_eq!(one.get_version_num(), 4);
        assert_eq!(one.to_string().as_bytes()[14], b'4');
        assert!("89ab".contains(char::from(one.to_string().as_bytes()[19])));
    }
}
