//! The loop on each store that several processes can share: in memory, where the clock is paused, and on a PostgreSQL server, where it is
//! not. Without `DECNET_TEST_POSTGRES` (see `scripts/postgres-up`), the tests on a server are skipped.

use std::{sync::Arc, time::Duration};

use decnet_engine::{Bus, Event, LocalBus, Timeline, Trigger, simulated::Moment};
use decnet_topology::{
    Holder, MemoryRepo, MutationFilter, MutationState, MutationTrigger, PostgresRepo, Repo, SignedDuration, Status,
    testing::PostgresDatabase,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Keeper, Lab, SECOND, Stage, by_events, by_polls, engine, enqueue, heard,
    pausing::refused,
    shuffling::{files, services, shuffle_since},
    until,
};

/// A store, as each process opens it.
enum Place {
    Memory(Arc<MemoryRepo>),
    Server(PostgresDatabase),
}

impl Place {
    /// Creates a database, if there is a server.
    fn server() -> Option<Self> {
        let server = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty());
        if server.is_none() {
            println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        }
        Some(Self::Server(PostgresDatabase::create(&server?)))
    }

    async fn open(&self) -> Arc<dyn Repo> {
        match self {
            Self::Memory(repo) => repo.clone(),
            Self::Server(database) => Arc::new(PostgresRepo::open(database.url()).await.expect("a store")),
        }
    }

    /// Lets a time pass. On a server, where the clock is real, it is a second at most.
    async fn wait(&self, time: Duration) {
        let time = match self {
            Self::Memory(_) => time,
            Self::Server(_) => time.min(SECOND),
        };
        tokio::time::sleep(time).await;
    }

    /// Checks how long something took. On a server, where the clock is real, the machine may be slow.
    #[track_caller]
    fn assert_within(&self, took: Duration, limit: Duration) {
        assert!(matches!(self, Self::Server(_)) || took < limit, "{took:?}");
    }

    /// Returns the view of one process on the store and the daemon.
    async fn lab(&self, stage: &Stage, bus: Option<Arc<dyn Bus>>) -> Lab {
        let repo = self.open().await;
        Lab {
            engine: engine(repo.clone(), stage, bus),
            stage: stage.clone(),
            repo,
        }
    }
}

/// Makes a test of each function for each store.
macro_rules! on_each_store {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(&super::Place::Memory(std::sync::Arc::default())).await;
            })*
        }
        mod server {
            $(#[tokio::test]
            async fn $test() {
                if let Some(place) = super::Place::server() {
                    super::$test(&place).await;
                }
            })*
        }
    };
}

on_each_store! {
    a_queued_mutation_is_applied_without_a_poll
    a_mutation_by_another_process_is_found_by_the_poll
    a_failed_mutation_degrades_the_maze_until_it_is_healed
    a_maze_whose_lease_another_process_holds_waits_for_it
    a_cancelled_loop_finishes_the_current_step_and_releases_everything
    a_half_done_maze_can_be_torn_down_at_once
    a_degraded_maze_with_the_intent_down_is_torn_down
    the_loop_waits_for_a_daemon_that_restarts
    a_worker_that_panics_is_replaced
    a_decky_that_was_due_many_times_is_shuffled_once_by_one_of_two_loops
}

/// Lets a new loop visit everything once. On a server, it may take longer; then the test sees less.
async fn settle() {
    tokio::time::sleep(SECOND / 2).await;
}

async fn a_queued_mutation_is_applied_without_a_poll(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    let mutation = enqueue(&lab.engine, id, "extra").await;
    until!(lab.is_applied(mutation).await);
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}

async fn a_mutation_by_another_process_is_found_by_the_poll(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND));
    let other = place.lab(&lab.stage, None).await;
    let mutation = enqueue(&other.engine, id, "extra").await;
    until!(lab.is_applied(mutation).await);
    assert!(other.matches_the_store(id).await);
    keeper.end().await;
}

async fn a_failed_mutation_degrades_the_maze_until_it_is_healed(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND / 5));
    lab.docker()
        .fail_where(|action| action.to_string().contains("extra"), Moment::Before, refused());
    let mutation = enqueue(&lab.engine, id, "extra").await;
    until!(lab.mutation(mutation).await.state == MutationState::Failed);
    assert_eq!(lab.status(id).await, Status::Degraded);
    lab.docker().reconnect();
    until!(lab.matches_the_store(id).await);
    keeper.end().await;
}

async fn a_maze_whose_lease_another_process_holds_waits_for_it(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let (held, free) = (lab.deploy(0).await, lab.deploy(1).await);
    let other = place.open().await;
    let holder = Holder {
        boot_id: "another machine".into(),
        pid: 1,
        started: 1,
        label: "another".into(),
    };
    let lease = other
        .acquire_lease(held, &holder, SignedDuration::from_hours(1), None, Timestamp::now())
        .await
        .expect("acquired");
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND / 5));
    let waiting = enqueue(&lab.engine, held, "extra").await;
    let mutation = enqueue(&lab.engine, free, "extra").await;
    until!(lab.is_applied(mutation).await);
    // The loop has tried the other one, too.
    tokio::time::sleep(SECOND).await;
    assert_eq!(lab.mutation(waiting).await.state, MutationState::Pending);
    other.release_lease(held, lease.token).await.expect("released");
    until!(lab.is_applied(waiting).await);
    assert!(lab.matches_the_store(held).await);
    keeper.end().await;
}

