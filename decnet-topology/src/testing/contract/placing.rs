//! Clauses on the placement of a topology on the members of a fleet.

use std::{collections::BTreeSet, sync::Arc};

use super::{hosting, stage};
use crate::{
    id::{DeckyId, LanId, TopologyId},
    name::Name,
    placement::{Placement, StretchedLan, Vni},
    repo::{NewTopology, Repo, RepoError},
    status::{Intent, Mode, Status},
};

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// Tears down a topology that was never deployed.
async fn end(repo: &dyn Repo, id: TopologyId, second: i64) {
    let change = stage::step(Status::Pending, Status::TornDown);
    let ended = repo.set_status(id, change, stage::second(second)).await;
    ended.expect("torn down");
}

/// Returns a placement on two members, with one LAN on both.
fn stretched(vni: u32) -> Placement {
    let lan = LanId::new(1);
    let mut placement = Placement {
        mtu: Some(1450),
        ..Placement::default()
    };
    placement.lans.insert(LanId::new(0), name("east"));
    placement.lans.insert(lan, name("west"));
    placement.deckies.insert(DeckyId::new(0), name("east"));
    let stretched = StretchedLan {
        vni: Vni::new(vni).expect("a VNI"),
        members: BTreeSet::from([name("east"), name("west")]),
    };
    placement.stretched.insert(lan, stretched);
    placement
}

pub(super) async fn a_placement_is_loaded_as_stored_until_torn_down_and_does_not_count_as_an_edit(repo: Arc<dyn Repo>) {
    let mut row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    assert_eq!(row.placement, None);
    for (second, placement) in [(2, Some(stretched(7))), (3, None), (4, Some(stretched(8)))] {
        let at = stage::second(second);
        let set = repo.set_placement(row.id, placement.clone(), None, at).await;
        row.placement = placement;
        row.changed_at = at;
        assert_eq!(set.expect("set"), row);
        assert_eq!(repo.get(row.id).await.expect("a row"), row);
    }
    end(&*repo, row.id, 5).await;
    let refused = repo.set_placement(row.id, None, None, stage::second(6)).await;
    assert!(matches!(refused, Err(RepoError::NotEditable { .. })), "{refused:?}");
    assert_eq!(repo.get(row.id).await.expect("a row").placement, row.placement);
}

pub(super) async fn a_changed_placement_of_a_running_topology_needs_a_resync(repo: Arc<dyn Repo>) {
    let id = stage::create(&*repo, "corp", stage::maze(1)).await.row.id;
    stage::bring_with_intent(&*repo, id, Status::Active, Some(Intent::Up)).await;
    for (placement, needs_resync) in [(None, false), (Some(stretched(7)), true)] {
        let set = repo.set_placement(id, placement, None, stage::second(5)).await;
        let row = set.expect("set");
        assert_eq!(row.needs_resync, needs_resync);
        assert_eq!(repo.get(id).await.expect("its row"), row);
    }
}

pub(super) async fn a_vni_of_another_topology_is_refused_until_that_is_torn_down(repo: Arc<dyn Repo>) {
    let first = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let second = stage::create(&*repo, "lab", stage::maze(2)).await.row;
    let set = async |id, vni| {
        repo.set_placement(id, Some(stretched(vni)), None, stage::second(2))
            .await
    };
    set(first.id, 7).await.expect("it is free");
    set(first.id, 7).await.expect("it is its own");
    let refused = set(second.id, 7).await.expect_err("it is taken");
    let is_taken = matches!(&refused, RepoError::VniTaken { vni, by } if vni.get() == 7 && *by == first.name);
    assert!(is_taken, "{refused:?}");
    assert_eq!(repo.get(second.id).await.expect("a row"), second);
    set(second.id, 8).await.expect("it is free");
    end(&*repo, first.id, 3).await;
    set(second.id, 7).await.expect("it is free now");
}

pub(super) async fn one_of_several_topologies_gets_a_vni(repo: Arc<dyn Repo>) {
    let refusals = one_of_eight_is_placed(&repo, &stretched(7)).await;
    let are_taken = refusals
        .iter()
        .all(|refused| matches!(refused, RepoError::VniTaken { .. }));
    assert!(are_taken, "{refusals:?}");
}

