//! Clauses on the log of changes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::stage::{self, LEASE, holder, second};
use crate::{
    id::{MutationId, Sequence, TopologyId},
    model::DeploySettings,
    repo::{
        ChangeFilter, ChangeKind, Edit, MutationOutcome, MutationRow, Repo, RepoError, StatusChange, StoreChange,
        TopologyFilter,
    },
    status::{Intent, MutationState, Status},
    version::Version,
};

/// Returns the changes after a number.
async fn since(repo: &dyn Repo, after: Sequence) -> Vec<StoreChange> {
    let page = repo.changes_since(Some(after), &ChangeFilter::default()).await;
    page.expect("they are kept").changes
}

fn status(from: Option<Status>, to: Status, reason: Option<&str>) -> ChangeKind {
    let reason = reason.map(Into::into);
    ChangeKind::Status { from, to, reason }
}

fn state(mutation: MutationId, state: MutationState, reason: Option<&str>) -> ChangeKind {
    ChangeKind::Mutation {
        mutation,
        op: "add_lan".into(),
        state,
        actor: Some("ada".into()),
        reason: reason.map(Into::into),
    }
}

async fn latest(repo: &dyn Repo) -> Sequence {
    repo.latest_change().await.expect("a number")
}

pub(super) async fn every_change_is_logged_once_and_in_order(repo: Arc<dyn Repo>) {
    let empty = stage::log(&*repo, None).await;
    assert_eq!((empty.changes, empty.latest), (Vec::new(), Sequence::START));
    assert_eq!(latest(&*repo).await, Sequence::START);

    let id = stage::create(&*repo, "Corp", stage::maze(1)).await.row.id;
    let other = stage::create(&*repo, "other", stage::maze(2)).await.row.id;
    let new = stage::adding("lab").actor("ada".to_owned());
    let edit = Edit::new(stage::lan("10.1.0.0/24")).mutation(new);
    repo.edit(id, edit, second(3)).await.expect("it is edited");
    let edited = repo.edit(id, Edit::new(stage::maze(1)), second(4)).await;
    edited.expect("it is edited");
    let settings = DeploySettings::default().hide_passwords(true);
    let kept = repo.set_settings(id, settings, None, second(5)).await;
    kept.expect("they are stored");
    let kept = repo.set_needs_resync(id, true, None, second(6)).await;
    kept.expect("it is stored");
    let deploy = StatusChange::new(Status::Pending, Status::Deploying)
        .intent(Intent::Up)
        .settings(DeploySettings::default())
        .reason("deploy \u{1F980}\nnow".to_owned());
    repo.set_status(id, deploy, second(7)).await.expect("a step");
    let fail = StatusChange::new(Status::Deploying, Status::Failed);
    repo.set_status(id, fail, second(8)).await.expect("a step");
    repo.delete(id, None, second(9)).await.expect("it is deleted");

    let mutation = state(MutationId::new(1), MutationState::Applied, None);
    let created = || status(None, Status::Pending, Some("created"));
    let deploy = status(Some(Status::Pending), Status::Deploying, Some("deploy \u{1F980}\nnow"));
    let page = stage::log(&*repo, None).await;
    let expected = [
        (id, "Corp", 0, 1, created()),
        (other, "other", 0, 1, created()),
        (id, "Corp", 3, 2, mutation),
        (id, "Corp", 3, 2, ChangeKind::Edited),
        (id, "Corp", 4, 3, ChangeKind::Edited),
        (id, "Corp", 5, 3, ChangeKind::Settings),
        (id, "Corp", 6, 3, ChangeKind::Settings),
        (id, "Corp", 7, 3, deploy),
        (id, "Corp", 8, 3, status(Some(Status::Deploying), Status::Failed, None)),
        (id, "Corp", 9, 3, ChangeKind::Deleted),
    ];
    let expected = expected.into_iter().zip(&page.changes);
    let expected = expected.map(|((topology, name, at, version, what), found)| StoreChange {
        sequence: found.sequence,
        at: second(at),
        topology,
        name: name.parse().expect("a name"),
        version: Version::new(version),
        what,
    });
    assert_eq!(page.changes, expected.collect::<Vec<_>>());
    assert_eq!(page.changes.len(), 10);
    assert!(page.changes.is_sorted_by(|a, b| a.sequence < b.sequence), "{page:#?}");
    assert!(page.changes[0].sequence > Sequence::START);
    let last = page.changes.last().map(|change| change.sequence);
    assert_eq!(last, Some(page.latest));
    assert_eq!(latest(&*repo).await, page.latest);
}

