//! Mutations of a running maze that are checked before they are queued.

use decnet_engine::{EngineError, EnqueuedMutation, Submitted};
use decnet_topology::{MutationState, NewMutation, RepoError, TopologyId, Version};
use tokio_util::sync::CancellationToken;

use super::{
    Lab,
    draining::{mutation, yard},
};

const CELLAR: &str = r#"{"op": "add_lan", "payload": {"name": "cellar"}}"#;
const RACK: &str = r#"{"op": "add_decky", "payload": {"name": "rack", "lan": "cellar", "services": ["ssh"]}}"#;

impl Lab {
    async fn submit(&self, id: TopologyId, json: &str) -> Result<EnqueuedMutation, EngineError> {
        match self.engine.submit(id, NewMutation::new(mutation(json)), None).await? {
            Submitted::Enqueued(queued) => Ok(*queued),
            other => panic!("{json}: {other:?}"),
        }
    }

    /// Submits a mutation that is refused, and checks that nothing is stored.
    async fn refused(&self, id: TopologyId, json: &str) -> EngineError {
        let (stored, rows) = (self.stored(id).await, self.rows(id).await);
        let error = self.submit(id, json).await.expect_err(json);
        assert_eq!(self.stored(id).await, stored, "{json}");
        assert_eq!(self.rows(id).await, rows, "{json}");
        error
    }
}

#[tokio::test]
async fn a_mutation_that_the_maze_refuses_is_not_queued() {
    let (lab, id) = Lab::running(yard()).await;
    for (json, code) in [
        (RACK, "UNKNOWN_LAN"),
        (
            r#"{"op": "remove_decky", "payload": {"decky": "ghost"}}"#,
            "UNKNOWN_DECKY",
        ),
        (
            r#"{"op": "update_decky", "payload": {"decky": "desk", "services": ["shh"]}}"#,
            "RESULT_INVALID",
        ),
        (r#"{"op": "remove_lan", "payload": {"name": "lab"}}"#, "LAN_IS_A_HOME"),
        (
            r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http"]}}"#,
            "FORCE_REQUIRED",
        ),
        (r#"{"op": "add_lan", "payload": {"name": "lab"}}"#, "LAN_NAME_DUP"),
    ] {
        let error = lab.refused(id, json).await;
        assert_eq!(error.code(), code, "{json}");
        assert!(matches!(error, EngineError::Mutation(_)), "{json}: {error:?}");
        let new = NewMutation::new(mutation(json));
        let waited = lab
            .engine
            .submit_and_wait(id, new, None, None, &CancellationToken::new())
            .await;
        assert_eq!(waited.expect_err(json).code(), code, "{json}");
    }
    assert_eq!(lab.rows(id).await, []);
}

#[tokio::test]
async fn a_mutation_that_queued_ones_make_valid_is_queued_and_names_them() {
    let (lab, id) = Lab::running(yard()).await;
    let unrelated = lab
        .submit(id, r#"{"op": "add_lan", "payload": {"name": "barn"}}"#)
        .await;
    assert_eq!(unrelated.expect("valid").depends_on, []);
    let cellar = lab.submit(id, CELLAR).await.expect("valid");
    let rack = lab.submit(id, RACK).await.expect("valid after the LAN");
    assert_eq!(rack.depends_on, [cellar.id]);
    let shelf = r#"{"op": "add_decky", "payload": {"name": "shelf", "lan": "lab"}}"#;
    let shelf = lab.submit(id, shelf).await.expect("valid");
    assert_eq!(shelf.depends_on, []);
    let attach = r#"{"op": "attach_decky", "payload": {"decky": "shelf", "lan": "cellar"}}"#;
    let attach = lab.submit(id, attach).await.expect("valid after two");
    assert_eq!(attach.depends_on, [cellar.id, shelf.id]);
    let finished = lab.drain(id).await;
    assert!(
        finished.iter().all(|row| row.state == MutationState::Applied),
        "{finished:#?}"
    );
}

#[tokio::test]
async fn a_mutation_that_queued_ones_do_not_make_valid_is_refused() {
    let (lab, id) = Lab::running(yard()).await;
    let cellar = lab.submit(id, CELLAR).await.expect("valid");
    let unknown = lab
        .refused(id, r#"{"op": "remove_decky", "payload": {"decky": "ghost"}}"#)
        .await;
    let EngineError::RefusedAfterQueue { queued, source } = &unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!((&queued[..], source.code()), (&[cellar.id][..], "UNKNOWN_DECKY"));
    assert_eq!(unknown.code(), "UNKNOWN_DECKY");
    assert!(unknown.to_string().contains(&cellar.id.to_string()), "{unknown}");

    let duplicate = lab.refused(id, CELLAR).await;
    assert_eq!(
        duplicate.code(),
        "LAN_NAME_DUP",
        "the queued one adds it: {duplicate:?}"
    );
    lab.submit(id, r#"{"op": "remove_decky", "payload": {"decky": "files"}}"#)
        .await
        .expect("valid");
    let gone = lab
        .refused(
            id,
            r#"{"op": "update_decky", "payload": {"decky": "files", "services": []}}"#,
        )
        .await;
    assert_eq!(gone.code(), "UNKNOWN_DECKY", "a queued one removes it: {gone:?}");
}

#[tokio::test]
async fn a_queued_mutation_that_will_be_rejected_helps_no_other() {
    let (lab, id) = Lab::running(yard()).await;
    // As after a race: the store itself checks no mutation.
    lab.enqueue(id, r#"{"op": "remove_lan", "payload": {"name": "lab"}}"#)
        .await;
    let cellar = lab.submit(id, CELLAR).await.expect("valid");
    let rack = lab.submit(id, RACK).await.expect("valid after the LAN");
    assert_eq!(rack.depends_on, [cellar.id]);
    let again = lab
        .refused(id, r#"{"op": "add_lan", "payload": {"name": "lab"}}"#)
        .await;
    assert_eq!(again.code(), "LAN_NAME_DUP");
    let states: Vec<_> = lab.drain(id).await.iter().map(|row| row.state).collect();
    let (rejected, applied) = (MutationState::Rejected, MutationState::Applied);
    assert_eq!(states, [rejected, applied, applied]);
}

#[tokio::test]
async fn another_version_or_status_is_refused_before_the_mutation_is_checked() {
    let (lab, id) = Lab::running(yard()).await;
    let new = NewMutation::new(mutation(RACK));
    let outdated = lab.engine.submit(id, new, Some(Version::new(7))).await;
    assert!(
        matches!(outdated, Err(EngineError::Repo(RepoError::VersionConflict { .. }))),
        "{outdated:?}"
    );
    lab.teardown(id).await.expect("torn down");
    let late = lab.submit(id, RACK).await;
    assert!(
        matches!(late, Err(EngineError::Repo(RepoError::NotEditable { .. }))),
        "{late:?}"
    );
}
