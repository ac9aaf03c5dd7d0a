//! Heartbeats: what an agent reports to its master, and how its certificate is renewed.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::Retryable as _;
use decnet_topology::{AgentRunId, rng};
use jiff::Timestamp;
use tokio::time::{self, Instant};

use super::{AgentMaster, backoff::backoff, revoked, shared::Shared, topologies};
use crate::{
    causes,
    fleet::messages::{BeatAnswer, BeatRequest, HEARTBEAT},
    peer::{CERTIFICATE_REFUSED, PeerClient, PeerError, PeerOptions},
    pki::{KeyRequest, Peers, PkiError, Trust, client_config},
    pushed::{AppliedTopology, HostHealth, HostReport},
};

/// How long the runtime may take to answer.
const HEALTH: Duration = Duration::from_secs(5);

/// The refusal of a master that does not have this host, or whose host of this name is another machine now.
const HOST_UNKNOWN: &str = "host_unknown";

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

    /// Returns whether the master answered, although it did not take the heartbeat: its database does not answer, or it has another
    /// version. A master that refuses the certificate or does not know this host does nothing for it any more, so it counts as silent.
    fn is_answer(&self) -> bool {
        match self {
            Self::Peer(PeerError::OtherVersion { .. }) => true,
            Self::Peer(PeerError::Refused { problem, .. }) => {
                ![CERTIFICATE_REFUSED, HOST_UNKNOWN].contains(&problem.as_str())
            }
            _ => false,
        }
    }
}

/// Sends heartbeats until the agent stops. After a failure, the pauses grow. Returns whether the agent ended because the host
/// was revoked.
pub(super) async fn run(shared: Arc<Shared>, master: AgentMaster) -> bool {
    let beats = Beats::new(shared, master);
    let stop = beats.shared.stop.clone();
    let work = async {
        loop {
            let beat = (|| beats.beat())
                .retry(backoff())
                .when(|error| !error.is_revocation())
                .notify(|error, pause| beats.note(error, pause));
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
    /// The id of this start of the agent.
    run: AgentRunId,
    /// When they began. A clock that is set does not change their order.
    started: (Timestamp, Instant),
    /// The pushed topology, as it was reported last.
    reported: Mutex<Option<AppliedTopology>>,
    /// Whether the folder has older credentials than those in use.
    is_behind: AtomicBool,
}

impl Beats {
    fn new(shared: Arc<Shared>, master: AgentMaster) -> Self {
        Self {
            shared,
            master,
            run: rng::agent_run_id(),
            started: (Timestamp::now(), Instant::now()),
            reported: Mutex::default(),
            is_behind: AtomicBool::new(false),
        }
    }

    /// Logs why a heartbeat failed, and counts it for the silence of masters.
    fn note(&self, error: &Missed, pause: Duration) {
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
        if error.is_answer() {
            self.shared.contact.answered();
        } else {
            self.shared.contact.failed();
        }
    }

    /// Sends a heartbeat. If the certificate is due, a second one asks for the next certificate.
    async fn beat(&self) -> Result<(), Missed> {
        self.keep();
        let client = self.client()?;
        let report = self.report().await;
        if !self.send(&client, report.clone(), None).await? {
            return Ok(());
        }
        let key = KeyRequest::new()?;
        self.send(&client, report, Some(key)).await?;
        Ok(())
    }

    /// Returns a client of the master. Its connections have the certificate of now.
    fn client(&self) -> Result<PeerClient, Missed> {
        let tls = client_config(&self.shared.credentials, Peers::Masters)?;
        let client = PeerClient::new(PeerOptions {
            address: self.master.place.master.clone(),
            tls,
            name: Peers::Masters.server_name(),
            timeout: TIMEOUT,
        });
        Ok(client?)
    }

    /// Sends a report, and uses what the answer brings. Returns whether the certificate is due.
    async fn send(&self, client: &PeerClient, report: HostReport, key: Option<KeyRequest>) -> Result<bool, Missed> {
        let request = BeatRequest {
            report,
            trust: self.shared.credentials.trust().digest(),
            request: key.as_ref().map(|key| key.request_pem().into()),
        };
        let answer: BeatAnswer = client.post(HEARTBEAT, &request).await?;
        self.shared.contact.answered();
        let is_changed = answer.trust.is_some() || answer.certificate.is_some();
        let used = self.take(answer.trust, answer.certificate.zip(key));
        if is_changed {
            // If one of both was refused, the other one is in use.
            self.keep();
        }
        used?;
        Ok(answer.renew)
    }

    /// Uses new credentials.
    fn take(&self, trust: Option<Trust>, certified: Option<(String, KeyRequest)>) -> Result<(), PkiError> {
        let credentials = &self.shared.credentials;
        if let Some(trust) = trust {
            credentials.set_trust(trust)?;
            self.is_behind.store(true, Ordering::Relaxed);
        }
        if let Some((certificate, key)) = certified {
            let identity = key.certified(&certificate)?;
            identity.check_clock(Timestamp::now())?;
            credentials.set_identity(identity);
            self.is_behind.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps new credentials for the next start. If they cannot be written, the next heartbeat tries it again.
    fn keep(&self) {
        let Some(folder) = &self.shared.folder else {
            return;
        };
        if !self.is_behind.load(Ordering::Relaxed) {
            return;
        }
        match folder.save_credentials(&self.shared.credentials) {
            Ok(()) => self.is_behind.store(false, Ordering::Relaxed),
            Err(error) => tracing::warn!(
                error = causes::with_causes(&error),
                "new credentials are used but not written; the next heartbeat tries it again"
            ),
        }
    }

    fn reported(&self) -> MutexGuard<'_, Option<AppliedTopology>> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the pushed topology. If the store of this agent does not answer, it is the one that was reported last: without it, the master
    /// would push the maze again.
    async fn applied(&self) -> Option<AppliedTopology> {
        match topologies::applied_now(&self.shared.engine).await {
            Ok(applied) => {
                self.reported().clone_from(&applied);
                applied
            }
            Err(error) => {
                tracing::warn!(
                    error = causes::with_causes(&error),
                    "the store does not answer; the heartbeat repeats the version of the last one"
                );
                self.reported().clone()
            }
        }
    }

    async fn report(&self) -> HostReport {
        let engine = &self.shared.engine;
        let applied = self.applied().await;
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
        let (started, since) = self.started;
        HostReport {
            run: Some(self.run),
            made_at: started.checked_add(since.elapsed()).ok(),
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

#[cfg(test)]
mod tests;
