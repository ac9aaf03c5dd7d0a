//! The order of dependencies: the plan succeeds in every order that they allow.

use decnet_engine::{Plan, Runtime, StepId};
use proptest::prelude::*;

use super::{Ground, Sketch, operations::OPERATIONS};

/// Runs the steps one by one; `draws` selects the next of the ready steps.
pub(super) async fn run_in_some_order(ground: &Ground, plan: &Plan, mut draws: impl FnMut(usize) -> usize) {
    let mut left: Vec<StepId> = (0..plan.steps().len()).collect();
    while !left.is_empty() {
        let ready: Vec<StepId> = left
            .iter()
            .copied()
            .filter(|id| plan.steps()[*id].needs.iter().all(|need| !left.contains(need)))
            .collect();
        let id = ready[draws(ready.len())];
        let step = &plan.steps()[id];
        let done = ground.docker.perform(ground.instance, &step.action).await;
        if let Err(error) = done {
            panic!("{}: {error}\nof {:#?}", ground.shorten(step), ground.short_steps(plan));
        }
        left.retain(|other| *other != id);
    }
}

/// Draws from the digits of a number, repeatedly.
pub(super) fn drawing(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |bound| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap_or_default() % bound
    }
}

pub(super) fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn an_op_succeeds_in_any_order_that_its_dependencies_allow(at in 0..OPERATIONS.len(), seed: u64) {
        block_on(async {
            let mut maze = Sketch::new();
            let ground = Ground::with(maze.build()).await;
            (OPERATIONS[at].change)(&mut maze);
            let plan = ground.plan(maze.build()).await;
            run_in_some_order(&ground, &plan, drawing(seed)).await;
            assert!(ground.plan(maze.build()).await.is_empty(), "{}", OPERATIONS[at].what);
        });
    }
}
