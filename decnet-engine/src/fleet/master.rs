use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use decnet_topology::{HostId, Name, rng};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    EnrolledHost, Enrolment, Enrolments, FleetError, Hosts, JoinToken,
    messages::{BeatAnswer, BeatRequest, EnrollAnswer, EnrollRequest},
    token::digest,
};
use crate::pki::{Authority, CertificateInfo, CertificateSubject, Credentials, Identity};

/// How long a token works.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

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

/// What a master needs to let hosts join and to hear of them. Clones share it.
#[derive(Debug, Clone)]
pub struct FleetMaster {
    authority: Arc<RwLock<Arc<Authority>>>,
    credentials: Credentials,
    enrolments: Arc<dyn Enrolments>,
    hosts: Arc<dyn Hosts>,
}

impl FleetMaster {
    /// Combines the authority, the credentials of this master, and the stores.
    pub fn new(
        authority: Authority,
        credentials: Credentials,
        enrolments: Arc<dyn Enrolments>,
        hosts: Arc<dyn Hosts>,
    ) -> Self {
        Self {
            authority: Arc::new(RwLock::new(Arc::new(authority))),
            credentials,
            enrolments,
            hosts,
        }
    }

    /// Returns the credentials of this master.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the authority that issues certificates.
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets another authority issue certificates: the second step of a [rotation](crate::Trust). All agents must trust it already. They
    /// get new certificates with their next heartbeats.
    pub fn set_authority(&self, authority: Authority) {
        *self.authority.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(authority);
    }

    /// Makes a token for a host that does not exist yet, or for one that joins again.
    ///
    /// The token works once, for 15 minutes, and only for this name.
    pub async fn invite(&self, name: Name, again: Option<HostId>, at: Timestamp) -> Result<JoinToken, FleetError> {
        let token = JoinToken::draw(self.authority().fingerprint());
        let enrolment = Enrolment {
            id: token.id(),
            host: again.unwrap_or_else(rng::host_id),
            name,
            digest: digest(&token.secret()),
            expires_at: at + TOKEN_LIFE,
            used_at: None,
        };
        self.enrolments.add_enrolment(enrolment).await?;
        Ok(token)
    }

    /// Lets a host join. A request that is refused for another reason does not use up its token.
    pub(super) async fn enroll(&self, request: EnrollRequest, at: Timestamp) -> Result<EnrollAnswer, FleetError> {
        let found = self.enrolments.enrolment(request.token).await?;
        let enrolment = found.ok_or(FleetError::TokenUnknown)?;
        enrolment.check(&request.secret, &request.name, at)?;
        let (host, name) = (enrolment.host, enrolment.name);
        let subject = CertificateSubject::Agent {
            host,
            name: name.clone(),
        };
        let certificate = self.authority().issue(&request.request, &subject, at)?;
        if !self.enrolments.use_enrolment(enrolment.id, at).await? {
            return Err(FleetError::TokenUsed { at });
        }
        let enrolled = EnrolledHost {
            id: host,
            name,
            address: request.address,
            serial: info(&certificate)?.serial,
            at,
        };
        self.hosts.host_enrolled(enrolled).await?;
        Ok(EnrollAnswer {
            host,
            certificate,
            trust: self.credentials.trust(),
            at,
        })
    }

    /// Records a heartbeat, and renews the certificate of the agent if it is due.
    pub(super) async fn hear(
        &self,
        from: &CertificateInfo,
        host: HostId,
        beat: BeatRequest,
        at: Timestamp,
    ) -> Result<BeatAnswer, FleetError> {
        self.hosts.host_heard(host, beat.report, at).await?;
        let authority = self.authority();
        let is_due = from.is_due(at) || !authority.has_issued(from);
        let certificate = match &beat.request {
            Some(request) if is_due => Some(authority.issue(request, &from.subject, at)?),
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

fn info(certificate: &str) -> Result<CertificateInfo, FleetError> {
    Ok(Identity::read_certificate(certificate)?)
}
