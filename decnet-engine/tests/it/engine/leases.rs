//! Who may go on where two want the same topology.

use std::{pin::pin, time::Duration};

use decnet_engine::{
    engine::{DeployOptions, EngineError},
    runtime::simulated::Moment,
};
use decnet_topology::{
    Repo, RepoError, Status, TopologyId,
    repo::{Holder, Lease},
};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Lab, small};

async fn lease(lab: &Lab, id: TopologyId) -> Option<Lease> {
    lab.repo.lease(id, Timestamp::now()).await.expect("asked")
}

/// Takes the lease from whoever holds it, as another process does when it ran out.
async fn take_away(lab: &Lab, id: TopologyId) {
    let holder = Holder {
        boot_id: "another host".into(),
        pid: 1,
        started: 1,
        label: "another".into(),
    };
    let held = lease(lab, id).await.expect("a lease");
    let (hour, now) = (SignedDuration::from_hours(1), Timestamp::now());
    let taken = lab.repo.acquire_lease(id, &holder, hour, Some(held.token), now).await;
    taken.expect("taken");
}

// The clock jumps to the next renewal of the lease as soon as everything waits.
#[tokio::test(start_paused = true)]
async fn a_deploy_that_lost_its_lease_undoes_nothing_and_leaves_the_status_to_the_new_holder() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.hang(6, Moment::After);
    let taken = async {
        lab.docker.hung().await;
        take_away(&lab, id).await;
        lab.docker.world()
    };
    let (result, before) = tokio::join!(lab.deploy(id), taken);
    assert!(
        matches!(result, Err(EngineError::Repo(RepoError::LeaseLost { .. }))),
        "{result:?}"
    );
    lab.docker.reconnect();
    assert!(!before.networks.is_empty());
    assert_eq!(lab.docker.world(), before);
    assert_eq!(lab.status(id).await, Status::Deploying);
    assert_eq!(
        lease(&lab, id).await.map(|lease| lease.holder.label),
        Some("another".into())
    );
}

// The clock jumps as soon as everything waits.
#[tokio::test(start_paused = true)]
async fn while_a_daemon_does_not_answer_no_lease_is_taken_and_nothing_is_written() {
    let other = Lab::new();
    let lab = Lab::sharing(other.docker.clone());
    let others = other.store("maze", small()).await;
    other.docker.hang(1, Moment::Before);
    tokio::select! {
        result = other.deploy(others) => panic!("{result:?}"),
        () = other.docker.hung() => {}
    }
    let id = lab.store("maze", small()).await;
    let before = lab.repo.load(id).await.expect("stored");
    let mut deploy = pin!(lab.deploy(id));
    tokio::select! {
        result = &mut deploy => panic!("{result:?}"),
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    assert_eq!(lease(&lab, id).await, None);
    assert_eq!(lab.repo.load(id).await.expect("stored"), before);
}

#[tokio::test]
async fn a_deploy_that_is_taken_up_and_then_called_off_leaves_nothing() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.hang(6, Moment::After);
    tokio::select! {
        result = lab.deploy(id) => panic!("{result:?}"),
        () = lab.docker.hung() => {}
    }
    while lease(&lab, id).await.is_some() {
        tokio::task::yield_now().await;
    }
    lab.docker.reconnect();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let result = lab.engine.deploy(id, DeployOptions::default(), &cancel).await;
    let Err(EngineError::Interrupted { leftovers, .. }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(leftovers, Vec::<String>::new());
    assert_eq!(lab.status(id).await, Status::Failed);
    lab.assert_nothing_left("called off");
}
