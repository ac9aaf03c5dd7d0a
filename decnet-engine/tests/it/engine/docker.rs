//! The engine on a real daemon. Probes go from inside the deckies alone.

mod verifying;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use decnet_decoy::protocol::{Answer, Probe, ProbeResult, Target};
use decnet_engine::{
    decoy::{self, DecoyImage, PROGRAM_PATH},
    engine::{DeployOptions, Engine, EngineError, EngineOptions},
    naming,
    observe::Scope,
    runtime::{
        Runtime,
        docker::{Docker, DockerHost, DockerOptions},
    },
};
use decnet_topology::{
    Catalog, Decky, DeploySettings, Mode, Repo, Status, Topology, TopologyConfig, TopologyId,
    generate::generate,
    graph::Graph,
    repo::{MemoryRepo, NewTopology, StatusChange},
};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// The seed of a maze of 12 LANs and 31 deckies, some of its bridges routers and some not.
const SEED: u64 = 19;

/// A repo of its own and an engine on the daemon that the environment names. What a test leaves behind when it fails is removed
/// when it ends.
struct Lab {
    repo: Arc<MemoryRepo>,
    docker: Docker,
    engine: Engine,
    /// What the image of the test's own is called.
    image: String,
}

impl Lab {
    async fn new(program: Option<Vec<u8>>) -> Self {
        let repo = Arc::new(MemoryRepo::new());
        // An image of the test's own, so that what others do with the common one does not matter.
        let built = || decoy::embedded().expect("the decoy is built for Linux").to_vec();
        let mut program = program.unwrap_or_else(built);
        program.extend(repo.instance().await.expect("an instance").to_string().bytes());
        let image = Arc::new(DecoyImage::pack(&program));
        let host = DockerHost::from_env(|name| std::env::var(name).ok()).expect("a daemon's address");
        let options = DockerOptions {
            host,
            decoy: Some(image.clone()),
            ..DockerOptions::default()
        };
        let docker = Docker::connect(options).await.expect("a daemon that answers");
        let reference = image.reference.clone();
        let options = EngineOptions {
            image: Some(image),
            ..EngineOptions::new(Catalog::builtin())
        };
        let engine = Engine::new(repo.clone(), Arc::new(docker.clone()), options);
        Self {
            repo,
            docker,
            engine,
            image: reference,
        }
    }

    async fn store(&self, name: &str, topology: Topology) -> TopologyId {
        let name = name.parse().expect("a name");
        let new = NewTopology {
            name,
            mode: Mode::Unihost,
            host: None,
            config: None,
            topology,
        };
        self.repo.create(new, Timestamp::now()).await.expect("stored").row.id
    }

    async fn deploy(&self, id: TopologyId) {
        let outcome = self
            .engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{error}: {error:?}"));
        assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    }

