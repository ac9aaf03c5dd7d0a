//! Looks into bases from outside: a thread of this program enters their namespaces, which takes less than a process in each.
//!
//! That needs a daemon on this machine, root's rights, and the same view of processes. Where anything is missing, or is not as it
//! should, nothing is said of a base, and it is asked.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
    num::NonZero,
    os::fd::{AsFd as _, OwnedFd},
    thread,
    time::Duration,
};

use decnet_decoy::{
    deviations_here,
    protocol::{NetState, STATE_PATH},
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
    desired::state_digest,
    naming::{self, ContainerName},
    observe::ObservedContainer,
};

/// How long a state may be that a base keeps.
const LARGEST_STATE: u64 = 16 << 20;
/// How long a thread that looks is waited for.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// A base to look into.
struct Base {
    name: ContainerName,
    id: String,
    pid: u32,
    state: NetState,
    /// Whether it is the state that the base had when it was created, which it has until one is kept.
    is_first: bool,
}

impl Docker {
    pub(super) async fn look_from_outside(&self, bases: &[(&ObservedContainer, &NetState)]) -> BTreeSet<ContainerName> {
        if !self.host.is_local() {
            return BTreeSet::new();
        }
        let bases: Vec<_> = bases
            .iter()
            .filter_map(|(container, state)| {
                Some(Base {
                    name: container.name.clone(),
                    id: container.id.clone(),
                    pid: container.pid?,
                    state: (*state).clone(),
                    is_first: container.labels.get(naming::STATE) == Some(&state_digest(state)),
                })
            })
            .collect();
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let mut shares: Vec<Vec<Base>> = Vec::new();
        shares.resize_with(threads.min(bases.len()), Vec::new);
        for (at, base) in bases.into_iter().enumerate() {
            shares[at % threads].push(base);
        }
        let found = future::join_all(shares.into_iter().map(look)).await;
        let mut right = BTreeSet::new();
        for (base, seen) in found.into_iter().flatten() {
            match seen {
                Ok(true) => {
                    right.insert(base);
                }
                Ok(false) => {}
                Err(error) => tracing::debug!(%base, %error, "it cannot be looked into from outside"),
            }
        }
        right
    }
}

/// What was seen of a base: whether it is as it should be.
type Seen = (ContainerName, io::Result<bool>);

/// Looks into some bases on a thread of its own, which ends with that: none that others work on may be left in a namespace of
/// another.
///
/// The thread tells of nothing by itself: whoever listens to what is logged would be run in the namespace of a base.
async fn look(bases: Vec<Base>) -> Vec<Seen> {
    let (tell, told) = oneshot::channel();
    let looking = thread::Builder::new().name("look-inside".into()).spawn(move || {
        let seen = bases.into_iter().map(|base| {
            let right = base.is_right();
            (base.name, right)
        });
        // Whoever does not want to know any more has gone.
        let _ = tell.send(seen.collect());
    });
    if let Err(error) = looking {
        tracing::debug!(%error, "no thread looks into bases from outside");
        return Vec::new();
    }
    match timeout(LONGEST_LOOK, told).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(_)) => {
            tracing::warn!("a thread that looked into bases from outside was lost");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("a thread that looks into bases from outside is not back, and not waited for");
            Vec::new()
        }
    }
}

impl Base {
    fn is_right(&self) -> io::Result<bool> {
        // What is opened under this folder is the process's that has the number now, even if another gets the number meanwhile.
        let process = open(
            format!("/proc/{}", self.pid),
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut groups = String::new();
        File::from(read(&process, "cgroup")?).read_to_string(&mut groups)?;
        if self.id.is_empty() || !groups.contains(&self.id) {
            return Err(io::Error::other("the process is none of the container's"));
        }
        if !Self::kept(&process)?.map_or(self.is_first, |kept| kept == self.state) {
            return Ok(false);
        }
        let namespace = read(&process, "ns/net")?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(deviations_here(&self.state)?.is_empty())
    }

    /// Reads the state that the base keeps, if it keeps one, without following any link in its root. That takes a kernel that has openat2(2).
    fn kept(process: &OwnedFd) -> io::Result<Option<NetState>> {
        let root = openat(
            process,
            "root",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = match openat2(&root, STATE_PATH, flags, Mode::empty(), within) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened?,
        };
        let mut text = String::new();
        File::from(file).take(LARGEST_STATE).read_to_string(&mut text)?;
        NetState::parse(&text).map(Some).map_err(io::Error::other)
    }
}

fn read(process: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(openat(process, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
