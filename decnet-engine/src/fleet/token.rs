use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use decnet_topology::{EnrolmentId, GenericUuid as _, Uuid, rng};
use sha2::{Digest as _, Sha256};

use super::FleetError;
use crate::pki::Fingerprint;

/// How a token begins, so that people and scanners of leaked secrets recognize it.
const PREFIX: &str = "decnet_join_";

/// The version of its form.
const VERSION: u8 = 1;

/// How many bytes find typing errors.
const CHECK: usize = 4;

/// With which a host joins a fleet, once.
///
/// It is printed as one word: `decnet_join_` and, as base64url, the version 1, the hash of the authority (32 bytes), an id (16), a
/// secret (32), and the first 4 bytes of the SHA-256 hash of all that.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    authority: Fingerprint,
    id: EnrolmentId,
    secret: [u8; 32],
}

impl JoinToken {
    /// Draws a token.
    pub(super) fn draw(authority: Fingerprint) -> Self {
        Self {
            authority,
            id: rng::enrolment_id(),
            secret: rng::secret_bytes(),
        }
    }

    /// Returns the hash of the authority.
    pub const fn authority(&self) -> Fingerprint {
        self.authority
    }

    /// Returns its id, which is not secret.
    pub const fn id(&self) -> EnrolmentId {
        self.id
    }

    /// Returns its secret in hex, for the master.
    pub(crate) fn secret(&self) -> String {
        Fingerprint::new(self.secret).to_string()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.authority.as_bytes());
        bytes.extend_from_slice(self.id.as_untyped_uuid().as_bytes());
        bytes.extend_from_slice(&self.secret);
        bytes
    }
}

/// Returns what is stored of a secret. It has 256 random bits, so a plain hash cannot be reversed.
pub(super) fn digest(secret: &str) -> String {
    Fingerprint::new(Sha256::digest(secret).into()).to_string()
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes();
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check[..CHECK]);
        write!(f, "{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Logs must not have the secret.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({})", self.id)
    }
}

impl FromStr for JoinToken {
    type Err = FleetError;

    fn from_str(text: &str) -> Result<Self, FleetError> {
        let malformed = |reason| FleetError::TokenMalformed { reason };
        let rest = text.trim().strip_prefix(PREFIX);
        let rest = rest.ok_or_else(|| malformed("a token begins with `decnet_join_`"))?;
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(rest);
        let bytes = bytes.map_err(|_| malformed("it has a character that no token has, or is cut"))?;
        let cut = || malformed("a part of it is missing");
        let (content, check) = bytes.split_last_chunk::<CHECK>().ok_or_else(cut)?;
        if Sha256::digest(content)[..CHECK] != *check {
            return Err(malformed("a part of it is missing or was changed"));
        }
        let (version, content) = content.split_first().ok_or_else(cut)?;
        if *version != VERSION {
            return Err(malformed("another version of decnet made it"));
        }
        let (authority, content) = content.split_first_chunk().ok_or_else(cut)?;
        let (id, secret) = content.split_first_chunk().ok_or_else(cut)?;
        Ok(Self {
            authority: Fingerprint::new(*authority),
            id: EnrolmentId::from_untyped_uuid(Uuid::from_bytes(*id)),
            secret: secret.try_into().map_err(|_| cut())?,
        })
    }
}
