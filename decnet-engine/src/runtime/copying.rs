//! Files of a container.

use decnet_topology::InstanceId;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use super::RuntimeError;
use crate::naming::ContainerName;

/// A file or a folder to copy out of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyRequest {
    /// The store that the container belongs to.
    pub instance: InstanceId,
    /// The container.
    pub container: ContainerName,
    /// The path in the container.
    pub path: String,
}

/// A tar archive with the file, or with the folder and everything in it, piece by piece. An intruder may control its content.
pub type ArchivePieces<'a> = BoxStream<'a, Result<Vec<u8>, RuntimeError>>;
