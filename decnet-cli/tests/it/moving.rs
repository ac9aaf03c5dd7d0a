//! Deckies move from a host to another one. The agents run in this process and simulate Docker; the command is the master.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use decnet_engine::{
    AgentMaster, AgentOptions, AgentPlace, DecoyImage, Engine, EngineOptions, FleetMaster, FleetOptions, agent, fleet,
    simulated::Simulated,
};
use decnet_topology::{Catalog, HostProfile, MemoryRepo, Mode, SqliteRepo, Status};
use jiff::Timestamp;
use serde_json::json;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{command::Sandbox, hosts::store_maze};

/// A fleet whose agents end with the test.
struct Stage {
    sandbox: Sandbox,
    runtime: Runtime,
    repo: Arc<SqliteRepo>,
    fleet: FleetMaster,
    address: SocketAddr,
}

impl Stage {
    fn start(hosts: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        sandbox.run(&["list"]).exits(0);
        let runtime = Runtime::new().expect("a runtime");
        let repo = Arc::new(SqliteRepo::open(sandbox.database()).expect("a store"));
        let fleet = FleetMaster::open(repo.clone(), "master".parse().expect("a name"), Timestamp::now());
        let fleet = runtime.block_on(fleet).expect("a fleet");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(fleet::serve(fleet.clone(), FleetOptions::default(), listener));
        let stage = Self {
            sandbox,
            runtime,
            repo,
            fleet,
            address,
        };
        for host in hosts {
            stage.runtime.block_on(stage.join(host));
        }
        stage
    }

    /// Lets a host join, and starts its agent.
    async fn join(&self, host: &str) {
        let (name, now) = (host.parse().expect("a name"), Timestamp::now());
        let token = self
            .fleet
            .invite(host.parse().expect("a name"), HostProfile::default(), now);
        let token = token.await.expect("a token");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").to_string();
        let place = AgentPlace::new(self.address.to_string(), own);
        let joined = agent::join(&token, &name, &place, now).await.expect("it joins");
        let options = EngineOptions::new(Catalog::builtin()).image(None::<Arc<DecoyImage>>);
        let docker = Arc::new(Simulated::new().with_links());
        let engine = Engine::new(Arc::new(MemoryRepo::new()), docker, options);
        let master = AgentMaster::new(place).every(Duration::from_millis(50));
        let options = AgentOptions::default().master(master);
        tokio::spawn(agent::serve(engine, joined, options, listener));
    }

    /// Stores an active maze of a host: placed there, or for its agent.
    fn store_active(&self, name: &str, subnet: u8, host: &str, mode: Mode) {
        let active = [Status::Deploying, Status::Active];
        let stored = store_maze(&self.repo, name, subnet, host, mode, &active);
        self.runtime.block_on(stored);
    }
}

#[test]
fn what_moved_and_what_did_not_is_one_document() {
    let stage = Stage::start(&["east", "west"]);
    stage.store_active("first", 1, "east", Mode::Unihost);
    stage.store_active("pushed", 2, "east", Mode::Agent);
    let ran = stage
        .sandbox
        .run(&["--json", "host", "drain", "east", "--move"])
        .exits(4);
    let shown = ran.json();
    assert_eq!((&shown["name"], &shown["deckies"]), (&json!("east"), &json!(1)));
    assert_eq!(shown["moved"], json!(["first"]), "{shown}");
    let unmoved = json!([{
        "maze": "pushed",
        "code": "not_movable",
        "message": "`pushed` is deployed by the agent of east, and does not move",
        "hint": "tear it down, and deploy it with --agent on another host",
    }]);
    assert_eq!(shown["not_moved"], unmoved, "{shown}");
    assert_eq!(ran.error()["code"], "not_moved");
    let moved = stage.sandbox.run(&["--json", "show", "first"]).exits(0).json();
    assert_eq!(moved["placement"]["deckies"]["web"], "west", "{moved}");
    // Only the maze of the agent is left, and it is named to people, too.
    let ran = stage
        .sandbox
        .run(&["host", "drain", "east", "--move", "--quiet"])
        .exits(4);
    ran.says("1 maze could not move everything from east")
        .says("hint: tear it down, and deploy it with --agent on another host");
}
