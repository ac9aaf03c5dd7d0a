//! What broke comes back, and the rest goes on.

use decnet_engine::{naming, observe::Scope, runtime::Runtime};
use decnet_topology::{Repo, Status};
use tokio_util::sync::CancellationToken;

use super::{docker, on_docker};
use crate::engine::twelve_on;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_reconcile_mends_what_broke_and_leaves_the_rest_running() {
    on_docker(async |lab| {
        let topology = twelve_on("10.205");
        let id = lab.store("mend", topology.clone()).await;
        lab.deploy(id).await;
        let instance = lab.repo.instance().await.expect("an instance");
        let scope = Scope::Topology(instance, id);
        let before = lab.docker.observe(scope).await.expect("observed");
        let quiet = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert_eq!(quiet.changed, 0);
        let untouched = lab.docker.observe(scope).await.expect("observed");
        assert!(
            untouched.networks == before.networks && untouched.containers == before.containers,
            "nothing was touched"
        );

        let broken = topology
            .decky_named(&"host-05".parse().expect("a name"))
            .expect("a decky");
        let base = naming::base(id, broken);
        docker(&["rm", "-f", base.as_str()]);
        let router = topology
            .decky_named(&"bridge-01".parse().expect("a name"))
            .expect("a decky");
        docker(&["restart", "-t", "0", naming::base(id, router).as_str()]);
        assert!(!lab.engine.plan(id, None).await.expect("planned").is_empty());
        let mended = lab
            .engine
            .reconcile(id, false, &CancellationToken::new())
            .await
            .expect("reconciled");
        assert_eq!((mended.row.status, mended.reason), (Status::Active, None));
        let after = lab.docker.observe(scope).await.expect("observed");
        for container in &before.containers {
            let name = container.name.as_str();
            if name.contains("host-05") || name.contains("bridge-01") {
                continue;
            }
            let there = after
                .containers
                .iter()
                .find(|there| there.name == container.name)
                .expect("still there");
            assert_eq!(
                (&there.id, there.started_at),
                (&container.id, container.started_at),
                "{name}"
            );
        }
        lab.check_reach(id, &topology).await;
    })
    .await;
}
