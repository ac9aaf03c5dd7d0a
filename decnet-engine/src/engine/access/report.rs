use std::path::PathBuf;

use serde::Serialize;

/// The result of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CopyReport {
    /// The file or folder that was written.
    pub destination: PathBuf,
    /// The number of files.
    pub files: usize,
    /// The number of folders.
    pub folders: usize,
    /// The number of symbolic links.
    pub links: usize,
    /// The bytes of the files.
    pub bytes: u64,
    /// The number of entries that were left out: links out of the copy, devices, pipes.
    pub skipped: usize,
    /// The first of them, each with the reason.
    pub skipped_entries: Vec<String>,
}

impl CopyReport {
    pub(super) fn new(destination: PathBuf) -> Self {
        Self {
            destination,
            files: 0,
            folders: 0,
            links: 0,
            bytes: 0,
            skipped: 0,
            skipped_entries: Vec::new(),
        }
    }
}
