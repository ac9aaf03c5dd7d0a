//! The existing resources on Docker, as data.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use decnet_topology::{InstanceId, TopologyId};
use ipnet::Ipv4Net;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::naming::{self, ContainerName, Labels, LinkName, NetworkName, Role, VolumeName};

/// Which resources to observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scope {
    /// The resources of one topology.
    Topology(InstanceId, TopologyId),
    /// The resources of one repo.
    Instance(InstanceId),
    /// The resources of all repos: all that have the label.
    Everyone,
}

impl Scope {
    /// Returns whether labels are in the scope. Docker's own filters may match more; this function decides.
    pub fn holds(&self, labels: &Labels) -> bool {
        let has = |key: &str, value: String| labels.get(key).is_some_and(|found| *found == value);
        match self {
            Self::Topology(instance, topology) => {
                has(naming::INSTANCE, instance.to_string()) && has(naming::TOPOLOGY, topology.to_string())
            }
            Self::Instance(instance) => has(naming::INSTANCE, instance.to_string()),
            Self::Everyone => labels.contains_key(naming::INSTANCE),
        }
    }
}

/// The observed resources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Networks, by name and id.
    pub networks: Vec<ObservedNetwork>,
    /// Containers, by name and id.
    pub containers: Vec<ObservedContainer>,
    /// Volumes, by name.
    pub volumes: Vec<ObservedVolume>,
    /// References of the images that the engine loaded or built, for any repo.
    pub images: Vec<ObservedImage>,
    /// The links between members of a fleet, by name; none if they were not looked for. Only [`inspect`](crate::Runtime::inspect) looks
    /// for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<ObservedLink>>,
    /// The members of a fleet that do not answer, and why. Nothing is known of what is there. The name of this machine is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unseen: BTreeMap<String, String>,
}

impl Observed {
    /// Returns whether no network, no container and no volume was found, except volumes that are [kept](ObservedVolume::is_kept).
    pub fn is_empty(&self) -> bool {
        let links = self.links.as_deref().unwrap_or_default();
        self.networks.is_empty()
            && self.containers.is_empty()
            && links.is_empty()
            && self.volumes.iter().all(ObservedVolume::is_kept)
    }

    /// Returns whether the engine loaded or built an image.
    pub fn has_image(&self, reference: &str) -> bool {
        self.images.iter().any(|image| image.reference == reference)
    }

    /// Says which members of a fleet do not answer, and why.
    pub(crate) fn silence(&self) -> impl Iterator<Item = String> {
        let unseen = self.unseen.iter();
        unseen.map(|(host, reason)| match host.as_str() {
            "" => format!("this machine is unseen: {reason}"),
            host => format!("host {host} is unseen: {reason}"),
        })
    }

    /// Keeps what has fitting labels: networks with their links, volumes, and the containers of mazes. Images have no labels, and a program
    /// that works on a host for a moment stays.
    pub(crate) fn retain(&mut self, fits: impl Fn(&Labels) -> bool) {
        let networks = self.networks.iter().filter(|network| !fits(&network.labels));
        let others: BTreeSet<NetworkName> = networks.map(|network| network.name.clone()).collect();
        if let Some(links) = &mut self.links {
            links.retain(|link| link.network.as_ref().is_none_or(|network| !others.contains(network)));
        }
        self.networks.retain(|network| fits(&network.labels));
        self.volumes.retain(|volume| fits(&volume.labels));
        self.containers
            .retain(|container| container.role().is_none() || fits(&container.labels));
    }

    /// Keeps what masters made on a member of a fleet, and not what the program of this machine made on the same daemon.
    pub(crate) fn retain_of_members(&mut self) {
        self.retain(|labels| labels.contains_key(naming::MEMBER));
    }

    /// Returns the volumes that stay when their maze is removed.
    pub fn kept_volumes(&self) -> impl Iterator<Item = &VolumeName> {
        let kept = self.volumes.iter().filter(|volume| volume.is_kept());
        kept.map(|volume| &volume.name)
    }
}

/// An observed image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObservedImage {
    /// Its reference on Docker.
    pub reference: String,
    /// The member of a fleet that has it; none if there is only one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// An observed end of a tunnel between members of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedLink {
    /// The name of its network device.
    pub name: LinkName,
    /// The labels of its maze.
    pub labels: Labels,
    /// The network that it is connected to; none if it is connected to none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkName>,
    /// The identifier of the LAN in the tunnel.
    pub vni: u32,
    /// The address of the member.
    pub local: Ipv4Addr,
    /// The addresses of the others.
    pub peers: BTreeSet<Ipv4Addr>,
    /// The MTU in bytes.
    pub mtu: u16,
    /// Whether it is up, has the right port, and drops packets of strangers.
    pub is_sound: bool,
}

/// An observed network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedNetwork {
    /// Docker's id.
    pub id: String,
    /// Its name.
    pub name: NetworkName,
    /// Its labels.
    pub labels: Labels,
    /// Its subnet.
    pub subnet: Option<Ipv4Net>,
}

