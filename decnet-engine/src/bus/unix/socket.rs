use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Who may use the socket: its owner and its group.
const MODE: u32 = 0o660;
/// The group whose members may use the socket, where it exists.
const GROUP: &str = "decnet";

/// Says why a socket could not be served.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum BindError {
    /// Another server serves it.
    #[error("a bus is served at {} already", .path.display())]
    #[strum(serialize = "bus_in_use")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else than a socket is there.
    #[error("{} is there and is no socket", .path.display())]
    #[strum(serialize = "bus")]
    NoSocket {
        /// What is there.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("the socket {} could not be made", .path.display())]
    #[strum(serialize = "bus")]
    Io {
        /// The socket, or the file beside it.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BindError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// The files of a socket that is served. Dropping it removes them.
///
/// Whoever serves a socket holds the lock of a file beside it, which the kernel gives back whatever becomes of the process. So a
/// socket whose lock is free is stale, and of two who take it over at once one is refused. The socket is made under another name
/// and takes its place when it has its owner and mode: at no time is it open to others, and at no time is there none.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    /// The socket's device and inode: if another is there meanwhile, that one is not ours to remove.
    identity: (u64, u64),
    lock_path: PathBuf,
    /// Held as long as the file is open.
    _lock: File,
}

impl Socket {
    /// Makes the socket and listens on it.
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
        // Nobody else has this name while we hold the lock, and it is short: a socket's path has room for some hundred bytes.
        let inode = lock.metadata().map_err(failed(&lock_path))?.ino();
        let fresh = path.with_file_name(format!(".{inode:x}"));
        let made = is_free(path).and_then(|()| listen(&fresh, path).map_err(failed(path)));
        let (listener, identity) = made.inspect_err(|_| {
            // What was not made need not be removed.
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
        // Removed while it is held: who opened it meanwhile finds that it is no longer there, and makes another.
        let _ = fs::remove_file(&self.lock_path);
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Takes the lock of a file, which is made if it is not there.
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
            // Its last holder removed it between our open and our lock.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(TryLockError::Error(error)),
        }
    }
}

/// Makes sure that nobody serves a socket there, not even somebody who knows of no lock, and that nothing else is there.
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
            // One that answers, or is too busy to.
            _ => Err(in_use()),
        },
    }
}

/// Listens on a socket made under another name, gives it owner and mode, and puts it in its place.
fn listen(fresh: &Path, path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(fresh)?;
    if let Some(group) = group() {
        // One who is no member of it cannot give it away: the socket is then the owner's group's.
        if let Err(error) = std::os::unix::fs::chown(fresh, None, Some(group)) {
            tracing::warn!(%error, "the socket could not be given to the group {GROUP}");
        }
    }
    fs::set_permissions(fresh, fs::Permissions::from_mode(MODE))?;
    let identity = identity(fresh)?;
    fs::rename(fresh, path)?;
    Ok((listener, identity))
}

/// Returns the id of the group, by group(5).
fn group() -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.first() == Some(&GROUP))?;
    found.get(2)?.parse().ok()
}
