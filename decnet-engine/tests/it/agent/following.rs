//! A runtime that follows the hosts of a store.

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    Engine, EngineOptions, LogRequest, Runtime as _, RuntimeError, RuntimeInfo, StoreFleet, simulated::Simulated,
};
use decnet_topology::{
    Catalog, Enrolment, HostChange, HostId, HostProfile, HostStore as _, MemoryRepo, TopologyStore as _, rng,
};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::stage::{Stage, fence, name};

/// A store without hosts, and an engine on its hosts and a local runtime.
async fn open(stage: &Stage, fresh: Duration) -> (Arc<MemoryRepo>, Engine) {
    let repo = Arc::new(MemoryRepo::new());
    let authority = json!({
        "certificate": stage.authority.certificate_pem(),
        "key": stage.authority.key_pem(),
    });
    let stored = repo.set_fleet_authority(None, &authority.to_string()).await;
    stored.expect("stored");
    let fleet = StoreFleet::new(repo.clone(), name("master")).fresh(fresh);
    let fleet = fleet.with_local(Arc::new(Simulated::new()));
    let options = EngineOptions::new(Catalog::builtin());
    let engine = Engine::new(repo.clone(), Arc::new(fleet), options);
    (repo, engine)
}

async fn join(repo: &MemoryRepo, host: HostId, address: &str) {
    let (now, id) = (Timestamp::now(), rng::enrolment_id());
    let expires_at = now + SignedDuration::from_mins(15);
    let profile = HostProfile::default();
    let enrolment = Enrolment::new(id, (host, name("host-1")), profile, "digest", expires_at);
    repo.add_enrolment(enrolment, now).await.expect("added");
    repo.enroll_host(id, address, now).await.expect("joined");
}

async fn info(engine: &Engine) -> RuntimeInfo {
    engine.runtime().info().await.expect("it answers")
}

async fn has_member(engine: &Engine) -> bool {
    let member = engine.runtime().member(Some("host-1")).await;
    member.expect("it answers").is_some()
}

#[tokio::test]
async fn an_engine_that_runs_sees_a_host_that_joins_is_drained_and_is_revoked() {
    let stage = Stage::new();
    let agent = stage.start(Arc::new(Simulated::new())).await;
    let (repo, engine) = open(&stage, Duration::ZERO).await;
    assert!(info(&engine).await.members.is_empty());
    assert!(engine.runtime().fenced(fence(1)).is_none() && !has_member(&engine).await);

    join(&repo, stage.host, &agent.address.to_string()).await;
    let seen = info(&engine).await;
    let member = &seen.members["host-1"];
    assert!(
        seen.has_local && member.info.is_some() && !member.member.drained,
        "{seen:?}"
    );
    assert!(engine.runtime().fenced(fence(1)).is_some() && has_member(&engine).await);
    // Streams go to the agent, too.
    let request = LogRequest {
        instance: repo.instance().await.expect("an instance"),
        id: "host-1/0123".into(),
        since: None,
        follow: false,
    };
    let mut lines = engine.runtime().container_log(request);
    let first = lines.next().await.expect("an item").expect_err("no such container");
    assert!(matches!(first, RuntimeError::Gone { .. }), "{first:?}");
    assert!(lines.next().await.is_none());
    drop(lines);

    repo.change_host(stage.host, HostChange::Drain, Timestamp::now())
        .await
        .expect("drained");
    assert!(info(&engine).await.members["host-1"].member.drained);
    repo.change_host(stage.host, HostChange::Revoke, Timestamp::now())
        .await
        .expect("revoked");
    // Nothing else was asked since.
    assert!(!has_member(&engine).await);
    assert!(info(&engine).await.members.is_empty());
}

#[tokio::test]
async fn hosts_that_were_read_before_the_local_runtime_was_added_stay() {
    let stage = Stage::new();
    let agent = stage.start(Arc::new(Simulated::new())).await;
    let (repo, _) = open(&stage, Duration::ZERO).await;
    join(&repo, stage.host, &agent.address.to_string()).await;
    let fleet = StoreFleet::new(repo.clone(), name("master")).fresh(Duration::from_mins(1));
    assert!(fleet.has_hosts().await.expect("read"));
    let fleet = fleet.with_local(Arc::new(Simulated::new()));
    let engine = Engine::new(repo, Arc::new(fleet), EngineOptions::new(Catalog::builtin()));
    let seen = info(&engine).await;
    assert!(seen.has_local && seen.members.contains_key("host-1"), "{seen:?}");
}

#[tokio::test]
async fn hosts_that_are_fresh_are_not_read_again() {
    let stage = Stage::new();
    let (repo, engine) = open(&stage, Duration::from_hours(1)).await;
    assert!(info(&engine).await.members.is_empty());
    join(&repo, stage.host, "127.0.0.1:1").await;
    assert!(info(&engine).await.members.is_empty());
}

#[tokio::test]
async fn a_damaged_authority_is_an_error_only_of_a_store_with_hosts() {
    let stage = Stage::new();
    let (repo, engine) = open(&stage, Duration::ZERO).await;
    let stored = repo.fleet_authority().await.expect("read").expect("one");
    repo.set_fleet_authority(Some(&stored), "{}").await.expect("set");
    assert!(info(&engine).await.members.is_empty());
    join(&repo, stage.host, "127.0.0.1:1").await;
    // The program knew the store before, so it goes on with what it knew.
    assert!(info(&engine).await.members.is_empty());
    let fleet = StoreFleet::new(repo.clone(), name("master"));
    assert_eq!(
        fleet.has_hosts().await.expect_err("damaged").code(),
        "authority_damaged"
    );
    let error = fleet.info().await.expect_err("it was never read");
    assert!(error.to_string().contains("hosts in the store"), "{error}");
}
