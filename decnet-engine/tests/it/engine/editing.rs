//! A pending maze that is edited while a deploy looks at the runtime.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use decnet_engine::{
    decoy::DecoyImage,
    engine::{DeployOptions, Engine, EngineError, EngineOptions, Operation},
};
use decnet_topology::{
    RepoError, Status, Topology, TopologyId, TopologyStore,
    repo::{Edit, MemoryRepo},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{CATALOG, Lab, small};

/// A store in which somebody edits a maze just before its status is changed first.
#[derive(Debug)]
struct Editing {
    inner: Arc<MemoryRepo>,
    id: TopologyId,
    edited: AtomicBool,
}

impl Editing {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if name == "set_status" && !self.edited.swap(true, Ordering::Relaxed) {
            let edit = Edit::new(smaller());
            self.inner.edit(self.id, edit, Timestamp::now()).await?;
        }
        call.await
    }
}

guarded!(Editing);

fn smaller() -> Topology {
    let (lans, mut deckies) = small().into_parts();
    deckies.retain(|decky| decky.name().as_str() != "files");
    Topology::new(lans, deckies).expect("a topology")
}

async fn edited_before_deploy() -> (Lab, TopologyId, Engine) {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let repo = Editing {
        inner: lab.repo.clone(),
        id,
        edited: AtomicBool::new(false),
    };
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    let engine = Engine::new(Arc::new(repo), Arc::new(lab.docker.clone()), options);
    (lab, id, engine)
}

#[tokio::test]
async fn a_deploy_plans_again_when_the_maze_is_edited_meanwhile() {
    let (lab, id, engine) = edited_before_deploy().await;
    let cancel = CancellationToken::new();
    let deployed = engine.deploy(id, DeployOptions::default(), &cancel).await;
    assert_eq!(deployed.expect("deployed").row.status, Status::Active);
    assert_eq!(lab.repo.load(id).await.expect("stored").topology, smaller());
    lab.assert_matches(id, "the edited maze").await;
}

#[tokio::test]
async fn a_plan_that_was_shown_is_refused_when_the_maze_is_edited_meanwhile() {
    let (lab, id, engine) = edited_before_deploy().await;
    let prepared = engine.prepare(id, Operation::Deploy(DeployOptions::default())).await;
    let refused = prepared.expect("prepared").execute(&CancellationToken::new()).await;
    assert!(matches!(refused, Err(EngineError::PlanChanged { .. })), "{refused:?}");
    assert_eq!(lab.status(id).await, Status::Pending);
    assert!(lab.docker.log().is_empty());
}
