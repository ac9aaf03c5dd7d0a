//! Resources of other owners are left alone.

use decnet_engine::{DeployOptions, EngineError, ReapOptions, Runtime, Scope};
use decnet_topology::{Status, StatusChange, Topology};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{docker, on_docker};
use crate::engine::twelve_on;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_foreign_network_on_the_subnet_survives_every_command() {
    on_docker(async |lab| {
        let name = format!("foreign-{}", lab.repo.instance().await.expect("an instance"));
        docker(&["network", "create", "--subnet", "10.205.3.0/25", &name]);
        let id = lab.store("blocked", twelve_on("10.205")).await;
        let refused = lab
            .engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        let Err(EngineError::Invalid(invalid)) = refused else {
            panic!("{refused:?}")
        };
        let finding = invalid.report.errors().next().expect("a finding");
        assert_eq!(finding.code.as_str(), "SUBNET_HOST_OVERLAP");
        assert!(finding.message.contains(&name), "{finding}");
        assert_eq!(
            lab.repo.get(id).await.expect("a row").status,
            Status::Pending,
            "a refused deploy changes nothing"
        );
        lab.engine
            .teardown(id, &CancellationToken::new())
            .await
            .expect("torn down");
        lab.engine
            .reap(ReapOptions::default(), &CancellationToken::new())
            .await
            .expect("reaped");
        docker(&["network", "rm", &name]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_reap_removes_the_remains_of_a_deleted_row_and_nothing_of_another_store() {
    on_docker(async |lab| {
        let alone = |subnet: &str, ip: &str| {
            let maze = Topology::builder().dmz("dmz", subnet);
            maze.decky("web", |decky| decky.on("dmz", ip).services(["http"]))
                .build()
                .expect("a topology")
        };
        let id = lab.store("lost", alone("10.205.60.0/24", "10.205.60.2")).await;
        lab.deploy(id).await;
        on_docker(async |other| {
            let kept = other.store("kept", alone("10.205.61.0/24", "10.205.61.2")).await;
            other.deploy(kept).await;
            let scope = Scope::Instance(other.repo.instance().await.expect("an instance"));
            let before = other.docker.inspect(scope).await.expect("observed");

            // The row is deleted while its containers stay; no command of ours does that.
            for (from, to) in [
                (Status::Active, Status::TearingDown),
                (Status::TearingDown, Status::TornDown),
            ] {
                let change = StatusChange::new(from, to);
                lab.repo.set_status(id, change, Timestamp::now()).await.expect("set");
            }
            lab.repo.delete(id, None, Timestamp::now()).await.expect("deleted");
            let cancel = CancellationToken::new();
            let report = lab.engine.reap(ReapOptions::default(), &cancel).await.expect("looked");
            assert!(report.orphans[0].kept, "running containers are kept: {report:?}");
            let named = ReapOptions::default().running([id.to_string()]);
            let report = lab.engine.reap(named, &cancel).await.expect("reaped");
            assert!(report.is_clean() && report.live.is_empty(), "{report:?}");
            assert_eq!(report.orphans.len(), 1);
            lab.assert_nothing_left().await;

            let after = other.docker.inspect(scope).await.expect("observed");
            assert!(
                after.networks == before.networks && after.containers == before.containers,
                "the other network is unchanged"
            );
        })
        .await;
    })
    .await;
}