/// Queues a mutation and returns its row.
async fn enqueue(repo: &dyn Repo, id: TopologyId) -> MutationRow {
    let new = stage::adding("lab").actor("ada".to_owned());
    let row = repo.enqueue(id, new, None, second(2)).await;
    row.expect("the topology runs")
}

pub(super) async fn every_stage_of_a_mutation_is_logged(repo: Arc<dyn Repo>) {
    use MutationState::{Applied, Applying, Failed, Pending, Rejected};
    let stored = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = stored.row.id;
    let start = latest(&*repo).await;
    let [one, two, three, four] = [
        enqueue(&*repo, id).await.id,
        enqueue(&*repo, id).await.id,
        enqueue(&*repo, id).await.id,
        enqueue(&*repo, id).await.id,
    ];
    let mut expected = [one, two, three, four].map(|id| state(id, Pending, None)).to_vec();

    // Released, claimed, renewed, and resumed after its holder died: it is being applied once.
    let (_, token) = stage::claim(&*repo, id, 1, 3).await;
    repo.release_claim(one, token, second(3)).await.expect("it is released");
    repo.release_claim(one, token, second(3)).await.expect("idempotent");
    let (_, token) = stage::claim(&*repo, id, 1, 4).await;
    let renewed = repo.renew_claim(one, token, LEASE, second(5)).await;
    renewed.expect("it is held");
    let heir = holder(2);
    let resumed = repo.claim_mutation(Some(id), &heir, LEASE, Some(token), second(6));
    let resumed = resumed.await.expect("answered").expect("it is resumed");
    let token = resumed.claim.expect("a claim").token;
    let kept = repo.store_mutation(one, token, stored.topology.clone(), second(7));
    kept.await.expect("it is stored");
    let finished = repo.finish_mutation(one, token, MutationOutcome::Applied, second(8));
    finished.await.expect("it is finished");
    expected.extend([Applying, Pending, Applying, Applied].map(|stage| state(one, stage, None)));

    let (_, token) = stage::claim(&*repo, id, 1, 9).await;
    let reason = "no".to_owned();
    let finished = repo.finish_mutation(two, token, MutationOutcome::Rejected { reason }, second(9));
    finished.await.expect("it is finished");
    expected.extend([state(two, Applying, None), state(two, Rejected, Some("no"))]);

    // A teardown finishes what waits, and what is in the maze when it ends.
    let (_, token) = stage::claim(&*repo, id, 1, 10).await;
    let kept = repo.store_mutation(three, token, stored.topology.clone(), second(10));
    kept.await.expect("it is stored");
    stage::tear_down(&*repo, id, 11).await;
    let end = StatusChange::new(Status::TearingDown, Status::TornDown);
    repo.set_status(id, end, second(12)).await.expect("a step");
    expected.extend([
        state(three, Applying, None),
        status(
            Some(Status::Active),
            Status::TearingDown,
            Some("active to tearing_down"),
        ),
        state(four, Rejected, Some("the topology is being torn down")),
        status(Some(Status::TearingDown), Status::TornDown, None),
        state(three, Failed, Some("the topology is torn_down")),
    ]);
    let found = since(&*repo, start).await;
    let kinds: Vec<ChangeKind> = found.iter().map(|change| change.what.clone()).collect();
    assert_eq!(kinds, expected);
    assert!(
        found.is_sorted_by_key(|change| change.at),
        "the times of the writes: {found:#?}"
    );
    let versions: Vec<u64> = found.iter().take(5).map(|change| change.version.get()).collect();
    assert_eq!(versions, [2, 3, 4, 5, 5]);
}

