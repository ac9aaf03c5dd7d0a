//! Hosts join a fleet and send heartbeats.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use decnet_engine::{
    AgentFolder, AgentMaster, AgentOptions, AgentPlace, Authority, CancellationToken, CertificateSubject, Credentials,
    DecoyImage, Engine, EngineOptions, FleetMaster, FleetOptions, HostReport, JoinError, JoinToken, RemoteOptions,
    RemoteRuntime, RemoteTopologies, Runtime as _, Trust, agent, fleet, simulated::Simulated,
};
use decnet_topology::{Catalog, Enrolment, HostChange, HostId, HostProfile, HostRow, HostStore as _, MemoryRepo, rng};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::{net::TcpListener, time};

use super::stage::{RunningAgent, Stage, credentials, fence, name};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How long something that happens may take.
const SOON: Duration = Duration::from_secs(20);

/// A master with a listener.
pub(super) struct Master {
    pub(super) stage: Stage,
    pub(super) fleet: FleetMaster,
    pub(super) repo: Arc<MemoryRepo>,
    pub(super) address: SocketAddr,
    stop: CancellationToken,
}

impl Master {
    /// Starts a master whose clock is ahead.
    pub(super) async fn start(ahead: SignedDuration) -> Self {
        let stage = Stage::new();
        let repo = Arc::new(MemoryRepo::new());
        let authority = json!({
            "certificate": stage.authority.certificate_pem(),
            "key": stage.authority.key_pem(),
        });
        let stored = repo.set_fleet_authority(None, &authority.to_string()).await;
        stored.expect("stored");
        let fleet = FleetMaster::open(repo.clone(), name("first"), Timestamp::now()).await;
        let fleet = fleet.expect("a fleet");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let options = FleetOptions::default().clock(move || Timestamp::now() + ahead);
        let stop = options.stop.clone();
        tokio::spawn(fleet::serve(fleet.clone(), options, listener));
        Self {
            stage,
            fleet,
            repo,
            address,
            stop,
        }
    }

    /// Stops the listener.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Revokes a host, as `decnet host revoke` does.
    pub(super) async fn revoke(&self, host: HostId) {
        let revoked = self.repo.change_host(host, HostChange::Revoke, Timestamp::now()).await;
        revoked.expect("revoked");
        self.fleet.refresh(Timestamp::now()).await.expect("refreshed");
    }

    pub(super) fn place(&self) -> AgentPlace {
        AgentPlace::new(self.address.to_string(), "127.0.0.1:4433")
    }

    pub(super) async fn invite(&self, host: &str) -> JoinToken {
        let token = self
            .fleet
            .invite(name(host), HostProfile::default(), Timestamp::now())
            .await;
        token.expect("a token")
    }

    pub(super) async fn join(&self, token: &JoinToken, host: &str) -> Result<Credentials, JoinError> {
        agent::join(token, &name(host), &self.place(), Timestamp::now()).await
    }

    /// Lets `host-1` join.
    pub(super) async fn joined(&self) -> Credentials {
        let token = self.invite("host-1").await;
        self.join(&token, "host-1").await.expect("it joins")
    }

    /// Lets `host-1` join at a time in the past.
    pub(super) async fn joined_at(&self, at: Timestamp) -> Credentials {
        let named = (self.stage.host, name("host-1"));
        let enrolment = Enrolment::new(rng::enrolment_id(), named, HostProfile::default(), "digest", at);
        let (token, address) = (enrolment.id, self.place().address);
        self.repo.add_enrolment(enrolment, at).await.expect("added");
        let row = self.repo.enroll_host(token, &address, at).await;
        assert_eq!(row.expect("it joins").enrolled_at, at);
        credentials(&self.stage.authority, &self.stage.agent_subject(), at)
    }

