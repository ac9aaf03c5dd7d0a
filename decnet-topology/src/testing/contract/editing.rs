//! Clauses on edits and versions.

use std::sync::Arc;

use super::stage;
use crate::{
    model::{DeploySettings, DmzEgress, LogSettings, Topology},
    repo::{Edit, Repo, RepoError, StatusChange, TopologyFilter},
    status::{Intent, Status},
    version::Version,
};

pub(super) async fn an_edit_replaces_the_maze_and_counts(repo: Arc<dyn Repo>) {
    let before = stage::create(&*repo, "corp", stage::maze(1)).await;
    let other = stage::create(&*repo, "other", stage::maze(9)).await;
    let id = before.row.id;
    let smaller = stage::lan("10.3.0.0/24");
    let edited = repo
        .edit(
            id,
            Edit::new(smaller.clone()).expected(Version::FIRST),
            stage::second(5),
        )
        .await;
    let edited = edited.expect("it is edited");
    assert_eq!(edited.topology, smaller);
    let mut row = before.row;
    row.version = Version::new(2);
    row.changed_at = stage::second(5);
    assert_eq!(edited.row, row, "an edit changes nothing else");
    assert_eq!(repo.load(id).await.expect("it is there"), edited);
    assert_eq!(
        repo.status_events(id).await.expect("its events").len(),
        1,
        "an edit does not change the status"
    );
    assert_eq!(repo.load(other.row.id).await.expect("it is there"), other);
    let again = repo
        .edit(
            id,
            Edit::new(stage::maze(1)).expected(Version::new(2)),
            stage::second(6),
        )
        .await;
    assert_eq!(again.expect("it is edited").row.version, Version::new(3));
}

pub(super) async fn an_edit_without_an_expected_version_succeeds(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    for version in 2..5 {
        let edited = repo.edit(id, Edit::new(Topology::default()), stage::second(1)).await;
        assert_eq!(edited.expect("it is edited").row.version, Version::new(version));
    }
}

pub(super) async fn an_edit_that_expects_another_version_is_refused(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    repo.edit(id, Edit::new(stage::maze(2)), stage::second(1))
        .await
        .expect("it is edited");
    for other in [0, 1, 3, u64::MAX].map(Version::new) {
        let edit = repo.edit(id, Edit::new(stage::maze(3)).expected(other), stage::second(2));
        let refusal = stage::refused(&*repo, edit).await;
        let RepoError::VersionConflict { expected, current, .. } = refusal else {
            panic!("{refusal:?}")
        };
        assert_eq!((expected, current), (other, Version::new(2)));
    }
}

pub(super) async fn only_a_pending_topology_can_be_edited(repo: Arc<dyn Repo>) {
    for (octet, status) in (0..).zip(Status::ALL).skip(1) {
        let id = stage::create(&*repo, &status.to_string(), stage::maze(octet))
            .await
            .row
            .id;
        stage::bring(&*repo, id, *status).await;
        for expected in [None, Some(Version::FIRST)] {
            let edit = repo.edit(id, Edit::new(stage::maze(100)).expected(expected), stage::second(2));
            let refusal = stage::refused(&*repo, edit).await;
            assert!(
                matches!(refusal, RepoError::NotEditable { status: it, .. } if it == *status),
                "{refusal:?}"
            );
        }
    }
}

pub(super) async fn one_of_several_edits_of_the_same_version_wins(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(100)).await.row.id;
    let outcomes = stage::at_once(&repo, 8, move |repo, at| async move {
        repo.edit(
            id,
            Edit::new(stage::maze(at)).expected(Version::FIRST),
            stage::second(1),
        )
        .await
    });
    let (winner, losers) = stage::one_winner(outcomes.await);
    for refusal in losers {
        assert!(matches!(refusal, RepoError::VersionConflict { .. }), "{refusal:?}");
    }
    assert_eq!(repo.load(id).await.expect("it is there"), winner);
}

/// Returns a maze whose LANs, deckies and positions encode its version.
fn maze_of(version: u64) -> Topology {
    let octet = version % 200;
    let mut maze = Topology::builder().dmz("lan-0", &format!("10.{octet}.0.0/24"));
    for at in 1..version % 7 {
        maze = maze.lan(&format!("lan-{at}"), &format!("10.{octet}.{at}.0/24"));
        maze = maze.decky(&format!("decky-{at}"), |decky| {
            decky
                .on(&format!("lan-{at}"), &format!("10.{octet}.{at}.9"))
                .on("lan-0", &format!("10.{octet}.0.{at}"))
        });
    }
    maze.build().expect("a maze")
}

pub(super) async fn a_load_is_a_consistent_snapshot_during_edits(repo: Arc<dyn Repo>) {
    const LAST: u64 = 60;
    let id = stage::create(&*repo, "corp", maze_of(1)).await.row.id;
    let writer = Arc::clone(&repo);
    let writer = tokio::spawn(async move {
        for version in 2..=LAST {
            let edited = writer.edit(id, Edit::new(maze_of(version)), stage::second(1)).await;
            edited.expect("it is edited");
        }
    });
    loop {
        let stored = repo.load(id).await.expect("it is there");
        let version = stored.row.version.get();
        assert_eq!(stored.topology, maze_of(version), "the maze belongs to the version");
        if version == LAST {
            break;
        }
    }
    writer.await.expect("the edits are made");
}

