//! The lease of a topology: acquired, renewed, released.

use std::{fmt, fs, sync::Arc};

use decnet_topology::{
    Holder, Lease, LeaseToken, MutationClaim, MutationFilter, MutationState, Repo, RepoError, TopologyId, name_of,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// The duration of a lease.
const TIME: SignedDuration = SignedDuration::from_secs(15);
/// How often it is renewed.
const RENEWAL: std::time::Duration = std::time::Duration::from_secs(5);
/// How long to wait before a renewal that failed is tried again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(2);

/// Describes this process, so that others can see when it is dead.
pub(crate) fn this_process(label: &str) -> Holder {
    let pid = std::process::id();
    Holder {
        boot_id: boot_id(),
        pid,
        started: started(pid).unwrap_or_default(),
        label: label.into(),
    }
}

/// Identifies this boot of this host, and the namespace of its process ids: a process of another container is not visible here,
/// and must not be considered dead. Empty if the kernel does not provide it.
fn boot_id() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// Returns the start time of a process, in clock ticks since the boot: the 22nd field of its stat (proc(5)). None if it ended; a
/// zombie counts as ended.
fn started(pid: u32) -> Option<u64> {
    started_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn started_of(stat: &str) -> Option<u64> {
    // The second field is the program's name in parentheses, which may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The known state of the process that holds a lease or a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderState {
    /// It runs on this host.
    Alive,
    /// It ran on this host, and ended.
    Dead,
    /// It belongs to another host, another boot of this one, or another namespace of process ids.
    Unseen,
}

impl fmt::Display for HolderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "running on this machine",
            Self::Dead => "ended",
            Self::Unseen => "of another machine, boot or container",
        })
    }
}

/// Checks whether the process that holds a lease or a claim is running.
pub fn holder_state(holder: &Holder) -> HolderState {
    let boot = boot_id();
    if boot.is_empty() || holder.boot_id != boot {
        return HolderState::Unseen;
    }
    match started(holder.pid) {
        Some(started) if started == holder.started => HolderState::Alive,
        _ => HolderState::Dead,
    }
}

/// Returns why an unexpired lease is not valid. Returns none if it is valid.
///
/// The time is that of the store, whose leases may be measured by a server's clock. It is read after the lease: otherwise, after a
/// wait for the store, a fresh lease would seem to end too late.
async fn why_invalid(repo: &dyn Repo, topology: TopologyId, lease: &Lease) -> Result<Option<&'static str>, RepoError> {
    const OVERLONG: &str = "it ends too late for its duration";
    let is_overlong = lease.is_overlong(repo.now(Timestamp::now()).await?);
    Ok(match (holder_state(&lease.holder), is_overlong) {
        (HolderState::Dead, _) => Some("its process is dead"),
        (_, false) => None,
        (HolderState::Unseen, true) => Some(OVERLONG),
        (HolderState::Alive, true) => {
            // It renews the lease with the current clock, unless it hangs.
            tokio::time::sleep(RENEWAL + RENEWAL).await;
            let now = repo.lease(topology, Timestamp::now()).await?;
            (now.as_ref() == Some(lease)).then_some(OVERLONG)
        }
    })
}

/// Refuses a topology with a valid lease of another process.
pub(crate) async fn refuse_held(repo: &dyn Repo, topology: TopologyId) -> Result<(), RepoError> {
    match repo.lease(topology, Timestamp::now()).await? {
        Some(lease) if why_invalid(repo, topology, &lease).await?.is_none() => {
            let name = repo.get(topology).await?.name;
            Err(RepoError::LeaseHeld {
                name,
                lease: Box::new(lease),
            })
        }
        _ => Ok(()),
    }
}

/// The lease and claim that were broken, with their holders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BrokenLease {
    /// The lease of the topology.
    pub lease: Option<Lease>,
    /// The claim on the mutation that was being applied.
    pub claim: Option<MutationClaim>,
}

/// Breaks the lease of a topology, and the claim on its mutation, and returns them.
///
/// # Guarantees
///
/// - A holder that still runs loses its right to change the status at once. It stops within its next renewal, as a killed process
///   would. The next operation continues its work.
/// - Only the lease and the claim that are returned are broken, not newer ones.
///
/// # Assumptions
///
/// The caller knows that the holder is dead or hangs: until its next renewal, two processes may work on the topology.
pub async fn break_lease(repo: &dyn Repo, topology: TopologyId) -> Result<BrokenLease, RepoError> {
    let lease = repo.lease(topology, Timestamp::now()).await?;
    if let Some(lease) = &lease {
        repo.release_lease(topology, lease.token).await?;
    }
    let applying = MutationFilter::default()
        .topology(topology)
        .states([MutationState::Applying])
        .limit(1)
        .offset(0);
    let mutation = repo.mutations(&applying).await?.rows.into_iter().next();
    let mut claim = None;
    if let Some((id, held)) = mutation.and_then(|row| Some((row.id, row.claim?))) {
        repo.release_claim(id, held.token, Timestamp::now()).await?;
        claim = Some(held);
    }
    Ok(BrokenLease { lease, claim })
}

/// A lease that is renewed until it is dropped or released.
#[derive(Debug)]
pub(crate) struct HeldLease {
    repo: Arc<dyn Repo>,
    topology: TopologyId,
    token: LeaseToken,
    generation: u64,
    lost: CancellationToken,
    renewal: JoinHandle<()>,
    is_released: bool,
}

