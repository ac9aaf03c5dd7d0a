//! The effects of valid mutations.

use decnet_topology::{Catalog, MutationContext, MutationState, Stage, Status, apply};

use super::{CASES, Lab, mutation, touched, yard};

#[tokio::test]
async fn each_op_is_applied_and_touches_only_the_required_containers() {
    let catalog = Catalog::builtin();
    for case in &CASES {
        let json = case.json;
        let (lab, id) = Lab::running(yard()).await;
        let before = lab.docker.world();
        let enqueued = lab.enqueue(id, json).await;
        let finished = lab.drain(id).await;
        let [row] = finished.as_slice() else {
            panic!("{json}: {finished:?}")
        };
        assert_eq!(
            (row.id, row.state, &row.reason),
            (enqueued.id, MutationState::Applied, &None),
            "{json}"
        );
        assert_eq!(lab.rows(id).await, finished, "{json}");
        assert_eq!(lab.status(id).await, Status::Active, "{json}");
        let context = MutationContext::new(&catalog, Stage::Live);
        let expected = apply(&yard(), &mutation(json), &context).expect(json);
        assert_eq!(lab.stored(id).await.topology, *expected, "{json}");
        lab.assert_matches(id, json).await;
        assert_eq!(touched(id, &before, &lab.docker.world()), case.touched, "{json}");
    }
}

#[test]
fn the_cases_cover_every_op() {
    let ops: std::collections::BTreeSet<_> = CASES.iter().map(|case| mutation(case.json).op()).collect();
    assert_eq!(ops.len(), decnet_topology::Mutation::OPS.len());
}

#[tokio::test]
async fn mutations_are_applied_in_the_order_of_the_queue() {
    let (lab, id) = Lab::running(yard()).await;
    let in_turn = [
        (
            r#"{"op": "add_lan", "payload": {"name": "cellar"}}"#,
            MutationState::Applied,
        ),
        (
            r#"{"op": "add_decky", "payload": {"name": "wine", "lan": "cellar", "services": ["ssh"]}}"#,
            MutationState::Applied,
        ),
        // It exists now; later mutations continue without it.
        (
            r#"{"op": "add_lan", "payload": {"name": "cellar"}}"#,
            MutationState::Rejected,
        ),
        (
            r#"{"op": "attach_decky", "payload": {"decky": "joint", "lan": "cellar"}}"#,
            MutationState::Applied,
        ),
        (
            r#"{"op": "remove_lan", "payload": {"name": "cellar"}}"#,
            MutationState::Rejected,
        ),
        (
            r#"{"op": "remove_decky", "payload": {"decky": "wine"}}"#,
            MutationState::Applied,
        ),
        (
            r#"{"op": "remove_lan", "payload": {"name": "cellar"}}"#,
            MutationState::Applied,
        ),
    ];
    let mut enqueued = Vec::new();
    for (json, _) in in_turn {
        enqueued.push(lab.enqueue(id, json).await.id);
    }
    let before = lab.docker.world();
    let finished = lab.drain(id).await;
    let outcomes: Vec<_> = finished.iter().map(|row| (row.id, row.state)).collect();
    let expected = in_turn.iter().zip(enqueued).map(|((_, state), id)| (id, *state));
    assert_eq!(outcomes, expected.collect::<Vec<_>>(), "{finished:#?}");
    lab.assert_matches(id, "after all").await;
    assert_eq!(lab.stored(id).await.topology, yard(), "there and back");
    assert_eq!(touched(id, &before, &lab.docker.world()), [""; 0]);
    assert_eq!(lab.drain(id).await, [], "the queue is empty");
}

#[tokio::test]
async fn a_mutation_repairs_visible_drift() {
    let (lab, id) = Lab::running(yard()).await;
    let smb = lab.docker.world();
    let smb = smb.containers.keys().find(|name| name.as_str().ends_with("files.smb"));
    assert!(lab.docker.stop(smb.expect("a service")));
    lab.enqueue(id, CASES[0].json).await;
    assert_eq!(lab.drain(id).await[0].state, MutationState::Applied);
    lab.assert_matches(id, "after it").await;
}