pub(super) async fn a_write_that_changes_nothing_is_not_logged(repo: Arc<dyn Repo>) {
    let row = stage::run(&*repo, "corp", stage::maze(1)).await.row;
    let before = latest(&*repo).await;
    let same = repo.set_settings(row.id, row.settings, None, second(5)).await;
    same.expect("they are stored");
    let same = repo.set_needs_resync(row.id, row.needs_resync, None, second(5)).await;
    same.expect("it is stored");
    let same = repo.extend_catalog(row.id, row.catalog, None, second(5)).await;
    same.expect("it is stored");
    let lease = repo.acquire_lease(row.id, &holder(1), LEASE, None, second(5)).await;
    let token = lease.expect("it is free").token;
    let renewed = repo.renew_lease(row.id, token, LEASE, second(6)).await;
    renewed.expect("it is held");
    repo.release_lease(row.id, token).await.expect("it is released");
    let none = repo.claim_mutation(None, &holder(1), LEASE, None, second(7)).await;
    assert_eq!(none.expect("answered"), None);
    assert_eq!(latest(&*repo).await, before);
}

/// Edits a pending topology a number of times.
async fn edit(repo: &dyn Repo, id: TopologyId, octet: u8, times: usize) {
    for _ in 0..times {
        let edited = repo.edit(id, Edit::new(stage::maze(octet)), second(1)).await;
        edited.expect("it is pending");
    }
}

pub(super) async fn changes_are_read_page_by_page_and_by_topology(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let other = stage::create(&*repo, "other", stage::maze(2)).await.row.id;
    for round in 0..5 {
        edit(&*repo, id, 1, round).await;
        edit(&*repo, other, 2, 1).await;
    }
    let all = stage::log(&*repo, None).await;
    assert_eq!(all.changes.len(), 2 + 10 + 5);
    for topology in [None, Some(id), Some(other)] {
        let matching = all.changes.iter();
        let matching = matching.filter(|change| topology.is_none_or(|id| change.topology == id));
        let matching: Vec<_> = matching.cloned().collect();
        for limit in [1, 2, 3, 100] {
            let filter = ChangeFilter::default().topology(topology).limit(limit);
            let (mut read, mut after) = (Vec::new(), Sequence::START);
            loop {
                let page = repo.changes_since(Some(after), &filter).await.expect("a page");
                assert_eq!(page.latest, all.latest);
                assert!(page.changes.iter().all(|change| change.sequence > after), "{page:#?}");
                let is_last = page.changes.len() < limit;
                read.extend(page.changes);
                if is_last {
                    break;
                }
                after = read.last().map_or(after, |change| change.sequence);
            }
            assert_eq!(read, matching, "{filter:?}");
        }
        let nothing = ChangeFilter::default().topology(topology).limit(0);
        let page = repo.changes_since(None, &nothing).await.expect("a page");
        assert_eq!((page.changes, page.latest), (Vec::new(), all.latest));
    }
    let unknown: TopologyId = "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let page = stage::log(&*repo, Some(unknown)).await;
    assert_eq!((page.changes, page.latest), (Vec::new(), all.latest));
}

pub(super) async fn numbers_of_changes_are_not_reused(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    edit(&*repo, id, 1, 3).await;
    repo.delete(id, None, second(5)).await.expect("it is pending");
    let page = stage::log(&*repo, Some(id)).await;
    assert_eq!(page.changes.len(), 5, "they outlive their topology");
    repo.trim_changes(0).await.expect("they are removed");
    let trimmed = stage::log(&*repo, None).await;
    assert_eq!((trimmed.changes, trimmed.latest), (Vec::new(), page.latest));
    stage::create(&*repo, "corp", stage::maze(1)).await;
    let next = since(&*repo, page.latest).await;
    assert_eq!(next.len(), 1);
    assert!(next[0].sequence > page.latest, "{next:?} after {}", page.latest);
}

