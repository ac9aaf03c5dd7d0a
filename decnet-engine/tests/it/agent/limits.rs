//! What a host takes of mazes of mode `agent`, and what a push allows.

use std::collections::BTreeSet;

use decnet_engine::{
    ApplyOptions, CancellationToken, DeployOptions, Engine, EngineError, MachineFacts, Replacement, SettingsChange,
    TopologyPush,
};
use decnet_topology::{
    DeploySettings, Draft, LogSettings, Member, Name, Status, Syntax, Topology, TopologyFilter, TopologyId,
    TopologyStore as _, document,
};

use super::{
    play::{Play, topology},
    stage::{fence_of, name},
};

fn member(capacity: u32) -> Member {
    Member::new(name("host-1"), capacity, "127.0.0.1".parse().expect("an address"), 1500)
}

async fn deploy(engine: &Engine, id: TopologyId, options: DeployOptions) -> Result<Status, EngineError> {
    let outcome = engine.deploy(id, options, &CancellationToken::new()).await?;
    Ok(outcome.row.status)
}

/// Two deckies, one of which is a gateway.
fn with_gateway() -> Topology {
    Topology::builder()
        .dmz("dmz", "172.20.0.0/24")
        .lan("office", "172.20.1.0/24")
        .decky("web", |decky| {
            decky.on("dmz", "172.20.0.10").on("office", "172.20.1.10").forwards()
        })
        .decky("desk", |decky| decky.on("office", "172.20.1.11").services(["ssh"]))
        .build()
        .expect("a topology")
}

#[tokio::test]
async fn a_host_refuses_a_maze_with_all_reasons_and_nothing_changes() {
    let play = Play::new().await;
    let id = play.store("corp", with_gateway(), "host-1").await;
    let master = play.master_with(member(1).drained());
    let error = deploy(&master, id, DeployOptions::default())
        .await
        .expect_err("refused");
    let EngineError::NotPlaced(refused) = &error else {
        panic!("{error:?}")
    };
    let codes: Vec<_> = refused.faults.iter().map(decnet_topology::PlaceFault::code).collect();
    assert_eq!(codes, ["MEMBER_DRAINED", "MEMBER_TOO_SMALL", "GATEWAY_NOT_PUBLIC"]);
    assert_eq!(play.status(id).await, Status::Pending);
    assert!(play.containers().is_empty());

    let public = member(2).labelled(name("public"));
    let status = deploy(&play.master_with(public), id, DeployOptions::default()).await;
    assert_eq!(status.expect("deployed"), Status::Active);
}

#[tokio::test]
async fn a_maze_stays_on_a_drained_host_and_can_be_changed() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let master = play.master_with(member(1).drained());
    let wanted = Replacement::new(topology("172.20.0", &["web", "db"]));
    let outcome = master.replace(id, wanted, &CancellationToken::new()).await;
    assert_eq!(outcome.expect("changed").row.status, Status::Active);
    assert_eq!(play.containers().len(), 4);
}

fn draft() -> Draft {
    let text = "{format: decnet.topology/1, name: lab, lans: [{name: dmz, dmz: true}]}";
    document::parse(text, Syntax::Yaml).expect("a draft")
}

#[tokio::test]
async fn a_host_that_the_fleet_does_not_have_is_refused_before_a_maze_is_stored() {
    let play = Play::new().await;
    let hosts: BTreeSet<Name> = [name("host-1"), name("hots-2")].into();
    let on_hosts = SettingsChange::default().hosts(Some(hosts));
    for (options, code) in [
        (ApplyOptions::default().agent(name("hots-1")), "agent_mode"),
        (ApplyOptions::default().settings(on_hosts), "hosts_unknown"),
    ] {
        let error = play.master.apply(&draft(), options.clone()).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        let error = play.master.prepare_file(&draft(), options).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
    }
    let stored = play.repo.list(&TopologyFilter::default()).await.expect("rows");
    assert!(stored.rows.is_empty(), "{:?}", stored.rows);
    let known = ApplyOptions::default().agent(name("host-1"));
    play.master.apply(&draft(), known).await.expect("stored");
}

/// Settings that recreate each container.
fn other_log() -> DeploySettings {
    let option = "max-size=1m".parse().expect("an option");
    DeploySettings::default().log(LogSettings::default().with(None, [option]))
}

#[tokio::test]
async fn a_push_recreates_the_deckies_that_it_names_and_no_others() {
    let play = Play::new().await;
    let id = play.store("corp", topology("172.20.0", &["web", "db"]), "host-1").await;
    play.deploy(id).await.expect("deployed");
    let before = play.containers();
    let mut stored = play.repo.load(id).await.expect("stored");
    stored.row.settings = other_log();
    let push = |deckies: &[&str]| TopologyPush::new(&stored).force_deckies(deckies.iter().map(|decky| name(decky)));
    let remote = |push: &TopologyPush| {
        let mut fence = fence_of(push);
        fence.generation = 1_000_000;
        play.remote_topologies().with_fence(fence)
    };
    let one = push(&["web"]);
    let refused = remote(&one).apply(&one).await.expect_err("db would be recreated");
    assert_eq!(refused.code(), "destructive", "{refused}");
    assert_eq!(play.containers(), before);
    let both = push(&["web", "db"]);
    let applied = remote(&both).apply(&both).await.expect("applied");
    assert_eq!(applied.status, Status::Active);
    assert!(play.containers().iter().all(|container| !before.contains(container)));
}

#[tokio::test]
async fn the_force_of_a_deploy_reaches_the_agent() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let options = DeployOptions::default().settings(other_log());
    let error = deploy(&play.master, id, options.clone()).await.expect_err("refused");
    assert_eq!(error.code(), "destructive");
    let status = deploy(&play.master, id, options.force(true)).await;
    assert_eq!(status.expect("deployed"), Status::Active);
}

#[tokio::test]
async fn a_warning_about_the_machine_of_an_agent_names_its_host() {
    let play = Play::new().await;
    play.simulated.set_machine(MachineFacts {
        routes: Vec::new(),
        listeners: Vec::new(),
        neighbours: 128,
    });
    let id = play.store("corp", topology("172.20.0", &["web"]), "host-1").await;
    let cancel = CancellationToken::new();
    let deployed = play.master.deploy(id, DeployOptions::default(), &cancel).await;
    let warnings = deployed.expect("deployed").warnings;
    assert!(
        matches!(&warnings[..], [one] if one.message.contains("the neighbour table of host host-1 has 128 entries")),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn an_observation_is_of_the_host_of_the_agent() {
    let play = Play::new().await;
    let id = play.deployed().await;
    let row = play.repo.get(id).await.expect("a row");
    let seen = play.master.observation(&row, true).await.expect("it answers");
    assert_eq!(seen.observed.containers.len(), 2);
}
