//! Clauses on storing, naming and deleting.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{any, stage};
use crate::{
    id::{LeaseToken, TopologyId},
    model::{Coordinate, DeploySettings, Position, Topology},
    repo::{Edit, NewTopology, Repo, RepoError, TopologyFilter},
    secret::InstallationSecret,
    status::{Mode, Status, StatusEvent},
    version::Version,
};

pub(super) async fn the_instance_id_and_the_secret_of_a_store_are_stable(repo: Arc<dyn Repo>) {
    let instance = repo.instance().await.expect("the instance");
    assert!(!instance.is_nil(), "the instance is drawn");
    let secret = repo.secret().await.expect("the secret");
    assert_ne!(secret, InstallationSecret::new([0; 32]), "the secret is drawn");
    stage::create(&*repo, "corp", stage::maze(1)).await;
    assert_eq!(repo.instance().await.expect("the instance"), instance);
    assert_eq!(repo.secret().await.expect("the secret"), secret);
}

pub(super) async fn a_new_topology_is_pending_at_the_first_version(repo: Arc<dyn Repo>) {
    let at = stage::second(7);
    let stored = repo.create(stage::new("Corp", stage::maze(1)), at).await;
    let stored = stored.expect("it is stored");
    let row = &stored.row;
    assert_eq!(row.id.get_version_num(), 4, "ids are random");
    assert_eq!(row.name.as_str(), "Corp");
    assert_eq!((row.status, row.intent), (Status::Pending, None));
    assert_eq!(row.version, Version::FIRST);
    assert_eq!((row.created_at, row.changed_at), (at, at));
    assert!(!row.needs_resync);
    assert_eq!(repo.load(row.id).await.expect("it is there"), stored);
}

pub(super) async fn the_first_event_is_the_creation(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let events = repo.status_events(id).await.expect("its events");
    let [
        StatusEvent {
            from: None,
            to: Status::Pending,
            at,
            ..
        },
    ] = events[..]
    else {
        panic!("one event, from nothing to pending: {events:?}");
    };
    assert_eq!(at, stage::second(0));
}

/// Checks that the loaded topology prints like the stored one: names compare without case, but keep their spelling.
fn same(stored: &NewTopology, loaded: &crate::StoredTopology) {
    let NewTopology {
        name,
        mode,
        host,
        config,
        settings,
        catalog,
        topology,
        id,
    } = stored;
    let row = &loaded.row;
    assert_eq!(
        format!("{:#?}", (&row.name, row.mode, &row.host, &row.config, &loaded.topology)),
        format!("{:#?}", (name, *mode, host, config, topology)),
    );
    assert_eq!((&row.settings, &row.catalog), (settings, catalog));
    assert!(id.is_none_or(|id| id == row.id), "{id:?}");
    assert_eq!(loaded.topology, *topology);
}

pub(super) async fn every_field_is_loaded_as_stored(repo: Arc<dyn Repo>) {
    let topology = Topology::builder()
        .dmz("Z-dmz", "10.0.0.0/24")
        .lan("Office", "10.0.1.0/29")
        .lan("lab", "10.0.2.0/30")
        .decky("Web-01", |decky| {
            let decky = decky
                .on("lab", "10.0.2.2")
                .on("z-dmz", "10.0.0.10")
                .on("office", "10.0.1.3");
            let decky = decky.services(["ssh", "http"]).forwards();
            decky
                .config("ssh", "banner", "häh? \"'\\ \u{1F980}")
                .config("ssh", "odds", 0.1 + 0.2)
        })
        .decky("loner", |decky| decky)
        .build()
        .expect("a maze");
    let (mut lans, mut deckies) = topology.into_parts();
    let position = Position {
        x: Coordinate::new(-1.0e-300).ok(),
        y: Coordinate::new(0.1).ok(),
    };
    lans[0] = lans[0].clone().at(position);
    deckies[1] = deckies[1]
        .clone()
        .at(Position { x: None, ..position })
        .with_archetype(Some("printer".into()));
    let new = NewTopology::new(
        "Das große Netz".parse().expect("a name"),
        Topology::new(lans, deckies).expect("a maze"),
    )
    .mode(Mode::Agent)
    .host("agent-7".to_owned())
    .config(any::config())
    .settings(DeploySettings::default().publish(["ssh=127.0.0.1:2222".parse().expect("a rule")].into_iter().collect()))
    .id("01234567-89ab-4cde-8f01-23456789abcd"
        .parse::<TopologyId>()
        .expect("an id"));
    for at in [
        Timestamp::MIN,
        Timestamp::new(1_800_000_000, 1).expect("a moment"),
        Timestamp::MAX,
    ] {
        let stored = repo.create(new.clone(), at).await.expect("it is stored");
        same(&new, &stored);
        let loaded = repo.load(stored.row.id).await.expect("it is there");
        same(&new, &loaded);
        assert_eq!(loaded, stored);
        assert_eq!(loaded.row.created_at, at);
        repo.delete(stored.row.id, None, at).await.expect("it is deleted");
    }
}

