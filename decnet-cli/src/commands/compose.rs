use std::path::PathBuf;

use decnet_engine::{
    compose,
    decoy::DecoyImage,
    desired::{Desired, Setting},
    runtime::{ApiVersion, Runtime},
};
use decnet_topology::{InstanceId, RuleSet, Topology, TopologyId};
use serde_json::json;

use crate::{
    context::{Context, EngineWishes},
    exit::{CommandError, Exit},
    input, lookup,
};
