//! Random sequences of mutations, valid and invalid, some with a fault. After each, the stored maze is the expected one, and
//! the daemon matches it, for the store in memory and in a file.

use std::sync::Arc;

use decnet_engine::{
    DecoyImage, DeployOptions, Engine, EngineOptions, NetworkName,
    simulated::{Moment, Simulated},
};
use decnet_topology::{
    MemoryRepo, Mutation, MutationContext, MutationError, MutationState, Naming, NewMutation, NewTopology, Repo,
    RuleSet, ServiceChoice, SqliteRepo, Stage, Status, SubnetClaim, Topology, TopologyConfig, TopologyId,
    ValidTopology, apply, canonical_hash, generate, net::overlaps, testing::strategies, validate,
};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use proptest::{option, prelude::*, sample::select};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::{
    CATALOG,
    draining::{assert_is, touched},
    lifecycle::refused,
};

/// A claimed subnet of another topology in the store.
const CLAIMED: &str = "192.168.8.0/22";
/// A subnet of a foreign network.
const FOREIGN: &str = "192.168.16.0/23";

fn subnet(text: &str) -> Ipv4Net {
    text.parse().expect("a subnet")
}

/// A mutation, and the failing step if there are that many.
#[derive(Debug, Clone)]
struct Change {
    mutation: Mutation,
    fault: Option<(usize, Moment)>,
}

/// The expected maze.
#[derive(Debug, Clone)]
struct Model {
    topology: Topology,
    /// Whether the last mutation was valid.
    legal: bool,
}

