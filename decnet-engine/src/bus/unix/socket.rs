use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// The mode: the owner and the group may use the socket.
const MODE: u32 = 0o660;
/// The group of the socket, if it exists.
const GROUP: &str = "decnet";

/// Reports why a socket cannot be served.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum BindError {
    /// Another server serves it.
    #[error("another bus is already served at {}", .path.display())]
    #[strum(serialize = "bus_in_use")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The path exists and is not a socket.
    #[error("{} exists and is not a socket", .path.display())]
    #[strum(serialize = "bus")]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The file system returned an error.
    #[error("could not create the socket {}", .path.display())]
    #[strum(serialize = "bus")]
    Io {
        /// The socket or its lock file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl BindError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// The files of a served socket. Dropping it removes them.
///
/// The server holds the lock of a file in the folder of the socket. The kernel releases the lock when the process ends, however
/// it ends. So a socket whose lock is free is stale, and if two servers take it over at once, one is refused. The new socket is
/// created under a temporary name, gets its owner and mode, and is then renamed into place. So it is never open to others, and
/// there is always a socket.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// The device and inode of the socket. On drop, a socket with another identity is left in place.
    identity: (u64, u64),
    lock_path: PathBuf,
    /// Holds the lock while the file is open.
    _lock: File,
}

impl Socket {
    /// Creates the socket and listens on it.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), BindError> {
        let failed = |at: &Path| {
            let path = at.to_owned();
            |source| BindError::Io { path, source }
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let lock_path = path.with_file_name(name);
        let lock = lock(&lock_path).map_err(|error| match error {
            TryLockError::WouldBlock => BindError::InUse { path: path.into() },
            TryLockError::Error(source) => failed(&lock_path)(source),
        })?;
        // The name is unique while we hold the lock, and short: the path of a socket is limited to about a hundred bytes.
        let inode = lock.metadata().map_err(failed(&lock_path))?.ino();
        let fresh = path.with_file_name(format!(".{inode:x}"));
        let made = is_free(path).and_then(|()| listen(&fresh, path).map_err(failed(path)));
        let (listener, identity) = made.inspect_err(|_| {
            // A file that was not created need not be removed.
            let _ = fs::remove_file(&fresh);
            let _ = fs::remove_file(&lock_path);
        })?;
        let socket = Self {
            path: path.into(),
            identity,
            lock_path,
            _lock: lock,
        };
        Ok((socket, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
        // Removed while the lock is held: a process that opened the file meanwhile sees that it was removed and creates
        // another.
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Takes the lock of a file. The file is created if it is missing.
fn lock(path: &Path) -> Result<File, TryLockError> {
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(TryLockError::Error)?;
        file.try_lock()?;
        let ours = file.metadata().map_err(TryLockError::Error)?;
        match identity(path) {
            Ok(there) if there == (ours.dev(), ours.ino()) => return Ok(file),
            // The last holder removed the file between our open and our lock.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(TryLockError::Error(error)),
        }
    }
}

/// Checks that the path has no served socket, even one without a lock file, and no other file.
fn is_free(path: &Path) -> Result<(), BindError> {
    let in_use = || BindError::InUse { path: path.into() };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BindError::Io {
            path: path.into(),
            source,
        }),
        Ok(found) if !found.file_type().is_socket() => Err(BindError::NoSocket { path: path.into() }),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            // The socket answers, or its server is busy.
            _ => Err(in_use()),
        },
    }
}

/// Listens on a socket under a temporary name, sets owner and mode, and renames it into place.
fn listen(fresh: &Path, path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(fresh)?;
    if let Some(group) = group() {
        // Only a member of the group may do this. Otherwise the socket keeps the owner's group.
        if let Err(error) = std::os::unix::fs::chown(fresh, None, Some(group)) {
            tracing::warn!(%error, "could not set the group {GROUP} of the socket");
        }
    }
    fs::set_permissions(fresh, fs::Permissions::from_mode(MODE))?;
    let identity = identity(fresh)?;
    fs::rename(fresh, path)?;
    Ok((listener, identity))
}

/// Returns the id of the group, from group(5).
fn group() -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.first() == Some(&GROUP))?;
    found.get(2)?.parse().ok()
}
