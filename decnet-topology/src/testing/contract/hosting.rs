//! Clauses on the hosts of a fleet.

use std::{collections::BTreeSet, sync::Arc};

use super::stage::{self, second};
use crate::{
    id::HostId,
    repo::{Enrolment, HostChange, HostProfile, HostRow, Repo, RepoError},
    rng,
};

const ADDRESS: &str = "192.0.2.7:7378";

/// Stores a token for a host.
async fn invite(repo: &dyn Repo, host: HostId, name: &str) -> Enrolment {
    let named = (host, name.parse().expect("a name"));
    let profile = HostProfile::default()
        .labels(["public".parse().expect("a name")])
        .capacity(7);
    let enrolment = Enrolment::new(rng::enrolment_id(), named, profile, "digest", second(900));
    repo.add_enrolment(enrolment.clone(), second(0)).await.expect("stored");
    enrolment
}

/// Lets a host join that may have seven deckies.
pub(super) async fn enroll(repo: &dyn Repo, name: &str, at: i64) -> HostRow {
    let enrolment = invite(repo, rng::host_id(), name).await;
    let enrolled = repo.enroll_host(enrolment.id, ADDRESS, second(at)).await;
    enrolled.expect("it joins")
}

pub(super) async fn a_token_is_returned_as_stored_and_removed_after_it_expired(repo: Arc<dyn Repo>) {
    let enrolment = invite(&*repo, rng::host_id(), "east").await;
    assert_eq!(
        repo.enrolment(enrolment.id).await.expect("found"),
        Some(enrolment.clone())
    );
    assert_eq!(repo.enrolment(rng::enrolment_id()).await.expect("none"), None);
    let later = Enrolment {
        id: rng::enrolment_id(),
        expires_at: second(2000),
        ..enrolment.clone()
    };
    repo.add_enrolment(later.clone(), second(901)).await.expect("stored");
    assert_eq!(repo.enrolment(enrolment.id).await.expect("none"), None);
    assert_eq!(repo.enrolment(later.id).await.expect("found"), Some(later));
}

pub(super) async fn a_token_works_once(repo: Arc<dyn Repo>) {
    let enrolment = invite(&*repo, rng::host_id(), "east").await;
    let row = repo
        .enroll_host(enrolment.id, ADDRESS, second(1))
        .await
        .expect("it joins");
    let (id, name) = (enrolment.host, enrolment.name.clone());
    let mut joined = HostRow::new(id, name, ADDRESS, enrolment.profile.clone(), second(1));
    joined.heard_at = Some(second(1));
    assert_eq!(row, joined);
    assert_eq!(repo.hosts().await.expect("hosts"), [row]);
    let again = repo.enroll_host(enrolment.id, "other:1", second(2)).await;
    assert!(
        matches!(again, Err(RepoError::EnrolmentUsed { at, .. }) if at == second(1)),
        "{again:?}"
    );
    let unknown = repo.enroll_host(rng::enrolment_id(), ADDRESS, second(2)).await;
    assert!(
        matches!(unknown, Err(RepoError::EnrolmentNotFound { .. })),
        "{unknown:?}"
    );
    assert_eq!(repo.hosts().await.expect("hosts").len(), 1);
}

pub(super) async fn one_of_several_hosts_joins_with_a_token(repo: Arc<dyn Repo>) {
    let enrolment = invite(&*repo, rng::host_id(), "east").await;
    let joins = (0..8).map(|number| {
        let (repo, id) = (Arc::clone(&repo), enrolment.id);
        tokio::spawn(async move {
            repo.enroll_host(id, &format!("192.0.2.{number}:1"), second(1))
                .await
                .is_ok()
        })
    });
    let mut joined = 0;
    for join in joins.collect::<Vec<_>>() {
        joined += usize::from(join.await.expect("no panic"));
    }
    assert_eq!(joined, 1);
    assert_eq!(repo.hosts().await.expect("hosts").len(), 1);
}

pub(super) async fn two_hosts_have_different_names_unless_one_was_revoked(repo: Arc<dyn Repo>) {
    let east = enroll(&*repo, "east", 1).await;
    let second_east = invite(&*repo, rng::host_id(), "East").await;
    let taken = repo.enroll_host(second_east.id, ADDRESS, second(2)).await;
    assert!(matches!(taken, Err(RepoError::HostNameTaken { .. })), "{taken:?}");
    let again = invite(&*repo, east.id, "east").await;
    let back = repo
        .enroll_host(again.id, "192.0.2.8:1", second(3))
        .await
        .expect("it joins again");
    let hosts = repo.hosts().await.expect("hosts");
    assert!(hosts.len() == 1 && hosts[0] == back, "{hosts:?}");
    let revoked = repo
        .change_host(east.id, HostChange::Revoke, second(4))
        .await
        .expect("revoked");
    assert_eq!(revoked.revoked_at, Some(second(4)));
    let stale = invite(&*repo, east.id, "east").await;
    let refused = repo.enroll_host(stale.id, ADDRESS, second(5)).await;
    assert!(
        matches!(refused, Err(RepoError::EnrolmentNotFound { .. })),
        "the host of the token was revoked: {refused:?}"
    );
    let other = repo
        .enroll_host(second_east.id, ADDRESS, second(5))
        .await
        .expect("the token was not used up");
    assert_eq!(repo.hosts().await.expect("hosts"), [revoked, other]);
}

