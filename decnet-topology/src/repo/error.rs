use std::path::PathBuf;

use ipnet::Ipv4Net;

use crate::{
    id::{MutationId, TopologyId},
    mutation::MutationError,
    name::{Name, TopologyName},
    repo::Lease,
    status::{Intent, Status},
    version::Version,
};

/// Says why the store did not do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum RepoError {
    /// No topology has that id.
    #[error("there is no topology {id}")]
    #[strum(serialize = "not_found")]
    NotFound {
        /// The id.
        id: TopologyId,
    },
    /// Another topology, not torn down, has the name.
    #[error("a topology named `{name}` is stored already ({id})")]
    NameTaken {
        /// The name.
        name: TopologyName,
        /// Who has it.
        id: TopologyId,
    },
    /// Another topology, not torn down, has the subnet or a part of it.
    #[error("subnet {subnet} overlaps {claimed} of LAN `{lan}` in topology `{by}`")]
    SubnetClaimed {
        /// The subnet wanted.
        subnet: Ipv4Net,
        /// The subnet that is claimed.
        claimed: Ipv4Net,
        /// Its LAN.
        lan: Name,
        /// The topology that claims it.
        by: TopologyName,
    },
    /// The topology was edited in between.
    #[error("the topology is at version {current}, not {expected}")]
    VersionConflict {
        /// The version that the caller saw.
        expected: Version,
        /// The version that it has.
        current: Version,
    },
    /// The topology cannot be edited so in its status, or in that status with that intent.
    #[error("a topology that is {status} {}", takes(*.status, *.intent))]
    #[strum(serialize = "wrong_status")]
    NotEditable {
        /// The status.
        status: Status,
        /// What it is meant to be.
        intent: Option<Intent>,
    },
    /// The topology cannot be deleted in its status.
    #[error("a topology that is {status} cannot be deleted")]
    #[strum(serialize = "wrong_status")]
    NotDeletable {
        /// The status.
        status: Status,
    },
    /// The status changed in between.
    #[error("the topology is {current}, not {expected}")]
    StatusConflict {
        /// The status that the caller saw.
        expected: Status,
        /// The status that it has.
        current: Status,
    },
    /// The one status never follows the other.
    #[error("a topology that is {from} cannot become {to}")]
    #[strum(serialize = "wrong_status")]
    IllegalStatus {
        /// The status that it has.
        from: Status,
        /// The status asked for.
        to: Status,
    },
    /// Someone else is at work on the topology.
    #[error("{} is at work on the topology (pid {}, until {})", .lease.holder.label, .lease.holder.pid, .lease.until)]
    #[strum(serialize = "busy")]
    LeaseHeld {
        /// The lease that is held.
        lease: Box<Lease>,
    },
    /// The lease ran out and someone else took it.
    #[error("the lease on topology {id} was lost")]
    #[strum(serialize = "busy")]
    LeaseLost {
        /// The topology.
        id: TopologyId,
    },
    /// No mutation has that id.
    #[error("there is no mutation {id}")]
    #[strum(serialize = "not_found")]
    MutationNotFound {
        /// The id.
        id: MutationId,
    },
    /// The mutation could not be read back: a config in it is nested too deeply, or a subnet has host bits.
    #[error("the mutation cannot be kept")]
    MutationUnreadable {
        /// Why.
        source: Box<MutationError>,
    },
    /// The claim on the mutation ran out and someone else took it, or it was given back, or the mutation is finished.
    #[error("the claim on mutation {id} was lost")]
    #[strum(serialize = "busy")]
    ClaimLost {
        /// The mutation.
        id: MutationId,
    },
    /// The mutation is in the maze: it can neither be stored again nor be rejected any more.
    #[error("mutation {id} is in the maze already")]
    #[strum(serialize = "mutation_conflict")]
    MutationStored {
        /// The mutation.
        id: MutationId,
    },
    /// The mutation is not in the maze: it can neither be applied nor have failed.
    #[error("mutation {id} is not in the maze yet")]
    #[strum(serialize = "mutation_conflict")]
    MutationNotStored {
        /// The mutation.
        id: MutationId,
    },
    /// The store was made by a newer program.
    #[error("the store {} has layout {found}, this program knows {known} at most", .path.display())]
    #[strum(serialize = "database_too_new")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The layout found.
        found: u32,
        /// The newest layout known.
        known: u32,
    },
    /// The folder of the store does not exist.
    #[error("there is no folder {} for the store", .folder.display())]
    #[strum(serialize = "database")]
    FolderMissing {
        /// The folder.
        folder: PathBuf,
    },
    /// There is a folder where the store should be.
    #[error("{} is a folder, not a store", .path.display())]
    #[strum(serialize = "database")]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is something else than a store. It was left as it is.
    #[error("{} is no store of DECNET: it is {what}", .path.display())]
    #[strum(serialize = "database")]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The file is empty: it was cut off, or is not yet a store. It was left as it is.
    #[error("the store {} is an empty file: it was cut off, or never written", .path.display())]
    #[strum(serialize = "database_empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The store could not be opened.
    #[error("the store {} cannot be opened", .path.display())]
    #[strum(serialize = "database")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process held the store for too long.
    #[error("the store is locked by another process")]
    #[strum(serialize = "database_locked")]
    Locked,
    /// The store cannot be written to.
    #[error("the store is read-only")]
    #[strum(serialize = "database_read_only")]
    ReadOnly,
    /// The disk is full.
    #[error("the disk of the store is full")]
    #[strum(serialize = "disk_full")]
    Full,
    /// The store holds what it cannot hold.
    #[error("the store is damaged: {what}")]
    #[strum(serialize = "database_damaged")]
    Corrupt {
        /// What was found.
        what: String,
    },
    /// Anything else that the store's medium said.
    #[error("the store failed")]
    #[strum(serialize = "database")]
    Medium {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RepoError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// Returns whether the store can be read, but not written to now: its disk is full, or it is read-only.
    pub const fn is_unwritable(&self) -> bool {
        matches!(self, Self::Full | Self::ReadOnly)
    }
}

/// Says which changes a topology takes that does not take the one that was wanted.
fn takes(status: Status, intent: Option<Intent>) -> &'static str {
    match (status, intent) {
        (Status::Pending, _) => "is edited at once, and queues no mutations",
        (Status::Active | Status::Degraded, Some(Intent::Down)) => "and meant to be down cannot be edited",
        (Status::Active | Status::Degraded, _) => "cannot be edited as a whole; it takes mutations",
        _ => "cannot be edited",
    }
}
