//! Two masters on one PostgreSQL database, which run the loop over the same agents. Without `DECNET_TEST_POSTGRES` (see
//! `scripts/postgres-up`), the test is skipped.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use decnet_engine::{
    Action, AgentMaster, AgentOptions, AgentPlace, CancellationToken, DecoyImage, DeployOptions, Effect, Engine,
    EngineError, EngineOptions, FleetMaster, FleetOptions, HostReport, Outcome, StoreFleet, WatchOptions, agent, fleet,
    simulated::Simulated, watch,
};
use decnet_topology::{
    Catalog, DeploySettings, HostProfile, HostStore as _, LeaseStore as _, MemoryRepo, Mode, Mutation, MutationFilter,
    MutationQueue as _, MutationState, NewMutation, NewTopology, PostgresRepo, Status, TopologyId, TopologyStore as _,
    testing::PostgresDatabase,
};
use jiff::Timestamp;
use tokio::{net::TcpListener, task::JoinHandle, time};

use super::{play::topology, stage::name};

const HOSTS: [&str; 2] = ["east", "west"];
const POLL: Duration = Duration::from_millis(100);

/// How long all changes may take together.
const LONG: Duration = Duration::from_mins(1);

fn options() -> EngineOptions {
    EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"program")))
}

/// One of two masters.
struct Master {
    repo: Arc<PostgresRepo>,
    engine: Engine,
}

impl Master {
    async fn open(database: &PostgresDatabase, own: &str) -> Self {
        let repo = Arc::new(PostgresRepo::open(database.url()).await.expect("a store"));
        let hosts = StoreFleet::new(repo.clone(), name(own)).fresh(Duration::ZERO);
        let hosts = hosts.with_local(Arc::new(Simulated::new()));
        let engine = Engine::new(repo.clone(), Arc::new(hosts), options());
        Self { repo, engine }
    }

    /// Starts the listener for agents, and returns the agents of two hosts that join.
    async fn hosts(&self) -> [Simulated; 2] {
        let fleet = FleetMaster::open(self.repo.clone(), name("first"), Timestamp::now()).await;
        let fleet = fleet.expect("a fleet");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(fleet::serve(fleet.clone(), FleetOptions::default(), listener));
        let machines = [Simulated::new().with_links(), Simulated::new().with_links()];
        for (host, machine) in HOSTS.iter().zip(&machines) {
            let token = fleet.invite(name(host), HostProfile::default(), Timestamp::now()).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let own = listener.local_addr().expect("an address").to_string();
            let place = AgentPlace::new(address.clone(), own);
            let joined = agent::join(&token.expect("a token"), &name(host), &place, Timestamp::now()).await;
            let engine = Engine::new(Arc::new(MemoryRepo::new()), Arc::new(machine.clone()), options());
            let options = AgentOptions::default().master(AgentMaster::new(place).every(POLL));
            tokio::spawn(agent::serve(engine, joined.expect("it joins"), options, listener));
        }
        machines
    }

    async fn store(&self, number: usize, mode: Mode) -> TopologyId {
        let maze = topology(&format!("172.20.{number}"), &["web"]);
        let new = NewTopology::new(format!("maze-{number}").parse().expect("a name"), maze).mode(mode);
        let host = HOSTS[number % 2];
        let new = match mode {
            Mode::Agent => new.host(host.to_owned()),
            _ => new.settings(DeploySettings::default().hosts([name(host)])),
        };
        self.repo.create(new, Timestamp::now()).await.expect("stored").row.id
    }

    async fn deploy(&self, id: TopologyId) -> Result<Outcome, EngineError> {
        self.engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await
    }

