//! Heartbeats: what an agent reports to its master, and how its certificate is renewed.

use std::{sync::Arc, time::Duration};

use backon::Retryable as _;
use jiff::Timestamp;
use tokio::time;

use super::{AgentMaster, backoff::backoff, revoked, shared::Shared, topologies};
use crate::{
    causes,
    fleet::messages::{BeatAnswer, BeatRequest, HEARTBEAT},
    peer::{PeerClient, PeerError, PeerOptions},
    pki::{Credentials, KeyRequest, Peers, PkiError, client_config},
    pushed::{HostHealth, HostReport},
};

/// How long the runtime may take to answer.
const HEALTH: Duration = Duration::from_secs(5);

/// How long a connection and a sign of life may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a heartbeat failed.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl Missed {
    /// Returns whether the master refuses this host from now on.
    const fn is_revocation(&self) -> bool {
        matches!(self, Self::Peer(PeerError::Revoked { .. }))
    }

    /// Returns whether the master and this host refuse each other's certificates.
    const fn is_distrust(&self) -> bool {
        matches!(self, Self::Peer(PeerError::Untrusted { .. }))
    }
}

/// Sends heartbeats until the agent stops. After a failure, the pauses grow to a minute. Returns whether the agent ended because the host
/// was revoked.
pub(super) async fn run(shared: Arc<Shared>, master: AgentMaster) -> bool {
    let beats = Beats { shared, master };
    let stop = beats.shared.stop.clone();
    let work = async {
        loop {
            let beat = (|| beats.beat())
                .retry(backoff())
                .when(|error| !error.is_revocation())
                .notify(|error, pause| {
                    let text = causes::with_causes(error);
                    if error.is_distrust() {
                        tracing::warn!(
                            error = text,
                            ?pause,
                            "a heartbeat failed; if the authority of the fleet was replaced while this agent was off, or its certificate \
                             has expired, the host has to join again with a new token (`decnet host enroll NAME` on the master)"
                        );
                    } else {
                        tracing::warn!(error = text, ?pause, "a heartbeat failed");
                    }
                    beats.shared.contact.failed();
                });
            match beat.await {
                Ok(()) => {}
                Err(error) if error.is_revocation() => return,
                Err(error) => tracing::error!(error = causes::with_causes(&error), "a heartbeat is given up"),
            }
            time::sleep(beats.master.every).await;
        }
    };
    if stop.run_until_cancelled(work).await.is_none() {
        return false;
    }
    stop.run_until_cancelled(revoked::end(&beats.shared, &beats.master))
        .await;
    true
}

/// What heartbeats need.
struct Beats {
    shared: Arc<Shared>,
    master: AgentMaster,
}

impl Beats {
    /// Sends a heartbeat. If the certificate is due, a second one asks for the next certificate.
    async fn beat(&self) -> Result<(), Missed> {
        // A connection has the certificate that was current when it began.
        let tls = client_config(&self.shared.credentials, Peers::Masters)?;
        let client = PeerClient::new(PeerOptions {
            address: self.master.place.master.clone(),
            tls,
            name: Peers::Masters.server_name(),
            timeout: TIMEOUT,
        })?;
        let report = self.report().await;
        if !self.send(&client, report.clone(), None).await? {
            return Ok(());
        }
        let key = KeyRequest::new()?;
        self.send(&client, report, Some(key)).await?;
        Ok(())
    }

    /// Sends a report, and uses what the answer brings. Returns whether the certificate is due.
    async fn send(&self, client: &PeerClient, report: HostReport, key: Option<KeyRequest>) -> Result<bool, Missed> {
        let credentials = &self.shared.credentials;
        let request = BeatRequest {
            report,
            trust: credentials.trust().digest(),
            request: key.as_ref().map(|key| key.request_pem().into()),
        };
        let answer: BeatAnswer = client.post(HEARTBEAT, &request).await?;
        self.shared.contact.answered();
        let is_changed = answer.trust.is_some() || answer.certificate.is_some();
        if let Some(trust) = answer.trust {
            credentials.set_trust(trust)?;
        }
        if let (Some(certificate), Some(key)) = (answer.certificate, key) {
            let identity = key.certified(&certificate)?;
            identity.check_clock(Timestamp::now())?;
            credentials.set_identity(identity);
        }
        if is_changed {
            self.keep(credentials)?;
        }
        Ok(answer.renew)
    }

    /// Keeps new credentials for the next start.
    fn keep(&self, credentials: &Credentials) -> Result<(), PkiError> {
        match &self.shared.folder {
            Some(folder) => folder.save_credentials(credentials),
            None => Ok(()),
        }
    }

    async fn report(&self) -> HostReport {
        let engine = &self.shared.engine;
        let applied = topologies::applied_now(engine).await.unwrap_or_else(|error| {
            tracing::warn!(error = causes::with_causes(&error), "the store does not answer");
            None
        });
        let health = match time::timeout(HEALTH, engine.runtime().info()).await {
            Ok(Ok(info)) => HostHealth {
                answers: true,
                detail: info.version,
                cpus: info.cpus,
            },
            Ok(Err(error)) => HostHealth {
                detail: error.to_string(),
                ..HostHealth::default()
            },
            Err(_) => HostHealth {
                detail: format!("no answer within {HEALTH:?}"),
                ..HostHealth::default()
            },
        };
        let (topology, version_hash, settings_digest) = applied.map_or_else(Default::default, |applied| {
            (Some(applied.topology), applied.version_hash, applied.settings_digest)
        });
        let authorities = self.shared.credentials.trust().fingerprints().unwrap_or_default();
        HostReport {
            authorities: authorities.iter().map(ToString::to_string).collect(),
            address: self.master.place.address.clone(),
            topology,
            version_hash,
            settings_digest,
            generation: self.shared.generations.highest(),
            health,
        }
    }
}