    /// Sends probes from inside a decky.
    async fn probe(&self, id: TopologyId, decky: &Decky, targets: Vec<Target>) -> ProbeResult {
        let probe = Probe {
            targets,
            timeout_ms: 1000,
            attempts: 2,
        };
        let json = serde_json::to_string(&probe).expect("a probe");
        let command = [PROGRAM_PATH.into(), "probe".into(), json];
        let output = self
            .docker
            .exec(&naming::base(id, decky), &command)
            .await
            .expect("probed");
        assert_eq!(output.code, 0, "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("a result")
    }

    /// Holds the maze to its graph: every decky reaches every address on the LANs that it should, and no other, neither the
    /// host on inner LANs nor anything outside. Of a gateway only the first half is tried.
    async fn check_reach(&self, id: TopologyId, topology: &Topology) {
        let graph = Graph::new(topology);
        let checks = topology
            .deckies()
            .iter()
            .map(|decky| self.check_reach_of(id, topology, &graph, decky));
        futures_util::stream::iter(checks)
            .buffer_unordered(8)
            .collect::<()>()
            .await;
    }

    async fn check_reach_of(&self, id: TopologyId, topology: &Topology, graph: &Graph<'_>, decky: &Decky) {
        let reach = graph.reach(decky.id());
        let outside = Ipv4Addr::new(203, 0, 113, 1);
        let mut expected: BTreeMap<Ipv4Addr, bool> = BTreeMap::new();
        for (other, attachment) in topology.edges() {
            if other.id() != decky.id() {
                expected.insert(attachment.ip, reach.contains(&attachment.lan));
            }
        }
        for lan in topology.lans().iter().filter(|lan| !lan.is_dmz()) {
            expected.insert(lan.gateway(), false);
        }
        expected.insert(outside, false);
        if topology.is_gateway(decky) {
            // It has a default route: what it should not reach would be sent to the host, and by the host to the outside.
            expected.retain(|_, reached| *reached);
        }
        let targets = expected
            .keys()
            .map(|address| Target::Icmp { address: *address })
            .collect();
        let result = self.probe(id, decky, targets).await;
        for (target, (address, reached)) in result.targets.iter().zip(&expected) {
            assert_eq!(
                target.reached,
                *reached,
                "{} to {address}: {:?}",
                decky.name(),
                target.detail
            );
            if *address == outside {
                assert_eq!(target.detail, Answer::Unreachable, "{} has a way out", decky.name());
            }
        }
    }

    async fn assert_nothing_left(&self) {
        let instance = self.repo.instance().await.expect("an instance");
        let observed = self.docker.observe(Scope::Instance(instance)).await.expect("observed");
        assert!(observed.is_empty(), "{observed:?}");
        assert!(
            !observed.images.contains(&self.image),
            "the image went with the last maze"
        );
    }

    async fn clear(&self) {
        for row in self
            .repo
            .list(&decnet_topology::repo::ListFilter::default())
            .await
            .expect("listed")
            .rows
        {
            self.engine
                .teardown(row.id, &CancellationToken::new())
                .await
                .expect("torn down");
        }
        self.assert_nothing_left().await;
    }
}

/// Runs a test on the daemon, and removes what is left even where it fails.
async fn on_docker(test: impl AsyncFnOnce(&Lab)) {
    on_lab(Lab::new(None).await, test).await;
}

/// The same with another program in the deckies.
async fn on_docker_with(program: Vec<u8>, test: impl AsyncFnOnce(&Lab)) {
    on_lab(Lab::new(Some(program)).await, test).await;
}

async fn on_lab(lab: Lab, test: impl AsyncFnOnce(&Lab)) {
    let outcome = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(test(&lab))).await;
    lab.clear().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn packets_flow_along_the_declared_paths_and_nowhere_else() {
    on_docker(async |lab| {
        let config = TopologyConfig::builder("reach", 3, 2)
            .base("10.205.0.0/16")
            .deckies_per_lan(1, 4)
            .bridge_forward_probability(0.7)
            .cross_edge_probability(0.3)
            .seed(SEED)
            .build()
            .expect("a config");
        let topology = generate(&config, &Catalog::builtin(), &[]).expect("a maze");
        assert_eq!((topology.lans().len(), topology.deckies().len()), (12, 31));
        let bridges = topology.deckies().iter().filter(|decky| decky.is_bridge());
        let (routers, mute): (Vec<_>, Vec<_>) = bridges.partition(|decky| decky.is_router());
        assert!(
            !routers.is_empty() && !mute.is_empty(),
            "routers and bridges that do not forward"
        );
        let id = lab.store("reach", topology.clone()).await;
        lab.deploy(id).await;
        lab.check_reach(id, &topology).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_gateway_answers_on_loopback_though_its_dmz_sorts_last() {
    on_docker(async |lab| {
        let topology = Topology::builder()
            .lan("aaa", "10.205.1.0/24")
            .dmz("zzz", "10.205.0.0/24")
            .decky("gate", |decky| {
                decky
                    .on("zzz", "10.205.0.2")
                    .on("aaa", "10.205.1.2")
                    .services(["ssh"])
                    .forwards()
                    .config("ssh", "banner", "SSH-2.0-maze")
            })
            .decky("host", |decky| decky.on("aaa", "10.205.1.3").services(["http"]))
            .build()
            .expect("a topology");
        let id = lab.store("gateway", topology).await;
        let publish = ["ssh=127.0.0.1:20522".parse().expect("a rule")].into_iter().collect();
        let settings = DeploySettings {
            publish,
            ..DeploySettings::default()
        };
        let options = DeployOptions {
            settings: Some(settings),
            ..DeployOptions::default()
        };
        lab.engine
            .deploy(id, options, &CancellationToken::new())
            .await
            .expect("deployed");
        let answer = tokio::task::spawn_blocking(|| {
            use std::io::Read as _;
            let mut stream = std::net::TcpStream::connect("127.0.0.1:20522").expect("connected");
            stream
                .set_read_timeout(Some(std::time::Duration::from_secs(10)))
                .expect("set");
            let mut banner = [0; 12];
            stream.read_exact(&mut banner).expect("read");
            String::from_utf8_lossy(&banner).into_owned()
        });
        assert_eq!(
            answer.await.expect("joined"),
            "SSH-2.0-maze",
            "our own banner, not that of whoever is outside"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_reconcile_mends_what_broke_and_leaves_the_rest_running() {
    on_docker(async |lab| {
        let topology = super::twelve_on("10.205");
        let id = lab.store("mend", topology.clone()).await;
        lab.deploy(id).await;
        let instance = lab.repo.instance().await.expect("an instance");
        let scope = Scope::Topology(instance, id);
        let before = lab.docker.observe(scope).await.expect("observed");
        let quiet = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert_eq!(quiet.changed, 0);
        let untouched = lab.docker.observe(scope).await.expect("observed");
        assert!(
            untouched.networks == before.networks && untouched.containers == before.containers,
            "nothing was touched"
        );

        let broken = topology
            .decky_named(&"host-05".parse().expect("a name"))
            .expect("a decky");
        let base = naming::base(id, broken);
        docker(&["rm", "-f", base.as_str()]);
        let router = topology
            .decky_named(&"bridge-01".parse().expect("a name"))
            .expect("a decky");
        docker(&["restart", "-t", "0", naming::base(id, router).as_str()]);
        assert!(!lab.engine.plan(id, None).await.expect("planned").is_empty());
        let mended = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert_eq!((mended.row.status, mended.reason), (Status::Active, None));
        let after = lab.docker.observe(scope).await.expect("observed");
        for container in &before.containers {
            let name = container.name.as_str();
            if name.contains("host-05") || name.contains("bridge-01") {
                continue;
            }
            let there = after
                .containers
                .iter()
                .find(|there| there.name == container.name)
                .expect("still there");
            assert_eq!(
                (&there.id, there.started_at),
                (&container.id, container.started_at),
                "{name}"
            );
        }
        lab.check_reach(id, &topology).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_foreign_network_on_the_subnet_survives_every_command() {
    on_docker(async |lab| {
        let name = format!("foreign-{}", lab.repo.instance().await.expect("an instance"));
        docker(&["network", "create", "--subnet", "10.205.3.0/25", &name]);
        let id = lab.store("blocked", super::twelve_on("10.205")).await;
        let refused = lab
            .engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        let Err(EngineError::Invalid(invalid)) = refused else {
            panic!("{refused:?}")
        };
        let finding = invalid.report.errors().next().expect("a finding");
        assert_eq!(finding.code.as_str(), "SUBNET_HOST_OVERLAP");
        assert!(finding.message.contains(&name), "{finding}");
        assert_eq!(
            lab.repo.get(id).await.expect("a row").status,
            Status::Pending,
            "a refused deploy changes nothing"
        );
        lab.engine
            .teardown(id, &CancellationToken::new())
            .await
            .expect("torn down");
        lab.engine
            .reap(None, false, &CancellationToken::new())
            .await
            .expect("reaped");
        docker(&["network", "rm", &name]);
    })
    .await;
}

/// Meddles from outside, as a person at the daemon would.
fn docker(arguments: &[&str]) {
    let output = std::process::Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_reap_removes_what_a_deleted_row_left_and_nothing_of_another_repo() {
    on_docker(async |lab| {
        let alone = |subnet: &str, ip: &str| {
            let maze = Topology::builder().dmz("dmz", subnet);
            maze.decky("web", |decky| decky.on("dmz", ip).services(["http"]))
                .build()
                .expect("a topology")
        };
        let id = lab.store("lost", alone("10.205.60.0/24", "10.205.60.2")).await;
        lab.deploy(id).await;
        on_docker(async |other| {
            let kept = other.store("kept", alone("10.205.61.0/24", "10.205.61.2")).await;
            other.deploy(kept).await;
            let scope = Scope::Instance(other.repo.instance().await.expect("an instance"));
            let before = other.docker.observe(scope).await.expect("observed");

            // The row goes while its containers stay, as no command of ours would have it.
            for (from, to) in [
                (Status::Active, Status::TearingDown),
                (Status::TearingDown, Status::TornDown),
            ] {
                let change = StatusChange {
                    from,
                    to,
                    intent: None,
                    reason: None,
                    held: None,
                };
                lab.repo.set_status(id, change, Timestamp::now()).await.expect("set");
            }
            lab.repo.delete(id, Timestamp::now()).await.expect("deleted");
            let report = lab
                .engine
                .reap(None, false, &CancellationToken::new())
                .await
                .expect("reaped");
            assert!(report.is_clean() && report.live.is_empty(), "{report:?}");
            assert_eq!(report.orphans.len(), 1);
            lab.assert_nothing_left().await;

            let after = other.docker.observe(scope).await.expect("observed");
            assert!(
                after.networks == before.networks && after.containers == before.containers,
                "theirs is as it was"
            );
        })
        .await;
    })
    .await;
}