impl Model {
    fn after(&self, mutation: &Mutation) -> Result<Topology, MutationError> {
        let neighbour = SubnetClaim {
            topology: decnet_topology::rng::topology_id(),
            name: "neighbour".parse().expect("a name"),
            lan: "theirs".parse().expect("a name"),
            subnet: subnet(CLAIMED),
        };
        let context = MutationContext {
            claims: &[neighbour],
            ..MutationContext::new(&CATALOG, Stage::Live)
        };
        apply(&self.topology, mutation, &context).map(ValidTopology::into_topology)
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Change;

    fn init_state() -> BoxedStrategy<Self> {
        let hosts = (
            select(&[ServiceChoice::Random, ServiceChoice::Archetypes][..]),
            select(&[Naming::Numbered, Naming::Realistic][..]),
        );
        let drawn = (any::<u64>(), any::<bool>(), 1..=2_u8, hosts).prop_map(|(seed, gateway, branching, hosts)| {
            let config = TopologyConfig::builder("random", 2, branching)
                .deckies_per_lan(1, 2)
                .cross_edge_probability(0.3)
                .bridge_forward_probability(0.7)
                .dmz_gateway(gateway)
                .services(hosts.0)
                .naming(hosts.1)
                .seed(seed)
                .build()
                .expect("a config");
            Self {
                topology: generate(&config, &CATALOG, &[]).expect("a maze"),
                legal: true,
            }
        });
        drawn.boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Change> {
        let moment = select(&[Moment::Before, Moment::Half, Moment::After][..]);
        let fault = option::weighted(0.1, (1..8_usize, moment));
        (strategies::mutations(&state.topology), fault)
            .prop_map(|(mutation, fault)| Change { mutation, fault })
            .boxed()
    }

    fn apply(state: Self, change: &Change) -> Self {
        let foreign = |lan: &decnet_topology::Lan| overlaps(lan.subnet(), subnet(FOREIGN));
        match state.after(&change.mutation) {
            Ok(topology) if !topology.lans().iter().any(foreign) => Self { topology, legal: true },
            _ => Self { legal: false, ..state },
        }
    }
}

/// A store, a simulated daemon, and an engine that deployed the maze.
struct Home {
    engine: Engine,
    docker: Simulated,
    id: TopologyId,
}

impl Home {
    async fn deploy(repo: Arc<dyn Repo>, topology: Topology) -> Self {
        let docker = Simulated::new();
        docker.add_network(NetworkName::from_docker("theirs"), subnet(FOREIGN));
        let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
        let engine = Engine::new(repo, Arc::new(docker.clone()), options);
        let neighbour = Topology::builder().dmz("theirs", CLAIMED).build().expect("a maze");
        let mut ids = Vec::new();
        for (name, topology) in [("neighbour", neighbour), ("maze", topology)] {
            let new = NewTopology::new(name.parse().expect("a name"), topology);
            let stored = engine.repo().create(new, Timestamp::now()).await.expect("stored");
            ids.push(stored.row.id);
        }
        let id = ids[1];
        let cancel = CancellationToken::new();
        let deployed = engine.deploy(id, DeployOptions::default(), &cancel).await;
        assert_eq!(deployed.expect("deployed").row.status, Status::Active);
        Self { engine, docker, id }
    }

    /// Applies a change like the loop, and compares the result with the model.
    async fn follow(&self, model: &Model, change: &Change) {
        let (id, repo, cancel) = (self.id, self.engine.repo(), CancellationToken::new());
        let new = NewMutation::new(change.mutation.clone());
        repo.enqueue(id, new, None, Timestamp::now()).await.expect("enqueued");
        let (stored, world) = (repo.load(id).await.expect("a row"), self.docker.world());
        if let Some((step, moment)) = change.fault {
            self.docker.fail(step, moment, refused());
        }
        let finished = self.engine.drain(id, &cancel).await.expect("drained");
        self.docker.reconnect();
        let [row] = finished.as_slice() else {
            panic!("{finished:?}")
        };
        match row.state {
            MutationState::Applied => assert!(model.legal, "{row:?}"),
            MutationState::Failed => {
                assert!(model.legal && change.fault.is_some(), "{row:?}");
                assert_eq!(repo.get(id).await.expect("a row").status, Status::Degraded);
                let healed = self.engine.reconcile(id, false, &cancel).await.expect("healed");
                assert_eq!(healed.reason, None);
            }
            MutationState::Rejected => {
                assert!(!model.legal && row.reason.is_some(), "{row:?}");
                assert_eq!(repo.load(id).await.expect("a row"), stored);
                // Neither the world nor the model changed.
                assert_eq!(self.docker.world(), world);
                return;
            }
            state => panic!("{state:?}"),
        }
        self.check(model).await;
        let subject = change.mutation.subject().as_str();
        for name in touched(id, &world, &self.docker.world()) {
            let decky = name.split('.').next().expect("a name");
            let about_decky = !matches!(change.mutation.op(), "add_lan" | "remove_lan" | "update_lan");
            assert!(about_decky && decky.eq_ignore_ascii_case(subject), "{name} was touched");
        }
    }

    /// Compares the store with the model, and the daemon with the store.
    async fn check(&self, model: &Model) {
        let stored = self.engine.repo().load(self.id).await.expect("a row");
        assert_eq!(stored.row.status, Status::Active);
        assert_eq!(canonical_hash(&stored.topology), canonical_hash(&model.topology));
        assert_eq!(stored.topology, model.topology);
        let report = validate(&stored.topology, &CATALOG, RuleSet::live());
        assert!(report.is_clean(), "{report:?}");
        let plan = crate::planned(&self.engine, self.id, None).await.expect("planned");
        assert!(plan.is_empty(), "{:?}", plan.steps());
        assert_is(&self.docker.world(), self.id, &model.topology, "the model");
    }
}

/// The same sequence in two stores.
struct Walk {
    homes: [Home; 2],
    runtime: Runtime,
    _folder: TempDir,
}

impl StateMachineTest for Walk {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let file = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
        let homes = runtime.block_on(async {
            [
                Home::deploy(Arc::new(MemoryRepo::new()), model.topology.clone()).await,
                Home::deploy(Arc::new(file), model.topology.clone()).await,
            ]
        });
        Self {
            homes,
            runtime,
            _folder: folder,
        }
    }

    fn apply(state: Self, model: &Model, change: Change) -> Self {
        let [memory, file] = &state.homes;
        let both = async { tokio::join!(memory.follow(model, &change), file.follow(model, &change)) };
        state.runtime.block_on(both);
        state
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_mutations_keeps_maze_store_and_daemon_equal(sequential 50 => Walk);
}
