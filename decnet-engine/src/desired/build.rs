use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{InstanceId, TopologyId};

use super::spec::{BaseSpec, Image, NetworkSpec, ServiceSpec};
use crate::naming::{ContainerName, NetworkName};

/// What the specs depend on beside the maze.
#[derive(Debug, Clone)]
pub struct Setting {}

/// What should be on Docker for one topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The repo.
    pub instance: InstanceId,
    /// The topology.
    pub topology: TopologyId,
    /// The images that the containers are made from.
    pub images: BTreeSet<Image>,
    /// The networks.
    pub networks: BTreeMap<NetworkName, NetworkSpec>,
    /// The bases.
    pub bases: BTreeMap<ContainerName, BaseSpec>,
    /// The services.
    pub services: BTreeMap<ContainerName, ServiceSpec>,
}
