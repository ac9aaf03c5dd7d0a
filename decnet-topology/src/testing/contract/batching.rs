//! Clauses on several mutations that are stored at once.

use std::sync::Arc;

use super::stage::{self, LEASE, second};
use crate::{
    catalog::Catalog,
    history,
    id::TopologyId,
    model::{DeploySettings, StoredTopology, Topology},
    mutation::{AddDecky, Mutation, MutationBatch, MutationContext, RemoveDecky, Stage},
    repo::{BatchEdit, MutationOutcome, RecordedChange, Repo, RepoError},
    rng,
    status::{MutationState, Status},
    version::Version,
};

/// Returns mutations that add a LAN and a decky, and replace the other decky.
fn mutations() -> Vec<Mutation> {
    let name = |text: &str| text.parse().expect("a name");
    vec![
        stage::adding("lab").mutation,
        RemoveDecky::new(name("web")).into(),
        AddDecky::new(name("web"), name("office")).services(["http"]).into(),
        AddDecky::new(name("desk"), name("lab")).into(),
    ]
}

fn batch(before: &Topology) -> MutationBatch {
    let catalog = Catalog::builtin();
    let context = MutationContext::new(&catalog, Stage::Live);
    MutationBatch::apply(before, mutations(), &context).expect("they are valid")
}

fn edit(stored: &StoredTopology) -> BatchEdit {
    BatchEdit::new(stored.row.version, batch(&stored.topology))
}

pub(super) async fn a_batch_is_stored_with_its_result_and_waits_in_the_queue(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = before.row.id;
    let settings = DeploySettings::default().hide_passwords(true);
    let edit = edit(&before).actor("ada".to_owned()).settings(settings.clone());
    let (stored, rows) = repo.store_batch(id, edit.clone(), second(5)).await.expect("it runs");
    assert_eq!(stored.topology, **edit.batch.topology());
    assert_eq!(stored.row.version, Version::new(5));
    assert_eq!(stored.row.settings, settings);
    assert!(stored.row.needs_resync, "the containers have the previous settings");
    assert_eq!(repo.load(id).await.expect("it is there"), stored);
    assert!(repo.has_unfinished(id).await.expect("it is there"));
    for ((row, mutation), version) in rows.iter().zip(mutations()).zip(2..) {
        assert_eq!(repo.mutation(row.id).await.expect("it is there"), *row);
        assert_eq!((&row.mutation, row.topology), (&mutation, id));
        assert_eq!(
            (row.actor.as_deref(), row.version),
            (Some("ada"), Version::new(version))
        );
        assert_eq!((row.state, row.attempts), (MutationState::Pending, 0));
        assert_eq!((row.enqueued_at, row.stored_at), (second(5), Some(second(5))));
        assert_eq!((row.begun_at, row.finished_at, &row.claim), (None, None, &None));
    }
    assert!(rows.array_windows().all(|[one, other]| one.id < other.id));

    // Each mutation has its own changes, and undoing all of them leads back.
    let catalog = Catalog::builtin();
    let context = MutationContext::new(&catalog, Stage::Live);
    let mut expected = Vec::new();
    let mut maze = before.topology.clone();
    for row in &rows {
        let one = MutationBatch::apply(&maze, [row.mutation.clone()], &context).expect("it is valid");
        let changes = history::changes(&maze, one.topology()).into_iter();
        expected.extend(changes.map(|change| RecordedChange {
            at: second(5),
            mutation: Some(row.id),
            change,
        }));
        maze = Topology::clone(one.topology());
    }
    let changes = repo.decky_changes(id, None).await.expect("the changes");
    assert_eq!(changes, expected);
    let undone = history::at(&stored.topology, changes.iter().map(|recorded| &recorded.change));
    assert_eq!(undone, history::at(&before.topology, []));
}

pub(super) async fn the_mutations_of_a_batch_are_finished_in_order(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = before.row.id;
    let stored = repo.store_batch(id, edit(&before), second(5)).await;
    let (stored, rows) = stored.expect("it runs");
    stage::enqueue(&*repo, id, "attic").await;
    for row in rows {
        let (mutation, token) = stage::claim(&*repo, id, 1, 6).await;
        assert_eq!(mutation, row.id);
        let again = repo.store_mutation(mutation, token, stage::maze(1), second(7));
        assert!(matches!(
            stage::refused(&*repo, again).await,
            RepoError::MutationStored { .. }
        ));
        let reason = || "no".into();
        let rejected = repo.finish_mutation(
            mutation,
            token,
            MutationOutcome::Rejected { reason: reason() },
            second(7),
        );
        assert!(matches!(
            stage::refused(&*repo, rejected).await,
            RepoError::MutationStored { .. }
        ));
        let finished = repo
            .finish_mutation(mutation, token, MutationOutcome::Applied, second(8))
            .await;
        assert_eq!(finished.expect("it is claimed").state, MutationState::Applied);
    }
    assert_eq!(repo.load(id).await.expect("it is there").topology, stored.topology);
    assert!(
        repo.has_unfinished(id).await.expect("it is there"),
        "the later one waits"
    );
}

pub(super) async fn a_batch_fails_at_a_teardown(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = before.row.id;
    let stored = repo.store_batch(id, edit(&before), second(5)).await;
    let (_, rows) = stored.expect("it runs");
    stage::tear_down(&*repo, id, 6).await;
    for row in rows {
        let row = repo.mutation(row.id).await.expect("it is there");
        assert_eq!((row.state, row.finished_at), (MutationState::Failed, Some(second(6))));
    }
}

pub(super) async fn a_batch_is_refused_as_a_whole(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "corp", stage::maze(1)).await;
    let id = before.row.id;
    let refused = async |id: TopologyId, edit: BatchEdit| {
        let stored = repo.store_batch(id, edit, second(5));
        stage::refused(&*repo, stored).await
    };
    let mut outdated = edit(&before);
    outdated.expected = Version::new(9);
    assert!(matches!(refused(id, outdated).await, RepoError::VersionConflict { .. }));
    assert!(matches!(
        refused(rng::topology_id(), edit(&before)).await,
        RepoError::NotFound { .. }
    ));

    let lost = edit(&before).held(rng::lease_token());
    assert!(matches!(refused(id, lost).await, RepoError::LeaseLost { .. }));
    let lease = repo.acquire_lease(id, &stage::holder(1), LEASE, None, second(3)).await;
    let token = lease.expect("it is free").token;
    let held = edit(&before).held(token);

    let other = stage::create(&*repo, "other", stage::lan("172.16.0.0/24")).await;
    assert!(matches!(
        refused(id, held.clone()).await,
        RepoError::SubnetClaimed { .. }
    ));
    repo.delete(other.row.id, None, second(4)).await.expect("it is pending");

    let pending = stage::create(&*repo, "pending", stage::maze(2)).await;
    assert!(matches!(
        refused(pending.row.id, edit(&pending)).await,
        RepoError::NotEditable { .. }
    ));

    repo.store_batch(id, held, second(5)).await.expect("nothing is queued");
    let after = repo.load(id).await.expect("it is there");
    assert_eq!(after.row.status, Status::Active);
    let name = "spare".parse().expect("a name");
    let context_catalog = Catalog::builtin();
    let context = MutationContext::new(&context_catalog, Stage::Live);
    let one: Mutation = AddDecky::new(name, "lab".parse().expect("a name")).into();
    let next = MutationBatch::apply(&after.topology, [one], &context).expect("it is valid");
    let next = BatchEdit::new(after.row.version, next);
    assert!(matches!(refused(id, next).await, RepoError::QueueNotEmpty { .. }));
}