async fn a_cancelled_loop_finishes_the_current_step_and_releases_everything(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    lab.docker().clear_log();
    lab.stage.open(false);
    let (first, second) = (
        enqueue(&lab.engine, id, "first").await,
        enqueue(&lab.engine, id, "second").await,
    );
    let begun = lab.stage.wait_until_blocked().await;
    keeper.stop.cancel();
    tokio::time::sleep(SECOND).await;
    assert!(!keeper.task.is_finished(), "it waits for the started step");
    assert!(lab.repo.lease(id, Timestamp::now()).await.expect("asked").is_some());
    lab.stage.open(true);
    keeper.end().await;

    // The image existed already.
    assert_eq!(lab.docker().log().len(), 1 + begun);
    assert!(lab.repo.lease(id, Timestamp::now()).await.expect("asked").is_none());
    for mutation in [first, second] {
        let row = lab.mutation(mutation).await;
        assert_eq!((row.state, row.claim), (MutationState::Pending, None));
    }

    let other = place.lab(&lab.stage, None).await;
    let keeper = Keeper::start(&other.engine, by_events());
    until!(lab.unfinished().await == 0);
    assert!(lab.is_applied(first).await && lab.is_applied(second).await);
    assert!(lab.matches_the_store(id).await);
    keeper.end().await;
}

async fn a_half_done_maze_can_be_torn_down_at_once(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    lab.stage.open(false);
    enqueue(&lab.engine, id, "extra").await;
    lab.stage.wait_until_blocked().await;
    keeper.stop.cancel();
    lab.stage.open(true);
    keeper.end().await;
    let torn_down = lab.engine.teardown(id, &CancellationToken::new()).await;
    assert_eq!(torn_down.expect("torn down").row.status, Status::TornDown);
    assert!(lab.docker().world().containers.is_empty());
    assert_eq!(lab.unfinished().await, 0);
}

async fn a_degraded_maze_with_the_intent_down_is_torn_down(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    lab.docker().fail_where(
        |action| action.to_string().contains("_office"),
        Moment::Before,
        refused(),
    );
    let torn_down = lab.engine.teardown(id, &CancellationToken::new()).await;
    assert!(torn_down.is_err());
    assert_eq!(lab.status(id).await, Status::Degraded);
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    place.wait(120 * SECOND).await;
    assert_eq!(lab.status(id).await, Status::Degraded);
    assert!(lab.docker().world().containers.is_empty(), "nothing is created again");
    lab.docker().reconnect();
    until!(lab.status(id).await == Status::TornDown);
    let world = lab.docker().world();
    assert!(world.containers.is_empty() && world.networks.is_empty());
    keeper.end().await;
}

async fn the_loop_waits_for_a_daemon_that_restarts(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let id = lab.deploy(0).await;
    let keeper = Keeper::start(&lab.engine, by_polls(10 * SECOND));
    settle().await;
    lab.docker().go_away();
    let mutation = enqueue(&lab.engine, id, "extra").await;
    place.wait(300 * SECOND).await;
    assert_eq!((lab.unfinished().await, lab.status(id).await), (1, Status::Active));
    lab.docker().reconnect();
    lab.docker().restart_daemon();
    let took = until!(lab.is_applied(mutation).await && lab.matches_the_store(id).await);
    place.assert_within(took, 3 * SECOND);
    keeper.end().await;
}

async fn a_worker_that_panics_is_replaced(place: &Place) {
    let lab = place.lab(&Stage::default(), None).await;
    let (id, other) = (lab.deploy(0).await, lab.deploy(1).await);
    let keeper = Keeper::start(&lab.engine, by_events());
    settle().await;
    lab.stage.panic_once();
    let mutation = enqueue(&lab.engine, id, "extra").await;
    until!(lab.stage.has_panicked());
    let unharmed = enqueue(&lab.engine, other, "extra").await;
    place.assert_within(until!(lab.is_applied(unharmed).await), SECOND);
    // The worker's half-done work and its claim are continued.
    place.assert_within(until!(lab.is_applied(mutation).await), 5 * SECOND);
    assert!(lab.matches_the_store(id).await && lab.matches_the_store(other).await);
    keeper.end().await;
}

async fn a_decky_that_was_due_many_times_is_shuffled_once_by_one_of_two_loops(place: &Place) {
    let bus = Arc::new(LocalBus::default());
    let lab = place.lab(&Stage::default(), Some(bus.clone())).await;
    let id = lab.deploy(0).await;
    shuffle_since(&lab, id, 30).await;
    let mut events = bus.subscribe(&["decky.>".parse().expect("a pattern")]);
    let before = services(&lab, id).await;
    let other = place.lab(&lab.stage, Some(bus)).await;
    let keepers = [
        Keeper::start(&lab.engine, by_events()),
        Keeper::start(&other.engine, by_events()),
    ];
    until!(services(&lab, id).await != before);
    until!(lab.unfinished().await == 0);
    settle().await;
    let rows = lab
        .repo
        .mutations(&MutationFilter::default())
        .await
        .expect("listed")
        .rows;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(
        (row.trigger, row.state),
        (MutationTrigger::Scheduled, MutationState::Applied)
    );
    let decky = heard(&mut events).into_iter().find_map(|event| match event {
        Event::Decky(event) => Some(event.trigger),
        _ => None,
    });
    assert_eq!(decky, Some(Trigger::Scheduled));
    let stored = lab.repo.load(id).await.expect("stored");
    let timeline = Timeline::load(lab.repo.as_ref(), &stored).await.expect("the trail");
    let now = timeline.decky(&files()).and_then(|decky| decky.at(Timestamp::now()));
    assert_eq!(now.map(|moment| moment.trigger), Some(Trigger::Scheduled));
    let next = lab.engine.next_shuffle(id).await.expect("computed").expect("a rule");
    assert!(
        next.0 > row.enqueued_at - SignedDuration::from_secs(1) && next.1 == files(),
        "{next:?}"
    );
    for keeper in keepers {
        keeper.end().await;
    }
}