    async fn add(&self, id: TopologyId, decky: &str) {
        let text =
            format!(r#"{{"op": "add_decky", "payload": {{"name": "{decky}", "lan": "dmz", "services": ["ssh"]}}}}"#);
        let mutation = NewMutation::new(Mutation::from_json(&text).expect("a mutation"));
        self.engine.submit(id, mutation, None).await.expect("submitted");
    }

    fn watch(&self, stop: &CancellationToken) -> JoinHandle<Result<(), EngineError>> {
        let (engine, stop) = (self.engine.clone(), stop.clone());
        let options = WatchOptions::default().poll(POLL);
        tokio::spawn(async move { watch(&engine, &options, &stop).await })
    }
}

/// Returns how often each container was created.
fn creations(machines: &[Simulated]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for performed in machines.iter().flat_map(Simulated::log) {
        if let (Action::CreateBase { .. } | Action::CreateService { .. }, Some(Ok(Effect::Changed))) =
            (&performed.action, &performed.outcome)
        {
            *found.entry(performed.action.to_string()).or_default() += 1;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn two_loops_over_the_same_agents_create_each_container_once_and_push_each_change_once() {
    let Some(server) = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        return;
    };
    let database = PostgresDatabase::create(&server);
    let masters = [
        Master::open(&database, "first").await,
        Master::open(&database, "second").await,
    ];
    let machines = masters[0].hosts().await;

    // Both deploy the same maze at the same time.
    let mut ids = Vec::new();
    for (number, mode) in [Mode::Agent, Mode::Agent, Mode::Unihost, Mode::Unihost]
        .into_iter()
        .enumerate()
    {
        let id = masters[0].store(number, mode).await;
        let (one, other) = tokio::join!(masters[0].deploy(id), masters[1].deploy(id));
        let deployed = [one, other].into_iter().filter(|deployed| match deployed {
            Ok(outcome) => {
                assert_eq!((outcome.row.id, outcome.row.status), (id, Status::Active));
                true
            }
            Err(error) => {
                assert_eq!(error.code(), "busy", "{error:?}");
                false
            }
        });
        assert!(deployed.count() > 0);
        ids.push(id);
    }
    let created = creations(&machines);
    assert_eq!(created.len(), 8, "a base and a service of each maze: {created:?}");
    assert!(created.values().all(|count| *count == 1), "{created:?}");

    // Both loops apply what is queued, and see the same drift.
    let stop = CancellationToken::new();
    let loops = masters.each_ref().map(|master| master.watch(&stop));
    for round in 0..3 {
        for (number, id) in ids.iter().enumerate() {
            masters[(round + number) % 2].add(*id, &format!("extra-{round}")).await;
        }
    }
    let settled = async {
        loop {
            let unfinished = masters[0].repo.mutations(&MutationFilter::unfinished(None)).await;
            let mut is_done = unfinished.expect("rows").total == 0;
            for id in &ids {
                let row = masters[1].repo.get(*id).await.expect("a row");
                is_done &= row.status == Status::Active && !row.needs_resync;
            }
            if is_done {
                return;
            }
            time::sleep(POLL).await;
        }
    };
    time::timeout(LONG, settled).await.expect("all is applied in time");
    let rows = masters[0]
        .repo
        .mutations(&MutationFilter::default())
        .await
        .expect("rows")
        .rows;
    assert_eq!(rows.len(), 12);
    let is_once = |row: &decnet_topology::MutationRow| row.state == MutationState::Applied && row.attempts == 1;
    assert!(rows.iter().all(is_once), "{rows:?}");
    let created = creations(&machines);
    assert_eq!(created.len(), 8 + 12 * 2, "{created:?}");
    assert!(created.values().all(|count| *count == 1), "{created:?}");

    // What is lost is created again by one of them.
    for machine in &machines {
        let world = machine.world();
        let lost = world.containers.keys().next().expect("a container");
        assert!(machine.remove(lost));
    }
    let count = |machine: &Simulated| machine.world().containers.len();
    let healed = async {
        while machines.iter().map(count).sum::<usize>() != 8 + 12 * 2 {
            time::sleep(POLL).await;
        }
        // The loops look again.
        time::sleep(10 * POLL).await;
    };
    time::timeout(LONG, healed).await.expect("it is healed in time");
    stop.cancel();
    for task in loops {
        task.await.expect("no panic").expect("no error");
    }
    let most = creations(&machines).into_values().max();
    assert_eq!(most, Some(2), "nothing is created a third time");

    // The agents have obeyed the newest lease of the database.
    let next = masters[0].repo.next_generation(0).await.expect("drawn");
    for host in masters[0].repo.hosts().await.expect("hosts") {
        let seen = HostReport::of(&host).expect("a report").generation;
        assert!(seen > 1 && seen < next, "{seen} of {next}");
    }
    for id in ids {
        let outcome = masters[1].engine.teardown(id, &CancellationToken::new()).await;
        assert_eq!(outcome.expect("torn down").row.status, Status::TornDown);
    }
    assert_eq!(machines.iter().map(count).sum::<usize>(), 0);
}
