//! Mutations that are applied to a running maze: what each op touches, what is refused, and in which order.

mod changing;
mod failing;
mod healing;
mod leaving;
mod rejecting;
mod storing;

use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_engine::{Activity, naming, simulated::World};
use decnet_topology::{
    Mutation, MutationFilter, MutationQueue, MutationRow, NewMutation, StoredTopology, Topology, TopologyId,
    TopologyStore, short_id,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Lab;

/// A mutation, and the containers that it may touch: created, removed or restarted. All others keep id and start time.
pub(super) struct Case {
    pub(super) json: &'static str,
    pub(super) touched: &'static [&'static str],
}

const fn case(json: &'static str, touched: &'static [&'static str]) -> Case {
    Case { json, touched }
}

/// Every op, valid in [`yard`].
pub(super) const CASES: [Case; 14] = [
    case(r#"{"op": "add_lan", "payload": {"name": "cellar"}}"#, &[]),
    case(r#"{"op": "remove_lan", "payload": {"name": "attic"}}"#, &[]),
    case(
        r#"{"op": "add_decky", "payload": {"name": "new", "lan": "lab", "services": ["http", "ssh"]}}"#,
        &["new", "new.http", "new.ssh"],
    ),
    case(
        r#"{"op": "attach_decky", "payload": {"decky": "desk", "lan": "attic", "forwards_l3": true}}"#,
        &[],
    ),
    case(
        r#"{"op": "attach_decky", "payload": {"decky": "mail", "lan": "office", "forwards_l3": true, "force": true}}"#,
        &["mail", "mail.ftp"],
    ),
    case(
        r#"{"op": "detach_decky", "payload": {"decky": "joint", "lan": "attic"}}"#,
        &[],
    ),
    case(
        r#"{"op": "remove_decky", "payload": {"decky": "files"}}"#,
        &["files", "files.smb"],
    ),
    case(
        r#"{"op": "remove_decky", "payload": {"decky": "web"}}"#,
        &["web", "web.http", "web.ssh"],
    ),
    case(
        r#"{"op": "update_decky", "payload": {"decky": "files", "services": ["dns"]}}"#,
        &["files.dns", "files.smb"],
    ),
    case(
        r#"{"op": "update_decky", "payload": {"decky": "files", "patch": {"service_config": {"smb": {"banner": "x"}}}}}"#,
        &["files.smb"],
    ),
    case(
        r#"{"op": "update_decky", "payload": {"decky": "joint", "patch": {"forwards_l3": false}}}"#,
        &[],
    ),
    case(
        r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"], "force": true}}"#,
        &["web", "web.http", "web.ssh"],
    ),
    case(
        r#"{"op": "update_decky", "payload": {"decky": "web", "patch": {"forwards_l3": false}, "force": true}}"#,
        &["web", "web.http", "web.ssh"],
    ),
    case(
        r#"{"op": "update_lan", "payload": {"name": "office", "x": 3, "y": 4}}"#,
        &[],
    ),
];

/// A DMZ with a gateway and a plain host, an office behind it, and a router to two more LANs. One of them is not a home.
pub(super) fn yard() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .lan("office", "10.90.1.0/24")
        .lan("lab", "10.90.2.0/24")
        .lan("attic", "10.90.3.0/24")
        .decky("web", |decky| {
            decky
                .on("dmz", "10.90.0.10")
                .on("office", "10.90.1.10")
                .services(["http", "ssh"])
                .forwards()
        })
        .decky("mail", |decky| decky.on("dmz", "10.90.0.11").services(["ftp"]))
        .decky("files", |decky| decky.on("office", "10.90.1.11").services(["smb"]))
        .decky("joint", |decky| {
            decky
                .on("office", "10.90.1.12")
                .on("lab", "10.90.2.12")
                .on("attic", "10.90.3.12")
                .services(["ssh"])
                .forwards()
        })
        .decky("desk", |decky| decky.on("lab", "10.90.2.13").services(["ssh"]))
        .build()
        .expect("a topology")
}

pub(super) fn mutation(json: &str) -> Mutation {
    Mutation::from_json(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

impl Lab {
    /// A running maze with an empty log of actions.
    pub(super) async fn running(topology: Topology) -> (Self, TopologyId) {
        let lab = Self::new();
        let id = lab.store("maze", topology).await;
        lab.deploy(id).await.expect("deployed");
        lab.docker.clear_log();
        (lab, id)
    }

    pub(super) async fn enqueue(&self, id: TopologyId, json: &str) -> MutationRow {
        let new = NewMutation::new(mutation(json));
        let enqueued = self.repo.enqueue(id, new, None, Timestamp::now()).await;
        enqueued.unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    /// Drains the queue and returns the finished mutations.
    pub(super) async fn drain(&self, id: TopologyId) -> Vec<MutationRow> {
        let drained = self.engine.drain(id, &CancellationToken::new()).await;
        drained.unwrap_or_else(|error| panic!("{error:?}"))
    }

    pub(super) async fn stored(&self, id: TopologyId) -> StoredTopology {
        self.repo.load(id).await.expect("a topology")
    }

    pub(super) async fn rows(&self, id: TopologyId) -> Vec<MutationRow> {
        let filter = MutationFilter::default().topology(id);
        self.repo.mutations(&filter).await.expect("the mutations").rows
    }

    /// Compares the world with the stored maze, with the engine's own plan and independently.
    pub(super) async fn assert_matches(&self, id: TopologyId, context: &str) {
        let plan = crate::planned(&self.engine, id, None).await.expect("planned");
        let steps: Vec<_> = plan.steps().iter().map(ToString::to_string).collect();
        assert_eq!(steps, [""; 0], "{context}: nothing is left to do");
        assert_is(&self.docker.world(), id, &self.stored(id).await.topology, context);
    }
}

/// Compares the world with a maze, independently of the engine: its LANs, deckies and services exist, are connected and run,
/// and nothing else exists.
pub(super) fn assert_is(world: &World, id: TopologyId, topology: &Topology, context: &str) {
    let mut networks: BTreeMap<_, _> = topology
        .lans()
        .iter()
        .map(|lan| (naming::network(id, lan), (lan.subnet(), BTreeMap::new())))
        .collect();
    let mut containers = BTreeMap::new();
    for decky in topology.deckies() {
        let base = naming::base(id, decky);
        let mut plugged: BTreeMap<_, Ipv4Addr> = BTreeMap::new();
        for attachment in decky.attachments() {
            let name = naming::network(id, topology.lan(attachment.lan).expect("a LAN"));
            plugged.insert(name.clone(), attachment.ip);
            let (_, endpoints) = networks.get_mut(&name).expect("a network");
            endpoints.insert(attachment.ip, base.clone());
        }
        let volume = world
            .containers
            .get(&base)
            .and_then(|container| container.volume.clone());
        for service in decky.services() {
            let name = naming::service(id, decky, service);
            containers.insert(name, (Activity::Running, BTreeMap::new(), volume.clone(), true));
        }
        containers.insert(base, (Activity::Running, plugged, volume, true));
    }
    let ours = world.networks.iter().filter(|(_, network)| !network.labels.is_empty());
    let there: BTreeMap<_, _> = ours
        .map(|(name, network)| (name.clone(), (network.subnet, network.endpoints.clone())))
        .collect();
    assert_eq!(there, networks, "{context}: networks");
    let there = world.containers.iter().map(|(name, container)| {
        let holds = container.state.is_none() || container.state_holds;
        let is = (
            container.activity,
            container.networks.clone(),
            container.volume.clone(),
            holds,
        );
        (name.clone(), is)
    });
    assert_eq!(there.collect::<BTreeMap<_, _>>(), containers, "{context}: containers");
}

/// Returns the containers that were created, removed or restarted, without the common part of their names.
pub(super) fn touched(id: TopologyId, before: &World, after: &World) -> Vec<String> {
    let life = |world: &World, name: &_| {
        let container = world.containers.get(name)?;
        Some((container.id.clone(), container.started_at))
    };
    let mut names: Vec<_> = before.containers.keys().chain(after.containers.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| life(before, name) != life(after, name));
    let prefix = format!("decnet_t_{}_", short_id(id));
    names.iter().map(|name| name.as_str().replace(&prefix, "")).collect()
}