pub(super) async fn any_topology_is_loaded_as_stored(repo: Arc<dyn Repo>) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..64 {
        let new = any::new_topology().new_tree(&mut runner).expect("a topology").current();
        let stored = repo.create(new.clone(), stage::second(0)).await.expect("it is stored");
        same(&new, &repo.load(stored.row.id).await.expect("it is there"));
        let other = any::new_topology().new_tree(&mut runner).expect("a topology").current();
        let topology = other.topology.clone();
        let edited = repo
            .edit(stored.row.id, Edit::new(topology.clone()), stage::second(1))
            .await;
        let new = NewTopology { topology, ..new };
        same(&new, &edited.expect("it is edited"));
        repo.delete(stored.row.id, None, stage::second(1))
            .await
            .expect("it is deleted");
    }
}

pub(super) async fn a_topology_gets_the_wanted_id_unless_it_is_taken(repo: Arc<dyn Repo>) {
    let id: TopologyId = "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let new = |name, number| stage::new(name, stage::maze(number)).id(id);
    let first = repo.create(new("corp", 1), stage::second(0)).await;
    assert_eq!(first.expect("it is stored").row.id, id);
    let second = repo.create(new("lab", 2), stage::second(1)).await;
    let second = second.expect("it is stored").row.id;
    assert_ne!(crate::id::short_id(second), crate::id::short_id(id));
}

pub(super) async fn an_unknown_topology_is_not_found(repo: Arc<dyn Repo>) {
    let id: TopologyId = "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id");
    let token = LeaseToken::from_u128(1);
    let at = stage::second(0);
    let change = stage::step(Status::Pending, Status::Deploying);
    let refusals = [
        repo.get(id).await.err(),
        repo.load(id).await.err(),
        repo.edit(id, Edit::new(stage::maze(1)), at).await.err(),
        repo.set_status(id, change, at).await.err(),
        repo.status_events(id).await.err(),
        repo.set_needs_resync(id, true, None, at).await.err(),
        repo.acquire_lease(id, &stage::holder(1), stage::LEASE, None, at)
            .await
            .err(),
        repo.renew_lease(id, token, stage::LEASE, at).await.err(),
        repo.lease(id, at).await.err(),
        repo.delete(id, None, at).await.err(),
    ];
    for (at, refusal) in refusals.iter().enumerate() {
        assert!(
            matches!(refusal, Some(RepoError::NotFound { id: unknown }) if *unknown == id),
            "{at}: {refusal:?}"
        );
    }
    repo.release_lease(id, token)
        .await
        .expect("releasing a free lease is not an error");
}

pub(super) async fn a_name_in_use_is_refused_in_any_case(repo: Arc<dyn Repo>) {
    let first = stage::create(&*repo, "Ünïcorp", stage::maze(1)).await;
    for status in [Status::Pending, Status::Deploying, Status::Failed, Status::TearingDown] {
        if status == Status::TearingDown {
            let change = stage::step(Status::Failed, Status::TearingDown);
            repo.set_status(first.row.id, change, stage::second(1))
                .await
                .expect("a step");
        } else if status == Status::Failed {
            let change = stage::step(Status::Deploying, Status::Failed);
            repo.set_status(first.row.id, change, stage::second(1))
                .await
                .expect("a step");
        } else {
            stage::bring(&*repo, first.row.id, status).await;
        }
        for name in ["Ünïcorp", "ÜNÏCORP", "ünïcorp"] {
            let refusal = stage::refused(&*repo, repo.create(stage::new(name, stage::maze(2)), stage::second(0))).await;
            let RepoError::NameTaken { name, id } = refusal else {
                panic!("{refusal:?}")
            };
            assert_eq!((name.as_str(), id), ("Ünïcorp", first.row.id));
        }
    }
    stage::create(&*repo, "Ünïcorp 2", stage::maze(2)).await;
}

pub(super) async fn a_name_is_free_again_once_torn_down(repo: Arc<dyn Repo>) {
    for octet in 0..3 {
        let stored = stage::create(&*repo, "corp", stage::maze(octet)).await;
        stage::bring(&*repo, stored.row.id, Status::TornDown).await;
    }
    let all = repo.list(&TopologyFilter::default()).await.expect("the list");
    assert_eq!(all.total, 3, "those torn down stay until they are deleted");
}

