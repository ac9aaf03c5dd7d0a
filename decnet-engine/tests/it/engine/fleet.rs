//! One maze on several simulated hosts.

mod images;
mod lost;
mod moving;
mod preflight;
mod silence;
mod twins;

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Fleet, Observed, Operation, Outcome, Runtime, Scope,
    simulated::{Moment, Simulated},
};
use decnet_topology::{
    DeploySettings, Distribution, Member, MemoryRepo, Mutation, MutationState, NewMutation, NewTopology,
    PlacementRules, Status, Topology, TopologyId, TopologyStore,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{CATALOG, twelve, twelve_on};

/// A store, two hosts, and an engine on the fleet.
struct FleetLab {
    repo: Arc<MemoryRepo>,
    east: Simulated,
    west: Simulated,
    fleet: Fleet,
    engine: Engine,
}

fn member(name: &str, capacity: u32, address: &str) -> Member {
    let (name, address) = (name.parse().expect("a name"), address.parse().expect("an address"));
    Member::new(name, capacity, address, 1500)
}

impl FleetLab {
    /// Two hosts with room for so many deckies each. Only the first is public.
    fn new(room: u32) -> Self {
        let (east, west) = (Simulated::new().with_links(), Simulated::new().with_links());
        let public = "public".parse().expect("a label");
        let fleet = Fleet::new()
            .answer_within(Duration::from_millis(200))
            .with(
                member("east", room, "192.0.2.1").labelled(public),
                Arc::new(east.clone()),
            )
            .with(member("west", room, "192.0.2.2"), Arc::new(west.clone()));
        let repo = Arc::new(MemoryRepo::new());
        let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
        let engine = Engine::new(repo.clone(), Arc::new(fleet.clone()), options);
        Self {
            repo,
            east,
            west,
            fleet,
            engine,
        }
    }

    async fn store(&self, name: &str, topology: Topology) -> TopologyId {
        let new = NewTopology::new(name.parse().expect("a name"), topology);
        self.repo.create(new, Timestamp::now()).await.expect("stored").row.id
    }

    async fn deploy(&self, id: TopologyId) -> Result<Outcome, EngineError> {
        let options = DeployOptions::default();
        self.engine.deploy(id, options, &CancellationToken::new()).await
    }

    async fn reconcile(&self, id: TopologyId) -> Outcome {
        let cancel = CancellationToken::new();
        self.engine.reconcile(id, false, &cancel).await.expect("reconciled")
    }

    async fn teardown(&self, id: TopologyId) -> Result<Outcome, EngineError> {
        self.engine.teardown(id, &CancellationToken::new()).await
    }

    async fn observe(&self) -> Observed {
        let instance = self.repo.instance().await.expect("an instance");
        self.fleet.inspect(Scope::Instance(instance)).await.expect("it answers")
    }

    async fn apply(&self, id: TopologyId, json: &str) {
        let new = NewMutation::new(Mutation::from_json(json).expect("a mutation"));
        self.engine.submit(id, new, None).await.expect("queued");
        let drained = self.engine.drain(id, &CancellationToken::new()).await.expect("drained");
        assert_eq!(drained[0].state, MutationState::Applied, "{:?}", drained[0].reason);
    }

    fn assert_nothing_left(&self) {
        for world in [self.east.world(), self.west.world()] {
            assert!(world.containers.is_empty(), "{:?}", world.containers.keys());
            assert!(world.networks.is_empty(), "{:?}", world.networks.keys());
            assert!(world.volumes.is_empty(), "{:?}", world.volumes.keys());
            assert!(world.images.is_empty(), "{:?}", world.images);
            assert_eq!(world.links, Some(std::collections::BTreeMap::new()));
        }
    }
}

/// Two LANs without a gateway, so that any host may have them.
fn two_lans() -> Topology {
    let builder = Topology::builder()
        .dmz("dmz", "10.95.0.0/24")
        .lan("office", "10.95.1.0/24");
    let builder = builder.decky("web", |decky| decky.on("dmz", "10.95.0.2").services(["ssh"]));
    let builder = builder.decky("desk", |decky| decky.on("office", "10.95.1.2").on("dmz", "10.95.0.3"));
    builder.build().expect("a maze")
}

#[tokio::test]
async fn a_maze_is_deployed_over_two_hosts_with_links_and_torn_down_completely() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    let up = lab.deploy(id).await.expect("deployed");
    assert_eq!((up.row.status, up.reason), (Status::Active, None));
    let placement = up.row.placement.expect("it is placed");
    assert_eq!((placement.members().len(), placement.mtu), (2, Some(1450)));

    let observed = lab.observe().await;
    assert_eq!(observed.containers.len(), 23 + 34);
    assert_eq!(observed.networks.len(), 12 + placement.stretched.len());
    let links = observed.links.expect("they were looked for");
    assert_eq!(links.len(), 2 * placement.stretched.len());
    assert!(
        links
            .iter()
            .all(|link| link.network.is_some() && link.peers.len() == 1 && link.mtu == 1450)
    );
    for container in &observed.containers {
        let host = container.name.host().expect("a host");
        assert!(
            container.networks.keys().all(|network| network.host() == Some(host)),
            "{container:?}"
        );
    }
    // Only one host has an address on the DMZ.
    let gateways = |world: decnet_engine::simulated::World| {
        let networks = world.networks.into_values();
        networks.filter(|network| network.gateway.is_some()).count()
    };
    assert_eq!((gateways(lab.east.world()), gateways(lab.west.world())), (1, 0));

    assert_eq!(lab.reconcile(id).await.changed, 0);
    let down = lab.teardown(id).await.expect("torn down");
    assert_eq!(down.row.status, Status::TornDown);
    lab.assert_nothing_left();
}

