//! The copy that a deploy creates of a maze that failed or was torn down.

use decnet_engine::DeployOptions;
use decnet_topology::{DeploySettings, Status, TopologyFilter, TopologyStore};
use tokio_util::sync::CancellationToken;

use super::{
    Lab,
    failing_store::{FailingStore, Strike},
    small,
};

#[tokio::test]
async fn a_deploy_that_ends_at_any_call_of_the_store_leaves_a_copy_with_its_settings() {
    let settings =
        DeploySettings::default().publish(["ssh=127.0.0.1:2222".parse().expect("a rule")].into_iter().collect());
    let cancel = CancellationToken::new();
    let mut copies = 0;
    for nth in 1.. {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        let options = DeployOptions::default().settings(settings.clone());
        lab.engine.deploy(id, options, &cancel).await.expect("deployed");
        lab.teardown(id).await.expect("torn down");
        let (failing_store, engine) = FailingStore::in_place_of(&lab);
        failing_store.strike(nth, Strike::After);
        let deployed = engine.deploy(id, DeployOptions::default(), &cancel).await;
        if !failing_store.has_struck() {
            deployed.expect("deployed");
            break;
        }
        let rows = lab.repo.list(&TopologyFilter::default()).await.expect("listed").rows;
        for copy in rows.iter().filter(|row| row.id != id) {
            copies += 1;
            assert_eq!(copy.settings, settings, "call {nth}");
            assert_ne!(copy.status, Status::TornDown, "call {nth}");
        }
    }
    assert!(copies > 3, "{copies}");
}
