//! Looks into bases from outside: a thread of this program enters their namespaces, which takes less than a process in each, and
//! asks nothing that runs there.
//!
//! That needs a daemon on this machine, root's rights, and the same view of processes. Where anything is missing, it says so.

use std::{
    collections::BTreeMap,
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

use super::Docker;
use crate::{
    decoy::{self, DecoyImage, PROGRAM_PATH},
    desired::BaseSpec,
    naming::{self, ContainerName},
    observe::ObservedContainer,
    runtime::View,
};

/// How long a state may be that a base keeps, and a program.
const LARGEST_STATE: u64 = 16 << 20;
const LARGEST_PROGRAM: u64 = 64 << 20;
/// How long a thread that looks is waited for.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// A base to look into.
struct Base {
    name: ContainerName,
    id: String,
    pid: u32,
    image: String,
    state: NetState,
    /// Whether it is the state that the base had when it was created, which it has until one is kept.
    is_first: bool,
}

impl Docker {
    pub(super) async fn look_from_outside(
        &self,
        bases: &[(&ObservedContainer, &BaseSpec)],
    ) -> BTreeMap<ContainerName, View> {
        let mut views = BTreeMap::new();
        let mut running = Vec::new();
        for (container, spec) in bases {
            let name = container.name.clone();
            match container.pid {
                _ if !self.host.is_local() => {
                    views.insert(name, hidden("the daemon is not on this machine"));
                }
                None => {
                    views.insert(name, hidden("it has no process"));
                }
                Some(pid) => running.push(Base {
                    name,
                    id: container.id.clone(),
                    pid,
                    image: spec.image.clone(),
                    state: spec.state.clone(),
                    is_first: container.labels.get(naming::STATE) == spec.labels.get(naming::STATE),
                }),
            }
        }
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let mut shares: Vec<Vec<Base>> = Vec::new();
        shares.resize_with(threads.min(running.len()), Vec::new);
        for (at, base) in running.into_iter().enumerate() {
            shares[at % threads].push(base);
        }
        let looks = shares.into_iter().map(|share| look(share, self.decoy.clone()));
        views.extend(future::join_all(looks).await.into_iter().flatten());
        views
    }
}

fn hidden(why: impl Into<String>) -> View {
    View::Hidden { why: why.into() }
}

/// Looks into some bases on a thread of its own, which ends with that: none that others work on may be left in a namespace of
/// another.
///
/// The thread tells of nothing by itself: whoever listens to what is logged would be run in the namespace of a base.
async fn look(bases: Vec<Base>, known: Option<Arc<DecoyImage>>) -> Vec<(ContainerName, View)> {
    let names: Vec<_> = bases.iter().map(|base| base.name.clone()).collect();
    let (tell, told) = oneshot::channel();
    let looking = thread::Builder::new().name("look-inside".into()).spawn(move || {
        let mut right = Vec::new();
        let views = bases.iter().map(|base| {
            let view = base.view(known.as_deref(), &mut right);
            view.unwrap_or_else(|error| hidden(error.to_string()))
        });
        // Whoever does not want to know any more has gone.
        let _ = tell.send(views.collect());
    });
    let views: Result<Vec<View>, String> = match looking {
        Err(error) => Err(format!("no thread can look: {error}")),
        Ok(_) => match timeout(LONGEST_LOOK, told).await {
            Ok(Ok(views)) => Ok(views),
            Ok(Err(_)) => Err("the thread that looked was lost".into()),
            Err(_) => Err("the thread that looks did not come back in time".into()),
        },
    };
    let views = views.unwrap_or_else(|why| vec![hidden(why); names.len()]);
    names.into_iter().zip(views).collect()
}

/// What of a file changes when it is written, or replaced by another. All bases of an image share it.
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
    /// `right` are the program files that were read and found right.
    fn view(&self, known: Option<&DecoyImage>, right: &mut Vec<Identity>) -> io::Result<View> {
        // What is opened under this folder is the process's that has the number now, even if another gets the number meanwhile.
        let process = open(
            format!("/proc/{}", self.pid),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if !self.is_of_container(&process)? {
            return Err(io::Error::other("its process is not seen from here"));
        }
        let root = openat(
            &process,
            "root",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if let Some(what) = self.tampered(&process, &root, known, right)? {
            return Ok(View::Tampered { what });
        }
        let kept = match kept(&root) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(false),
            kept => kept?.map(|kept| kept == self.state),
        };
        if !kept.unwrap_or(self.is_first) {
            let report = StateReport {
                refused: vec!["another state is kept".into()],
                ..StateReport::default()
            };
            return Ok(View::Deviates { report });
        }
        let namespace = read(&process, "ns/net")?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let deviations = deviations_here(&self.state)?;
        Ok(if deviations.is_empty() {
            View::Right
        } else {
            let report = StateReport {
                deviations,
                ..StateReport::default()
            };
            View::Deviates { report }
        })
    }

    /// Returns whether a process is one of the base's container: its cgroup says so, or, where the daemon has no cgroups, the files
    /// that the daemon keeps for the container and mounts in it.
    fn is_of_container(&self, process: &OwnedFd) -> io::Result<bool> {
        let contains = |file: &str, words: &str| -> io::Result<bool> {
            let mut text = String::new();
            File::from(read(process, file)?).read_to_string(&mut text)?;
            Ok(text.contains(words))
        };
        Ok(!self.id.is_empty()
            && (contains("cgroup", &self.id)? || contains("mountinfo", &format!("/containers/{}/", self.id))?))
    }

    /// Says what is wrong with the program, on its disk or in its process.
    fn tampered(
        &self,
        process: &OwnedFd,
        root: &OwnedFd,
        known: Option<&DecoyImage>,
        right: &mut Vec<Identity>,
    ) -> io::Result<Option<String>> {
        let mut program = match open_within(root, PROGRAM_PATH) {
            Err(Errno::NOENT) => return Ok(Some("its program is gone".into())),
            opened => File::from(opened?),
        };
        let there = program.metadata()?;
        let runs = File::from(openat(process, "exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?).metadata()?;
        if (runs.dev(), runs.ino()) != (there.dev(), there.ino()) {
            return Ok(Some("it runs another program than the one that was deployed".into()));
        }
        let identity = Identity::of(&there);
        if !right.contains(&identity) {
            let mut content = Vec::new();
            program.by_ref().take(LARGEST_PROGRAM).read_to_end(&mut content)?;
            if !decoy::is_program(&content, &self.image, known) {
                return Ok(Some("its program is not the one that was deployed".into()));
            }
            right.push(identity);
        }
        Ok(None)
    }
}

/// Reads the state that a base keeps, if it keeps one. Nobody but the engine writes it: one that cannot be read is invalid data.
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

/// Opens a file in a base's root, without following any link there. That takes a kernel that has openat2(2).
fn open_within(root: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(root, path, flags, Mode::empty(), within)
}

fn read(process: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(openat(process, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
