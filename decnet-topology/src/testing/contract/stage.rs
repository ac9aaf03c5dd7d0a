//! The fixtures of the clauses: times, mazes, and a picture of the whole store.

use std::{fmt::Debug, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    id::{ClaimToken, InstanceId, MutationId, TopologyId},
    model::{StoredTopology, Topology},
    mutation::{AddLan, Mutation},
    repo::{
        ChangeFilter, ChangePage, Holder, Lease, MutationFilter, MutationRow, NewMutation, NewTopology, RecordedChange,
        Repo, RepoError, StatusChange, SubnetClaim, TopologyFilter,
    },
    status::{Intent, Status, StatusEvent},
};

/// The length of the leases.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(15);

/// Returns the time this many seconds after the start.
pub(super) fn second(count: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + count).expect("a time of this century")
}

/// Returns a maze of two LANs and a router in `10.<octet>.0.0/23`.
pub(super) fn maze(octet: u8) -> Topology {
    Topology::builder()
        .dmz("DMZ", &format!("10.{octet}.0.0/24"))
        .lan("office", &format!("10.{octet}.1.0/24"))
        .decky("web", |decky| {
            let decky = decky.on("dmz", &format!("10.{octet}.0.10"));
            decky.on("office", &format!("10.{octet}.1.10")).forwards()
        })
        .build()
        .expect("a maze")
}

/// Returns a maze of one LAN.
pub(super) fn lan(subnet: &str) -> Topology {
    Topology::builder().dmz("dmz", subnet).build().expect("a maze")
}

/// Returns a topology to be stored.
pub(super) fn new(name: &str, topology: Topology) -> NewTopology {
    NewTopology::new(name.parse().expect("a name"), topology)
}

/// Stores a topology.
pub(super) async fn create(repo: &dyn Repo, name: &str, topology: Topology) -> StoredTopology {
    repo.create(new(name, topology), second(0)).await.expect("it is stored")
}

/// Returns a change of status.
pub(super) fn step(from: Status, to: Status) -> StatusChange {
    StatusChange::new(from, to).reason(format!("{from} to {to}"))
}

/// Changes a pending topology to a status by the shortest path.
pub(super) async fn bring(repo: &dyn Repo, id: TopologyId, to: Status) {
    bring_with_intent(repo, id, to, None).await;
}

/// Changes a pending topology to a status by the shortest path, with an intent at each step.
pub(super) async fn bring_with_intent(repo: &dyn Repo, id: TopologyId, to: Status, intent: Option<Intent>) {
    use Status::{Active, Degraded, Deploying, Failed, Pending, TearingDown, TornDown};
    let way: &[Status] = match to {
        Pending => &[],
        Deploying => &[Deploying],
        Active => &[Deploying, Active],
        Degraded => &[Deploying, Degraded],
        Failed => &[Deploying, Failed],
        TearingDown => &[Deploying, TearingDown],
        TornDown => &[TornDown],
    };
    let mut from = Pending;
    for to in way.iter().copied() {
        let change = step(from, to).intent(intent);
        let changed = repo.set_status(id, change, second(1)).await;
        changed.expect("a step of the status machine is taken");
        from = to;
    }
}

/// Stores a topology as running, with intent up.
pub(super) async fn run(repo: &dyn Repo, name: &str, topology: Topology) -> StoredTopology {
    let id = create(repo, name, topology).await.row.id;
    bring_with_intent(repo, id, Status::Active, Some(Intent::Up)).await;
    repo.load(id).await.expect("it is there")
}

/// Starts the teardown of an active topology.
pub(super) async fn tear_down(repo: &dyn Repo, id: TopologyId, at: i64) {
    let change = step(Status::Active, Status::TearingDown).intent(Intent::Down);
    repo.set_status(id, change, second(at)).await.expect("it is torn down");
}

/// Returns a mutation that adds a LAN of that name.
pub(super) fn adding(lan: &str) -> NewMutation {
    NewMutation::new(Mutation::AddLan(AddLan {
        name: lan.parse().expect("a name"),
        subnet: None,
        is_dmz: false,
        x: None,
        y: None,
    }))
}

/// Appends a mutation to the queue of a topology that runs.
pub(super) async fn enqueue(repo: &dyn Repo, id: TopologyId, lan: &str) -> MutationRow {
    let enqueued = repo.enqueue(id, adding(lan), None, second(2)).await;
    enqueued.expect("the topology runs")
}

