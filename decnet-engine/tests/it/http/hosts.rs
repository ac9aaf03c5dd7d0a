//! Mazes on the hosts of a fleet.

use std::sync::Arc;

use decnet_engine::{DecoyImage, Engine, EngineOptions, Fleet, HttpOptions, OpenAccess, simulated::Simulated};
use decnet_topology::{Catalog, Member, MemoryRepo, Repo};
use serde_json::json;

use super::{Client, maze};

/// A client of an API on a store, with one host in the fleet. Its `docker` is that of the host.
fn client(repo: Arc<dyn Repo>, host: &str) -> Client {
    let docker = Simulated::new().with_links();
    let address = "192.0.2.1".parse().expect("an address");
    let member = Member::new(host.parse().expect("a name"), 10, address, 1500);
    let member = member.labelled("public".parse().expect("a label"));
    let fleet = Fleet::new().with(member, Arc::new(docker.clone()));
    let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(repo, Arc::new(fleet), options);
    Client::of(engine, docker, HttpOptions::new(Arc::new(OpenAccess)))
}

#[tokio::test]
async fn a_maze_file_is_stored_for_the_agent_of_a_host() {
    let client = client(Arc::new(MemoryRepo::new()), "east");
    let stored = client.post("/topologies?agent=east", &maze("corp")).await.is(201);
    let path = format!("/topologies/{}", stored["id"].as_str().expect("an id"));
    let listed = client.get(&path).await.is(200);
    assert_eq!((&listed["mode"], &listed["host"]), (&json!("agent"), &json!("east")));
    assert!(client.docker.world().containers.is_empty(), "storing deploys nothing");
}

#[tokio::test]
async fn a_maze_whose_hosts_left_the_fleet_is_torn_down_with_force_only() {
    let repo = Arc::new(MemoryRepo::new());
    let id = client(repo.clone(), "east").deploy("corp").await;
    let left = client(repo, "north");
    let teardown = format!("/topologies/{id}/teardown");
    let problem = left.operate(&teardown, &json!({})).await.problem(409, "host_lost");
    assert!(
        problem["hint"].as_str().expect("a hint").contains("--orphan-after"),
        "{problem}"
    );

    let lost = json!([{ "host": "east", "revoked": false, "deckies": 2 }]);
    let body = json!({ "operation": "teardown", "force": true });
    let planned = left.post(&format!("/topologies/{id}/plan"), &body).await.is(200);
    assert_eq!((&planned["steps"], &planned["given_up"]), (&json!([]), &lost));
    let done = left.operate(&teardown, &json!({ "force": true })).await.is(200);
    let result = &done["result"];
    assert_eq!(
        (&result["status"], &result["given_up"]),
        (&json!("torn_down"), &lost),
        "{done}"
    );
}