impl HeldLease {
    /// Takes the lease of a topology. The lease of a dead process of this host is taken over immediately, and so is one that ends
    /// too late for its duration.
    pub(crate) async fn acquire(repo: Arc<dyn Repo>, topology: TopologyId, label: &str) -> Result<Self, RepoError> {
        let holder = this_process(label);
        let mut asked = Instant::now();
        let first = repo
            .acquire_lease(topology, &holder, TIME, None, Timestamp::now())
            .await;
        let lease = match first {
            Err(RepoError::LeaseHeld { name, lease }) => match why_invalid(repo.as_ref(), topology, &lease).await? {
                Some(why) => {
                    let Holder { label, pid, .. } = &lease.holder;
                    tracing::info!(maze = name.as_str(), label, pid, until = %lease.until, why, "taking over a lease");
                    asked = Instant::now();
                    repo.acquire_lease(topology, &holder, TIME, Some(lease.token), Timestamp::now())
                        .await?
                }
                None => return Err(RepoError::LeaseHeld { name, lease }),
            },
            other => other?,
        };
        if asked.elapsed() >= RENEWAL {
            // The store answered late, so a part of the time is over.
            asked = Instant::now();
            if let Err(error) = repo.renew_lease(topology, lease.token, TIME, Timestamp::now()).await {
                release_claim(repo, topology, lease.token).await;
                return Err(error);
            }
        }
        let lost = CancellationToken::new();
        let renewal = renew(Arc::clone(&repo), topology, lease.token, asked, lost.clone());
        let renewal = tokio::spawn(renewal);
        Ok(Self {
            repo,
            topology,
            token: lease.token,
            generation: lease.generation,
            lost,
            renewal,
            is_released: false,
        })
    }

    /// Returns the token that fires when the lease was lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Returns the token of the lease.
    pub(crate) fn token(&self) -> LeaseToken {
        self.token
    }

    /// Returns the generation of the lease.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Releases the lease.
    pub(crate) async fn release(mut self) {
        self.is_released = true;
        self.renewal.abort();
        release_claim(Arc::clone(&self.repo), self.topology, self.token).await;
    }
}

impl Drop for HeldLease {
    /// Releases the lease in the background if the operation was dropped before its end.
    fn drop(&mut self) {
        self.renewal.abort();
        if let (false, Ok(handle)) = (self.is_released, tokio::runtime::Handle::try_current()) {
            handle.spawn(release_claim(Arc::clone(&self.repo), self.topology, self.token));
        }
    }
}

async fn release_claim(repo: Arc<dyn Repo>, topology: TopologyId, token: LeaseToken) {
    if let Err(error) = repo.release_lease(topology, token).await {
        let maze = name_of(repo.as_ref(), topology).await;
        tracing::warn!(maze, %error, "the lease could not be released; it expires by itself");
    }
}

/// Renews a lease until it is lost: another process took it, or its time is over. A store that does not answer is not waited for any
/// longer than that.
///
/// Its time is counted here from before each request that the store answered, the first of which was made at `asked`, whatever clock
/// the store uses.
async fn renew(repo: Arc<dyn Repo>, topology: TopologyId, token: LeaseToken, asked: Instant, lost: CancellationToken) {
    let mut until = asked + TIME.unsigned_abs();
    let mut pause = RENEWAL;
    loop {
        tokio::time::sleep(pause).await;
        let asked = Instant::now();
        let answer = timeout_at(until, repo.renew_lease(topology, token, TIME, Timestamp::now())).await;
        let error = match answer {
            Ok(Ok(_)) => {
                (until, pause) = (asked + TIME.unsigned_abs(), RENEWAL);
                continue;
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let is_lost = matches!(
            error,
            Some(RepoError::LeaseLost { .. } | RepoError::NotFound { .. }) | None
        );
        if is_lost || Instant::now() >= until {
            lost.cancel();
        }
        let why = error.map_or_else(|| "the store did not answer in time".into(), |error| error.to_string());
        // The name comes from the store too.
        let maze = timeout_at(until, name_of(repo.as_ref(), topology)).await;
        let maze = maze.unwrap_or_else(|_| topology.to_string());
        tracing::warn!(maze, error = why, "the lease was not renewed");
        if lost.is_cancelled() {
            return;
        }
        pause = RETRY.min(until.duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_dead_only_if_a_living_one_would_be_visible() {
        let me = this_process("test");
        assert_eq!(holder_state(&me), HolderState::Alive);
        let with = |boot_id: &str, started| Holder {
            boot_id: boot_id.into(),
            started,
            ..me.clone()
        };
        assert_eq!(holder_state(&with(&me.boot_id, me.started + 1)), HolderState::Dead);
        assert_eq!(holder_state(&with("another host", 0)), HolderState::Unseen);
        let (boot, _) = me.boot_id.split_once(' ').expect("a boot and a namespace");
        assert_eq!(holder_state(&with(&format!("{boot} pid:[1]"), 0)), HolderState::Unseen);
    }

    #[test]
    fn a_zombie_is_dead() {
        let stat = |state| format!("42 (odd) name) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21");
        assert_eq!(started_of(&stat("S")), Some(777));
        assert_eq!(started_of(&stat("Z")), None);
        // A zombie of this process: a child that ended and was not waited for.
        let mut child = std::process::Command::new("true").spawn().expect("a child");
        let state = |pid| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while !state(child.id()).contains(") Z ") {
            std::thread::yield_now();
        }
        assert_eq!(started(child.id()), None);
        child.wait().expect("it ended");
    }
}