/// Claims the next mutation of a topology.
pub(super) async fn claim(repo: &dyn Repo, id: TopologyId, pid: u32, at: i64) -> (MutationId, ClaimToken) {
    let claimed = repo
        .claim_mutation(Some(id), &holder(pid), LEASE, None, second(at))
        .await;
    let row = claimed.expect("the topology is there").expect("it has work");
    let claim = row.claim.expect("it is claimed");
    assert_eq!((row.topology, claim.holder), (id, holder(pid)));
    (row.id, claim.token)
}

/// Returns a holder of leases and claims.
pub(super) fn holder(pid: u32) -> Holder {
    Holder {
        boot_id: "0c5ef8c2-5a1d-4a1e-9a34-8a3f3d2c1b0a".into(),
        pid,
        started: u64::MAX - u64::from(pid),
        label: format!("decnet deploy ({pid})"),
    }
}

/// The contents of a store.
#[derive(Debug, PartialEq)]
pub(super) struct Snapshot {
    instance: InstanceId,
    total: usize,
    topologies: Vec<StoredTopology>,
    events: Vec<Vec<StatusEvent>>,
    leases: Vec<Option<Lease>>,
    claims: Vec<SubnetClaim>,
    mutations: Vec<MutationRow>,
    changes: Vec<Vec<RecordedChange>>,
    log: Option<ChangePage>,
}

impl Snapshot {
    /// Leaves out the log of changes, which outlives a topology.
    pub(super) fn without_log(mut self) -> Self {
        self.log = None;
        self
    }
}

/// Reads the contents of a store.
pub(super) async fn snapshot(repo: &dyn Repo) -> Snapshot {
    let page = repo.list(&TopologyFilter::default()).await.expect("the list");
    let mutations = repo.mutations(&MutationFilter::default()).await.expect("the mutations");
    assert_eq!(mutations.total, mutations.rows.len(), "all of them are there");
    let mut snapshot = Snapshot {
        instance: repo.instance().await.expect("the instance"),
        total: page.total,
        topologies: Vec::new(),
        events: Vec::new(),
        leases: Vec::new(),
        claims: repo.claims(None).await.expect("the claims"),
        mutations: mutations.rows,
        changes: Vec::new(),
        log: Some(log(repo, None).await),
    };
    for row in page.rows {
        let stored = repo.load(row.id).await.expect("a topology");
        assert_eq!(stored.row, row, "the list and the load agree");
        assert_eq!(
            repo.get(row.id).await.expect("a row"),
            row,
            "the list and the row agree"
        );
        snapshot.topologies.push(stored);
        snapshot
            .events
            .push(repo.status_events(row.id).await.expect("the events"));
        snapshot
            .changes
            .push(repo.decky_changes(row.id, None).await.expect("the changes"));
        // At the beginning of time, no lease has expired.
        snapshot
            .leases
            .push(repo.lease(row.id, Timestamp::MIN).await.expect("the lease"));
    }
    snapshot
}

/// Reads the log of changes, of one topology or of all.
pub(super) async fn log(repo: &dyn Repo, topology: Option<TopologyId>) -> ChangePage {
    let filter = ChangeFilter::default().topology(topology);
    repo.changes_since(None, &filter).await.expect("the log")
}

/// Makes a call that must be refused, checks that the store is unchanged, and returns the refusal.
pub(super) async fn refused<T: Debug>(
    repo: &dyn Repo,
    attempt: impl Future<Output = Result<T, RepoError>>,
) -> RepoError {
    let before = snapshot(repo).await;
    let refusal = attempt.await.expect_err("it is refused");
    assert_eq!(
        snapshot(repo).await,
        before,
        "a refusal changes nothing, but after `{refusal}`"
    );
    refusal
}

/// Makes a call from many tasks at the same time and returns all results.
pub(super) async fn at_once<T, F>(
    repo: &Arc<dyn Repo>,
    count: u8,
    attempt: impl Fn(Arc<dyn Repo>, u8) -> F,
) -> Vec<Result<T, RepoError>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RepoError>> + Send + 'static,
{
    let tasks: Vec<_> = (0..count)
        .map(|at| tokio::spawn(attempt(Arc::clone(repo), at)))
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("no attempt panics"));
    }
    outcomes
}

/// Checks that one of several attempts succeeded, and returns its result with the refusals of the others.
pub(super) fn one_winner<T: Debug>(outcomes: Vec<Result<T, RepoError>>) -> (T, Vec<RepoError>) {
    let (mut won, mut lost) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(winner) => won.push(winner),
            Err(refusal) => lost.push(refusal),
        }
    }
    assert_eq!(won.len(), 1, "one wins: {won:?}, {lost:?}");
    (won.remove(0), lost)
}
