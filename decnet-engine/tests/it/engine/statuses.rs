//! Every status with every operation: it converges, or refuses with a reason, whatever a killed process left on Docker.

use std::time::Duration;

use decnet_engine::{EngineError, WatchOptions, simulated::Moment, watch};
use decnet_topology::{Intent, Status, StatusChange, TopologyId, TopologyStore};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Lab, faults::lease_is_released, small};

const UP: Option<Intent> = Some(Intent::Up);
const DOWN: Option<Intent> = Some(Intent::Down);

/// Every status, with the intent if that makes a difference.
const STATES: [(Status, Option<Intent>); 8] = [
    (Status::Pending, None),
    (Status::Deploying, UP),
    (Status::Active, UP),
    (Status::Degraded, UP),
    (Status::Degraded, DOWN),
    (Status::Failed, UP),
    (Status::TearingDown, DOWN),
    (Status::TornDown, DOWN),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Deploy,
    Teardown,
    Reconcile,
    Watch,
}

/// The expected result of an operation.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The whole maze runs, and no other of the store.
    Up,
    /// The whole maze is removed.
    Down,
    /// It is refused because of the status and unchanged.
    Refused,
    /// Nothing is done.
    Untouched,
}

fn expected(operation: Operation, status: Status, intent: Option<Intent>) -> End {
    match (operation, status) {
        (Operation::Deploy, _) => End::Up,
        (Operation::Teardown, _) | (_, Status::TearingDown) => End::Down,
        (_, Status::Degraded) if intent == DOWN => End::Down,
        (_, Status::Active | Status::Degraded) => End::Up,
        (Operation::Reconcile, _) => End::Refused,
        (Operation::Watch, _) => End::Untouched,
    }
}

/// Changes a maze to a status like a killed process: with most of it on Docker, or with nothing.
async fn bring(lab: &Lab, status: Status, intent: Option<Intent>, leftovers: bool) -> TopologyId {
    let id = lab.store("maze", small()).await;
    if status == Status::Pending {
        return id;
    }
    if leftovers {
        lab.docker.hang(7, Moment::After);
        tokio::select! {
            result = lab.deploy(id) => panic!("{result:?}"),
            () = lab.docker.hung() => {}
        }
        lease_is_released(lab, id).await;
        lab.docker.reconnect();
        assert!(!lab.docker.world().networks.is_empty());
    } else {
        become_status(lab, id, Status::Deploying, UP).await;
    }
    let way: &[Status] = match (status, intent) {
        (Status::Deploying, _) => &[],
        (Status::Degraded, DOWN) => &[Status::TearingDown, Status::Degraded],
        (Status::TornDown, _) => &[Status::TearingDown, Status::TornDown],
        _ => &[status],
    };
    for next in way {
        let intent = if *next == Status::TearingDown { DOWN } else { None };
        become_status(lab, id, *next, intent).await;
    }
    id
}

async fn become_status(lab: &Lab, id: TopologyId, to: Status, intent: Option<Intent>) {
    let change = StatusChange::new(lab.status(id).await, to).intent(intent);
    lab.repo
        .set_status(id, change, Timestamp::now())
        .await
        .expect("the step is allowed");
}

/// Performs an operation. Returns the maze that it affected, or the status for which it was refused.
async fn perform(lab: &Lab, operation: Operation, id: TopologyId) -> Result<TopologyId, Status> {
    let outcome = match operation {
        Operation::Deploy => lab.deploy(id).await,
        Operation::Teardown => lab.teardown(id).await,
        Operation::Reconcile => lab.reconcile(id).await,
        Operation::Watch => {
            let cancel = CancellationToken::new();
            let (engine, stop) = (lab.engine.clone(), cancel.clone());
            let watching = tokio::spawn(async move { watch(&engine, &WatchOptions::default(), &stop).await });
            tokio::time::sleep(Duration::from_mins(2)).await;
            cancel.cancel();
            watching.await.expect("it ends").expect("no fault of the store");
            return Ok(id);
        }
    };
    match outcome {
        Ok(outcome) => Ok(outcome.row.id),
        Err(EngineError::WrongStatus { status, .. }) => Err(status),
        Err(error) => panic!("{operation:?}: {error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_converges_from_every_status_or_refuses_with_the_reason() {
    let operations = [
        Operation::Deploy,
        Operation::Teardown,
        Operation::Reconcile,
        Operation::Watch,
    ];
    for (status, intent) in STATES {
        for operation in operations {
            for leftovers in [true, false] {
                let context = format!("{operation:?} of {status} ({intent:?}), leftovers: {leftovers}");
                let lab = Lab::new();
                let id = bring(&lab, status, intent, leftovers).await;
                assert_eq!(lab.status(id).await, status, "{context}");
                let before = lab.docker.world();
                let performed = perform(&lab, operation, id).await;
                match expected(operation, status, intent) {
                    End::Up => {
                        let id = performed.expect(&context);
                        assert_eq!(lab.status(id).await, Status::Active, "{context}");
                        let again = lab.reconcile(id).await.expect(&context);
                        assert_eq!((again.changed, again.reason), (0, None), "{context}");
                        let world = lab.docker.world();
                        assert_eq!((world.networks.len(), world.containers.len()), (2, 5), "{context}");
                    }
                    End::Down => {
                        assert_eq!(performed, Ok(id), "{context}");
                        assert_eq!(lab.status(id).await, Status::TornDown, "{context}");
                        lab.assert_nothing_left(&context);
                    }
                    End::Refused => {
                        assert_eq!(performed, Err(status), "{context}");
                        assert_eq!(lab.docker.world(), before, "{context}");
                    }
                    End::Untouched => {
                        assert_eq!(lab.status(id).await, status, "{context}");
                        assert_eq!(lab.docker.world(), before, "{context}");
                    }
                }
            }
        }
    }
}
