//! Another maze in the place of a stored one.

mod failing;
mod files;

use decnet_engine::{DeployOptions, EngineError, Operation, Outcome, Prepared, Replacement};
use decnet_topology::{Mutation, MutationState, Status, Topology, TopologyId, TopologyStore, canonical_hash, history};
use tokio_util::sync::CancellationToken;

use super::{
    Lab,
    draining::{assert_is, touched, yard},
};

/// The yard after many changes: the attic and `mail` are gone, a cellar with `vault` is new, `files` has more services, and `desk`
/// has another address, so that it is removed and added again.
fn changed() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .lan("office", "10.90.1.0/24")
        .lan("lab", "10.90.2.0/24")
        .lan("cellar", "10.90.4.0/24")
        .decky("vault", |decky| decky.on("cellar", "10.90.4.11").services(["smb"]))
        .decky("web", |decky| {
            decky
                .on("dmz", "10.90.0.10")
                .on("office", "10.90.1.10")
                .services(["http", "ssh"])
                .forwards()
        })
        .decky("files", |decky| {
            decky.on("office", "10.90.1.11").services(["dns", "smb"])
        })
        .decky("joint", |decky| {
            decky
                .on("office", "10.90.1.12")
                .on("lab", "10.90.2.12")
                .on("cellar", "10.90.4.12")
                .services(["ssh"])
                .forwards()
        })
        .decky("desk", |decky| decky.on("lab", "10.90.2.14").services(["ssh"]))
        .build()
        .expect("a topology")
}

/// The containers that the change may touch.
const TOUCHED: [&str; 5] = ["files.dns", "mail", "mail.ftp", "vault", "vault.smb"];

const OPS: [&str; 8] = [
    "remove_decky",
    "remove_decky",
    "remove_lan",
    "add_lan",
    "add_decky",
    "add_decky",
    "attach_decky",
    "update_decky",
];

fn to(topology: Topology) -> Operation {
    Operation::Replace(Box::new(Replacement::new(topology).actor("ada".to_owned())))
}

fn ops(prepared: &Prepared) -> Vec<&'static str> {
    prepared.mutations().iter().map(|mutation| mutation.op()).collect()
}

impl Lab {
    async fn replace(&self, id: TopologyId, wanted: Replacement) -> Result<Outcome, EngineError> {
        self.engine.replace(id, wanted, &CancellationToken::new()).await
    }

    async fn prepare_change(&self, id: TopologyId, wanted: Topology) -> Prepared {
        self.engine.prepare(id, to(wanted)).await.expect("prepared")
    }
}

#[tokio::test]
async fn a_running_maze_is_changed_in_one_go_and_the_rest_is_not_touched() {
    let (lab, id) = Lab::running(yard()).await;
    let (world, before) = (lab.docker.world(), lab.stored(id).await);
    let prepared = lab.prepare_change(id, changed()).await;
    assert!(lab.docker.log().is_empty() && lab.stored(id).await == before && lab.rows(id).await.is_empty());
    assert_eq!(prepared.refusal(), None);
    assert_eq!(ops(&prepared), OPS);

    let outcome = prepared.execute(&CancellationToken::new()).await.expect("changed");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    let after = lab.stored(id).await;
    assert_eq!(canonical_hash(&after.topology), canonical_hash(&changed()));
    lab.assert_matches(id, "changed").await;
    let mut touched = touched(id, &world, &lab.docker.world());
    touched.retain(|name| !name.starts_with("desk"));
    assert_eq!(touched, TOUCHED);

    let rows = lab.rows(id).await;
    assert_eq!(rows.len(), prepared.mutations().len());
    for (row, mutation) in rows.iter().zip(prepared.mutations()) {
        assert_eq!((&row.mutation, row.state), (mutation, MutationState::Applied));
        assert_eq!(row.actor.as_deref(), Some("ada"));
    }
    assert_eq!(after.row.version.get(), 1 + rows.len() as u64);
    let changes = lab.repo.decky_changes(id, None).await.expect("the changes");
    assert!(changes.iter().all(|change| change.mutation.is_some()), "{changes:#?}");
    let undone = history::at(&after.topology, changes.iter().map(|recorded| &recorded.change));
    assert_eq!(undone, history::at(&before.topology, []));
}