pub(super) async fn a_host_that_is_revoked_while_it_joins_again_stays_revoked(repo: Arc<dyn Repo>) {
    for round in 0..8 {
        let name = format!("host-{round}");
        let host = enroll(&*repo, &name, 1).await.id;
        let again = invite(&*repo, host, &name).await.id;
        let (joining, revoking) = (Arc::clone(&repo), Arc::clone(&repo));
        let joined = tokio::spawn(async move { joining.enroll_host(again, ADDRESS, second(2)).await });
        let revoked = tokio::spawn(async move { revoking.change_host(host, HostChange::Revoke, second(3)).await });
        match joined.await.expect("no panic") {
            Ok(_) | Err(RepoError::EnrolmentNotFound { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        revoked.await.expect("no panic").expect("revoked");
        let hosts = repo.hosts().await.expect("hosts");
        let row = hosts.iter().find(|row| row.id == host).expect("the host");
        assert_eq!(row.revoked_at, Some(second(3)), "in round {round}");
    }
}

pub(super) async fn a_heartbeat_is_stored_unless_a_later_one_was(repo: Arc<dyn Repo>) {
    let mut row = enroll(&*repo, "east", 1).await;
    let (first, second_start) = (rng::agent_run_id(), rng::agent_run_id());
    let made = |run, at| format!(r#"{{"run":"{run}","made_at":"{}","generation":{at}}}"#, second(at));
    let heartbeats = [
        (made(first, 20), true),
        (made(first, 10), false),
        // The same one, with another request.
        (made(first, 20), true),
        (made(first, 300), true),
        (made(first, 299), false),
        // The agent was started again, and the clock of its host was set back.
        (made(second_start, 290), true),
        (made(second_start, 289), false),
        ("{}".to_owned(), true),
        (made(second_start, 30), true),
    ];
    for (at, (report, is_stored)) in (21..).zip(heartbeats) {
        let address = format!("192.0.2.7:{at}");
        repo.host_heard(row.id, &address, &report, second(at))
            .await
            .expect("heard");
        if is_stored {
            (row.address, row.report, row.heard_at) = (address, Some(report), Some(second(at)));
        }
        assert_eq!(repo.hosts().await.expect("hosts"), std::slice::from_ref(&row));
    }
    repo.change_host(row.id, HostChange::Revoke, second(40))
        .await
        .expect("revoked");
    for id in [row.id, rng::host_id()] {
        let refused = repo.host_heard(id, ADDRESS, "{}", second(50)).await;
        assert!(matches!(refused, Err(RepoError::HostNotFound { .. })), "{refused:?}");
    }
}

pub(super) async fn of_heartbeats_that_several_masters_get_at_once_the_last_one_made_stays(repo: Arc<dyn Repo>) {
    let host = enroll(&*repo, "east", 1).await.id;
    let run = rng::agent_run_id();
    let report = |at| format!(r#"{{"run":"{run}","made_at":"{}"}}"#, second(at));
    for round in 0..8 {
        let last = round * 10 + 10;
        let beats = (0..8).map(|number| {
            let (repo, report) = (Arc::clone(&repo), report(last - number));
            tokio::spawn(async move { repo.host_heard(host, ADDRESS, &report, second(2)).await })
        });
        for beat in beats.collect::<Vec<_>>() {
            beat.await.expect("no panic").expect("heard");
        }
        let stored = repo.hosts().await.expect("hosts").remove(0).report;
        assert_eq!(stored, Some(report(last)), "in round {round}");
    }
}

pub(super) async fn a_change_of_a_host_keeps_the_time_of_the_first(repo: Arc<dyn Repo>) {
    let id = enroll(&*repo, "east", 1).await.id;
    let change = async |change, at| repo.change_host(id, change, second(at)).await.expect("changed");
    assert_eq!(change(HostChange::Drain, 2).await.drained_at, Some(second(2)));
    assert_eq!(change(HostChange::Drain, 3).await.drained_at, Some(second(2)));
    let member = repo.hosts().await.expect("hosts")[0]
        .member()
        .expect("it has an address");
    assert!(member.drained);
    assert_eq!(member.labels, BTreeSet::from(["public".parse().expect("a name")]));
    assert_eq!(change(HostChange::Undrain, 4).await.drained_at, None);
    assert_eq!(change(HostChange::Revoke, 5).await.revoked_at, Some(second(5)));
    assert_eq!(change(HostChange::Revoke, 6).await.revoked_at, Some(second(5)));
    let unknown = repo.change_host(rng::host_id(), HostChange::Drain, second(7)).await;
    assert!(matches!(unknown, Err(RepoError::HostNotFound { .. })), "{unknown:?}");
}

pub(super) async fn hosts_do_not_depend_on_topologies(repo: Arc<dyn Repo>) {
    let east = enroll(&*repo, "east", 2).await;
    let west = enroll(&*repo, "west", 1).await;
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    repo.delete(id, None, second(3)).await.expect("deleted");
    assert_eq!(repo.hosts().await.expect("hosts"), [west, east], "in order of joining");
}

pub(super) async fn the_first_authority_of_several_masters_stays(repo: Arc<dyn Repo>) {
    assert_eq!(repo.fleet_authority().await.expect("none"), None);
    let sets = (0..8).map(|number| {
        let repo = Arc::clone(&repo);
        tokio::spawn(async move { repo.set_fleet_authority(None, &format!("authority {number}")).await })
    });
    let mut stored = BTreeSet::new();
    for set in sets.collect::<Vec<_>>() {
        stored.insert(set.await.expect("no panic").expect("stored"));
    }
    let first = repo.fleet_authority().await.expect("stored").expect("one");
    assert_eq!(stored, BTreeSet::from([first.clone()]));
    assert_eq!(
        repo.set_fleet_authority(Some("another"), "new").await.expect("kept"),
        first
    );
    assert_eq!(repo.set_fleet_authority(Some(&first), "new").await.expect("set"), "new");
    assert_eq!(repo.fleet_authority().await.expect("stored").as_deref(), Some("new"));
}
