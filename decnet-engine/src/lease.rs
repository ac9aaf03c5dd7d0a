//! The right to change a topology on Docker: taken, kept alive, given back.

use std::{fs, sync::Arc};

use decnet_topology::{
    LeaseToken, Repo, RepoError, TopologyId,
    repo::{Holder, Lease},
};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a lease runs.
const TIME: SignedDuration = SignedDuration::from_secs(15);
/// How often it is renewed.
const RENEWAL: std::time::Duration = std::time::Duration::from_secs(5);

/// Describes this process, so that others can tell when it is dead.
pub(crate) fn this_process(label: &str) -> Holder {
    let pid = std::process::id();
    Holder {
        boot_id: boot_id(),
        pid,
        started: started(pid).unwrap_or_default(),
        label: label.into(),
    }
}

/// Names this boot of this host, and the namespace that process ids are of: a process of another container
/// is not seen from here, and must not be taken for dead. Empty where the kernel does not tell.
fn boot_id() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// Returns when a process started, in clock ticks since the boot: the 22nd field of its stat (proc(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// Tells whether a holder is a process of this host that is no more.
fn is_dead(holder: &Holder) -> bool {
    let boot = boot_id();
    !boot.is_empty() && holder.boot_id == boot && started(holder.pid) != Some(holder.started)
}

/// A lease that is held and kept alive until it is dropped or given back.
#[derive(Debug)]
pub(crate) struct HeldLease {
    repo: Arc<dyn Repo>,
    topology: TopologyId,
    token: LeaseToken,
    lost: CancellationToken,
    renewal: JoinHandle<()>,
    given_back: bool,
}

impl HeldLease {
    /// Takes the lease of a topology; one that a dead process of this host holds is taken over at once.
    pub(crate) async fn acquire(repo: Arc<dyn Repo>, topology: TopologyId, label: &str) -> Result<Self, RepoError> {
        let holder = this_process(label);
        let first = repo
            .acquire_lease(topology, &holder, TIME, None, Timestamp::now())
            .await;
        let lease = match first {
            Err(RepoError::LeaseHeld { lease }) if is_dead(&lease.holder) => {
                tracing::info!(%topology, pid = lease.holder.pid, "taking over the lease of a dead process");
                repo.acquire_lease(topology, &holder, TIME, Some(lease.token), Timestamp::now())
                    .await?
            }
            other => other?,
        };
        let lost = CancellationToken::new();
        let renewal = tokio::spawn(renew(Arc::clone(&repo), topology, lease.clone(), lost.clone()));
        Ok(Self {
            repo,
            topology,
            token: lease.token,
            lost,
            renewal,
            given_back: false,
        })
    }

    /// Returns the token that fires when the lease was lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Returns what proves that the lease is held.
    pub(crate) fn token(&self) -> LeaseToken {
        self.token
    }

    /// Gives the lease back.
    pub(crate) async fn release(mut self) {
        self.given_back = true;
        self.renewal.abort();
        give_back(Arc::clone(&self.repo), self.topology, self.token).await;
    }
}

impl Drop for HeldLease {
    /// Gives the lease back in the background where the operation that held it was dropped half way.
    fn drop(&mut self) {
        self.renewal.abort();
        if let (false, Ok(handle)) = (self.given_back, tokio::runtime::Handle::try_current()) {
            handle.spawn(give_back(Arc::clone(&self.repo), self.topology, self.token));
        }
    }
}

async fn give_back(repo: Arc<dyn Repo>, topology: TopologyId, token: LeaseToken) {
    if let Err(error) = repo.release_lease(topology, token).await {
        tracing::warn!(%topology, %error, "the lease could not be given back; it runs out by itself");
    }
}

/// Renews a lease until it is lost: taken by another, or not renewed before it ran out.
async fn renew(repo: Arc<dyn Repo>, topology: TopologyId, mut lease: Lease, lost: CancellationToken) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        match repo.renew_lease(topology, lease.token, TIME, Timestamp::now()).await {
            Ok(renewed) => lease = renewed,
            Err(error) => {
                let over = matches!(error, RepoError::LeaseLost { .. } | RepoError::NotFound { .. });
                tracing::warn!(%topology, %error, "the lease was not renewed");
                if over || Timestamp::now() >= lease.until {
                    lost.cancel();
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_dead_only_where_it_could_be_seen_alive() {
        let me = this_process("test");
        assert!(!is_dead(&me));
        assert!(is_dead(&Holder {
            started: me.started + 1,
            ..me.clone()
        }));
        assert!(!is_dead(&Holder {
            boot_id: "another host".into(),
            started: 0,
            ..me.clone()
        }));
        let (boot, _) = me.boot_id.split_once(' ').expect("a boot and a namespace");
        let elsewhere = format!("{boot} pid:[1]");
        assert!(!is_dead(&Holder {
            boot_id: elsewhere,
            started: 0,
            ..me
        }));
    }
}
