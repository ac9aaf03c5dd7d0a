use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Digests a spec: the first 16 hex digits of the SHA-256 of its JSON.
pub(super) fn digest(value: &impl Serialize) -> String {
    let mut json = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut json, value).expect("all keys are texts");
    let digest: [u8; 32] = Sha256::digest(&json).into();
    let (first, _) = digest.split_first_chunk().expect("a SHA-256 has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}