pub(super) async fn removed_changes_and_foreign_numbers_are_refused(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    edit(&*repo, id, 1, 6).await;
    let all = stage::log(&*repo, None).await;
    repo.trim_changes(100).await.expect("there are fewer");
    assert_eq!(stage::log(&*repo, None).await, all);
    for keep in [3, 2, 2, 0] {
        repo.trim_changes(keep).await.expect("they are removed");
        let (gone, kept) = all.changes.split_at(all.changes.len() - keep);
        assert_eq!(stage::log(&*repo, None).await.changes, kept);
        let last_gone = gone.last().expect("some are removed").sequence;
        assert_eq!(since(&*repo, last_gone).await, kept, "nothing after it was removed");
        let older = gone.iter().rev().skip(1).map(|change| change.sequence);
        let later = Sequence::new(all.latest.get() + 1);
        for number in older.chain([Sequence::START, later, Sequence::new(u64::MAX)]) {
            for topology in [None, Some(id)] {
                let filter = ChangeFilter::default().topology(topology);
                let refusal = stage::refused(&*repo, repo.changes_since(Some(number), &filter)).await;
                let RepoError::ChangesGone { after, latest, .. } = refusal else {
                    panic!("{refusal:?}")
                };
                assert_eq!((after, latest), (number, all.latest));
            }
        }
    }
}

pub(super) async fn a_reader_misses_no_change_of_concurrent_writers(repo: Arc<dyn Repo>) {
    const WRITERS: u8 = 6;
    const EDITS: usize = 12;
    let (reading, are_done) = (Arc::clone(&repo), Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&are_done);
    // The reader continues after the highest number that it saw, so a lower one that appears later is missed.
    let reader = tokio::spawn(async move {
        let filter = ChangeFilter::default().limit(5);
        let (mut read, mut after) = (Vec::new(), Sequence::START);
        loop {
            let is_last = done.load(Ordering::SeqCst);
            let page = reading.changes_since(Some(after), &filter).await?;
            if page.changes.is_empty() && is_last {
                return Ok::<_, RepoError>(read);
            }
            after = page.changes.last().map_or(after, |change| change.sequence);
            read.extend(page.changes);
            tokio::task::yield_now().await;
        }
    });
    let written = stage::at_once(&repo, WRITERS, |repo, at| async move {
        let id = stage::create(&*repo, &format!("corp {at}"), stage::maze(at))
            .await
            .row
            .id;
        edit(&*repo, id, at, EDITS).await;
        Ok(id)
    });
    let written = written.await;
    are_done.store(true, Ordering::SeqCst);
    let read = reader.await.expect("the reader does not panic").expect("the log");
    let mut versions: BTreeMap<TopologyId, Vec<u64>> = BTreeMap::new();
    for change in &read {
        versions.entry(change.topology).or_default().push(change.version.get());
    }
    for id in written {
        let id = id.expect("it is written");
        let expected: Vec<u64> = (1..=EDITS as u64 + 1).collect();
        assert_eq!(versions.remove(&id), Some(expected));
    }
    assert_eq!(stage::log(&*repo, None).await.changes, read);
}

/// A store may have no stamps; those that it has must be right.
pub(super) async fn a_stamp_differs_after_every_write_and_not_otherwise(repo: Arc<dyn Repo>) {
    let mut seen = Vec::new();
    let mut written = |what: &str| {
        if let Some(stamp) = repo.stamp() {
            assert!(!seen.contains(&stamp), "{what} is a write");
            seen.push(stamp);
        }
    };
    written("nothing before");
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    written("a new topology");
    let edited = repo.edit(id, Edit::new(stage::maze(2)), second(1)).await;
    edited.expect("it is edited");
    written("an edit");
    let kept = repo.set_needs_resync(id, true, None, second(2)).await;
    kept.expect("it is stored");
    written("a need to resync");
    let lease = repo.acquire_lease(id, &holder(1), LEASE, None, second(3)).await;
    let lease = lease.expect("it is free");
    written("a lease");
    let released = repo.release_lease(id, lease.token).await;
    released.expect("it is held");
    written("the end of a lease");
    repo.delete(id, None, second(4)).await.expect("it is deleted");
    written("the end of a topology");

    let stamp = repo.stamp();
    let read = repo.list(&TopologyFilter::default()).await;
    assert_eq!(read.expect("a list").total, 0);
    assert_eq!(repo.stamp(), stamp, "a read is not a write");
}