#[tokio::test]
async fn a_live_change_across_hosts_leaves_other_containers_alone() {
    let lab = FleetLab::new(14);
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    let before = lab.observe().await;
    let placement = lab.repo.get(id).await.expect("a row").placement.expect("placed");
    // A LAN on the host that has room, and one on the other.
    let room = if placement
        .deckies
        .values()
        .filter(|host| host.as_str() == "east")
        .count()
        < 14
    {
        "east"
    } else {
        "west"
    };
    let named = |here: bool| {
        let mut lans = placement
            .lans
            .iter()
            .filter(|(_, host)| (host.as_str() == room) == here);
        format!("lan-{:02}", lans.next_back().expect("one").0.ordinal())
    };
    let (home, away) = (named(true), named(false));
    lab.apply(
        id,
        &format!(r#"{{"op": "add_decky", "payload": {{"name": "late", "services": ["ssh"], "lan": "{home}"}}}}"#),
    )
    .await;
    lab.apply(
        id,
        &format!(r#"{{"op": "attach_decky", "payload": {{"decky": "late", "lan": "{away}"}}}}"#),
    )
    .await;
    let after = lab.observe().await;
    for old in &before.containers {
        let now = after
            .containers
            .iter()
            .find(|now| now.name == old.name)
            .expect("it stays");
        assert_eq!((&now.id, now.started_at), (&old.id, old.started_at), "{}", old.name);
    }
    let placed = lab.repo.get(id).await.expect("a row").placement.expect("placed");
    assert_eq!(placed.deckies.len(), placement.deckies.len() + 1);
    assert!(placed.stretched.values().any(|stretched| stretched.members.len() == 2));
    lab.apply(id, r#"{"op": "remove_decky", "payload": {"decky": "late"}}"#)
        .await;
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Active);
    lab.teardown(id).await.expect("torn down");
    lab.assert_nothing_left();
}

#[tokio::test]
async fn a_lost_link_is_healed() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    let links = lab.east.world().links.expect("links");
    let instance = lab.repo.instance().await.expect("an instance");
    let (name, link) = links.first_key_value().expect("one");
    let remove = decnet_engine::Action::RemoveLink {
        link: name.clone(),
        labels: link.labels.clone(),
    };
    lab.east.perform(instance, &remove).await.expect("removed");
    let healed = lab.reconcile(id).await;
    assert_eq!((healed.row.status, healed.changed), (Status::Active, 1));
    assert_eq!(lab.east.world().links.expect("links"), links);
}

#[tokio::test]
async fn a_failed_step_on_one_host_undoes_all_hosts() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    let error = decnet_engine::RuntimeError::Refused { reason: "no".into() };
    let is_link = |action: &decnet_engine::Action| matches!(action, decnet_engine::Action::EnsureLink { .. });
    lab.west.fail_where(is_link, Moment::Before, error);
    let failed = lab.deploy(id).await.expect_err("a link fails");
    assert!(matches!(failed, EngineError::DeployFailed { .. }), "{failed:?}");
    lab.assert_nothing_left();

    // The failed maze takes no room from its copy.
    lab.west.reconnect();
    let deployed = lab.deploy(id).await.expect("deployed");
    assert_eq!((deployed.row.status, deployed.row.id == id), (Status::Active, false));
}

