//! Copies of files out of a service with an image of its own.

use std::{
    io::{self, Read},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use decnet_topology::{DeckyPart, TopologyId};
use futures_util::{StreamExt as _, future, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    AccessError, CopyReport,
    unpack::{CopyLimits, unpack},
};
use crate::{
    engine::{Engine, EngineError},
    runtime::{ArchivePieces, CopyRequest, RuntimeError, passing::passed},
};

/// The default limits of a copy.
const BYTES: u64 = 1 << 30;
const ENTRIES: usize = 100_000;

/// The options of a copy.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct CopyOptions {
    /// The service, or the decky if it has one service with an image of its own.
    pub part: DeckyPart,
    /// The file or folder in its container.
    pub path: String,
    /// The largest number of bytes. The default is 1 GiB.
    pub max_bytes: u64,
    /// The largest number of files and folders. The default is 100 000.
    pub max_files: usize,
    /// Whether existing files of the destination are replaced.
    pub force: bool,
}

impl CopyOptions {
    /// Returns the default options for a file or a folder.
    pub fn new(part: DeckyPart, path: impl Into<String>) -> Self {
        Self {
            part,
            path: path.into(),
            max_bytes: BYTES,
            max_files: ENTRIES,
            force: false,
        }
    }

    /// Sets the largest number of bytes.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the largest number of files and folders.
    pub fn max_files(mut self, files: usize) -> Self {
        self.max_files = files;
        self
    }

    /// Sets whether existing files of the destination are replaced.
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }
}

impl Engine {
    /// Copies a file or a folder out of a service with an image of its own. If the destination is a folder, the copy is put into it,
    /// otherwise it gets the name of the destination.
    ///
    /// An intruder may control the content. Nothing is written outside of the destination: links that lead out of the copy, devices
    /// and pipes are left out. Files get the usual modes and are not executable. A new destination is removed again if the copy fails.
    ///
    /// # Errors
    ///
    /// [`EngineError::Access`] for a built-in service, for a destination that exists, and beyond the limits;
    /// [`RuntimeError::NoSuchPath`] and [`RuntimeError::InMemory`] for a path that cannot be read.
    pub async fn copy_out(
        &self,
        id: TopologyId,
        options: CopyOptions,
        destination: &Path,
        cancel: &CancellationToken,
    ) -> Result<CopyReport, EngineError> {
        let limits = CopyLimits {
            bytes: options.max_bytes,
            entries: options.max_files,
            force: options.force,
        };
        let name = name_of(&options.path)?.to_owned();
        let target = if destination.is_dir() {
            destination.join(name)
        } else {
            destination.to_owned()
        };
        let opened = cancel.run_until_cancelled(self.open_archive(id, &options)).await;
        let mut pieces = opened.ok_or_else(|| EngineError::interrupted(id))??;
        let failure = Arc::new(Mutex::new(None));
        let (send, receive) = mpsc::channel(4);
        let reader = PieceReader {
            pieces: receive,
            piece: Vec::new(),
            read: 0,
            failure: failure.clone(),
        };
        let unpacking = tokio::task::spawn_blocking(move || unpack(reader, &target, limits));
        let feed = async {
            loop {
                let piece = tokio::select! {
                    biased;
                    () = cancel.cancelled() => Some(Err(RuntimeError::Cancelled { what: "the copy".into() })),
                    piece = pieces.next() => piece,
                };
                // The end of the archive, or the unpacker ended with an error of its own.
                let Some(piece) = piece else { break };
                let is_last = piece.is_err();
                if send.send(piece).await.is_err() || is_last {
                    break;
                }
            }
            drop(send);
        };
        let ((), unpacked) = future::join(feed, unpacking).await;
        let unpacked = unpacked.map_err(|error| AccessError::InvalidArchive {
            source: io::Error::other(error),
        })?;
        match failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(RuntimeError::Cancelled { .. }) => Err(EngineError::interrupted(id)),
            Some(error) => Err(error.into()),
            None => Ok(unpacked?),
        }
    }

    /// Returns a tar archive of a file or a folder, unchanged. It ends with an error beyond the limit of bytes.
    ///
    /// An intruder may control its content: unpack it with care.
    pub async fn archive(&self, id: TopologyId, options: CopyOptions) -> Result<ArchivePieces<'_>, EngineError> {
        let pieces = self.open_archive(id, &options).await?;
        let max = options.max_bytes;
        let limited = pieces.scan(0_u64, move |read, piece| {
            let piece = piece.and_then(|piece| {
                *read += piece.len() as u64;
                if *read > max {
                    return Err(RuntimeError::Refused {
                        reason: format!("the archive has more than {max} bytes"),
                    });
                }
                Ok(piece)
            });
            future::ready(Some(piece))
        });
        Ok(limited.boxed())
    }

    /// Opens an archive and waits for its first piece, so that an error comes before anything is written.
    async fn open_archive(&self, id: TopologyId, options: &CopyOptions) -> Result<ArchivePieces<'_>, EngineError> {
        name_of(&options.path)?;
        let maze = self
            .running_maze(id, "copied from", |maze| maze.find_part(&options.part).map(|_| ()))
            .await?;
        let (_, container) = maze.own_image(&options.part)?;
        let request = CopyRequest {
            instance: maze.instance,
            container,
            path: options.path.clone(),
        };
        let mut pieces = passed(future::ready(Ok(maze.runtime)), |runtime| runtime.copy_out(request));
        let first = pieces.next().await.transpose()?;
        Ok(stream::iter(first.map(Ok)).chain(pieces).boxed())
    }
}

/// Returns the name of the file or folder that a path in a container means.
fn name_of(path: &str) -> Result<&str, AccessError> {
    let mut names = path.split('/').filter(|name| !name.is_empty() && *name != ".");
    match names.next_back() {
        Some(name) if name != ".." && !path.contains('\0') => Ok(name),
        _ => Err(AccessError::InvalidPath { path: path.into() }),
    }
}

/// Reads the pieces of an archive on a thread that may block.
struct PieceReader {
    pieces: mpsc::Receiver<Result<Vec<u8>, RuntimeError>>,
    piece: Vec<u8>,
    read: usize,
    /// Why the pieces ended early.
    failure: Arc<Mutex<Option<RuntimeError>>>,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => (self.piece, self.read) = (piece, 0),
                Some(Err(error)) => {
                    let text = error.to_string();
                    *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return Err(io::Error::other(text));
                }
            }
        }
        let length = buffer.len().min(self.piece.len() - self.read);
        buffer[..length].copy_from_slice(&self.piece[self.read..self.read + length]);
        self.read += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_name_of_its_last_part() {
        for (path, expected) in [
            ("/var/log/pot", Some("pot")),
            ("/var/log/pot/", Some("pot")),
            ("pot/.", Some("pot")),
            ("/", None),
            ("", None),
            ("/var/..", None),
        ] {
            assert_eq!(name_of(path).ok(), expected, "{path}");
        }
    }
}