#[tokio::test]
async fn the_same_maze_is_a_deploy() {
    let (lab, id) = Lab::running(yard()).await;
    let prepared = lab.prepare_change(id, yard()).await;
    assert!(prepared.plan().is_empty() && prepared.mutations().is_empty());
    let outcome = prepared.execute(&CancellationToken::new()).await.expect("done");
    assert_eq!((outcome.row.status, outcome.changed), (Status::Active, 0));
    assert_eq!(lab.rows(id).await, []);
}

#[tokio::test]
async fn mazes_between_two_mutations_may_break_rules() {
    let maze = |one: &str, other: &str| {
        Topology::builder()
            .dmz("dmz", "10.90.0.0/24")
            .decky("one", |decky| decky.on("dmz", one).services(["http"]))
            .decky("other", |decky| decky.on("dmz", other).services(["ssh"]))
            .build()
            .expect("a topology")
    };
    let (lab, id) = Lab::running(maze("10.90.0.10", "10.90.0.11")).await;
    let swapped = maze("10.90.0.11", "10.90.0.10");
    lab.replace(
        id,
        Replacement::new(swapped.clone()).options(DeployOptions::default().force(true)),
    )
    .await
    .expect("swapped");
    assert_is(&lab.docker.world(), id, &swapped, "swapped");

    // The whole subnet moves, with everything on it.
    let moved = Topology::builder()
        .dmz("dmz", "10.90.8.0/24")
        .decky("one", |decky| decky.on("dmz", "10.90.8.10").services(["http"]))
        .build()
        .expect("a topology");
    lab.replace(
        id,
        Replacement::new(moved.clone()).options(DeployOptions::default().force(true)),
    )
    .await
    .expect("moved");
    assert_is(&lab.docker.world(), id, &moved, "moved");
    lab.assert_matches(id, "moved").await;
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let (lab, id) = Lab::running(yard()).await;
    let (world, before) = (lab.docker.world(), lab.stored(id).await);
    let unknown = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["shh"]))
        .build()
        .expect("a topology");
    let error = lab.replace(id, Replacement::new(unknown)).await.expect_err("unknown");
    assert_eq!(error.code(), "RESULT_INVALID");

    let homeless = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .decky("web", |decky| decky)
        .build()
        .expect("a topology");
    let error = lab.replace(id, Replacement::new(homeless)).await.expect_err("homeless");
    assert_eq!(error.code(), "DECKY_ORPHAN");

    let queued = lab
        .enqueue(id, r#"{"op": "add_lan", "payload": {"name": "barn"}}"#)
        .await;
    for error in [
        lab.replace(id, Replacement::new(changed())).await.expect_err("queued"),
        lab.engine.prepare(id, to(changed())).await.expect_err("queued"),
    ] {
        assert!(matches!(error, EngineError::QueueNotEmpty { .. }), "{error:?}");
    }
    assert_eq!(lab.rows(id).await, [queued]);
    assert_eq!(lab.stored(id).await.topology, before.topology);
    assert_eq!(lab.docker.world(), world);
}

/// The yard with fewer services on its gateway.
fn closed() -> Topology {
    let (lans, deckies) = yard().into_parts();
    let deckies = deckies.into_iter().map(|decky| {
        if decky.name().as_str() == "web" {
            decky.with_services(["http".into()])
        } else {
            decky
        }
    });
    Topology::new(lans, deckies.collect()).expect("a topology")
}

#[tokio::test]
async fn running_bases_are_recreated_only_with_force() {
    let (lab, id) = Lab::running(yard()).await;
    let world = lab.docker.world();
    let prepared = lab.prepare_change(id, closed()).await;
    assert!(prepared.refusal().is_some());
    let error = prepared.execute(&CancellationToken::new()).await.expect_err("refused");
    assert_eq!(error.code(), "destructive");
    assert!(lab.docker.world() == world && lab.rows(id).await.is_empty());

    lab.replace(
        id,
        Replacement::new(closed()).options(DeployOptions::default().force(true)),
    )
    .await
    .expect("forced");
    lab.assert_matches(id, "forced").await;
    let [row] = lab.rows(id).await.try_into().expect("one mutation");
    assert!(row.mutation.force(), "a later drain may recreate it, too: {row:?}");
    assert_eq!(touched(id, &world, &lab.docker.world()), ["web", "web.http", "web.ssh"]);
}

