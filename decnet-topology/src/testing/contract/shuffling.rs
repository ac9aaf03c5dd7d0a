//! Clauses on the shuffles that are due.

use std::{sync::Arc, time::Duration};

use super::stage::{self, second};
use crate::{
    model::DeploySettings,
    repo::{MutationFilter, Repo, RepoError},
    shuffle::{Shuffle, ShuffleSource, Shuffles},
    status::{MutationTrigger, Status},
    version::Version,
};

pub(super) async fn shuffles_are_queued_once_with_their_trigger_or_not_at_all(repo: Arc<dyn Repo>) {
    let before = stage::run(&*repo, "lab", stage::maze(1)).await.row;
    let new = |lan: &str| stage::adding(lan).trigger(MutationTrigger::Scheduled);
    let shuffles = || vec![new("one"), new("two")];
    let queued = repo.enqueue_shuffles(before.id, shuffles(), second(9), before.version, second(10));
    let queued = queued.await.expect("queued");
    assert!(queued.iter().all(|row| row.trigger == MutationTrigger::Scheduled));
    let page = repo.mutations(&MutationFilter::default()).await.expect("listed");
    assert_eq!(page.rows, queued);
    let after = repo.get(before.id).await.expect("it is there");
    assert_eq!((after.version, after.shuffled_until), (Version::new(3), second(9)));
    let again = repo.enqueue_shuffles(before.id, shuffles(), second(9), before.version, second(10));
    let refused = again.await.expect_err("another process queued them");
    assert!(matches!(refused, RepoError::VersionConflict { .. }), "{refused:?}");
    stage::refused(
        &*repo,
        repo.enqueue_shuffles(before.id, shuffles(), second(11), before.version, second(11)),
    )
    .await;
    let none = repo.enqueue_shuffles(before.id, Vec::new(), second(20), after.version, second(21));
    assert_eq!(none.await.expect("stored"), []);
    let idle = repo.get(before.id).await.expect("it is there");
    assert_eq!((idle.version, idle.shuffled_until), (after.version, second(20)));
    let pending = stage::create(&*repo, "new", stage::maze(2)).await.row;
    let early = repo.enqueue_shuffles(pending.id, shuffles(), second(9), pending.version, second(10));
    assert!(matches!(early.await, Err(RepoError::NotEditable { .. })));
}

pub(super) async fn a_time_of_shuffles_in_the_future_is_replaced_and_an_earlier_one_is_ignored(repo: Arc<dyn Repo>) {
    let row = stage::run(&*repo, "lab", stage::maze(1)).await.row;
    for (until, at, expected) in [
        (30, 30, 30),
        (20, 40, 30),
        (1_000_000, 1_000_000, 1_000_000),
        (50, 51, 50),
    ] {
        let stored = repo.enqueue_shuffles(row.id, Vec::new(), second(until), row.version, second(at));
        assert_eq!(stored.await.expect("stored"), []);
        let stored = repo.get(row.id).await.expect("it is there").shuffled_until;
        assert_eq!(stored, second(expected), "{until} at {at}");
    }
}

pub(super) async fn shuffles_count_from_the_deploy_and_from_the_last_change_of_the_rules(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "lab", stage::maze(1)).await.row.id;
    let until = async || repo.get(id).await.expect("it is there").shuffled_until;
    assert_eq!(until().await, second(0));
    let deploying = stage::step(Status::Pending, Status::Deploying);
    repo.set_status(id, deploying, second(5)).await.expect("a step");
    let active = stage::step(Status::Deploying, Status::Active);
    repo.set_status(id, active.intent(crate::status::Intent::Up), second(6))
        .await
        .expect("a step");
    assert_eq!(until().await, second(5));
    let rule = Shuffle::new(Duration::from_hours(6), ShuffleSource::Archetype).expect("a rule");
    let settings = DeploySettings::default().shuffles(Shuffles::default().topology(rule));
    repo.set_settings(id, settings.clone(), None, second(7))
        .await
        .expect("stored");
    let row = repo
        .set_settings(id, settings.clone(), None, second(8))
        .await
        .expect("stored");
    assert_eq!(
        (row.shuffled_until, row.settings, row.needs_resync),
        (second(7), settings, false)
    );
}