pub(super) async fn a_list_is_a_consistent_snapshot_during_writes(repo: Arc<dyn Repo>) {
    const ROUNDS: u8 = 30;
    let writer = Arc::clone(&repo);
    let writer = tokio::spawn(async move {
        for round in 0..ROUNDS {
            let id = stage::create(&*writer, &format!("corp {round}"), stage::maze(round))
                .await
                .row
                .id;
            if round % 2 == 1 {
                writer.delete(id, None, stage::second(1)).await.expect("it is deleted");
            }
        }
    });
    while !writer.is_finished() {
        let page = repo.list(&TopologyFilter::default()).await.expect("the list");
        assert_eq!(page.rows.len(), page.total, "the rows and their count are consistent");
        tokio::task::yield_now().await;
    }
    writer.await.expect("the writes are made");
}

pub(super) async fn settings_are_stored_until_torn_down_and_do_not_count_as_an_edit(repo: Arc<dyn Repo>) {
    let mut row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let settings = DeploySettings::default()
        .publish(["ssh=2222".parse().expect("a rule")].into_iter().collect())
        .dmz_egress(DmzEgress::DnsOnly)
        .log(LogSettings::default().with("journald".parse().ok(), "tag=x".parse()));
    let set = repo
        .set_settings(row.id, settings.clone(), None, stage::second(2))
        .await;
    row.settings = settings;
    row.changed_at = stage::second(2);
    assert_eq!(set.expect("set"), row);
    assert_eq!(repo.get(row.id).await.expect("a row"), row);
    repo.set_status(row.id, stage::step(Status::Pending, Status::TornDown), stage::second(3))
        .await
        .expect("torn down");
    let refused = repo
        .set_settings(row.id, DeploySettings::default(), None, stage::second(4))
        .await;
    assert!(matches!(
        refused,
        Err(RepoError::NotEditable {
            status: Status::TornDown,
            ..
        })
    ));
}

pub(super) async fn settings_are_stored_with_a_status_or_not_at_all(repo: Arc<dyn Repo>) {
    let row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let settings = DeploySettings::default().dmz_egress(DmzEgress::DnsOnly);
    let deploy = StatusChange::new(Status::Pending, Status::Deploying).settings(settings.clone());
    let stale = deploy.clone().version(Version::new(9));
    let refused = repo.set_status(row.id, stale, stage::second(2)).await;
    assert!(matches!(refused, Err(RepoError::VersionConflict { .. })), "{refused:?}");
    assert_eq!(repo.get(row.id).await.expect("a row"), row);
    let set = repo.set_status(row.id, deploy, stage::second(3)).await.expect("set");
    assert_eq!((set.status, &set.settings), (Status::Deploying, &settings));
    assert_eq!(repo.get(row.id).await.expect("a row"), set);
}

pub(super) async fn changed_settings_of_a_running_topology_need_a_resync(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    stage::bring_with_intent(&*repo, id, Status::Active, Some(Intent::Up)).await;
    let other = DeploySettings {
        dmz_egress: DmzEgress::Open,
        ..DeploySettings::default()
    };
    for (settings, needs_resync) in [(DeploySettings::default(), false), (other, true)] {
        let set = repo.set_settings(id, settings, None, stage::second(5)).await;
        let row = set.expect("set");
        assert_eq!(row.needs_resync, needs_resync);
        assert_eq!(repo.get(id).await.expect("its row"), row);
    }
}

pub(super) async fn settings_with_a_lost_lease_are_refused(repo: Arc<dyn Repo>) {
    let row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let take = async |pid| {
        let holder = stage::holder(pid);
        let lease = repo.acquire_lease(row.id, &holder, stage::LEASE, None, stage::second(1));
        lease.await.expect("it is free").token
    };
    let lost = take(1).await;
    repo.release_lease(row.id, lost).await.expect("the lease is released");
    let held = take(2).await;
    let other = DeploySettings {
        dmz_egress: DmzEgress::Open,
        ..DeploySettings::default()
    };
    let set = async |token| {
        repo.set_settings(row.id, other.clone(), Some(token), stage::second(2))
            .await
    };
    let resync = async |token| repo.set_needs_resync(row.id, true, Some(token), stage::second(2)).await;
    let refused = set(lost).await;
    assert!(matches!(refused, Err(RepoError::LeaseLost { .. })), "{refused:?}");
    let refused = resync(lost).await;
    assert!(matches!(refused, Err(RepoError::LeaseLost { .. })), "{refused:?}");
    assert_eq!(repo.get(row.id).await.expect("its row"), row);
    assert_eq!(set(held).await.expect("set").settings, other);
    resync(held).await.expect("set");
}

pub(super) async fn needs_resync_is_stored_and_does_not_count_as_an_edit(repo: Arc<dyn Repo>) {
    let mut row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    for (second, needs_resync) in [(1, true), (2, true), (3, false)] {
        let set = repo
            .set_needs_resync(row.id, needs_resync, None, stage::second(second))
            .await;
        set.expect("it is stored");
        row.needs_resync = needs_resync;
        row.changed_at = stage::second(second);
        assert_eq!(repo.get(row.id).await.expect("its row"), row);
    }
    assert_eq!(repo.status_events(row.id).await.expect("its events").len(), 1);
}
