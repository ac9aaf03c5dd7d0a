use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// Why a plan has a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The maze has it, and the runtime does not.
    Missing,
    /// The runtime has it, and the maze does not.
    NotDesired,
    /// All of the maze is removed.
    Teardown,
    /// It was made from another spec than the maze has now.
    SpecChanged {
        /// The fields that differ; empty where the earlier spec is not known.
        fields: BTreeSet<String>,
    },
    /// A network that it is on is recreated.
    NetworkRecreated,
    /// It was made for another container of its base, or its base is recreated.
    BaseRecreated,
    /// Its base has another network namespace since it was started.
    BaseRestarted,
    /// What runs in it is not what was deployed.
    Tampered {
        /// What was found.
        what: String,
    },
    /// It does not run.
    NotRunning,
    /// It has another address than in the maze.
    AddressChanged,
    /// An interface of the base comes or goes, and its routes change with it.
    InterfacesChanged,
    /// Interfaces, routes, forwarding or containment differ from the maze.
    StateDiffers {
        /// What differs.
        what: String,
    },
    /// A container that the plan creates is made from it.
    Needed,
    /// No container uses it any more.
    Unused,
    /// It undoes a step of a plan that failed.
    Undo,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::NotDesired => "not in the maze",
            Self::Teardown => "teardown",
            Self::SpecChanged { fields } if fields.is_empty() => "spec changed",
            Self::SpecChanged { fields } => {
                let fields: Vec<_> = fields.iter().map(String::as_str).collect();
                return write!(f, "spec changed: {}", fields.join(", "));
            }
            Self::NetworkRecreated => "network recreated",
            Self::BaseRecreated => "base recreated",
            Self::BaseRestarted => "base restarted",
            Self::Tampered { what } => return write!(f, "tampered with: {what}"),
            Self::NotRunning => "not running",
            Self::AddressChanged => "address changed",
            Self::InterfacesChanged => "interfaces changed",
            Self::StateDiffers { what } => what,
            Self::Needed => "needed by a new container",
            Self::Unused => "unused",
            Self::Undo => "undo",
        })
    }
}