pub(super) async fn one_of_several_topologies_fills_a_host(repo: Arc<dyn Repo>) {
    hosting::enroll(&*repo, "east", 1).await;
    let refusals = one_of_eight_is_placed(&repo, &placed("east", 5)).await;
    let is_full = |refused: &RepoError| matches!(refused, RepoError::HostFull { host, capacity: 7, taken: 5, wanted: 5 } if *host == name("east"));
    assert!(refusals.iter().all(is_full), "{refusals:?}");
}

pub(super) async fn a_host_with_too_many_deckies_keeps_them(repo: Arc<dyn Repo>) {
    let row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let set = async |count| {
        repo.set_placement(row.id, Some(placed("east", count)), None, stage::second(2))
            .await
    };
    set(9).await.expect("no host of the name has a limit");
    hosting::enroll(&*repo, "east", 3).await;
    set(9).await.expect("they are there already");
    let refused = set(10).await.expect_err("it is full");
    assert!(
        matches!(
            refused,
            RepoError::HostFull {
                capacity: 7,
                taken: 0,
                wanted: 10,
                ..
            }
        ),
        "{refused:?}"
    );
    set(8).await.expect("they become fewer");
}

pub(super) async fn the_deckies_of_a_maze_of_mode_agent_count_on_its_host(repo: Arc<dyn Repo>) {
    hosting::enroll(&*repo, "east", 1).await;
    let new = NewTopology::new("whole".parse().expect("a name"), stage::maze(1))
        .mode(Mode::Agent)
        .host("east".to_owned());
    let whole = repo.create(new, stage::second(1)).await.expect("stored");
    let others = u32::try_from(whole.topology.deckies().len()).expect("a few");
    let row = stage::create(&*repo, "corp", stage::maze(2)).await.row;
    let set = async |count| {
        repo.set_placement(row.id, Some(placed("east", count)), None, stage::second(2))
            .await
    };
    set(7).await.expect("the other maze is not deployed yet");
    repo.set_placement(row.id, None, None, stage::second(2))
        .await
        .expect("free again");
    stage::bring(&*repo, whole.row.id, Status::Active).await;
    let refused = set(7).await.expect_err("it is full");
    assert!(
        matches!(refused, RepoError::HostFull { capacity: 7, taken, .. } if taken == others),
        "{refused:?}"
    );
    set(7 - others).await.expect("there is room for these");
}

/// Returns a placement of some deckies on one host.
fn placed(host: &str, deckies: u32) -> Placement {
    let mut placement = Placement::default();
    placement.lans.insert(LanId::new(0), name(host));
    let deckies = (0..deckies).map(|number| (DeckyId::new(number), name(host)));
    placement.deckies.extend(deckies);
    placement
}

/// Places eight topologies at the same time, of which one succeeds, and returns why the others are refused.
async fn one_of_eight_is_placed(repo: &Arc<dyn Repo>, placement: &Placement) -> Vec<RepoError> {
    let mut ids = Vec::new();
    for octet in 1..=8 {
        let created = stage::create(&**repo, &format!("maze-{octet}"), stage::maze(octet)).await;
        ids.push(created.row.id);
    }
    let places = ids.into_iter().map(|id| {
        let (repo, placement) = (Arc::clone(repo), placement.clone());
        tokio::spawn(async move { repo.set_placement(id, Some(placement), None, stage::second(2)).await })
    });
    let places: Vec<_> = places.collect();
    let mut outcomes = Vec::new();
    for place in places {
        outcomes.push(place.await.expect("it does not panic"));
    }
    stage::one_winner(outcomes).1
}

pub(super) async fn a_placement_with_a_lost_lease_is_refused(repo: Arc<dyn Repo>) {
    let row = stage::create(&*repo, "corp", stage::maze(1)).await.row;
    let holder = stage::holder(1);
    let lease = repo.acquire_lease(row.id, &holder, stage::LEASE, None, stage::second(1));
    let lost = lease.await.expect("it is free").token;
    repo.release_lease(row.id, lost).await.expect("the lease is released");
    let refused = repo
        .set_placement(row.id, Some(stretched(7)), Some(lost), stage::second(2))
        .await;
    assert!(matches!(refused, Err(RepoError::LeaseLost { .. })), "{refused:?}");
    assert_eq!(repo.get(row.id).await.expect("its row"), row);
}
