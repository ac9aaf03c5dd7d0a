//! The engine on a real daemon. Probes are sent only from inside the deckies.

mod broken;
mod foreign;
mod hardware;
mod hosts;
mod intruder;
mod kernel;
mod live;
mod logs;
mod mapped_ports;
mod named_volumes;
mod namespace;
mod outsider;
mod own_image;
mod publishing;
mod reach;
mod scanners;
mod shell;
mod soak;
mod stand_in;
mod verifying;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use decnet_decoy::protocol::{Answer, Probe, ProbeResult, Target};
use decnet_engine::{
    Action, DecoyImage, DeployOptions, Docker, DockerHost, DockerOptions, Engine, EngineOptions, Observed, Plan,
    Runtime, Scope, naming,
};
use decnet_topology::{Catalog, Decky, Graph, MemoryRepo, NewTopology, Repo, Status, Topology, TopologyId};
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

/// A separate store, and an engine on the daemon from the environment. When the test ends, even with a failure, all of its
/// resources are removed.
struct Lab {
    repo: Arc<dyn Repo>,
    docker: Docker,
    engine: Engine,
    /// The name of the test's own image.
    image: String,
}

impl Lab {
    async fn new(program: Option<Vec<u8>>) -> Self {
        Self::over(Arc::new(MemoryRepo::new()), program).await
    }

    async fn over(repo: Arc<dyn Repo>, program: Option<Vec<u8>>) -> Self {
        Self::with(repo, program, Catalog::builtin()).await
    }

    async fn with(repo: Arc<dyn Repo>, program: Option<Vec<u8>>, catalog: Catalog) -> Self {
        // A separate image, so that other tests do not affect this one.
        let built = || {
            DecoyImage::embedded_program()
                .expect("the decoy is built for Linux")
                .to_vec()
        };
        let mut program = program.unwrap_or_else(built);
        program.extend(repo.instance().await.expect("an instance").to_string().bytes());
        let image = Arc::new(DecoyImage::pack(&program));
        let host = DockerHost::from_env(|name| std::env::var(name).ok()).expect("a daemon's address");
        let options = DockerOptions::default().host(host).decoy(image.clone());
        let docker = Docker::connect(options).await.expect("a daemon that answers");
        let reference = image.reference.clone();
        let options = EngineOptions::new(catalog).image(image);
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
        let new = NewTopology::new(name, topology);
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
        let instance = self.repo.instance().await.expect("an instance");
        let result = self.docker.probe(instance, &naming::base(id, decky), &probe).await;
        result.expect("probed")
    }

    /// Compares the maze with its graph: every decky reaches every address that it should, and no other, neither the host on
    /// inner LANs nor anything outside. For a gateway, only the first part is checked.
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
            // It has a default route: packets to forbidden addresses would leave by the host.
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

    async fn observe(&self, id: TopologyId) -> Observed {
        let instance = self.repo.instance().await.expect("an instance");
        let observed = self.docker.inspect(Scope::Topology(instance, id)).await;
        observed.expect("observed")
    }

    async fn assert_nothing_left(&self) {
        let instance = self.repo.instance().await.expect("an instance");
        let observed = self.docker.inspect(Scope::Instance(instance)).await.expect("observed");
        assert!(observed.is_empty(), "{observed:?}");
        assert!(
            !observed.has_image(&self.image),
            "the image is removed with the last maze"
        );
    }

    async fn clear(&self) {
        for row in self
            .repo
            .list(&decnet_topology::TopologyFilter::default())
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

/// Runs a test on the daemon, and then removes its resources even if it fails.
async fn on_docker(test: impl AsyncFnOnce(&Lab)) {
    on_lab(Lab::new(None).await, test).await;
}

/// The same with another program in the deckies.
async fn on_docker_with(program: Vec<u8>, test: impl AsyncFnOnce(&Lab)) {
    on_lab(Lab::new(Some(program)).await, test).await;
}

/// The same with another catalogue.
async fn on_docker_with_catalog(catalog: Catalog, test: impl AsyncFnOnce(&Lab)) {
    on_lab(Lab::with(Arc::new(MemoryRepo::new()), None, catalog).await, test).await;
}

async fn on_lab(lab: Lab, test: impl AsyncFnOnce(&Lab)) {
    let outcome = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(test(&lab))).await;
    lab.clear().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Runs Docker's command, like a person at the daemon.
fn docker(arguments: &[&str]) -> String {
    let output = std::process::Command::new("docker")
        .args(arguments)
        .output()
        .expect("the docker command");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Compares the containers before and after a plan: a container that the plan does not create, start or remove keeps its id and
/// start time.
fn assert_spared(what: &str, plan: &Plan, before: &Observed, after: &Observed) {
    let touched = plan.steps().iter().filter_map(|step| match &step.action {
        Action::CreateBase { base } => Some(&base.name),
        Action::CreateService { service } => Some(&service.name),
        Action::RemoveContainer { container, .. } | Action::Restart { container, .. } => Some(container),
        _ => None,
    });
    let touched: Vec<_> = touched.collect();
    let live = |observed: &Observed| -> BTreeMap<_, _> {
        let containers = observed.containers.iter();
        containers
            .filter(|container| !touched.contains(&&container.name))
            .map(|container| (container.name.clone(), (container.id.clone(), container.started_at)))
            .collect()
    };
    assert_eq!(live(before), live(after), "{what}");
}