    /// Waits until the only host has reported what is expected.
    pub(super) async fn hears(&self, is_expected: impl Fn(&HostReport) -> bool) -> (HostRow, HostReport) {
        let heard = async {
            loop {
                let host = self.repo.hosts().await.expect("hosts").pop();
                if let Some(host) = host
                    && let Some(report) = &host.report
                {
                    let report = serde_json::from_str(report).expect("a report");
                    if is_expected(&report) {
                        return (host, report);
                    }
                }
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        time::timeout(SOON, heard).await.expect("a heartbeat in time")
    }

    /// Starts the agent of a host that has joined.
    async fn agent(&self, credentials: Credentials, folder: Option<AgentFolder>) -> RunningAgent {
        let options = EngineOptions::new(Catalog::builtin()).image(None::<Arc<DecoyImage>>);
        let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options);
        let master = AgentMaster::new(self.place()).every(Duration::from_millis(20));
        let options = AgentOptions::default().master(master).folder(folder);
        self.stage.start_engine(engine, options, credentials).await
    }
}

async fn code(joined: impl Future<Output = Result<Credentials, JoinError>>) -> String {
    joined.await.expect_err("refused").code().to_owned()
}

#[tokio::test]
async fn a_host_joins_serves_its_master_and_reports() {
    let master = Master::start(SignedDuration::ZERO).await;
    let token = master.invite("host-1").await;
    let printed: JoinToken = token.to_string().parse().expect("a token");
    let joined = master.join(&printed, "host-1").await.expect("it joins");
    let host = joined.identity().subject().host().expect("a host");
    assert_eq!(
        joined.trust().fingerprints().expect("one"),
        [master.stage.authority.fingerprint()]
    );

    let folder = tempfile::tempdir().expect("a folder");
    let folder = AgentFolder::open(folder.path().join("agent")).expect("a folder");
    assert!(folder.load().expect("nothing yet").is_none());
    folder.save(&joined, &master.place()).expect("written");
    let (joined, place) = folder.load().expect("read").expect("it has joined");
    assert_eq!(place, master.place());

    let agent = master.agent(joined, Some(folder)).await;
    let options = RemoteOptions::new(host, name("host-1"), agent.address.to_string());
    let remote = RemoteRuntime::new(&master.stage.master, options).expect("an address");
    let topologies = RemoteTopologies::new(&remote).with_fence(fence(4));
    assert_eq!(topologies.teardown().await.expect("it answers"), None);
    let (known, report) = master.hears(|report| report.generation == 4).await;
    assert_eq!(
        (known.id, known.name.as_str(), known.address.as_str()),
        (host, "host-1", "127.0.0.1:4433")
    );
    assert!(report.health.answers && report.topology.is_none() && report.version_hash.is_empty());
    agent.stop.cancel();
    agent.task.await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn tokens_that_do_not_fit_are_refused_with_a_reason() {
    let master = Master::start(SignedDuration::ZERO).await;
    let token = master.invite("host-1").await;
    assert_eq!(code(master.join(&token, "host-2")).await, "token_name");
    master.join(&token, "host-1").await.expect("it joins");
    assert_eq!(code(master.join(&token, "host-1")).await, "token_used");

    let late = Master::start(SignedDuration::from_mins(15)).await;
    let token = late.invite("host-1").await;
    assert_eq!(code(late.join(&token, "host-1")).await, "token_expired");

    // The token of another fleet: the secret is not sent.
    let other = Master::start(SignedDuration::ZERO).await;
    let foreign = other.invite("host-1").await;
    assert_eq!(code(master.join(&foreign, "host-1")).await, "other_authority");
    assert_eq!(
        other.join(&foreign, "host-1").await.expect("it was not used").trust(),
        other.fleet.credentials().trust()
    );
}

#[tokio::test]
async fn a_server_that_copies_the_authority_s_certificate_does_not_get_the_secret() {
    let master = Master::start(SignedDuration::ZERO).await;
    let token = master.invite("host-1").await;
    // It shows the certificate of the real authority, but has a certificate of its own.
    let spy = Stage::new();
    let spying = FleetMaster::open(master.repo.clone(), name("second"), Timestamp::now()).await;
    let spying = spying.expect("a fleet");
    let subject = CertificateSubject::Master { name: name("second") };
    let own = spy.authority.identity(&subject, Timestamp::now());
    spying.credentials().set_identity(own.expect("an identity"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let place = AgentPlace::new(listener.local_addr().expect("an address").to_string(), "x:1");
    tokio::spawn(fleet::serve(spying, FleetOptions::default(), listener));
    let host = name("host-1");
    let joined = agent::join(&token, &host, &place, Timestamp::now());
    assert_eq!(code(joined).await, "peer_untrusted");
    assert!(master.repo.hosts().await.expect("hosts").is_empty());
    master.join(&token, "host-1").await.expect("the token was not used");
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_is_named_when_a_host_joins() {
    let ahead = Master::start(HOUR).await;
    let token = ahead
        .fleet
        .invite(name("host-1"), HostProfile::default(), Timestamp::now() + HOUR)
        .await
        .expect("a token");
    assert_eq!(code(ahead.join(&token, "host-1")).await, "clock_off");
    let little = Master::start(SignedDuration::from_mins(9)).await;
    let token = little.invite("host-1").await;
    little.join(&token, "host-1").await.expect("nine minutes are tolerated");
}

#[tokio::test]
async fn a_missing_master_is_unreachable_and_a_wrong_address_is_named() {
    let master = Master::start(SignedDuration::ZERO).await;
    let token = master.invite("host-1").await;
    let at = async |address: &str| {
        let place = AgentPlace::new(address, "x:1");
        code(agent::join(&token, &name("host-1"), &place, Timestamp::now())).await
    };
    assert_eq!(at("127.0.0.1:1").await, "peer_unreachable");
    for wrong in ["", "host", "https://host:1", "host:port", "host:1/path", "user@host:1"] {
        assert_eq!(at(wrong).await, "peer_address", "{wrong}");
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_by_heartbeats_and_kept() {
    let master = Master::start(SignedDuration::ZERO).await;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = AgentFolder::open(folder.path().join("agent")).expect("a folder");
    let old = master.joined_at(Timestamp::now() - HOUR * 24 * 5).await;
    let subject = old.identity().subject().clone();
    folder.save(&old, &master.place()).expect("written");
    let before = old.identity().info().clone();
    let agent = master.agent(old, Some(folder.clone())).await;
    let renewed = async {
        while agent.credentials.identity().info().serial == before.serial {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(SOON, renewed).await.expect("renewed in time");
    let kept = async {
        loop {
            let (kept, _) = folder.load().expect("read").expect("it has joined");
            if kept.identity().info().serial != before.serial {
                return kept;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    let kept = time::timeout(SOON, kept).await.expect("kept in time");
    assert_eq!(kept.identity().subject(), &subject);
    assert!(kept.identity().info().not_after > before.not_after);
    // The agent serves with the new one.
    let host = subject.host().expect("a host");
    let options = RemoteOptions::new(host, name("host-1"), agent.address.to_string());
    let remote = RemoteRuntime::new(&master.stage.master, options).expect("an address");
    remote.info().await.expect("it answers");
}

#[tokio::test]
async fn a_rotation_of_the_authority_reaches_agents_by_heartbeats() {
    let master = Master::start(SignedDuration::ZERO).await;
    let joined = master.joined().await;
    let host = joined.identity().subject().host().expect("a host");
    let agent = master.agent(joined, None).await;
    let options = RemoteOptions::new(host, name("host-1"), agent.address.to_string());
    let remote = RemoteRuntime::new(master.fleet.credentials(), options).expect("an address");
    remote.info().await.expect("it answers");

    let now = Timestamp::now();
    let begun = master.fleet.begin_rotation(now).await.expect("it begins");
    let next = begun.next.expect("the next authority");
    remote.info().await.expect("it answers in the first step");
    master
        .hears(|report| report.authorities.contains(&next.to_string()))
        .await;
    remote.info().await.expect("it answers with both");
    let old = agent.credentials.identity().info().clone();
    master
        .fleet
        .finish_rotation(false, now)
        .await
        .expect("no host is missing");
    remote.info().await.expect("it answers in the second step");
    let renewed = async {
        while !master.fleet.authority().has_issued(agent.credentials.identity().info()) {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(SOON, renewed).await.expect("a new certificate");
    assert_ne!(agent.credentials.identity().info().issuer, old.issuer);
    // A new connection has the new certificates on both sides.
    let options = RemoteOptions::new(host, name("host-1"), agent.address.to_string());
    let remote = RemoteRuntime::new(master.fleet.credentials(), options).expect("an address");
    remote.info().await.expect("it answers");
}

#[tokio::test]
async fn the_agent_of_a_revoked_host_is_not_heard_and_ends() {
    let master = Master::start(SignedDuration::ZERO).await;
    let joined = master.joined().await;
    let host = joined.identity().subject().host().expect("a host");
    let agent = master.agent(joined, None).await;
    let (known, _) = master.hears(|_| true).await;
    assert_eq!(known.id, host);
    master.revoke(host).await;
    let ended = time::timeout(SOON, agent.task).await.expect("it ends");
    let error = ended.expect("no panic").expect_err("revoked");
    assert_eq!(error.code(), "host_revoked");
    let said = format!(
        "the host `host-1` was revoked: the master at {} refuses its certificate, and the agent stops; nothing of its mazes is left here",
        master.address
    );
    assert_eq!(error.to_string(), said);
    master.stop.cancel();
}

#[tokio::test]
async fn heartbeats_go_on_after_a_refusal_that_is_no_revocation() {
    let master = Master::start(SignedDuration::ZERO).await;
    let joined = master.joined().await;
    let agent = master.agent(joined, None).await;
    let (first, _) = master.hears(|_| true).await;
    // Another authority is trusted for a while.
    let good = master.fleet.credentials().trust();
    let other = Authority::create(Timestamp::now()).expect("an authority");
    let set = |trust| master.fleet.credentials().set_trust(trust).expect("trust");
    set(Trust::of(&other));
    time::sleep(Duration::from_millis(300)).await;
    assert!(!agent.task.is_finished());
    set(good);
    let refused = master
        .repo
        .hosts()
        .await
        .expect("hosts")
        .pop()
        .expect("a host")
        .heard_at;
    assert!(refused >= first.heard_at);
    let again = async {
        while master
            .repo
            .hosts()
            .await
            .expect("hosts")
            .pop()
            .expect("a host")
            .heard_at
            == refused
        {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(SOON, again).await.expect("it is heard again");
    agent.stop.cancel();
    let ended = time::timeout(SOON, agent.task).await.expect("it ends");
    ended.expect("no panic").expect("no error");
}

#[tokio::test]
async fn a_folder_belongs_to_one_agent_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("agent");
    let first = AgentFolder::open(&path).expect("it is free");
    let refused = AgentFolder::open(&path).expect_err("it is in use");
    assert_eq!(refused.code(), "folder_in_use");
    drop(first.clone());
    AgentFolder::open(&path).expect_err("it is still in use");
    drop(first);
    AgentFolder::open(&path).expect("it is free again");
}

#[tokio::test]
async fn a_folder_that_others_may_use_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/agent");
    AgentFolder::open(&path).expect("created");
    let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o750)).expect("set");
    assert_eq!(AgentFolder::open(&path).expect_err("refused").code(), "exposed_key");
}
