//! The certificate of a master is renewed by its connections.

use std::{sync::Arc, time::Duration};

use decnet_engine::{Authority, Credentials, FleetMaster, RemoteRuntime, Runtime as _, Trust, simulated::Simulated};
use decnet_topology::{HostStore as _, MemoryRepo};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time;

use super::stage::{RunningAgent, Stage, master_subject, name};

/// An agent, and the runtime of it for a master.
struct Play {
    stage: Stage,
    agent: RunningAgent,
}

impl Play {
    async fn start() -> Self {
        let stage = Stage::new();
        let agent = stage.start(Arc::new(Simulated::new())).await;
        Self { stage, agent }
    }

    fn remote(&self, credentials: &Credentials) -> RemoteRuntime {
        RemoteRuntime::new(credentials, self.stage.options(self.agent.address)).expect("an address")
    }

    /// Returns the authority, whose certificates have a lifetime.
    fn authority(&self, life: SignedDuration) -> Authority {
        let authority = &self.stage.authority;
        let authority = Authority::from_pem(authority.certificate_pem(), &authority.key_pem());
        authority.expect("the authority").lifetime(life)
    }
}

#[tokio::test]
async fn a_master_that_runs_longer_than_its_certificate_still_reaches_its_hosts() {
    let play = Play::start().await;
    let life = SignedDuration::from_secs(3);
    let trust = Trust::of(&play.stage.authority);
    let start = Timestamp::now();
    let master = Credentials::issued(play.authority(life), &master_subject(), trust.clone(), start);
    let master = master.expect("credentials");
    // Without the authority, nothing renews it.
    let identity = play.authority(life).identity(&master_subject(), start);
    let fixed = Credentials::new(identity.expect("an identity"), trust).expect("credentials");
    let (renewed, fixed) = (play.remote(&master), play.remote(&fixed));
    let first = master.identity().info().serial.clone();
    fixed.info().await.expect("it is still valid");
    // The connection is used all the time, so it is the same one until the certificate that it began with has expired.
    while Timestamp::now() < start + life * 2 {
        renewed.info().await.expect("it answers");
        time::sleep(Duration::from_millis(50)).await;
    }
    assert_ne!(master.identity().info().serial, first);
    let refused = fixed.info().await.expect_err("its certificate has expired");
    assert_eq!(refused.code(), "agent_untrusted");
}

#[tokio::test]
async fn a_fleet_that_was_opened_eight_days_ago_reaches_its_hosts() {
    let play = Play::start().await;
    let repo = Arc::new(MemoryRepo::new());
    let ago = Timestamp::now() - SignedDuration::from_hours(24 * 8);
    let authority = Authority::create(ago).expect("an authority");
    let text = json!({ "certificate": authority.certificate_pem(), "key": authority.key_pem() });
    repo.set_fleet_authority(None, &text.to_string()).await.expect("stored");
    // The agent has a certificate of this authority.
    let subject = play.stage.agent_subject();
    let identity = authority.identity(&subject, Timestamp::now()).expect("an identity");
    play.agent.credentials.set_identity(identity);
    play.agent.credentials.set_trust(Trust::of(&authority)).expect("trust");
    let master = FleetMaster::open(repo, name("first"), ago).await.expect("a fleet");
    assert!(!master.credentials().identity().info().is_valid_at(Timestamp::now()));
    play.remote(master.credentials()).info().await.expect("it answers");
    assert!(master.credentials().identity().info().is_valid_at(Timestamp::now()));
}
