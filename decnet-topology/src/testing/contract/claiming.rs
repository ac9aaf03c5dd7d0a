//! Clauses on claimed subnets.

use std::sync::Arc;

use super::stage;
use crate::{
    model::Topology,
    repo::{Edit, Repo, RepoError, TopologyFilter},
    status::Status,
};

pub(super) async fn claims_are_in_order_of_address(repo: Arc<dyn Repo>) {
    let wide = Topology::builder()
        .dmz("dmz", "10.9.0.0/16")
        .lan("Lab", "10.100.0.0/24")
        .lan("office", "2.0.0.0/8");
    let wide = stage::create(&*repo, "Wide", wide.build().expect("a maze")).await;
    let narrow = stage::create(&*repo, "narrow", stage::maze(10)).await;
    let claims = repo.claims(None).await.expect("the claims");
    let found: Vec<_> = claims
        .iter()
        .map(|claim| {
            (
                claim.topology,
                claim.name.as_str(),
                claim.lan.as_str(),
                claim.subnet.to_string(),
            )
        })
        .collect();
    let (wide, narrow) = (wide.row.id, narrow.row.id);
    let expected = [
        (wide, "Wide", "office", "2.0.0.0/8".to_owned()),
        (wide, "Wide", "dmz", "10.9.0.0/16".to_owned()),
        (narrow, "narrow", "DMZ", "10.10.0.0/24".to_owned()),
        (narrow, "narrow", "office", "10.10.1.0/24".to_owned()),
        (wide, "Wide", "Lab", "10.100.0.0/24".to_owned()),
    ];
    assert_eq!(found, expected);
}

pub(super) async fn claims_exclude_torn_down_and_excepted_topologies(repo: Arc<dyn Repo>) {
    let mut alive = Vec::new();
    for (octet, status) in (0..).zip(Status::ALL) {
        let stored = stage::create(&*repo, &status.to_string(), stage::maze(octet)).await;
        stage::bring(&*repo, stored.row.id, *status).await;
        if *status != Status::TornDown {
            alive.push(stored.row.id);
        }
    }
    for except in alive.iter().copied().map(Some).chain([None]) {
        let claims = repo.claims(except).await.expect("the claims");
        let claiming: Vec<_> = claims.iter().step_by(2).map(|claim| claim.topology).collect();
        let expected: Vec<_> = alive.iter().copied().filter(|id| Some(*id) != except).collect();
        assert_eq!(claiming, expected, "without {except:?}");
        assert_eq!(claims.len(), 2 * expected.len());
    }
}

/// Subnets that overlap `10.1.0.0/24`.
const OVERLAPPING: [&str; 8] = [
    "10.1.0.0/24",
    "10.1.0.0/25",
    "10.1.0.128/25",
    "10.1.0.255/32",
    "10.1.0.0/23",
    "10.0.0.0/8",
    "0.0.0.0/1",
    "0.0.0.0/0",
];

fn assert_claimed(refusal: &RepoError, wanted: &str) {
    let RepoError::SubnetClaimed {
        subnet,
        claimed,
        lan,
        by,
    } = refusal
    else {
        panic!("{wanted}: {refusal:?}");
    };
    let reported = (subnet.to_string(), claimed.to_string(), lan.as_str(), by.as_str());
    assert_eq!(reported, (wanted.to_owned(), "10.1.0.0/24".to_owned(), "dmz", "corp"));
}

pub(super) async fn a_subnet_that_overlaps_a_claimed_one_is_refused(repo: Arc<dyn Repo>) {
    stage::create(&*repo, "corp", stage::lan("10.1.0.0/24")).await;
    for wanted in OVERLAPPING {
        let topology = Topology::builder()
            .dmz("free", "192.168.0.0/24")
            .lan("wanted", wanted)
            .build();
        let new = stage::new("other", topology.expect("a maze"));
        // A range that contains both is refused as a whole, even though one half is free.
        assert_claimed(
            &stage::refused(&*repo, repo.create(new, stage::second(1))).await,
            wanted,
        );
    }
}

pub(super) async fn a_subnet_next_to_a_claimed_one_is_free(repo: Arc<dyn Repo>) {
    stage::create(&*repo, "corp", stage::lan("10.1.0.0/24")).await;
    for (at, subnet) in [
        "10.1.1.0/24",
        "10.0.255.0/24",
        "10.1.2.0/23",
        "10.0.0.0/17",
        "11.1.0.0/24",
    ]
    .iter()
    .enumerate()
    {
        stage::create(&*repo, &format!("corp {at}"), stage::lan(subnet)).await;
    }
}

pub(super) async fn an_edit_to_a_claimed_subnet_is_refused(repo: Arc<dyn Repo>) {
    stage::create(&*repo, "corp", stage::lan("10.1.0.0/24")).await;
    let id = stage::create(&*repo, "other", stage::lan("192.168.0.0/24"))
        .await
        .row
        .id;
    for wanted in OVERLAPPING {
        let edit = repo.edit(id, Edit::new(stage::lan(wanted)), stage::second(1));
        assert_claimed(&stage::refused(&*repo, edit).await, wanted);
    }
}

pub(super) async fn an_edit_may_keep_its_own_subnets(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::lan("10.1.0.0/24")).await.row.id;
    for wanted in OVERLAPPING {
        let edited = repo.edit(id, Edit::new(stage::lan(wanted)), stage::second(1)).await;
        assert_eq!(edited.expect("the edit is allowed").topology, stage::lan(wanted));
    }
}

pub(super) async fn the_subnets_of_a_torn_down_topology_are_free(repo: Arc<dyn Repo>) {
    for name in ["one", "two", "three"] {
        let id = stage::create(&*repo, name, stage::maze(1)).await.row.id;
        stage::bring(&*repo, id, Status::TornDown).await;
    }
}

pub(super) async fn one_of_several_concurrent_creations_with_overlapping_subnets_wins(repo: Arc<dyn Repo>) {
    let outcomes = stage::at_once(&repo, 8, |repo, at| async move {
        let topology = stage::lan(&format!("10.0.0.0/{}", 8 + at));
        repo.create(stage::new(&format!("corp {at}"), topology), stage::second(0))
            .await
    });
    let (winner, losers) = stage::one_winner(outcomes.await);
    for refusal in losers {
        assert!(
            matches!(&refusal, RepoError::SubnetClaimed { by, .. } if *by == winner.row.name),
            "{refusal:?}"
        );
    }
    assert_eq!(
        repo.list(&TopologyFilter::default()).await.expect("the list").rows,
        [winner.row]
    );
}
