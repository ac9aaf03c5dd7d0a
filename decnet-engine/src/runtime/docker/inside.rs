//! Looks into bases from outside: a thread of this program enters their namespaces, which takes a millisecond where a process in
//! each takes fifty.
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
};

use decnet_decoy::{
    deviations_here,
    protocol::{NetState, STATE_PATH},
};
use futures_util::future;
use rustix::{
    fs::{Mode, OFlags, open, openat},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tokio::sync::oneshot;

use super::Docker;
use crate::{naming::ContainerName, observe::ObservedContainer};

/// How long a state may be that a base keeps.
const LARGEST_STATE: u64 = 16 << 20;

/// A base to look into.
struct Base {
    name: ContainerName,
    id: String,
    pid: u32,
    state: NetState,
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
        found.into_iter().flatten().collect()
    }
}

/// Looks into some bases on a thread of its own, which ends with that: none that others work on may be left in a namespace of
/// another.
fn look(bases: Vec<Base>) -> impl Future<Output = BTreeSet<ContainerName>> {
    let (tell, told) = oneshot::channel();
    let looking = thread::Builder::new().name("look-inside".into()).spawn(move || {
        // Whoever does not want to know any more has gone.
        let _ = tell.send(right(bases));
    });
    if let Err(error) = looking {
        tracing::debug!(%error, "no thread looks into bases from outside");
    }
    // Without a thread there is nobody to tell either.
    async { told.await.unwrap_or_default() }
}

/// Returns those that are as they should. This thread is in the namespace of one of them afterwards.
fn right(bases: Vec<Base>) -> BTreeSet<ContainerName> {
    let mut right = BTreeSet::new();
    for base in bases {
        match base.is_right() {
            Ok(true) => {
                right.insert(base.name);
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(base = %base.name, %error, "it cannot be looked into from outside"),
        }
    }
    right
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
        if Self::kept(&process)? != self.state {
            return Ok(false);
        }
        let namespace = read(&process, "ns/net")?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(deviations_here(&self.state)?.is_empty())
    }

    /// Reads the state that the base keeps, without following any link in its root.
    fn kept(process: &OwnedFd) -> io::Result<NetState> {
        let root = openat(
            process,
            "root",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&root, STATE_PATH.trim_start_matches('/'), flags, Mode::empty())?;
        let mut text = String::new();
        File::from(file).take(LARGEST_STATE).read_to_string(&mut text)?;
        NetState::parse(&text).map_err(io::Error::other)
    }
}

fn read(process: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(openat(process, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}
