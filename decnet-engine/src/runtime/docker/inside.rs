//! Checks bases from outside: a thread of this program enters their namespaces. This is cheaper than a process in each base,
//! and does not ask any program that runs there.
//!
//! It requires a daemon on this machine, root, and the same view of processes. If one of these is missing, the result says so.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    num::NonZero,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    sync::Arc,
    thread,
    time::Duration,
};

use decnet_decoy::{
    deviations_here,
    protocol::{NetState, STATE_PATH, StateReport},
};
use futures_util::future;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat, openat2},
    io::Errno,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Docker,
    check::{CheckResult, Subject},
    labels,
};
use crate::{
    decoy::{self, DecoyImage},
    naming,
    runtime::NetworkCheck,
};

/// The maximum sizes of a kept state and of a program.
const LARGEST_STATE: u64 = 16 << 20;
const LARGEST_PROGRAM: u64 = 64 << 20;
/// The timeout of a checking thread.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// A base to check.
struct Base {
    id: String,
    pid: i64,
    image: String,
    state: NetState,
    /// Whether the state is the one from the base's creation, which applies until one is kept.
    is_first: bool,
}

impl Docker {
    /// Checks bases. Returns one result per base, in the same order.
    pub(super) async fn check_from_outside(&self, subjects: &[Subject<'_>]) -> Vec<CheckResult> {
        if !self.host.is_local() {
            let elsewhere = || Err("the daemon is not on this machine".to_owned());
            return subjects.iter().map(|_| elsewhere()).collect();
        }
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let share = subjects.len().div_ceil(threads).max(1);
        let shares = subjects.chunks(share).map(|subjects| {
            let bases = subjects.iter().map(Base::new).collect();
            check_on_thread(bases, self.decoy.clone())
        });
        future::join_all(shares).await.into_iter().flatten().collect()
    }
}

/// Checks some bases on a separate thread, which then ends: a shared thread must never stay in the namespace of another base.
///
/// The thread logs nothing: a subscriber of the log would run in the namespace of a base.
async fn check_on_thread(bases: Vec<Base>, known: Option<Arc<DecoyImage>>) -> Vec<CheckResult> {
    let count = bases.len();
    let (send, seen) = oneshot::channel();
    let thread = thread::Builder::new().name("check-inside".into()).spawn(move || {
        let mut right = Vec::new();
        let seen = bases.iter().map(|base| {
            let seen = base.check(known.as_deref(), &mut right);
            seen.map_err(|error| error.to_string())
        });
        // The receiver may have been dropped.
        let _ = send.send(seen.collect());
    });
    let seen: Result<Vec<CheckResult>, String> = match thread {
        Err(error) => Err(format!("cannot start a thread: {error}")),
        Ok(_) => match timeout(CHECK_TIMEOUT, seen).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(_)) => Err("the checking thread ended unexpectedly".into()),
            Err(_) => Err("the checking thread did not finish in time".into()),
        },
    };
    seen.unwrap_or_else(|why| vec![Err(why); count])
}

/// The metadata that change when a file is written or replaced. All bases with one image share the file.
#[derive(PartialEq, Eq)]
struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Base {
    fn new(subject: &Subject<'_>) -> Self {
        let Subject { spec, found } = subject;
        let labels = labels::of_container(found);
        let pid = found.state.as_ref().and_then(|state| state.pid);
        Self {
            id: found.id.clone().unwrap_or_default(),
            pid: pid.unwrap_or_default(),
            image: spec.image.clone(),
            state: spec.state.clone(),
            is_first: labels.get(naming::STATE) == spec.labels.get(naming::STATE),
        }
    }

    /// `right` has the program files that were read and matched.
    fn check(&self, known: Option<&DecoyImage>, right: &mut Vec<Identity>) -> io::Result<NetworkCheck> {
        let process = open_process(&self.id, self.pid)?;
        let root = openat(
            &process,
            "root",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if let Some(what) = self.tampered(&process, &root, known, right)? {
            return Ok(NetworkCheck::Tampered { what });
        }
        let kept = match kept(&root) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(false),
            kept => kept?.map(|kept| kept == self.state),
        };
        let report = if kept.unwrap_or(self.is_first) {
            let namespace = read(&process, "ns/net")?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            StateReport {
                deviations: deviations_here(&self.state)?,
                ..StateReport::default()
            }
        } else {
            StateReport {
                refused: vec!["another state is kept".into()],
                ..StateReport::default()
            }
        };
        Ok(NetworkCheck::Checked {
            report,
            inside_only: None,
        })
    }

    /// Returns what is wrong with the program on disk or in the process.
    fn tampered(
        &self,
        process: &OwnedFd,
        root: &OwnedFd,
        known: Option<&DecoyImage>,
        right: &mut Vec<Identity>,
    ) -> io::Result<Option<String>> {
        let mut program = match open_within(root, DecoyImage::PROGRAM_PATH) {
            Err(Errno::NOENT) => return Ok(Some("its program is missing".into())),
            opened => File::from(opened?),
        };
        let there = program.metadata()?;
        let runs = File::from(openat(process, "exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?).metadata()?;
        if (runs.dev(), runs.ino()) != (there.dev(), there.ino()) {
            return Ok(Some("it does not run the deployed program".into()));
        }
        let identity = Identity::of(&there);
        if !right.contains(&identity) {
            let mut content = Vec::new();
            program.by_ref().take(LARGEST_PROGRAM).read_to_end(&mut content)?;
            if !decoy::is_program(&content, &self.image, known) {
                return Ok(Some("its program is not the deployed one".into()));
            }
            right.push(identity);
        }
        Ok(None)
    }
}

/// Opens the folder in `/proc` of the first process of a container.
pub(super) fn open_process(id: &str, pid: i64) -> io::Result<OwnedFd> {
    // The folder stays that of the process that has the PID now, even if the PID is reused.
    let process = open(
        format!("/proc/{pid}"),
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    if is_of_container(id, &process)? {
        Ok(process)
    } else {
        Err(io::Error::other("its process is not visible from here"))
    }
}

/// Returns whether a process belongs to a container. Its cgroup shows it; for a daemon without cgroups, the files that the daemon
/// mounts into the container do.
fn is_of_container(id: &str, process: &OwnedFd) -> io::Result<bool> {
    let contains = |file: &str, words: &str| -> io::Result<bool> {
        let mut text = String::new();
        File::from(read(process, file)?).read_to_string(&mut text)?;
        Ok(text.contains(words))
    };
    Ok(!id.is_empty() && (contains("cgroup", id)? || contains("mountinfo", &format!("/containers/{id}/"))?))
}

/// Reads the kept state of a base, if any. Only the engine writes it, so an unreadable one is invalid data.
fn kept(root: &OwnedFd) -> io::Result<Option<NetState>> {
    let file = match open_within(root, STATE_PATH) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    let mut text = String::new();
    File::from(file).take(LARGEST_STATE).read_to_string(&mut text)?;
    NetState::parse(&text)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Opens a file in a base's root without following links. Requires a kernel with openat2(2).
fn open_within(root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), within)
}

/// Opens a file of a process to read it.
pub(super) fn read(process: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(openat(process, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_outside_the_container_is_not_accepted_as_that_of_a_base() {
        let base = Base {
            id: "0123456789abcdef".into(),
            pid: std::process::id().into(),
            image: "decnet-decoy:1".into(),
            state: NetState::default(),
            is_first: true,
        };
        let error = base
            .check(None, &mut Vec::new())
            .expect_err("it is the process of this test");
        assert_eq!(error.to_string(), "its process is not visible from here");
    }
}
