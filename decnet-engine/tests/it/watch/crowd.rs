//! Many topologies at once.

use std::collections::BTreeMap;

use decnet_engine::{Event, Health, MutationStage};
use decnet_topology::MutationFilter;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Keeper, Lab, SECOND, by_events, by_polls, enqueue, heard, settle, until};

const MAZES: u8 = 12;
const EACH: usize = 3;

#[tokio::test(start_paused = true)]
async fn topologies_are_drained_in_parallel_each_by_one_worker_up_to_the_width() {
    for width in [1, 4, 100] {
        let lab = Lab::new();
        let mut mazes = Vec::new();
        for number in 0..MAZES {
            mazes.push(lab.deploy(number).await);
        }
        lab.stage.set_inspection_time(SECOND / 10);
        let mut options = by_polls(10 * SECOND);
        options.width = width;
        let keeper = Keeper::start(&lab.engine, options);
        settle().await;
        for round in 0..EACH {
            for id in &mazes {
                enqueue(&lab.engine, *id, &format!("extra-{round}")).await;
            }
            tokio::time::sleep(SECOND / 20).await;
        }
        until!(lab.unfinished().await == 0);
        tokio::time::sleep(60 * SECOND).await;
        keeper.end().await;
        assert_eq!(lab.stage.peaks(), (width.min(MAZES.into()), 1), "width {width}");
        for id in mazes {
            assert!(lab.matches_the_store(id).await);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_loops_on_one_store_share_the_work_and_apply_each_mutation_once() {
    let lab = Lab::new();
    let mut mazes = Vec::new();
    for number in 0..MAZES {
        let id = lab.deploy(number).await;
        mazes.push(id);
        for round in 0..EACH {
            enqueue(&lab.engine, id, &format!("extra-{round}")).await;
        }
    }
    lab.stage.set_inspection_time(SECOND / 10);
    let engines = [lab.engine.clone(), lab.elsewhere()];
    let mut events = engines.each_ref().map(decnet_engine::Engine::events);
    let mut options = by_polls(10 * SECOND);
    options.width = 2;
    let keepers = engines.each_ref().map(|engine| Keeper::start(engine, options.clone()));
    until!(lab.unfinished().await == 0);
    for keeper in keepers {
        keeper.end().await;
    }

    let mut applied = BTreeMap::new();
    let mut shares = Vec::new();
    for events in &mut events {
        let reported = heard(events).into_iter().filter_map(|event| match event {
            Event::Mutation {
                mutation,
                state: MutationStage::Applied,
                ..
            } => Some(mutation),
            _ => None,
        });
        let reported: Vec<_> = reported.collect();
        shares.push(reported.len());
        for mutation in reported {
            *applied.entry(mutation).or_insert(0) += 1;
        }
    }
    assert_eq!(applied.len(), EACH * usize::from(MAZES));
    assert!(applied.values().all(|count| *count == 1), "{applied:?}");
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    let rows = lab.repo.mutations(&MutationFilter::default()).await.expect("rows").rows;
    assert!(rows.iter().all(|row| row.attempts == 1), "{rows:?}");
    for id in mazes {
        assert!(lab.matches_the_store(id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topology_deleted_during_the_loop_is_dropped_and_the_others_are_not() {
    let lab = Lab::new();
    let (going, staying) = (lab.deploy(0).await, lab.deploy(1).await);
    let keeper = Keeper::start(&lab.engine, by_polls(SECOND));
    let other = lab.elsewhere();
    for round in 0..5 {
        enqueue(&lab.engine, going, &format!("extra-{round}")).await;
    }
    until!(other.teardown(going, &CancellationToken::new()).await.is_ok());
    lab.repo.delete(going, None, Timestamp::now()).await.expect("deleted");
    let mutation = enqueue(&lab.engine, staying, "extra").await;
    assert!(until!(lab.is_applied(mutation).await) < SECOND);
    tokio::time::sleep(10 * SECOND).await;
    assert!(lab.matches_the_store(staying).await);
    assert!(lab.repo.get(going).await.is_err());
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_loop_publishes_its_health() {
    let lab = Lab::new();
    for number in 0..3 {
        lab.deploy(number).await;
    }
    let mut events = lab.engine.events();
    let mut options = by_events();
    options.health = 30 * SECOND;
    options.worker = Some("keeper-1".parse().expect("a name"));
    let keeper = Keeper::start(&lab.engine, options);
    tokio::time::sleep(100 * SECOND).await;
    let reported: Vec<Health> = heard(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            Event::Health(health) => Some(health),
            _ => None,
        })
        .collect();
    assert_eq!(reported.len(), 4, "{reported:?}");
    assert_eq!(
        (reported[3].worker.as_str(), reported[3].topologies, reported[3].busy),
        ("keeper-1", 3, 0)
    );
    assert_eq!(reported[3].started_at, reported[0].started_at);
    keeper.end().await;
}
