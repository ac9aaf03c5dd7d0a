use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// The reason for a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It is in the maze, but not on the runtime.
    Missing,
    /// It is on the runtime, but not in the maze.
    NotDesired,
    /// The whole maze is removed.
    Teardown,
    /// Its spec changed.
    SpecChanged {
        /// The changed fields.
        fields: BTreeSet<String>,
    },
    /// It was created with another version of the maze, the program or Docker, whose spec is unknown.
    OtherVersion {
        /// The fields that are seen to differ.
        fields: BTreeSet<String>,
    },
    /// One of its networks is recreated.
    NetworkRecreated,
    /// It belongs to another container of its base, or its base is recreated.
    BaseRecreated,
    /// Its base has a new network namespace.
    BaseRestarted,
    /// Its contents are not those that were deployed.
    Tampered {
        /// The finding.
        what: String,
    },
    /// It is not running.
    NotRunning,
    /// Its restart was requested.
    Requested,
    /// It has another address than in the maze.
    AddressChanged,
    /// An interface of the base is added or removed, and its routes change with it.
    InterfacesChanged,
    /// Interfaces, routes, forwarding or containment differ from the maze.
    StateDiffers {
        /// The differences.
        what: String,
    },
    /// A new container needs it.
    Needed,
    /// No container uses it any longer.
    Unused,
    /// It undoes a step of a failed plan.
    Undo,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::NotDesired => "not in the maze",
            Self::Teardown => "teardown",
            Self::SpecChanged { fields } => return list(f, "spec changed", fields),
            Self::OtherVersion { fields } => {
                return list(f, "created with another version of the maze, decnet or Docker", fields);
            }
            Self::NetworkRecreated => "network recreated",
            Self::BaseRecreated => "base recreated",
            Self::BaseRestarted => "base restarted",
            Self::Tampered { what } => return write!(f, "tampered with: {what}"),
            Self::NotRunning => "not running",
            Self::Requested => "restart requested",
            Self::AddressChanged => "address changed",
            Self::InterfacesChanged => "interfaces changed",
            Self::StateDiffers { what } => what,
            Self::Needed => "needed by a new container",
            Self::Unused => "unused",
            Self::Undo => "undo",
        })
    }
}

/// Writes a reason and its fields.
fn list(f: &mut fmt::Formatter<'_>, reason: &str, fields: &BTreeSet<String>) -> fmt::Result {
    f.write_str(reason)?;
    let mut separator = ": ";
    for field in fields {
        write!(f, "{separator}{field}")?;
        separator = ", ";
    }
    Ok(())
}
