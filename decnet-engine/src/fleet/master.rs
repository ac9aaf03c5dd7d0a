use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use decnet_topology::{Enrolment, HostId, HostProfile, HostRow, Name, Repo, RepoError, rng};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    FleetError, JoinToken,
    authority::StoredAuthority,
    messages::{BeatAnswer, BeatRequest, EnrollAnswer, EnrollRequest},
    runs::AgentRuns,
    token::digest,
};
use crate::{
    causes,
    peer::check_address,
    pki::{Authority, CertificateInfo, CertificateSubject, Credentials, Trust},
    runtime::{
        Fleet,
        remote::{RemoteOptions, RemoteRuntime},
    },
};

/// How long a token works.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// How many characters of the state of a host's runtime are kept.
const LONGEST_DETAIL: usize = 200;

/// The options of a master's listener.
#[derive(Clone)]
#[must_use]
#[non_exhaustive]
pub struct FleetOptions {
    /// Ends the listener.
    pub stop: CancellationToken,
    /// How long it waits for open requests when it stops. The default is ten seconds.
    pub grace: Duration,
    /// The clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            grace: Duration::from_secs(10),
            clock: Arc::new(Timestamp::now),
        }
    }
}

impl fmt::Debug for FleetOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetOptions").finish_non_exhaustive()
    }
}

impl FleetOptions {
    /// Sets the token that ends the listener.
    pub fn stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Sets how long it waits for open requests when it stops.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets another clock.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

/// What a master needs to let hosts join, to hear of them, and to reach them. Clones share it.
#[derive(Debug, Clone)]
pub struct FleetMaster {
    credentials: Credentials,
    /// Whom to trust, as it was read last.
    read: Arc<Mutex<Trust>>,
    runs: Arc<AgentRuns>,
    repo: Arc<dyn Repo>,
}

impl FleetMaster {
    /// Returns the name that DECNET's own programs have in their certificates: `master`.
    #[expect(clippy::missing_panics_doc, reason = "the text is a name")]
    pub fn usual_name() -> Name {
        Name::new("master").expect("this is a name")
    }

    /// Opens the fleet of a store. A store without one gets a new authority.
    ///
    /// The master gets a certificate of its own. Its key is never stored.
    ///
    /// # Errors
    ///
    /// [`FleetError::Repo`] if the store does not answer, [`FleetError::AuthorityDamaged`] or [`FleetError::AuthorityNewer`] if its
    /// authority cannot be read, [`FleetError::Pki`] if no certificate can be issued.
    pub async fn open(repo: Arc<dyn Repo>, name: Name, at: Timestamp) -> Result<Self, FleetError> {
        let hosts = repo.hosts().await?;
        Self::with_hosts(repo, name, &hosts, at).await
    }

    pub(super) async fn with_hosts(
        repo: Arc<dyn Repo>,
        name: Name,
        hosts: &[HostRow],
        at: Timestamp,
    ) -> Result<Self, FleetError> {
        let stored = StoredAuthority::load_or_create(&*repo, at).await?;
        let authority = stored.authority()?;
        let trust = stored.trust(hosts, at)?;
        Ok(Self {
            credentials: Credentials::issued(authority, &CertificateSubject::Master { name }, trust.clone(), at)?,
            read: Arc::new(Mutex::new(trust)),
            runs: Arc::default(),
            repo,
        })
    }

    pub(super) fn repo(&self) -> &dyn Repo {
        self.repo.as_ref()
    }

