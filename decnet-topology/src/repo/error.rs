use std::path::PathBuf;

use ipnet::Ipv4Net;
use jiff::Timestamp;

use crate::{
    id::{EnrolmentId, HostId, MutationId, Sequence, TopologyId},
    mutation::MutationError,
    name::{Name, TopologyName},
    placement::Vni,
    repo::Lease,
    status::{Intent, Status},
    version::Version,
};

/// The reason why the store refused or failed. Nothing was changed, except perhaps with [`RepoError::OutcomeUnknown`].
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum RepoError {
    /// No topology has that id.
    #[error("no maze has the id {id}")]
    #[strum(serialize = "not_found")]
    NotFound {
        /// The id.
        id: TopologyId,
    },
    /// Another topology, not torn down, has the name.
    #[error("a maze named `{name}` is stored already")]
    NameTaken {
        /// The name.
        name: TopologyName,
        /// The topology that has it.
        id: TopologyId,
    },
    /// Another topology, not torn down, claims an overlapping subnet.
    #[error("subnet {subnet} overlaps {claimed} of LAN `{lan}` of maze `{by}`")]
    SubnetClaimed {
        /// The wanted subnet.
        subnet: Ipv4Net,
        /// The claimed subnet.
        claimed: Ipv4Net,
        /// Its LAN.
        lan: Name,
        /// The topology that claims it.
        by: TopologyName,
    },
    /// Another topology, not torn down, has the VNI for one of its LANs.
    #[error("VNI {vni} belongs to a LAN of maze `{by}`")]
    VniTaken {
        /// The VNI.
        vni: Vni,
        /// The topology that has it.
        by: TopologyName,
    },
    /// A host would have more deckies than it may have, together with those of other topologies: another master placed them meanwhile.
    #[error(
        "host `{host}` may have {capacity} deckies; other mazes have {taken} there now, and this one needs {wanted}"
    )]
    HostFull {
        /// The host.
        host: Name,
        /// How many deckies it may have.
        capacity: u32,
        /// How many other topologies have there.
        taken: u32,
        /// How many this topology would have there.
        wanted: u32,
    },
    /// The topology was edited meanwhile.
    #[error("`{name}` is at version {current}, not {expected}")]
    VersionConflict {
        /// The topology's name.
        name: TopologyName,
        /// The version that the caller expected.
        expected: Version,
        /// The current version.
        current: Version,
    },
    /// The topology cannot be edited this way in its status, or with its intent.
    #[error("`{name}` is {status}{}", takes(*.status, *.intent))]
    #[strum(serialize = "wrong_status")]
    NotEditable {
        /// The topology's name.
        name: TopologyName,
        /// The status.
        status: Status,
        /// Its intent.
        intent: Option<Intent>,
    },
    /// The topology cannot be deleted in its status.
    #[error("`{name}` is {status}: it cannot be deleted")]
    #[strum(serialize = "wrong_status")]
    NotDeletable {
        /// The topology's name.
        name: TopologyName,
        /// The status.
        status: Status,
    },
    /// The status changed meanwhile.
    #[error("`{name}` is {current}, not {expected}")]
    StatusConflict {
        /// The topology's name.
        name: TopologyName,
        /// The status that the caller expected.
        expected: Status,
        /// The current status.
        current: Status,
    },
    /// The status machine does not have this step.
    #[error("`{name}` is {from}: it cannot become {to}")]
    #[strum(serialize = "wrong_status")]
    IllegalStatus {
        /// The topology's name.
        name: TopologyName,
        /// The current status.
        from: Status,
        /// The requested status.
        to: Status,
    },
    /// Another process holds the lease of the topology.
    #[error("`{name}` is locked by {} (pid {}, until {})", .lease.holder.label, .lease.holder.pid, .lease.until)]
    #[strum(serialize = "busy")]
    LeaseHeld {
        /// The topology's name.
        name: TopologyName,
        /// The lease that is held.
        lease: Box<Lease>,
    },
    /// The lease expired and another process took it.
    #[error("the lease on `{name}` was lost to another process")]
    #[strum(serialize = "busy")]
    LeaseLost {
        /// The topology.
        id: TopologyId,
        /// Its name.
        name: TopologyName,
    },
    /// No host has that id, or it was revoked.
    #[error("the host {id} is not one of this fleet; it may have been revoked")]
    #[strum(serialize = "host_unknown")]
    HostNotFound {
        /// The id.
        id: HostId,
    },
    /// Another host that was not revoked has the name.
    #[error("a host named `{name}` is part of the fleet already")]
    HostNameTaken {
        /// The name.
        name: Name,
    },
    /// No token has that id, or it expired long ago.
    #[error("the token was not made by this master")]
    #[strum(serialize = "token_unknown")]
    EnrolmentNotFound {
        /// The id.
        id: EnrolmentId,
    },
    /// The token was used.
    #[error("the token was used at {at}; a token works once")]
    #[strum(serialize = "token_used")]
    EnrolmentUsed {
        /// The id.
        id: EnrolmentId,
        /// When it was used.
        at: Timestamp,
    },
    /// No mutation has that id.
    #[error("no mutation has the number {id}")]
    #[strum(serialize = "not_found")]
    MutationNotFound {
        /// The id.
        id: MutationId,
    },
    /// The mutation could not be read back: its configuration is nested too deeply, or a subnet has host bits.
    #[error("the mutation cannot be stored")]
    MutationUnreadable {
        /// The reason.
        source: Box<MutationError>,
    },
    /// Other mutations of the topology are unfinished.
    #[error("other mutations of `{name}` are queued")]
    QueueNotEmpty {
        /// The topology.
        id: TopologyId,
        /// Its name.
        name: TopologyName,
    },
    /// The claim on the mutation expired and another process took it, or it was released, or the mutation is finished.
    #[error("the claim on mutation {id} was lost")]
    #[strum(serialize = "busy")]
    ClaimLost {
        /// The mutation.
        id: MutationId,
    },
    /// The mutation is already in the maze: it can neither be stored again nor rejected.
    #[error("mutation {id} is already in the maze")]
    #[strum(serialize = "mutation_conflict")]
    MutationStored {
        /// The mutation.
        id: MutationId,
    },
    /// The mutation is not in the maze: it can neither be applied nor failed.
    #[error("mutation {id} is not in the maze yet")]
    #[strum(serialize = "mutation_conflict")]
    MutationNotStored {
        /// The mutation.
        id: MutationId,
    },
    /// The log of changes cannot be read from there: older changes were removed, or the number is of another store. A reader
    /// reads the current state instead.
    #[error("the database has no changes after {after}: it keeps those from {} to {latest}", .forgotten.get() + 1)]
    ChangesGone {
        /// The number of the last change that the reader knows.
        after: Sequence,
        /// The number of the last change that was removed.
        forgotten: Sequence,
        /// The number of the latest change.
        latest: Sequence,
    },
    /// A newer program created the store.
    #[error("the database {} has layout {found}, this program supports layouts up to {known}", .path.display())]
    #[strum(serialize = "database_too_new")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The layout of the store.
        found: u32,
        /// The newest supported layout.
        known: u32,
    },
    /// The folder of the store does not exist.
    #[error("the folder {} of the database does not exist", .folder.display())]
    #[strum(serialize = "database")]
    FolderMissing {
        /// The folder.
        folder: PathBuf,
    },
    /// The path of the store is a folder.
    #[error("{} is a folder, not a database", .path.display())]
    #[strum(serialize = "database")]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is not a store. It was left unchanged.
    #[error("{} is not a DECNET database: it is {what}", .path.display())]
    #[strum(serialize = "database")]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What the file is.
        what: String,
    },
    /// The file is empty: it was truncated, or never written. It was left unchanged.
    #[error("the database {} is an empty file: it was truncated, or never written", .path.display())]
    #[strum(serialize = "database_empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The store could not be opened.
    #[error("the database {} cannot be opened", .path.display())]
    #[strum(serialize = "database")]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address of a database on a server is invalid, or a file that it names cannot be used.
    #[error("the address of the database is invalid: {what}")]
    DatabaseAddress {
        /// The reason, without any password.
        what: String,
    },
    /// The server of the database does not answer, or the connection to it was lost.
    #[error("the database {server} cannot be reached")]
    DatabaseUnreachable {
        /// The address, without the password.
        server: String,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server of the database refused this user, or has no such database.
    #[error("the server refuses access to the database {server}")]
    DatabaseRefused {
        /// The address, without the password.
        server: String,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection to the server was lost while a change was stored, and the server did not say in time whether it was.
    #[error("the connection to the database {server} was lost: the last change may be stored or not")]
    #[strum(serialize = "database_outcome_unknown")]
    OutcomeUnknown {
        /// The address, without the password.
        server: String,
    },
    /// Another process locked the store for too long.
    #[error("the database is locked by another process")]
    #[strum(serialize = "database_locked")]
    Locked,
    /// The store cannot be written to.
    #[error("the database is read-only")]
    #[strum(serialize = "database_read_only")]
    ReadOnly,
    /// The disk is full.
    #[error("the disk of the database is full")]
    #[strum(serialize = "disk_full")]
    Full,
    /// The store has invalid contents.
    #[error("the database is damaged: {what}")]
    #[strum(serialize = "database_damaged")]
    Corrupt {
        /// The invalid contents.
        what: String,
    },
    /// Any other error of the storage medium.
    #[error("the database failed")]
    #[strum(serialize = "database")]
    Medium {
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RepoError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// Returns the name of the topology that the error is about, if it knows it.
    pub const fn topology_name(&self) -> Option<&TopologyName> {
        match self {
            Self::VersionConflict { name, .. }
            | Self::NotEditable { name, .. }
            | Self::NotDeletable { name, .. }
            | Self::StatusConflict { name, .. }
            | Self::IllegalStatus { name, .. }
            | Self::LeaseHeld { name, .. }
            | Self::LeaseLost { name, .. }
            | Self::QueueNotEmpty { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Returns whether the store can be read, but not written to now: its disk is full, or it is read-only.
    pub const fn is_unwritable(&self) -> bool {
        matches!(self, Self::Full | Self::ReadOnly)
    }
}

/// Describes the changes that a topology does accept.
fn takes(status: Status, intent: Option<Intent>) -> &'static str {
    match (status, intent) {
        (Status::Pending, _) => ": it is edited directly and does not queue mutations",
        (Status::Active | Status::Degraded, Some(Intent::Down)) => " with intent down: it cannot be edited",
        (Status::Active | Status::Degraded, _) => ": it cannot be edited as a whole; use mutations",
        _ => ": it cannot be edited",
    }
}