#[tokio::test]
async fn a_maze_that_has_no_room_or_a_silent_host_is_refused_and_nothing_changes() {
    let lab = FleetLab::new(11);
    let id = lab.store("maze", twelve()).await;
    let before = lab.repo.get(id).await.expect("a row");
    let refused = lab.deploy(id).await.expect_err("23 deckies and room for 22");
    assert_eq!(refused.code(), "not_placed");
    assert_eq!(lab.repo.get(id).await.expect("a row"), before);
    lab.assert_nothing_left();

    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    lab.west.go_away();
    let refused = lab.deploy(id).await.expect_err("only one host has room");
    assert_eq!(refused.code(), "not_placed");
    lab.west.reconnect();
    lab.assert_nothing_left();
}

#[tokio::test]
async fn mazes_share_the_room_and_the_rules_of_a_maze_decide_its_hosts() {
    let lab = FleetLab::new(40);
    let first = lab.store("first", twelve()).await;
    let second = lab.store("second", twelve_on("10.92")).await;
    let third = lab.store("third", twelve_on("10.93")).await;
    let rules = PlacementRules::default().distribute(Distribution::Spread);
    let spread = DeployOptions::default().settings(DeploySettings::default().placement(rules));
    let up = lab
        .engine
        .deploy(first, spread, &CancellationToken::new())
        .await
        .expect("deployed");
    assert_eq!(up.row.placement.expect("placed").members().len(), 2);
    let on = |port: u16| {
        let rule = format!("http={port}").parse().expect("a rule");
        DeploySettings::default().publish([rule].into_iter().collect())
    };
    let only = on(8081).hosts(["east".parse().expect("a name")]);
    let only = DeployOptions::default().settings(only);
    let up = lab
        .engine
        .deploy(second, only, &CancellationToken::new())
        .await
        .expect("deployed");
    let placement = up.row.placement.expect("placed");
    assert_eq!(placement.members().len(), 1);
    assert!(placement.stretched.is_empty());
    let third = lab
        .engine
        .deploy(
            third,
            DeployOptions::default().settings(on(8082)),
            &CancellationToken::new(),
        )
        .await;
    assert_eq!(third.expect("there is room for all three").row.status, Status::Active);
    let fourth = lab.store("fourth", twelve_on("10.94")).await;
    assert_eq!(lab.deploy(fourth).await.expect_err("it is full").code(), "not_placed");
}

#[tokio::test]
async fn a_maze_moves_with_force_only_and_its_new_place_is_stored() {
    let lab = FleetLab::new(40);
    let id = lab.store("maze", two_lans()).await;
    let on = |host: &str| DeploySettings::default().hosts([host.parse().expect("a name")]);
    let deploy = async |host: &str, force: bool| {
        let options = DeployOptions::default().settings(on(host)).force(force);
        lab.engine.deploy(id, options, &CancellationToken::new()).await
    };
    deploy("west", false).await.expect("deployed");
    assert!(lab.east.world().containers.is_empty());
    let refused = deploy("east", false).await.expect_err("it would move");
    assert_eq!(refused.code(), "not_placed");
    deploy("east", true).await.expect("moved");
    assert!(lab.west.world().containers.is_empty() && lab.west.world().networks.is_empty());
    let placement = lab.repo.get(id).await.expect("a row").placement.expect("placed");
    assert!(placement.members().into_iter().all(|host| host.as_str() == "east"));
    assert_eq!(lab.reconcile(id).await.changed, 0);
    lab.teardown(id).await.expect("torn down");
    lab.assert_nothing_left();
}

