use decnet_topology::{HostRow, Name};
use jiff::{SignedDuration, Timestamp};

use super::{FleetError, FleetMaster, authority::StoredAuthority};
use crate::{
    pki::{Authority, Fingerprint},
    pushed::HostReport,
};

/// How long an authority is trusted after another took its place. Then all certificates that it issued have expired.
const RETIREMENT: SignedDuration = SignedDuration::from_hours(24 * 8);

/// The authorities of a fleet.
///
/// A rotation has two steps. [`begin_rotation`](FleetMaster::begin_rotation) makes the next authority; all members trust it with their next
/// heartbeats, and the current one still issues. [`finish_rotation`](FleetMaster::finish_rotation) lets the next one issue; agents get
/// new certificates with their next heartbeats. The old one stays trusted for eight more days, until everything that it issued has
/// expired.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorityRotation {
    /// The authority that issues certificates.
    pub current: Fingerprint,
    /// The next authority, if a rotation has begun.
    pub next: Option<Fingerprint>,
    /// The hosts that do not trust the next authority yet, as far as the master has heard.
    pub waits_for: Vec<Name>,
    /// The authorities that issued before, and until when they are trusted.
    pub retired: Vec<(Fingerprint, Timestamp)>,
}

impl AuthorityRotation {
    fn of(stored: &StoredAuthority, hosts: &[HostRow], at: Timestamp) -> Result<Self, FleetError> {
        let next = stored.next()?.map(|authority| authority.fingerprint());
        let waits_for = match next {
            Some(next) => waiting(hosts, next),
            None => Vec::new(),
        };
        Ok(Self {
            current: stored.authority()?.fingerprint(),
            next,
            waits_for,
            retired: stored.retired(at)?,
        })
    }
}

/// Returns the hosts that have not reported that they trust an authority.
fn waiting(hosts: &[HostRow], next: Fingerprint) -> Vec<Name> {
    let next = next.to_string();
    let has_next = |host: &&HostRow| HostReport::of(host).is_some_and(|report| report.authorities.contains(&next));
    let current = hosts.iter().filter(|host| host.revoked_at.is_none());
    current
        .filter(|host| !has_next(host))
        .map(|host| host.name.clone())
        .collect()
}

impl FleetMaster {
    /// Returns the authorities, and how far a rotation is.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub async fn rotation(&self, at: Timestamp) -> Result<AuthorityRotation, FleetError> {
        let stored = StoredAuthority::load_or_create(self.repo(), at).await?;
        AuthorityRotation::of(&stored, &self.repo().hosts().await?, at)
    }

    /// Makes the next authority, which all members trust from then on. The current one still issues certificates.
    ///
    /// # Errors
    ///
    /// [`FleetError::RotationPending`] if another rotation has begun.
    pub async fn begin_rotation(&self, at: Timestamp) -> Result<AuthorityRotation, FleetError> {
        let created = Authority::create(at)?;
        let mut stored = StoredAuthority::load_or_create(self.repo(), at).await?;
        loop {
            if let Some(next) = stored.next()? {
                let next = next.fingerprint();
                return Err(FleetError::RotationPending { next });
            }
            match stored.with_next(&created).replace(self.repo(), &stored).await? {
                Ok(()) => break,
                Err(found) => stored = found,
            }
        }
        self.rotated(at).await
    }

    /// Lets the next authority issue all certificates. The current one stays trusted until everything that it issued has expired.
    ///
    /// With `force`, hosts that do not trust the next authority yet are lost. They must join again.
    ///
    /// # Errors
    ///
    /// [`FleetError::RotationNotBegun`]; [`FleetError::RotationWaits`] if a host does not trust the next authority yet.
    pub async fn finish_rotation(&self, force: bool, at: Timestamp) -> Result<AuthorityRotation, FleetError> {
        let mut stored = StoredAuthority::load_or_create(self.repo(), at).await?;
        loop {
            let next = stored.next()?.ok_or(FleetError::RotationNotBegun)?;
            let waits_for = waiting(&self.repo().hosts().await?, next.fingerprint());
            if !waits_for.is_empty() && !force {
                return Err(FleetError::RotationWaits { hosts: waits_for });
            }
            let until = at + RETIREMENT;
            match stored.finished(&next, until, at).replace(self.repo(), &stored).await? {
                Ok(()) => break,
                Err(found) => stored = found,
            }
        }
        self.rotated(at).await
    }

    /// Uses what was stored, and returns it.
    async fn rotated(&self, at: Timestamp) -> Result<AuthorityRotation, FleetError> {
        self.refresh(at).await?;
        self.rotation(at).await
    }
}