    /// Returns the credentials of this master.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the authority that issues certificates.
    #[expect(
        clippy::missing_panics_doc,
        reason = "the credentials of a master have the authority"
    )]
    pub fn authority(&self) -> Arc<Authority> {
        self.credentials.authority().expect("a master has the authority")
    }

    /// Refuses the hosts that were revoked since, follows a rotation of the authority, and renews the certificate of this master when it
    /// is due.
    ///
    /// [`serve`](super::serve) does this every five seconds, and a [`StoreFleet`](super::StoreFleet) when it reads the hosts. In other
    /// programs, connections renew the certificate, and agents refuse revoked masters and hosts.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open). Whom this master trusts is unchanged then.
    pub async fn refresh(&self, at: Timestamp) -> Result<(), FleetError> {
        let hosts = self.repo.hosts().await?;
        self.refresh_with(&hosts, at).await
    }

    pub(super) async fn refresh_with(&self, hosts: &[HostRow], at: Timestamp) -> Result<(), FleetError> {
        let stored = StoredAuthority::load_or_create(self.repo(), at).await?;
        let trust = stored.trust(hosts, at)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if trust != *read {
            let mut next = trust.clone();
            let own = self.credentials.trust().revoked;
            next.revoked.serials.extend(own.serials);
            next.revoked.hosts.extend(own.hosts);
            self.credentials.set_trust(next)?;
            *read = trust;
        }
        let authority = stored.authority()?;
        if authority.fingerprint() != self.authority().fingerprint() {
            self.credentials.set_authority(authority, at)?;
        }
        Ok(self.credentials.renew(at)?)
    }

    /// Returns the hosts that were not revoked, in order of joining.
    pub async fn hosts(&self) -> Result<Vec<HostRow>, FleetError> {
        let mut hosts = self.repo.hosts().await?;
        hosts.retain(|host| host.revoked_at.is_none());
        Ok(hosts)
    }

    /// Returns the runtime of a host, by its agent. Nothing is sent.
    pub fn runtime(&self, host: &HostRow) -> Result<RemoteRuntime, FleetError> {
        let options = RemoteOptions::new(host.id, host.name.clone(), host.address.clone());
        Ok(RemoteRuntime::new(&self.credentials, options)?)
    }

    /// Returns the hosts of a store that were not revoked as one runtime; none if there are none. Nothing is sent.
    ///
    /// They are those that the store has now, with the authority of now. A [`StoreFleet`](super::StoreFleet) follows both.
    pub async fn fleet_of(repo: Arc<dyn Repo>, name: Name, at: Timestamp) -> Result<Option<Fleet>, FleetError> {
        let hosts = repo.hosts().await?;
        if hosts.iter().all(|host| host.revoked_at.is_some()) {
            return Ok(None);
        }
        let master = Self::with_hosts(repo, name, &hosts, at).await?;
        Ok(Some(master.fleet(&hosts)))
    }

    /// Returns the hosts that were not revoked as one runtime. Nothing is sent.
    pub(super) fn fleet(&self, hosts: &[HostRow]) -> Fleet {
        let mut fleet = Fleet::new();
        for host in hosts.iter().filter(|host| host.revoked_at.is_none()) {
            // A host without an address for links cannot join.
            if let Some(member) = host.member() {
                match self.runtime(host) {
                    Ok(runtime) => fleet = fleet.with(member, Arc::new(runtime)),
                    Err(error) => tracing::warn!(
                        host = host.name.as_str(),
                        error = causes::with_causes(&error),
                        "a host is left out"
                    ),
                }
            }
        }
        fleet
    }

    /// Makes a token for a host. If the fleet has one with this name, it joins again and keeps its mazes, and the case of its name. A host
    /// that replaces a revoked one has its case, too: mazes are stored with it.
    ///
    /// The token works once, for 15 minutes by the clock of the leases, and only for this name.
    ///
    /// # Errors
    ///
    /// [`FleetError::Profile`] for a profile that no host can have, [`FleetError::Repo`] if the store refuses.
    pub async fn invite(&self, name: Name, profile: HostProfile, at: Timestamp) -> Result<JoinToken, FleetError> {
        profile.check()?;
        let named = self.named(name).await?;
        let token = JoinToken::draw(self.authority().fingerprint());
        let expires_at = self.repo.now(at).await? + TOKEN_LIFE;
        let enrolment = Enrolment::new(token.id(), named, profile, digest(&token.secret()), expires_at);
        self.repo.add_enrolment(enrolment, at).await?;
        Ok(token)
    }

    /// Returns the id and the stored name of the host that joins with this name.
    async fn named(&self, name: Name) -> Result<(HostId, Name), FleetError> {
        let hosts = self.repo.hosts().await?;
        let known = hosts.into_iter().filter(|host| host.name == name);
        Ok(
            match known.max_by_key(|host| (host.revoked_at.is_none(), host.revoked_at)) {
                Some(host) if host.revoked_at.is_none() => (host.id, host.name),
                Some(revoked) => (rng::host_id(), revoked.name),
                None => (rng::host_id(), name),
            },
        )
    }

    /// Lets a host join. A request that is refused for another reason does not use up its token.
    pub(super) async fn enroll(&self, request: EnrollRequest, at: Timestamp) -> Result<EnrollAnswer, FleetError> {
        let found = self.repo.enrolment(request.token).await?;
        let enrolment = found.ok_or(FleetError::TokenUnknown)?;
        // Masters whose clocks differ agree on it.
        check(&enrolment, &request, self.repo.now(at).await?)?;
        // The authority may have been replaced a moment ago.
        self.refresh(at).await?;
        let subject = CertificateSubject::Agent {
            host: enrolment.host,
            name: enrolment.name,
        };
        let certificate = self.authority().issue(&request.request, &subject, at)?;
        let joined = self.repo.enroll_host(enrolment.id, &request.address, at).await;
        let host = joined.map_err(|error| match error {
            RepoError::EnrolmentNotFound { .. } => FleetError::TokenUnknown,
            error => error.into(),
        })?;
        Ok(EnrollAnswer {
            host: host.id,
            certificate,
            trust: self.credentials.trust(),
            at,
        })
    }

    /// Records a heartbeat unless one that was made later was recorded, and renews the certificate of the agent if it is due.
    pub(super) async fn hear(
        &self,
        from: &CertificateInfo,
        host: HostId,
        mut beat: BeatRequest,
        at: Timestamp,
    ) -> Result<BeatAnswer, FleetError> {
        check_address(&beat.report.address)?;
        let hosts = self.repo.hosts().await?;
        let row = hosts.into_iter().find(|row| row.id == host);
        let mut row = row.ok_or(RepoError::HostNotFound { id: host })?;
        if from.issued_at() + SignedDuration::from_secs(1) < row.enrolled_at {
            // The host joined again since, perhaps on another machine.
            return Err(RepoError::HostNotFound { id: host }.into());
        }
        self.runs.check(&row, &beat.report)?;
        row.address.clone_from(&beat.report.address);
        check_underlay(row)?;
        beat.report.health.detail = beat.report.health.detail.chars().take(LONGEST_DETAIL).collect();
        let report = serde_json::to_string(&beat.report).unwrap_or_default();
        self.repo.host_heard(host, &beat.report.address, &report, at).await?;
        let authority = self.authority();
        let is_due = from.is_due(at) || !authority.has_issued(from);
        let certificate = match &beat.request {
            // Not before the one that it replaces, also if the clock was set back: a certificate from before the join is refused.
            Some(request) if is_due => Some(authority.issue(request, &from.subject, at.max(from.issued_at()))?),
            _ => None,
        };
        let trust = self.credentials.trust();
        Ok(BeatAnswer {
            renew: is_due && certificate.is_none(),
            certificate,
            trust: (trust.digest() != beat.trust).then_some(trust),
            at,
        })
    }
}

/// Checks whether a host may join with a token. A wrong secret is reported as an unknown token.
fn check(enrolment: &Enrolment, request: &EnrollRequest, at: Timestamp) -> Result<(), FleetError> {
    if digest(&request.secret) != enrolment.digest {
        return Err(FleetError::TokenUnknown);
    }
    if let Some(at) = enrolment.used_at {
        return Err(RepoError::EnrolmentUsed { id: enrolment.id, at }.into());
    }
    if at >= enrolment.expires_at {
        return Err(FleetError::TokenExpired {
            at: enrolment.expires_at,
        });
    }
    if request.name != enrolment.name {
        return Err(FleetError::TokenForOther {
            expected: enrolment.name.clone(),
            given: request.name.clone(),
        });
    }
    check_address(&request.address)?;
    check_underlay(HostRow::new(
        enrolment.host,
        enrolment.name.clone(),
        request.address.clone(),
        enrolment.profile.clone(),
        at,
    ))
}

/// Checks whether a host has an address for its links.
fn check_underlay(host: HostRow) -> Result<(), FleetError> {
    match host.member() {
        Some(_) => Ok(()),
        None => Err(FleetError::UnderlayUnknown { address: host.address }),
    }
}