#[tokio::test]
async fn a_maze_of_a_fleet_is_not_touched_without_the_fleet() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    lab.deploy(id).await.expect("deployed");
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let alone = Engine::new(lab.repo.clone(), Arc::new(Simulated::new()), options);
    let refused = alone
        .reconcile(id, false, &CancellationToken::new())
        .await
        .expect_err("no fleet");
    assert_eq!(refused.code(), "fleet_missing");
    let refused = alone
        .teardown(id, &CancellationToken::new())
        .await
        .expect_err("no fleet");
    assert_eq!(refused.code(), "fleet_missing");
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Active);
}

#[tokio::test]
async fn hosts_that_the_fleet_does_not_have_are_refused_and_nothing_is_changed() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", two_lans()).await;
    let deploy = async |engine: &Engine, hosts: &[&str]| {
        let hosts = hosts.iter().map(|host| host.parse().expect("a name"));
        let settings = DeploySettings::default().hosts(hosts);
        let options = DeployOptions::default().settings(settings);
        engine.deploy(id, options, &CancellationToken::new()).await
    };
    let error = deploy(&lab.engine, &["east", "norht"]).await.expect_err("refused");
    assert_eq!(error.code(), "hosts_unknown");
    assert_eq!(
        error.to_string(),
        "`maze` is to run on hosts that are not in the fleet: norht (its members: east, west)"
    );
    lab.assert_nothing_left();

    // One host is not a fleet, so a choice of hosts would have no effect.
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let alone = Engine::new(lab.repo.clone(), Arc::new(Simulated::new()), options);
    let error = deploy(&alone, &["east"]).await.expect_err("refused");
    assert_eq!(error.code(), "hosts_unknown");
    assert!(error.to_string().ends_with("(its members: none)"), "{error}");

    // A placed maze heals after an unused host left.
    deploy(&lab.engine, &["east", "west"]).await.expect("deployed");
    let row = lab.repo.get(id).await.expect("stored");
    let used = row
        .placement
        .expect("placed")
        .members()
        .first()
        .map(ToString::to_string);
    let fleet = Fleet::new().with(
        member(&used.expect("a host"), 13, "192.0.2.1"),
        Arc::new(lab.east.clone()),
    );
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let smaller = Engine::new(lab.repo.clone(), Arc::new(fleet), options);
    let outcome = smaller.reconcile(id, false, &CancellationToken::new()).await;
    let outcome = outcome.expect("reconciled");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
}

#[tokio::test]
async fn steps_name_the_host_after_the_names_that_docker_knows() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    let prepared = lab
        .engine
        .prepare(id, Operation::Deploy(DeployOptions::default()))
        .await;
    let prepared = prepared.expect("planned");
    let steps: Vec<String> = prepared.plan().steps().iter().map(ToString::to_string).collect();
    assert!(
        steps
            .iter()
            .all(|step| !step.contains("east/") && !step.contains("west/"))
    );
    let on_a_host = |step: &String| step.contains(" on east (") || step.contains(" on west (");
    assert!(steps.iter().all(on_a_host), "{steps:#?}");
    let link = steps
        .iter()
        .find(|step| step.starts_with("ensure link d"))
        .expect("a link");
    let to = |host, peer| link.contains(&format!(", to {peer} on {host} ("));
    assert!(
        link.contains(", VNI ") && (to("east", "192.0.2.2") || to("west", "192.0.2.1")),
        "{link}"
    );
}