#[tokio::test]
async fn new_settings_are_stored_and_applied_together_with_the_maze() {
    let (lab, id) = Lab::running(yard()).await;
    let settings = lab.stored(id).await.row.settings.hide_passwords(true);
    let wanted = Replacement::new(changed()).options(DeployOptions::default().settings(settings.clone()));
    let outcome = lab.replace(id, wanted).await.expect("changed");
    let row = lab.stored(id).await.row;
    assert_eq!((outcome.row.status, row.needs_resync), (Status::Active, false));
    assert_eq!(row.settings, settings);
    lab.assert_matches(id, "changed").await;
}

#[tokio::test]
async fn a_maze_that_changed_after_its_plan_was_shown_is_not_changed() {
    let (lab, id) = Lab::running(yard()).await;
    let prepared = lab.prepare_change(id, changed()).await;
    // The plan has the same steps afterwards, but not the same mutations.
    lab.enqueue(
        id,
        r#"{"op": "update_lan", "payload": {"name": "office", "x": 3, "y": 4}}"#,
    )
    .await;
    lab.drain(id).await;
    let error = prepared.execute(&CancellationToken::new()).await.expect_err("changed");
    assert!(matches!(error, EngineError::PlanChanged { .. }), "{error:?}");
    assert_eq!(lab.rows(id).await.len(), 1);
}

#[tokio::test]
async fn a_pending_maze_is_stored_and_deployed() {
    let lab = Lab::new();
    let id = lab.store("maze", yard()).await;
    let prepared = lab.prepare_change(id, changed()).await;
    assert!(!prepared.plan().is_empty() && !prepared.mutations().is_empty());
    assert_eq!(lab.stored(id).await.topology, yard());
    let outcome = prepared.execute(&CancellationToken::new()).await.expect("deployed");
    assert_eq!((outcome.row.id, outcome.row.status), (id, Status::Active));
    assert_is(&lab.docker.world(), id, &changed(), "deployed");
    assert_eq!(lab.rows(id).await, []);
}

#[tokio::test]
async fn a_failed_or_torn_down_maze_is_replaced_by_a_fresh_copy() {
    let (lab, id) = Lab::running(yard()).await;
    lab.teardown(id).await.expect("torn down");
    let prepared = lab.prepare_change(id, changed()).await;
    assert!(prepared.id() != id && ops(&prepared).contains(&"add_lan"));
    let outcome = prepared.execute(&CancellationToken::new()).await.expect("deployed");
    assert_eq!(outcome.row.status, Status::Active);
    assert_is(&lab.docker.world(), outcome.row.id, &changed(), "deployed");

    let lab = Lab::new();
    let id = lab.store("maze", yard()).await;
    lab.docker
        .fail(4, decnet_engine::simulated::Moment::Before, super::lifecycle::refused());
    lab.deploy(id).await.expect_err("failed");
    assert_eq!(lab.status(id).await, Status::Failed);
    let outcome = lab.replace(id, Replacement::new(changed())).await.expect("deployed");
    assert_ne!(outcome.row.id, id);
    assert_is(&lab.docker.world(), outcome.row.id, &changed(), "deployed");
}

#[tokio::test]
async fn a_degraded_maze_is_repaired_and_changed_in_one_go() {
    let (lab, id) = Lab::running(yard()).await;
    lab.docker
        .fail(1, decnet_engine::simulated::Moment::Before, super::lifecycle::refused());
    lab.enqueue(id, r#"{"op": "add_lan", "payload": {"name": "barn"}}"#)
        .await;
    lab.drain(id).await;
    assert_eq!(lab.status(id).await, Status::Degraded);
    let outcome = lab.replace(id, Replacement::new(changed())).await.expect("changed");
    assert_eq!(outcome.row.status, Status::Active);
    assert_is(&lab.docker.world(), id, &changed(), "changed");
    let last = lab.rows(id).await.pop().expect("a mutation");
    assert!(matches!(last.mutation, Mutation::UpdateDecky(_)), "{last:?}");
}