pub(super) async fn a_name_is_free_again_once_deleted(repo: Arc<dyn Repo>) {
    let stored = stage::create(&*repo, "corp", stage::maze(1)).await;
    repo.delete(stored.row.id, None, stage::second(1))
        .await
        .expect("it is deleted");
    stage::create(&*repo, "CORP", stage::maze(1)).await;
}

pub(super) async fn a_deleted_topology_leaves_no_rows(repo: Arc<dyn Repo>) {
    stage::create(&*repo, "other", stage::maze(9)).await;
    let before = stage::snapshot(&*repo).await.without_log();
    for (octet, status) in (1..).zip([Status::Pending, Status::Failed, Status::TornDown]) {
        let id = stage::create(&*repo, "corp", stage::maze(octet)).await.row.id;
        stage::bring(&*repo, id, status).await;
        let lease = repo
            .acquire_lease(id, &stage::holder(1), stage::LEASE, None, stage::second(1))
            .await;
        assert_eq!(lease.expect("the lease").until, stage::second(16));
        repo.delete(id, None, stage::second(16)).await.expect("it is deleted");
        assert!(matches!(repo.load(id).await, Err(RepoError::NotFound { .. })));
        assert_eq!(stage::snapshot(&*repo).await.without_log(), before);
    }
}

pub(super) async fn a_topology_that_may_exist_on_docker_is_not_deleted(repo: Arc<dyn Repo>) {
    let kept = [Status::Deploying, Status::Active, Status::Degraded, Status::TearingDown];
    for (octet, status) in (1..).zip(kept) {
        let id = stage::create(&*repo, &status.to_string(), stage::maze(octet))
            .await
            .row
            .id;
        stage::bring(&*repo, id, status).await;
        let refusal = stage::refused(&*repo, repo.delete(id, None, stage::second(2))).await;
        assert!(
            matches!(refusal, RepoError::NotDeletable { status: it, .. } if it == status),
            "{refusal:?}"
        );
    }
}

pub(super) async fn a_topology_of_another_version_is_not_deleted(repo: Arc<dyn Repo>) {
    let stored = stage::create(&*repo, "corp", stage::maze(1)).await;
    let (id, shown) = (stored.row.id, stored.row.version);
    let edited = repo.edit(id, Edit::new(stage::maze(2)), stage::second(1)).await;
    let current = edited.expect("it is edited").row.version;
    let refusal = stage::refused(&*repo, repo.delete(id, Some(shown), stage::second(2))).await;
    assert!(
        matches!(refusal, RepoError::VersionConflict { expected, current: it, .. } if (expected, it) == (shown, current)),
        "{refusal:?}"
    );
    repo.delete(id, Some(current), stage::second(3))
        .await
        .expect("it is deleted");
}

pub(super) async fn a_topology_with_a_held_lease_is_not_deleted(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    let lease = repo
        .acquire_lease(id, &stage::holder(1), stage::LEASE, None, stage::second(0))
        .await;
    let lease = lease.expect("the lease");
    let refusal = stage::refused(&*repo, repo.delete(id, None, stage::second(14))).await;
    assert!(
        matches!(&refusal, RepoError::LeaseHeld { lease: held, .. } if **held == lease),
        "{refusal:?}"
    );
    repo.release_lease(id, lease.token)
        .await
        .expect("the lease is released");
    // A lease from the future blocks nothing: the clock was set back.
    let hour = 60 * 60;
    repo.acquire_lease(id, &stage::holder(1), stage::LEASE, None, stage::second(hour))
        .await
        .expect("the lease");
    repo.delete(id, None, stage::second(14)).await.expect("it is deleted");
}

pub(super) async fn one_of_several_concurrent_creations_of_one_name_wins(repo: Arc<dyn Repo>) {
    let outcomes = stage::at_once(&repo, 8, |repo, at| async move {
        let name = if at % 2 == 0 { "corp" } else { "CORP" };
        repo.create(stage::new(name, stage::maze(at)), stage::second(0)).await
    });
    let (winner, losers) = stage::one_winner(outcomes.await);
    for refusal in losers {
        assert!(
            matches!(refusal, RepoError::NameTaken { id, .. } if id == winner.row.id),
            "{refusal:?}"
        );
    }
    assert_eq!(
        repo.list(&TopologyFilter::default()).await.expect("the list").rows,
        [winner.row]
    );
}
