//! Clauses on the status, the intent and the events.

use std::sync::Arc;

use super::stage;
use crate::{
    repo::{Edit, Repo, RepoError, StatusChange},
    status::{Intent, Status, StatusEvent},
};

pub(super) async fn only_steps_of_the_status_machine_are_allowed(repo: Arc<dyn Repo>) {
    for from in Status::ALL.iter().copied() {
        for to in Status::ALL.iter().copied() {
            let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
            stage::bring(&*repo, id, from).await;
            let change = repo.set_status(id, stage::step(from, to), stage::second(2));
            if from.may_become(to) {
                assert_eq!(change.await.expect("it is allowed").status, to);
            } else {
                let refusal = stage::refused(&*repo, change).await;
                let is_illegal =
                    matches!(refusal, RepoError::IllegalStatus { from: a, to: b, .. } if (a, b) == (from, to));
                assert!(is_illegal, "{refusal:?}");
            }
            clear(&*repo, id).await;
        }
    }
}

/// Tears a topology down, so that its name and subnets are free.
async fn clear(repo: &dyn Repo, id: crate::TopologyId) {
    loop {
        let from = repo.get(id).await.expect("its row").status;
        let to = match from {
            Status::TornDown => break,
            Status::Pending | Status::TearingDown => Status::TornDown,
            _ => Status::TearingDown,
        };
        let step = repo.set_status(id, stage::step(from, to), stage::second(3)).await;
        step.expect("a step of the status machine is taken");
    }
}

pub(super) async fn a_change_from_an_outdated_status_is_refused(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    stage::bring(&*repo, id, Status::Active).await;
    for (from, to) in [
        (Status::Pending, Status::Deploying),
        (Status::Deploying, Status::Active),
        (Status::Degraded, Status::Active),
        (Status::Failed, Status::TearingDown),
        (Status::TornDown, Status::Pending),
    ] {
        let refusal = stage::refused(&*repo, repo.set_status(id, stage::step(from, to), stage::second(2))).await;
        let RepoError::StatusConflict { expected, current, .. } = refusal else {
            panic!("{refusal:?}")
        };
        assert_eq!((expected, current), (from, Status::Active));
    }
}

pub(super) async fn each_change_appends_its_event(repo: Arc<dyn Repo>) {
    use Status::{Active, Degraded, Deploying, Pending, TearingDown, TornDown};
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let other = stage::create(&*repo, "other", stage::maze(2)).await.row.id;
    let mut expected = repo.status_events(id).await.expect("its events");
    let way = [
        Pending,
        Deploying,
        Active,
        Degraded,
        TearingDown,
        Degraded,
        TearingDown,
        TornDown,
    ];
    for (second, step) in (1..).zip(way.windows(2)) {
        let (from, to, at) = (step[0], step[1], stage::second(second));
        let reason = (second % 2 == 0).then(|| format!("because of \u{1F980} {second}\nand so on"));
        let change = StatusChange::new(from, to).reason(reason.clone());
        let row = repo.set_status(id, change, at).await.expect("it is allowed");
        assert_eq!((row.status, row.changed_at), (to, at));
        assert_eq!(repo.get(id).await.expect("its row"), row);
        expected.push(StatusEvent {
            from: Some(from),
            to,
            at,
            reason,
        });
        assert_eq!(repo.status_events(id).await.expect("its events"), expected);
    }
    assert_eq!(repo.status_events(other).await.expect("its events").len(), 1);
}

pub(super) async fn the_intent_is_kept_until_another_is_set(repo: Arc<dyn Repo>) {
    use Status::{Active, Degraded, Deploying, Pending, TearingDown};
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    for (from, to, given, kept) in [
        (Pending, Deploying, Some(Intent::Up), Intent::Up),
        (Deploying, Active, None, Intent::Up),
        (Active, TearingDown, Some(Intent::Down), Intent::Down),
        (TearingDown, Degraded, None, Intent::Down),
    ] {
        let change = StatusChange::new(from, to).intent(given);
        let row = repo
            .set_status(id, change, stage::second(1))
            .await
            .expect("it is allowed");
        assert_eq!(row.intent, Some(kept), "{from} to {to}");
        assert_eq!(repo.get(id).await.expect("its row"), row);
    }
}

pub(super) async fn one_of_several_concurrent_changes_from_one_status_wins(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let outcomes = stage::at_once(&repo, 8, move |repo, at| async move {
        let to = if at % 2 == 0 {
            Status::Deploying
        } else {
            Status::TornDown
        };
        repo.set_status(id, stage::step(Status::Pending, to), stage::second(1))
            .await
    });
    let (winner, losers) = stage::one_winner(outcomes.await);
    for refusal in losers {
        assert!(
            matches!(refusal, RepoError::StatusConflict { current, .. } if current == winner.status),
            "{refusal:?}"
        );
    }
    assert_eq!(repo.status_events(id).await.expect("its events").len(), 2);
}

pub(super) async fn a_change_with_a_lost_lease_is_refused(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let under = |held| stage::step(Status::Pending, Status::Deploying).held(held);
    let take = async |pid, at| {
        let holder = stage::holder(pid);
        let lease = repo.acquire_lease(id, &holder, stage::LEASE, None, stage::second(at));
        lease.await.expect("it is free").token
    };
    let released = take(1, 1).await;
    repo.release_lease(id, released).await.expect("it is released");
    let refusal = stage::refused(&*repo, repo.set_status(id, under(released), stage::second(2))).await;
    assert!(
        matches!(refusal, RepoError::LeaseLost { id: it, .. } if it == id),
        "{refusal:?}"
    );

    let (late, newer) = (take(2, 10).await, take(3, 100).await);
    let refusal = stage::refused(&*repo, repo.set_status(id, under(late), stage::second(101))).await;
    assert!(matches!(refusal, RepoError::LeaseLost { .. }), "{refusal:?}");

    // It expired, but nobody took it since.
    let changed = repo.set_status(id, under(newer), stage::second(1000)).await;
    assert_eq!(changed.expect("it is held").status, Status::Deploying);
}

pub(super) async fn a_change_that_expects_another_version_is_refused(repo: Arc<dyn Repo>) {
    let seen = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let edited = repo.edit(seen.id, Edit::new(stage::maze(2)), stage::second(1)).await;
    let edited = edited.expect("it is pending").row;
    let at = |version| StatusChange {
        version: Some(version),
        ..stage::step(Status::Pending, Status::Deploying)
    };
    let refusal = stage::refused(&*repo, repo.set_status(seen.id, at(seen.version), stage::second(2))).await;
    assert!(
        matches!(refusal, RepoError::VersionConflict { expected, current, .. }
            if (expected, current) == (seen.version, edited.version)),
        "{refusal:?}"
    );
    let changed = repo.set_status(seen.id, at(edited.version), stage::second(2)).await;
    assert_eq!(changed.expect("it is this version").status, Status::Deploying);
}
