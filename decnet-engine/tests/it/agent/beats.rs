//! Heartbeats while the store or the folder of the agent fails.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use decnet_engine::{
    AgentFolder, AgentMaster, AgentOptions, Engine, RemoteOptions, RemoteRuntime, RemoteTopologies, TopologyPush,
    simulated::Simulated,
};
use decnet_topology::{MemoryRepo, NewTopology, RepoError, rng};
use jiff::{SignedDuration, Timestamp};
use tokio::time;

use super::{
    joining::Master,
    play::{SOON, options, topology},
    stage::{fence_of, name},
};

/// The period of heartbeats.
const EVERY: Duration = Duration::from_millis(20);

/// A store that does not answer while it is off.
#[derive(Debug)]
struct Switched {
    inner: MemoryRepo,
    is_off: Arc<AtomicBool>,
}

impl Switched {
    async fn guard<T>(&self, _: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if self.is_off.load(Ordering::SeqCst) {
            return Err(RepoError::Full);
        }
        call.await
    }
}

guarded!(Switched);

#[tokio::test]
async fn an_agent_whose_store_does_not_answer_repeats_the_version_of_its_last_heartbeat() {
    let master = Master::start(SignedDuration::ZERO).await;
    let joined = master.joined().await;
    let host = joined.identity().subject().host().expect("a host");
    let is_off = Arc::new(AtomicBool::new(false));
    let store = Switched {
        inner: MemoryRepo::new(),
        is_off: Arc::clone(&is_off),
    };
    let engine = Engine::new(Arc::new(store), Arc::new(Simulated::new()), options());
    let agent_options = AgentOptions::default().master(AgentMaster::new(master.place()).every(EVERY));
    let agent = master.stage.start_engine(engine, agent_options, joined).await;

    let mut new = NewTopology::new("corp".parse().expect("a name"), topology("172.20.0", &["web"]));
    new.id = Some(rng::topology_id());
    let push = TopologyPush::new(&new.as_stored(Timestamp::now()));
    let remote = RemoteOptions::new(host, name("host-1"), agent.address.to_string());
    let remote = RemoteRuntime::new(&master.stage.master, remote).expect("an address");
    let topologies = RemoteTopologies::new(&remote).with_fence(fence_of(&push));
    topologies.apply(&push).await.expect("applied");
    let (_, known) = master.hears(|report| report.version_hash == push.version_hash).await;
    assert_eq!(known.topology, new.id);

    is_off.store(true, Ordering::SeqCst);
    // The first heartbeat from now on may have asked the store before.
    let mut last = Some(Timestamp::now());
    for _ in 0..2 {
        let (_, report) = master.hears(|report| report.made_at > last).await;
        assert_eq!(
            (report.topology, &report.version_hash, &report.settings_digest),
            (known.topology, &known.version_hash, &known.settings_digest)
        );
        last = report.made_at;
    }

    is_off.store(false, Ordering::SeqCst);
    topologies.teardown().await.expect("torn down").expect("it was applied");
    master.hears(|report| report.topology.is_none()).await;
}

#[tokio::test]
async fn new_credentials_that_could_not_be_written_are_written_by_a_later_heartbeat() {
    let master = Master::start(SignedDuration::ZERO).await;
    // The host joined five days ago, so its certificate is due, and there is a new authority to trust.
    let old = master
        .joined_at(Timestamp::now() - SignedDuration::from_hours(24 * 5))
        .await;
    let before = old.identity().info().serial.clone();
    master
        .fleet
        .begin_rotation(Timestamp::now())
        .await
        .expect("a new authority");

    let directory = tempfile::tempdir().expect("a folder");
    let folder = AgentFolder::open(directory.path().join("agent")).expect("a folder");
    folder.save(&old, &master.place()).expect("written");
    // A file cannot replace a folder, also not for root.
    let files = ["trust.json", "identity.pem"].map(|file| folder.path().join(file));
    for file in &files {
        fs::remove_file(file).expect("removed");
        fs::create_dir(file).expect("created");
    }
    let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(Simulated::new()), options());
    let agent_options = AgentOptions::default()
        .master(AgentMaster::new(master.place()).every(EVERY))
        .folder(folder.clone());
    let agent = master.stage.start_engine(engine, agent_options, old).await;
    let renewed = async {
        while agent.credentials.identity().info().serial == before {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(SOON, renewed).await.expect("renewed in time");
    let at = Timestamp::now();
    master.hears(|report| report.made_at > Some(at)).await;

    for file in &files {
        fs::remove_dir(file).expect("removed");
    }
    let kept = async {
        loop {
            if let Ok(Some((kept, _))) = folder.load() {
                return kept;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    let kept = time::timeout(SOON, kept).await.expect("written in time");
    assert_eq!(
        kept.identity().info().serial,
        agent.credentials.identity().info().serial
    );
    assert_eq!(kept.trust(), master.fleet.credentials().trust());
}
