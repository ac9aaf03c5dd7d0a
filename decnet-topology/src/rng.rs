//! The only randomness.

use newtype_uuid::{TypedUuid, TypedUuidKind};

use crate::id::{InstanceId, LeaseToken, TopologyId};

/// Draws the id of a topology from the operating system.
pub fn topology_id() -> TopologyId {
    random_uuid()
}

/// Draws the id of a store from the operating system.
pub fn instance_id() -> InstanceId {
    random_uuid()
}

/// Draws the token of a lease from the operating system.
pub fn lease_token() -> LeaseToken {
    random_uuid()
}

/// Draws a UUID v4 (RFC 9562, section 5.4).
fn random_uuid<K: TypedUuidKind>() -> TypedUuid<K> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("an operating system that runs programs has randomness");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    TypedUuid::from_bytes(bytes)
}