/// An observed volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedVolume {
    /// Its name.
    pub name: VolumeName,
    /// Its labels.
    pub labels: Labels,
    /// Whether it was created for one container and is removed with it, like all anonymous volumes.
    pub anonymous: bool,
    /// Whether a container outside of the scope uses it.
    pub used_elsewhere: bool,
}

impl ObservedVolume {
    /// Returns whether it stays when its maze, decky or service is removed, because the catalogue said so when it was created.
    pub fn is_kept(&self) -> bool {
        self.labels.get(naming::KEEP).is_some_and(|keep| keep == "true")
    }
}

/// The activity of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activity {
    /// It runs.
    Running,
    /// Docker waits before it restarts it.
    Restarting,
    /// It was never started.
    Created,
    /// It is paused.
    Paused,
    /// It exited, or is being removed.
    Exited,
}

/// An observed container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedContainer {
    /// Docker's id.
    pub id: String,
    /// Its name.
    pub name: ContainerName,
    /// The reference of its image; none if the reference now names another image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Its labels.
    pub labels: Labels,
    /// Its activity.
    pub activity: Activity,
    /// Its last start time.
    pub started_at: Option<Timestamp>,
    /// How often the runtime restarted it after it ended; zero if not inspected.
    pub restarts: u32,
    /// The exit code of its last process, if it does not run; none if not inspected.
    pub exit_code: Option<i64>,
    /// Its networks by name, with its address there; none for a service.
    pub networks: BTreeMap<NetworkName, Option<Ipv4Addr>>,
    /// The names of its interfaces inside, by network; empty unless [`Runtime::name_interfaces`](crate::Runtime::name_interfaces) added
    /// them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interfaces: BTreeMap<NetworkName, String>,
    /// The id of the container whose namespace it shares, if it shares one.
    pub shares: Option<String>,
    /// The volumes that it uses.
    pub volumes: BTreeSet<VolumeName>,
    /// Its process id on the machine of the runtime; none if not inspected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How its interfaces, routes, forwarding or containment differ from the maze; none if not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviates: Option<String>,
    /// Why its contents cannot be trusted, so that it must be recreated; none if not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tampered: Option<String>,
}

/// A container is in a crash loop if it was restarted at least this often, and last within this time.
const LOOP_RESTARTS: u32 = 3;
const LOOP_RECENT: SignedDuration = SignedDuration::from_secs(60);

impl ObservedContainer {
    /// Creates a running container with only these properties; all others are unknown.
    pub fn running(id: impl Into<String>, name: ContainerName, labels: Labels) -> Self {
        Self {
            id: id.into(),
            name,
            image: None,
            labels,
            activity: Activity::Running,
            started_at: None,
            restarts: 0,
            exit_code: None,
            networks: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            shares: None,
            volumes: BTreeSet::new(),
            pid: None,
            deviates: None,
            tampered: None,
        }
    }

    /// Returns whether the runtime restarts it repeatedly. A container that ran for a minute does not count.
    pub fn is_crash_looping(&self, now: Timestamp) -> bool {
        let recent = |at| now.duration_since(at) < LOOP_RECENT;
        self.activity == Activity::Restarting || self.restarts >= LOOP_RESTARTS && self.started_at.is_some_and(recent)
    }

    /// Describes its activity, as the end of a sentence.
    pub fn activity_in_words(&self) -> String {
        match (self.activity, self.exit_code) {
            (Activity::Running, _) => "is running".into(),
            (Activity::Restarting, _) => format!("is restarting: {}", self.restarts_in_words()),
            (Activity::Created, _) => "was never started".into(),
            (Activity::Paused, _) => "is paused".into(),
            (Activity::Exited, Some(code)) => format!("exited with code {code}"),
            (Activity::Exited, None) => "exited".into(),
        }
    }

    /// Describes how often it was restarted, and its exit code if known.
    pub fn restarts_in_words(&self) -> String {
        let plural = if self.restarts == 1 { "" } else { "s" };
        let code = self.exit_code.map(|code| format!(", the last exit code is {code}"));
        format!("{} restart{plural}{}", self.restarts, code.unwrap_or_default())
    }

    /// Returns its role, from its label.
    pub fn role(&self) -> Option<Role> {
        match self.labels.get(naming::ROLE).map(String::as_str) {
            Some("base") => Some(Role::Base),
            Some("service") => Some(Role::Service),
            _ => None,
        }
    }

    /// Returns the digest of its spec.
    pub fn spec(&self) -> Option<&str> {
        self.labels.get(naming::SPEC).map(String::as_str)
    }
}

/// Returns the topology of the labels, if there is one.
pub fn topology_of(labels: &Labels) -> Option<TopologyId> {
    labels.get(naming::TOPOLOGY)?.parse().ok()
}

/// Returns the repo of the labels, if there is one.
pub fn instance_of(labels: &Labels) -> Option<InstanceId> {
    labels.get(naming::INSTANCE)?.parse().ok()
}
