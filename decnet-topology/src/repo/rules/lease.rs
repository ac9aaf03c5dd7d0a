//! The shared rule for leases of topologies and claims on mutations.

use jiff::{SignedDuration, Timestamp};

use crate::{
    id::{ClaimToken, LeaseToken},
    repo::{Holder, Lease, RepoError},
    rng,
};

/// The token of a lease.
pub(in crate::repo) trait Token: Copy + PartialEq {
    /// Whether stores keep the duration of the lease.
    const KEEPS_LENGTH: bool;

    /// Draws a fresh token.
    fn draw() -> Self;
}

impl Token for LeaseToken {
    const KEEPS_LENGTH: bool = true;

    fn draw() -> Self {
        rng::lease_token()
    }
}

impl Token for ClaimToken {
    const KEEPS_LENGTH: bool = false;

    fn draw() -> Self {
        rng::claim_token()
    }
}

/// Returns the lease if it has not expired.
pub(in crate::repo) fn held<T>(stored: Option<Lease<T>>, at: Timestamp) -> Option<Lease<T>> {
    stored.filter(|lease| at < lease.until)
}

/// Returns a fresh lease, or the stored one if it is held and its token is not `superseding`.
pub(in crate::repo) fn acquire<T: Token>(
    stored: Option<Lease<T>>,
    holder: &Holder,
    time: SignedDuration,
    superseding: Option<T>,
    at: Timestamp,
) -> Result<Lease<T>, Box<Lease<T>>> {
    match held(stored, at) {
        Some(lease) if Some(lease.token) != superseding => Err(Box::new(lease)),
        _ => Ok(Lease {
            token: T::draw(),
            holder: holder.clone(),
            until: ending(at, time),
            length: T::KEEPS_LENGTH.then_some(time),
            // The store draws it for a topology.
            generation: 0,
        }),
    }
}

/// Returns the stored lease with a later end; none if the token does not match. An expired lease is renewed if nobody took it
/// since.
pub(in crate::repo) fn renew<T: Token>(
    stored: Option<Lease<T>>,
    token: T,
    time: SignedDuration,
    at: Timestamp,
) -> Option<Lease<T>> {
    let lease = stored.filter(|lease| lease.token == token)?;
    Some(Lease {
        until: ending(at, time),
        length: T::KEEPS_LENGTH.then_some(time),
        ..lease
    })
}

/// Returns whether the token matches the stored lease.
pub(in crate::repo) fn is_proven<T: Token>(stored: Option<&Lease<T>>, token: T) -> bool {
    stored.is_some_and(|lease| lease.token == token)
}

/// Returns the end of a duration that begins at `at`.
pub(in crate::repo) fn ending(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.saturating_add(time).unwrap_or(Timestamp::MAX)
}

/// Returns the generation after the highest one. Databases keep it in a signed number.
pub(in crate::repo) fn generation_after(highest: u64) -> Result<u64, RepoError> {
    let next = highest.checked_add(1).filter(|next| i64::try_from(*next).is_ok());
    next.ok_or_else(|| RepoError::Corrupt {
        what: format!("no generation is higher than {highest}"),
    })
}
